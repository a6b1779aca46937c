"""Logging in and out, and the choices that cookies keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from opslib.web.access import SESSION, address_of, cookie, sent_by_own_form
from opslib.web.catalogues import LANGUAGES
from opslib.web.devices import DEVICE, KEPT_SECONDS
from opslib.web.hashing import TooBusy
from opslib.web.render import page
from opslib.web.users import TooManyAttempts
from opslib.web.viewer import THEMES

if TYPE_CHECKING:
    from opslib.web.viewer import Viewer

router = APIRouter(include_in_schema=False)
_YEAR = 365 * 24 * 3600
_BUSY_SECONDS = 5  # after which somebody who had to be sent away may come again


@router.get("/login")
def ask(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Show the form to log in."""
    if request.state.user:
        return RedirectResponse(_inside(next), 303)
    return page(request, "login.html", next=_inside(next), name="", problem=None)


@router.post("/login")
def log_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=5000)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
    form_token: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Begin a session."""
    metrics, viewer, devices = request.app.state.metrics, request.state.viewer, request.app.state.devices
    token, status, headers = None, 401, {}
    name, now = name.strip(), request.state.now.timestamp()
    problem = viewer.gettext("The name or the password is wrong.")
    if not sent_by_own_form(request, form_token):
        # Most often a form that was open for long; it is shown again with a token that is good.
        status, problem = 403, viewer.gettext("The form had expired. Try again.")
    else:
        try:
            device = devices.known(request.state.device, name, now)
            token = request.app.state.users.log_in(name, password, address_of(request), device)
            metrics.logins.labels("accepted" if token else "refused").inc()
        except TooManyAttempts as many:
            metrics.logins.labels("limited").inc()
            status, headers = 429, {"Retry-After": str(many.seconds)}
            problem = too_many(viewer, many.seconds)
        except TooBusy:
            metrics.logins.labels("busy").inc()
            status, headers = 503, {"Retry-After": str(_BUSY_SECONDS)}
            problem = too_busy(viewer)
    if token is None:
        answer: Response = page(request, "login.html", next=_inside(next), name=name, problem=problem)
        answer.status_code = status
        answer.headers.update(headers)
        return answer
    answer = RedirectResponse(_inside(next), 303)
    answer.headers.append("set-cookie", cookie(SESSION, token))
    answer.headers.append("set-cookie", cookie(DEVICE, devices.cookie(name, now), KEPT_SECONDS))
    return answer


@router.post("/logout")
def log_out(request: Request, form_token: Annotated[str, Form(max_length=200)] = "") -> Response:
    """End the session."""
    if not sent_by_own_form(request, form_token):
        raise HTTPException(403)
    request.app.state.users.log_out(request.state.session, address_of(request))
    answer = RedirectResponse("/login", 303)
    answer.headers.append("set-cookie", cookie(SESSION, "", 0))
    return answer


@router.post("/preferences")
def prefer(
    request: Request,
    language: Annotated[str, Form(max_length=20)] = "",
    theme: Annotated[str, Form(max_length=20)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
    form_token: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Keep the choice of a language or of light and dark."""
    if not sent_by_own_form(request, form_token):
        raise HTTPException(403)
    answer = RedirectResponse(_inside(next), 303)
    if language in LANGUAGES:
        answer.headers.append("set-cookie", cookie("language", language, _YEAR))
    if theme in THEMES:
        answer.headers.append("set-cookie", cookie("theme", theme, _YEAR))
    return answer


def too_many(viewer: Viewer, seconds: int) -> str:
    """Return what is told to somebody who is to wait before they try again."""
    wait = viewer.duration(max(60, seconds))
    return viewer.gettext("Too many attempts. Try again in {wait}.", wait=wait)


def too_busy(viewer: Viewer) -> str:
    """Return what is told to somebody whose password cannot be looked at now."""
    return viewer.gettext("Too many people are logging in at this moment. Try again.")


def _inside(path: str) -> str:
    """Return *path* if it is one of this page, not another site's that somebody put there."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside and path.isascii() else "/"
