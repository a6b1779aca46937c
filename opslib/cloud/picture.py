"""A report as pictures: what stands above the words, and which words are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.cloud.draw import Head, png, svg, told, words_size
from opslib.cloud.layout import legible, place
from opslib.cloud.report import drawable, local, span
from opslib.cloud.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opslib.cloud.layout import Layout, Spot
    from opslib.cloud.look import Look
    from opslib.cloud.report import Report
    from opslib.cloud.theme import Theme


LEGIBLE = 12  # pixels of letters that are read without effort at arm's length


@dataclass(frozen=True)
class Picture:
    """A report laid out, which can be drawn in either theme."""

    layout: Layout
    head: Head
    width: int
    height: int

    def svg(self, theme: Theme = LIGHT) -> bytes:
        """Return it as SVG."""
        return svg(self.layout, self.head, self.width, self.height, theme).encode()

    def png(self, theme: Theme = LIGHT) -> bytes:
        """Return it as PNG."""
        return png(self.layout, self.head, self.width, self.height, theme)


def picture_of(
    report: Report,
    words: int,
    width: int,
    height: int,
    seed: int,
    *,
    smallest: int | None = None,
    before: Mapping[str, Spot] | None = None,
    look: Look | None = None,
) -> Picture:
    """Lay out the *words* most frequent of a report, all with 0, in so many pixels.

    With *smallest*, fewer of them if need be, so that none has letters of less pixels: for a phone, as in
    ``picture_of(report, 200, 390, 640, seed, smallest=LEGIBLE)``. Words stay where they stood *before*,
    which is ``layout.spots`` of another picture of that shape. A *look* is for
    :func:`opslib.cloud.layout.place`.
    """
    chosen = dict(list(report.words.items())[: words or None])
    room = words_size(width, height)
    if smallest:
        chosen = legible(chosen, *room, smallest)
    own = report.own
    own_chosen = own & chosen.keys()
    layout = place(chosen, *room, seed, own_chosen, smallest=smallest, before=before, look=look)
    return Picture(layout, Head(_title(report), _caption(report, layout, own)), width, height)


def _title(report: Report) -> str:
    if report.subject is not None:
        return f"What people say about {drawable(report.subject) or report.subject}"
    if report.kind == "topics":
        return f"What is trending in {report.place.name}"
    return f"What people say about what is trending in {report.place.name}"


def _caption(report: Report, layout: Layout, own: frozenset[str]) -> str:
    zone = report.place.zone
    parts = [span(report.since, report.until, zone), told(len(report.topics), "topic")]
    if report.kind == "topics":
        parts[0] = local(report.until, zone)
        unknown = sum(topic.tweet_count is None for topic in report.topics)
        parts.append("each as large as X says it has tweets")
        if unknown:
            parts[-1] += f", {unknown} of them unknown to X and small"
        return "  ·  ".join(parts)
    parts.append(told(report.tweets, "tweet"))
    parts.append(f"{len(layout.placed):,} of {len(report.words):,} words")
    if own & layout.counts.keys():
        parts.append("grey: the topics' own")
    return "  ·  ".join(parts)
