"""A cloud as one HTML page that needs nothing else: the picture, its numbers and a table of its words."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from opslib.cloud.theme import DARK, LIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opslib.cloud.theme import Theme
    from opslib.store.reads import Kind

_STYLE = """
body { margin: 0 auto; max-width: 100rem; padding: 1rem; font: 1rem/1.5 system-ui, "Noto Sans", sans-serif }
svg { width: 100%; height: auto; border-radius: .5rem }
.dark { display: none }
h1, thead { position: absolute; clip-path: inset(50%); white-space: nowrap; width: 1px; overflow: hidden }
table { display: block; margin-top: 1rem }
tbody { display: grid; column-gap: 2rem }
tbody { grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr)) }
tr { display: flex; justify-content: space-between; gap: 1rem }
tr { border-bottom: 1px solid #8884; padding: .1rem 0 }
td { min-width: 0; overflow-wrap: anywhere }
td:last-child { font-variant-numeric: tabular-nums }
/* The picture has the title in it, too small on a phone. */
@media (max-width: 40rem) {
h1 { position: static; clip-path: none; white-space: normal; width: auto }
h1 { font-size: 1.3rem; margin: 0 0 .5rem }
}
"""


def html(
    title: str,
    pictures: tuple[bytes, bytes],
    words: Iterable[tuple[str, int]],
    left_out: Iterable[str],
    kind: Kind,
) -> bytes:
    """Return the page of a picture, given light and dark as SVG, with its words or topics in their order."""
    rows = "".join(
        f"<tr><td><bdi>{escape(word)}</bdi></td><td>{format(n, ',') if n else 'unknown'}</td></tr>"
        for word, n in words
    )
    out = ", ".join(f"<bdi>{escape(word)}</bdi>" for word in left_out)
    note = f"<p>Found no room in the picture, or no font: {out}</p>" if out else ""
    head = "Word" if kind == "words" else "Topic"
    light, dark = (picture.decode() for picture in pictures)
    text = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}{_colours(LIGHT)}
@media (prefers-color-scheme: dark) {{
.light {{ display: none }} .dark {{ display: block }}
{_colours(DARK)}}}
</style></head>
<body><main><h1>{escape(title)}</h1>
<div class="light">{light}</div>
<div class="dark">{dark}</div>
{note}<table><thead><tr><th>{head}</th><th>Tweets</th></tr></thead><tbody>{rows}</tbody></table>
</main></body></html>
"""
    return text.encode()


def _colours(theme: Theme) -> str:
    return f"body {{ background: {theme.background}; color: {theme.title} }}"
