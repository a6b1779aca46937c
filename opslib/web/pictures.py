"""Pictures of clouds: as they were drawn, or for a page, which says in its reader's language what they are.

A picture is drawn and kept once. For a page its head is left out, because the page has it beside the
picture, and its words tell their numbers in the page's language and lead to their tweets. All are found by
what the drawing is made of (:mod:`opslib.cloud.draw`): the group of its words begins below the head, and each
word has a title. A PNG has its words where the SVG has them.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Optional
from xml.sax.saxutils import escape, unescape

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from opslib.cloud.hide import png_without, svg_without
from opslib.cloud.theme import DARK, LIGHT
from opslib.web.asked import lake_of, now_of
from opslib.web.catalogues import LANGUAGES
from opslib.web.render import address, tag_of, unless_known
from opslib.web.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opslib.cloud.theme import Theme
    from opslib.store.reads import Lake

router = APIRouter(include_in_schema=False)
# A picture is text with fonts inside, shown in a page or by itself: nothing in it may run or fetch.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
# In a page its reader may follow the links of its words, which are made here. A drawing with some of its own,
# or with what could become one, is none of ours.
_IN_PAGE = f"{_POLICY} allow-top-navigation-by-user-activation"
_FOREIGN = re.compile(r"<(?:[^\s<>:/]+:)?a[\s/>]|<!(?!--)")
_SVG = "image/svg+xml"
# What a picture's name means: the one that is kept, whether it is to be recoloured, and its type.
_NAMES = {
    "light.svg": ("light", None, _SVG),
    "dark.svg": ("dark", None, _SVG),
    "tall-light.svg": ("tall", None, _SVG),
    "tall-dark.svg": ("tall", DARK, _SVG),
    "picture.png": ("png", None, "image/png"),
}
_VIEW = re.compile(r'viewBox="0 0 (\d+) (\d+)" width="\d+" height="\d+"')
_HEAD = re.compile(r'<text (?:(?!<g )[\s\S])*(?=<g transform="translate\((\d+) (\d+)\)">)')
_TITLE = re.compile(r"<title>[^<]*</title>\s*<desc>[^<]*</desc>")
_COLOUR = re.compile('fill="(#[0-9a-f]{6})"')
_TOLD = re.compile(r">([^<]*)<title>([^<]*): (?:([\d,]+) tweets?|number unknown)</title></text>")


@router.get("/clouds/{cloud_id}/{name}")
def picture(request: Request, cloud_id: str, name: str, page: Optional[str] = None) -> Response:
    """Give a picture of a cloud; for the *page* in a language without its head."""
    if name not in _NAMES or (page is not None and page not in LANGUAGES):
        raise HTTPException(404)
    lake, now = lake_of(request), now_of(request)
    (variant, theme, media_type), drawn = _NAMES[name], lake.drawn(cloud_id, now)
    if drawn is None:
        raise HTTPException(404)

    def answer() -> Response:
        content = _kept(lake, cloud_id, variant, "light" if theme is None else theme.name)
        if content is None:
            raise HTTPException(404)
        policy = _POLICY
        if media_type == _SVG:
            svg = recoloured(content.decode(), theme) if theme else content.decode()
            viewer = Viewer(page, "auto", now) if page else None
            if viewer and not _FOREIGN.search(svg):
                policy = _IN_PAGE
            if viewer:
                svg = for_page(svg, viewer, drawn["kind"], lambda word: _leads(drawn, word))
            content = svg.encode()
        elif page:
            content = headless(content, (lake.picture(cloud_id, "light") or b"").decode())
        return Response(content, media_type=media_type, headers={"Content-Security-Policy": policy})

    # A cloud is drawn anew when a tweet in it is to be forgotten: it is asked for again, and seldom sent.
    tag = tag_of(cloud_id, name, page, drawn["rendered_at"], lake.hidden)
    return unless_known(request, tag, answer)


def _kept(lake: Lake, cloud_id: str, variant: str, wide: str) -> Optional[bytes]:
    """Return a picture as it is kept, but for what is hidden."""
    content = lake.picture(cloud_id, variant)
    if content is None and variant == "tall":
        # A cloud of before there were tall ones has its wide one alone.
        content = lake.picture(cloud_id, wide)
    if content is None or variant != "png":
        return content and svg_without(content, lake.hidden)
    return png_without(content, lake.picture(cloud_id, "light") or b"", lake.hidden)


def recoloured(svg: str, theme: Theme) -> str:
    """Return a drawing for light surroundings in the colours of *theme*."""
    colours = dict(zip(_colours(LIGHT), _colours(theme)))
    return _COLOUR.sub(lambda match: f'fill="{colours.get(match[1], match[1])}"', svg)


def _colours(theme: Theme) -> tuple[str, ...]:
    return (theme.background, theme.title, theme.caption, theme.tag, theme.own, *theme.words)


def _leads(cloud: Mapping[str, Any], word: str) -> str:
    """Return where a word of a cloud leads: to its tweets, or to the topic that it is."""
    if cloud["kind"] == "words":
        return address("/tweets", name=word, cloud=cloud["_id"])
    return address("/find", name=word, place=cloud["woeid"])


def for_page(svg: str, viewer: Viewer, kind: str, leads: Callable[[str], str]) -> str:
    """Return a drawing without its head, its words telling their numbers to *viewer* and leading on.

    *kind* is what the cloud is of; *leads* returns the address of a word. The keyboard passes these links by:
    the page has all of them in a table, one word a line.
    """
    unknown = viewer.gettext("number unknown to X")

    def told(match: re.Match[str]) -> str:
        drawn, word, number = match.groups()
        said = _counted(viewer, kind, int(number.replace(",", ""))) if number else unknown
        href = escape(leads(unescape(word)), {'"': "&quot;"})
        link = f'<a href="{href}" target="_top" tabindex="-1">{drawn}</a>'
        return f">{link}<title>{word}: {said}</title></text>"

    head = _HEAD.search(svg)
    view = _VIEW.search(svg)
    if head and view:
        width, height = int(view[1]), int(view[2])
        above, _ = _rows_of(head)
        seen = f'viewBox="0 {above} {width} {height - above}" width="{width}" height="{height - above}"'
        svg = svg[: head.start()] + svg[head.end() :]
        svg = svg.replace(view[0], seen, 1)
        svg = svg.replace(
            '<rect width="100%" height="100%"', f'<rect y="{above}" width="100%" height="100%"', 1
        )
    svg = _TITLE.sub("", svg, count=1)
    svg = svg.replace("text{cursor:default}", "text{cursor:pointer}", 1)
    return _TOLD.sub(told, svg)


def _counted(viewer: Viewer, kind: str, n: int) -> str:
    if kind == "topics":
        return viewer.ngettext("{n} tweet on X", "{n} tweets on X", n)
    return viewer.ngettext("in {n} text, retweets not counted", "in {n} texts, retweets not counted", n)


def headless(png: bytes, svg: str) -> bytes:
    """Return a picture without its head, which is where the same drawing as *svg* has it."""
    from PIL import Image

    head = _HEAD.search(svg)
    if not head:
        return png
    above, top = _rows_of(head)
    with Image.open(io.BytesIO(png)) as drawn:
        # The head reaches into the room that is left above the words; a corner has the colour of the ground.
        drawn.paste(drawn.getpixel((0, 0)), (0, above, drawn.width, top))
        buffer = io.BytesIO()
        drawn.crop((0, above, drawn.width, drawn.height)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _rows_of(head: re.Match[str]) -> tuple[int, int]:
    """Return the rows at which a picture for a page begins, and at which its words do."""
    edge, top = int(head[1]), int(head[2])
    # As much room above the words as there is beside them.
    return max(0, top - edge), top
