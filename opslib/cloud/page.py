"""A cloud as one HTML page that needs nothing else: the picture, its numbers and a table of its words."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from opslib.cloud.theme import DARK, LIGHT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opslib.cloud.theme import Theme

_STYLE = """
body { margin: 0 auto; max-width: 100rem; padding: 1rem; font: 1rem/1.5 system-ui, "Noto Sans", sans-serif }
svg { width: 100%; height: auto; border-radius: .5rem }
.dark { display: none }
table { border-collapse: collapse; columns: 3 }
caption, th { text-align: start }
td, th { padding: .1rem 1rem .1rem 0; border-bottom: 1px solid #8884 }
td:last-child, th:last-child { text-align: end; font-variant-numeric: tabular-nums }
"""


def html(
    title: str,
    pictures: tuple[bytes, bytes],
    words: Iterable[tuple[str, int]],
    left_out: Iterable[str],
    unit: str = "tweets",
) -> bytes:
    """Return the page of a picture, given light and dark as SVG, with its words in their order."""
    rows = "".join(f'<tr><td dir="auto">{escape(word)}</td><td>{n:,}</td></tr>' for word, n in words)
    out = ", ".join(f"<bdi>{escape(word)}</bdi>" for word in left_out)
    note = f"<p>Found no room in the picture, or no font: {out}</p>" if out else ""
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
{note}<table><thead><tr><th>Word</th><th>{escape(unit.capitalize())}</th></tr></thead><tbody>{rows}</tbody></table>
</main></body></html>
"""
    return text.encode()


def _colours(theme: Theme) -> str:
    return f"body {{ background: {theme.background}; color: {theme.title} }}"
