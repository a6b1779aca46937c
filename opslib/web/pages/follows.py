"""The page Follows: what is collected whether it trends or not; analysts change it, the estimate first."""

from __future__ import annotations

import re
from datetime import timezone
from typing import Annotated, Any, Optional

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from opslib.message import moment_of
from opslib.web.access import sent_by_own_form
from opslib.web.accounts.own import Token
from opslib.web.asked import lake_of, now_of
from opslib.web.render import address, page, with_shares
from opslib.wishes.ask import Refused, ask
from opslib.wishes.desk import MAY

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=4000)]
# What a refusal is in HTTP.
_STATUS = {"role": 403, "limit": 403, "stale": 409, "input": 400, "away": 503}
_ACCOUNT = re.compile(r"@(\w{1,15})", re.ASCII)
_WANTED = ("name", "query", "lang", "usd_day", "usd_total")


def _typed(
    name: Text = "", query: Text = "", lang: Text = "", usd_day: Text = "", usd_total: Text = ""
) -> dict[str, str]:
    """Return what the form's fields hold, by name."""
    return dict(zip(_WANTED, (name, query, lang, usd_day, usd_total)))


Typed = Annotated[dict[str, str], Depends(_typed)]


class _Own(Refused):
    """What the page itself refuses, in its reader's language."""


@router.get("/follows")
def follows(request: Request, done: str = "") -> Response:
    """Show what is followed, and to those who may change it the forms."""
    viewer = request.state.viewer
    told = {
        "add": viewer.gettext("It is followed: the first tweets come within minutes."),
        "pause": viewer.gettext("It is paused."),
        "resume": viewer.gettext("It is collected again."),
        "remove": viewer.gettext("It is followed no more; what was collected stays."),
    }
    return _shown(request, done=told.get(done))


@router.post("/follows/estimate")
def estimated(request: Request, typed: Typed, form_token: Token = "") -> Response:
    """Show what it would bring and cost to follow something, and ask whether it is to be."""
    try:
        _check(request, form_token)
        wanted = _wanted(request, typed)
        found = _ask(request, "estimate", follow=wanted)
    except Refused as refused:
        return _shown(request, refused, typed)
    return _shown(request, typed=typed, offer={**found, "days": _days(found["estimate"]["days"])})


@router.post("/follows/add")
def add(request: Request, typed: Typed, seal: Text = "", form_token: Token = "") -> Response:
    """Follow what was estimated."""
    try:
        _check(request, form_token)
        _ask(request, "add", follow=_wanted(request, typed), seal=seal)
    except Refused as refused:
        return _shown(request, refused, typed)
    return RedirectResponse("/follows?done=add", 303)


@router.post("/follows/pause")
def pause(request: Request, name: Text = "", form_token: Token = "") -> Response:
    """Collect nothing for it until it is resumed."""
    return _changed(request, "pause", name, form_token)


@router.post("/follows/resume")
def resume(request: Request, name: Text = "", form_token: Token = "") -> Response:
    """Go on collecting for it."""
    return _changed(request, "resume", name, form_token)


@router.post("/follows/remove")
def remove(request: Request, name: Text = "", form_token: Token = "") -> Response:
    """Follow it no more."""
    return _changed(request, "remove", name, form_token)


def _changed(request: Request, what: str, name: str, form_token: str) -> Response:
    try:
        _check(request, form_token)
        _ask(request, what, name=name)
    except Refused as refused:
        return _shown(request, refused)
    return RedirectResponse(f"/follows?done={what}", 303)


def _check(request: Request, form_token: str) -> None:
    """Refuse a form that is not this session's, and whoever may only look, before anything is asked."""
    if not sent_by_own_form(request, form_token):
        raise HTTPException(403)
    if not _may(request):
        raise _Own(
            "role",
            request.state.viewer.gettext(
                "Your role is viewer: you may look, and change nothing. Ask whoever runs the lake."
            ),
        )


def _may(request: Request) -> bool:
    return request.app.state.users.role_of(request.state.user) in MAY


def _ask(request: Request, what: str, **wish: Any) -> dict[str, Any]:
    """Ask the service that may do what the page may not, in the name and role of who is logged in."""
    user, socket = request.state.user, request.app.state.wishes
    if socket is None:
        raise _Own(
            "away",
            request.state.viewer.gettext(
                "This page has nobody who follows things for it: `opslib follow` on NiFi's host does."
            ),
        )
    return ask(socket, {"what": what, "user": user, "role": request.app.state.users.role_of(user), **wish})


def _wanted(request: Request, typed: dict[str, str]) -> dict[str, Any]:
    """Return what a form says of a follow, as a wish has it."""
    hidden = lake_of(request).hidden
    query = " ".join(typed["query"].split())
    account = _ACCOUNT.fullmatch(query)
    if account:
        query = f"from:{account[1]}"
    name = " ".join(typed["name"].split()) or query[:60]
    if hidden.holds(name) or hidden.holds(query):
        raise _Own("input", request.state.viewer.gettext("It holds a word that is hidden here."))
    return {
        "name": name,
        "query": query,
        "lang": typed["lang"].strip() or None,
        "usd_day": _usd(request, typed["usd_day"]),
        "usd_total": _usd(request, typed["usd_total"]) if typed["usd_total"].strip() else None,
    }


def _usd(request: Request, typed: str) -> float:
    try:
        # As people write it whose language has a comma there.
        return float(typed.strip().replace(",", "."))
    except ValueError:
        told = request.state.viewer.gettext("{typed} is no sum of USD, such as 0.50.", typed=typed[:20])
        raise _Own("input", told) from None


def _days(days: list[dict[str, Any]]) -> list[tuple[str, int, float]]:
    """Return day, posts and share of the largest of the days that an estimate is made of."""
    most = max([day["posts"] for day in days], default=0) or 1
    return with_shares([(day["since"][:10], day["posts"]) for day in days], most)


def _shown(
    request: Request,
    refused: Optional[Refused] = None,
    typed: Optional[dict[str, str]] = None,
    offer: Optional[dict[str, Any]] = None,
    done: Optional[str] = None,
) -> Response:
    hidden = lake_of(request).hidden
    listed, away = None, None
    try:
        listed = _ask(request, "list")
    except Refused as nobody:
        away = nobody
    spent = _spent(request)
    known = listed["follows"] if listed else []
    shown = [one for one in known if not hidden.holds(one["name"]) and not hidden.holds(one["asked"])]
    answer = page(
        request,
        "follows.html",
        listed=listed,
        away=away,
        refused=refused,
        own=isinstance(refused, _Own),
        follows=[(one, *spent.get(one["name"], (None, None))) for one in shown],
        left_out=len(known) - len(shown),
        moment_of=moment_of,
        topic_of=lambda name: address("/follow", name=name),
        typed=typed or dict.fromkeys(_WANTED, ""),
        offer=offer,
        done=done,
        may=_may(request),
    )
    answer.status_code = _STATUS[refused.why] if refused else 200
    return answer


def _spent(request: Request) -> dict[str, tuple[float, float]]:
    """Return the USD that each follow has cost on this UTC day and in all, as far as a day ago told it."""
    now = now_of(request)
    newest = lake_of(request).newest_stats("follows", now)
    if newest is None:
        return {}
    same_day = newest["at"].astimezone(timezone.utc).date() == now.astimezone(timezone.utc).date()
    return {one["name"]: (one["today"] if same_day else 0.0, one["all"]) for one in newest["follows"]}
