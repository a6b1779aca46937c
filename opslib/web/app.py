"""The page as an ASGI application."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response

from opslib import __version__
from opslib.metrics import Web
from opslib.run.failures import said
from opslib.web import (
    api,
    asking,
    behind,
    compare,
    follows,
    login,
    own,
    pages,
    pictures,
    search,
    searching,
    subjects,
)
from opslib.web.access import AccessControl
from opslib.web.asked import HIDDEN, nothing_hidden
from opslib.web.devices import Devices
from opslib.web.render import page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.requests import Request

    from opslib.store.reads import Lake
    from opslib.web.users import Users

_LOG = logging.getLogger(__name__)
_STATIC = Path(__file__).parent / "static"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def _now() -> datetime:
    return datetime.now(timezone.utc)


def create(
    lake: Lake,
    users: Users,
    key: bytes,
    metrics: Web | None = None,
    *,
    clock: Callable[[], datetime] = _now,
    made_up: bool = False,
    recorder: str = "",
    hosts: Collection[str] = (),
    index: Path | None = None,
    wishes: Path | None = None,
) -> FastAPI:
    """Return the application; *key* signs forms, and so has to outlive a restart.

    *clock* says when a request came; *made_up*, whether the lake's tweets are; *recorder* is the Kafka group
    of `opslib stats record`; *hosts*, the names and addresses that are asked for, or empty for any; *index*,
    the folder of the search index, if one is kept; *wishes*, the socket of who changes what is followed.
    """
    app = FastAPI(
        title="Trendlake",
        version=__version__,
        description="What people are saying about what is trending. The page's session opens it.",
        openapi_url="/api/openapi.json",
        # Their pages fetch scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # They would lead to whatever host a request names.
        redirect_slashes=False,
        dependencies=[Depends(nothing_hidden)],
    )
    app.state.lake = lake
    app.state.users = users
    app.state.devices = Devices(key)
    app.state.made_up = made_up
    app.state.recorder = recorder
    app.state.search = index
    app.state.wishes = wishes
    app.state.metrics = metrics = metrics or Web()
    app.include_router(login.router)
    app.include_router(pages.router)
    app.include_router(subjects.router)
    app.include_router(pictures.router)
    app.include_router(behind.router)
    app.include_router(compare.router)
    app.include_router(api.router)
    app.include_router(asking.router)
    app.include_router(search.router)
    app.include_router(searching.router)
    app.include_router(own.router)
    app.include_router(follows.router)
    app.add_api_route("/static/{name}", _static, include_in_schema=False)
    app.add_exception_handler(HTTPException, _failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(PyMongoError, _away)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(AccessControl, users=users, key=key, metrics=metrics, clock=clock, hosts=hosts)
    return app


def _static(name: str) -> Response:
    kind = _KINDS.get(Path(name).suffix)
    # The names there are, not the name asked for: nothing else of the disk can be meant.
    if kind is None or name not in {path.name for path in _STATIC.iterdir()}:
        raise HTTPException(404)
    return FileResponse(
        _STATIC / name, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


def _error(request: Request, status: int, detail: Any, headers: Any = None) -> Response:
    if request.url.path.startswith(("/api/", "/live/")):
        return JSONResponse({"detail": detail}, status, headers)
    answer = page(request, "error.html", status=status, hidden=detail == HIDDEN)
    answer.status_code = status
    answer.headers.update(headers or {})
    return answer


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    return _error(request, error.status_code, error.detail, error.headers)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these
    if request.url.path.startswith("/api/"):
        detail = [{name: found[name] for name in ("loc", "msg", "type")} for found in error.errors()]
        return JSONResponse({"detail": detail}, 422)
    return _error(request, 400, "a parameter is wrong")


def _away(request: Request, error: Exception) -> Response:
    _LOG.warning("MongoDB did not answer %s: %s", request.url.path, said(error))
    return _error(request, 503, "MongoDB does not answer", {"Retry-After": "5"})


def _broken(request: Request, error: Exception) -> Response:
    del error  # Starlette raises it again, and uvicorn logs it
    return _error(request, 500, "an error of this page")
