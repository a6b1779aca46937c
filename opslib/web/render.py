"""Templates to answers: what every page knows, and tags by which browsers see that nothing has changed."""

from __future__ import annotations

import hashlib
import math
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import jinja2
from starlette.responses import HTMLResponse, Response

from opslib.store.reads import zone_of
from opslib.web.catalogues import LANGUAGES
from opslib.web.plots import share_bar
from opslib.web.tweets import profile
from opslib.words import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from opslib.web.viewer import Viewer

_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
SIZES = 12  # that page.css has for the words of a cloud, .size-1 and so on
_MOST_TIMES = 100  # beyond this a number says no more than that there was next to nothing
_FOLDER = Path(__file__).parent
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def address(path: str, **query: Any) -> str:
    """Return a link to *path* with those of *query* that are not ``None``."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def cloud_address(cloud_id: str, picture: str | None = None, page: str | None = None) -> str:
    """Return the address of a cloud's page, or of one of its pictures, as for the *page* in a language."""
    path = f"/clouds/{quote(cloud_id, safe=':')}" + (f"/{picture}" if picture else "")
    return address(path, page=page)


def plain(name: object) -> str:
    """Return a name without the characters that turn the direction of what follows them.

    Hebrew and Arabic need none of them; somebody who wants one word to be read as another does.
    """
    return _TURNING.sub("", str(name))


def tabs_of(
    named: list[tuple[Any, str]], current: Any, path: str, parameter: str, **query: Any
) -> list[tuple[str, str, bool]]:
    """Return name, address and whether it is shown of each choice of a parameter: values with their names."""
    return [(name, address(path, **query, **{parameter: value}), value == current) for value, name in named]


def rise(viewer: Viewer, item: Mapping[str, Any]) -> str:
    """Return how far what is rising is above the usual; what was not there before is new."""
    usual = item.get("usual")
    if usual == 0:
        return viewer.gettext("new")
    # Without a window before it there is no usual, and the score was made with the least.
    times = item["authors"] / (usual or item["expected"])
    if times < _MOST_TIMES:
        return viewer.gettext("{times}\u00d7 the usual", times=round(times, 1))
    return viewer.gettext("over {n}\u00d7 the usual", n=_MOST_TIMES)


def size_of(share: float) -> int:
    """Return the size, from 1 to :data:`SIZES`, of a word that has a *share* of the largest; 0 for none.

    Its letters are as high as the root of its share: so much room it takes.
    """
    return max(1, math.ceil(SIZES * math.sqrt(share))) if share else 0


def by_letter(word: str) -> tuple[str, str]:
    """Return what words of a page are sorted by."""
    return fold(word).lstrip("#"), word


def with_shares(entries: list[tuple[str, int]], most: int) -> list[tuple[str, int, float]]:
    """Return the entries with the share that each has of the largest."""
    return [(name, number, number / most) for name, number in entries]


@lru_cache(maxsize=1)
def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted((_FOLDER / "static").iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


_TEMPLATES.filters["plain"] = plain
_TEMPLATES.globals.update(
    address=address,
    cloud_address=cloud_address,
    profile=profile,
    rise=rise,
    share_bar=share_bar,
    tabs_of=tabs_of,
    with_shares=with_shares,
    zone_of=zone_of,
    day_of=lambda at, zone: at.astimezone(zone).date(),
    languages={code: language.name for code, language in LANGUAGES.items()},
    static=lambda name: f"/static/{name}?{_version()}",
)


def page(request: Request, template: str, **values: Any) -> HTMLResponse:
    """Return a template as the reader of *request* sees it."""
    viewer = request.state.viewer
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    html = _TEMPLATES.get_template(template).render(
        viewer=viewer,
        _=viewer.gettext,
        ngettext=viewer.ngettext,
        pgettext=viewer.pgettext,
        user=request.state.user,
        made_up=request.app.state.made_up,
        form_token=request.state.form_token,
        here=here,
        path=request.url.path,
        **values,
    )
    return HTMLResponse(html)


def tag_of(*parts: object) -> str:
    """Return an ETag made of what an answer depends on."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def unless_known(
    request: Request, tag: str, answer: Callable[[], Response], headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer with its *tag*, or 304 to a browser that has it already."""
    known = request.headers.get("if-none-match", "")
    # A proxy that compresses makes the tag a weak one.
    if tag in [part.strip().removeprefix("W/") for part in known.split(",")]:
        return Response(status_code=304, headers={"ETag": tag, **(headers or {})})
    response = answer()
    response.headers["ETag"] = tag
    response.headers.update(headers or {})
    return response
