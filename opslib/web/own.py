"""What is a user's own: their password, and the searches that they saved."""

from __future__ import annotations

from typing import Annotated, Optional

from fastapi import APIRouter, Form, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from opslib.web.access import SESSION, address_of, cookie, sent_by_own_form
from opslib.web.found import Order
from opslib.web.hashing import TooBusy
from opslib.web.login import too_busy, too_many
from opslib.web.render import address, page
from opslib.web.users import LONGEST_TITLE, SHORTEST_PASSWORD, BadUser, NotSaved, Search, TooManyAttempts

router = APIRouter(include_in_schema=False)
Token = Annotated[str, Form(max_length=200)]
Password = Annotated[str, Form(max_length=5000)]


@router.get("/account")
def account(request: Request, changed: bool = False) -> Response:
    """Show the form for another password."""
    return _asked(request, changed=changed)


def _asked(request: Request, problem: Optional[str] = None, *, changed: bool = False) -> Response:
    role = request.app.state.users.role_of(request.state.user)
    told = {"problem": problem, "changed": changed, "shortest": SHORTEST_PASSWORD, "role": role}
    return page(request, "account.html", **told)


@router.post("/account")
def change_password(
    request: Request,
    password: Password = "",
    wanted: Password = "",
    again: Password = "",
    form_token: Token = "",
) -> Response:
    """Give the user who is logged in another password, and a new session; their others end."""
    viewer, users, name = request.state.viewer, request.app.state.users, request.state.user
    token, status, problem = None, 400, ""
    if not sent_by_own_form(request, form_token):
        status, problem = 403, viewer.gettext("The form had expired. Try again.")
    elif wanted != again:
        problem = viewer.gettext("The new password was written in two ways.")
    else:
        try:
            device = request.app.state.devices.known(
                request.state.device, name, request.state.now.timestamp()
            )
            token = users.change_password(name, password, wanted, address_of(request), device)
            problem = viewer.gettext("The password until now is wrong.")
        except BadUser:
            problem = viewer.gettext(
                "A password has {n} characters at least, and 1,024 at most.", n=SHORTEST_PASSWORD
            )
        except TooManyAttempts as many:
            status, problem = 429, too_many(viewer, many.seconds)
        except TooBusy:
            status, problem = 503, too_busy(viewer)
    if token is None:
        answer = _asked(request, problem)
        answer.status_code = status
        return answer
    leading = RedirectResponse("/account?changed=true", 303)
    leading.headers.append("set-cookie", cookie(SESSION, token))
    return leading


@router.post("/search/saved")
def save(
    request: Request,
    title: Annotated[str, Form(max_length=4 * LONGEST_TITLE)] = "",
    q: Annotated[str, Form(max_length=4000)] = "",
    order: Annotated[Order, Form()] = "newest",
    place: Annotated[Optional[int], Form(ge=0, lt=2**63)] = None,
    form_token: Token = "",
) -> Response:
    """Keep a search under a name."""
    if not sent_by_own_form(request, form_token):
        raise HTTPException(403)
    search = Search(title or q[:LONGEST_TITLE], q, order == "newest", place)
    try:
        request.app.state.users.save_search(request.state.user, search)
    except NotSaved as error:
        raise HTTPException(400, str(error)) from error
    return RedirectResponse(leading_to(search), 303)


@router.post("/search/saved/remove")
def remove(
    request: Request, title: Annotated[str, Form(max_length=4 * LONGEST_TITLE)] = "", form_token: Token = ""
) -> Response:
    """Forget a search that was kept."""
    if not sent_by_own_form(request, form_token):
        raise HTTPException(403)
    request.app.state.users.remove_search(request.state.user, title)
    return RedirectResponse("/search", 303)


def leading_to(search: Search) -> str:
    """Return where a saved search is."""
    order = None if search.newest else "reach"
    return address("/search", q=search.query, place=search.place, order=order)
