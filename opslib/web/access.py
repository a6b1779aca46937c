"""What every request passes: who it is from, whether it may come in, and the headers of each answer."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from opslib.web.accounts.devices import DEVICE
from opslib.web.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from opslib.metrics import Web
    from opslib.web.accounts.users import Users

# The prefix keeps other hosts of the same domain from setting them, and browsers from sending them in clear.
SESSION = "__Host-session"
FORM = "__Host-form"
_PORT = re.compile(r":\d{1,5}$")
# For everybody: to log in, to be styled while at it, and to be asked whether the page works.
_OPEN = ("/login", "/preferences", "/health", "/robots.txt")
_OPEN_BELOW = ("/static/",)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "object-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_NOT_MODIFIED = 304
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie, Accept-Language",
}


class AccessControl:
    """The ASGI middleware in front of everything.

    *clock* says when a request came; *hosts*, by which names and addresses the page is asked for, without
    port, empty if a server in front sees to that.
    """

    def __init__(
        self,
        app: ASGIApp,
        users: Users,
        key: bytes,
        metrics: Web,
        clock: Callable[[], datetime],
        hosts: Collection[str] = (),
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._clock = clock
        self._users = users
        self._key = key
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        cookies = _cookies(headers.get("cookie", ""))
        session = cookies.get(SESSION, "")
        form = cookies.get(FORM, "")
        fresh = not form
        form = form or secrets.token_urlsafe(16)
        state = scope.setdefault("state", {})
        # All of an answer is of one moment.
        state["now"] = now = self._clock()
        state["viewer"] = Viewer.of(cookies, headers.get("accept-language", ""), now)
        state["user"] = self._users.user_of(session) if session else None
        state["session"] = session if state["user"] else ""
        state["device"] = cookies.get(DEVICE, "")
        state["form_token"] = _form_token(self._key, form, state["session"])
        status = 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    # What the browser has already keeps the policy it came with: some pictures have others.
                    if status != _NOT_MODIFIED or name != "Content-Security-Policy":
                        answered.setdefault(name, value)
                if fresh and answered.get("content-type", "").startswith("text/html"):
                    answered.append("set-cookie", cookie(FORM, form))
            await send(message)

        refused = self._unknown_host(headers) or _refusal(scope, headers, state)
        # HEAD is answered as GET is. The server, which still sees HEAD, leaves the body out.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await (refused or self._app)(asked, receive, sent)
        finally:
            route = "refused" if refused else str(getattr(asked.get("route"), "path", None) or "none")
            self._count(route, scope["method"], status, time.perf_counter() - began)

    def _unknown_host(self, headers: Headers) -> Response | None:
        """Refuse a name that is not the page's: somebody else may have given it this address."""
        host = _PORT.sub("", headers.get("host", "")).lower()
        if not self._hosts or host in self._hosts:
            return None
        return PlainTextResponse("This is no name of this page.", 421)

    def _count(self, route: str, method: str, status: int, seconds: float) -> None:
        # Not the path, and not any method: anybody can make them up, and each would be a series.
        method = method if method in ("GET", "HEAD", "POST") else "other"
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.request_seconds.labels(route, method).observe(seconds)


def cookie(name: str, value: str, seconds: int | None = None) -> str:
    """Return a Set-Cookie that scripts cannot read, and that no other site's form sends along."""
    age = "" if seconds is None else f"; Max-Age={seconds}"
    return f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}"


def sent_by_own_form(request: Request, token: str) -> bool:
    """Tell whether a form was made by this page for this session."""
    return hmac.compare_digest(token.encode(), str(request.state.form_token).encode())


def address_of(request: Request) -> str:
    """Return the address that a request is from."""
    return request.client.host[:64] if request.client else ""


def _cookies(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in header[:8192].split(";"):
        # One at a time: what the library cannot read is only itself left out.
        with suppress(CookieError):
            found.update({name: morsel.value for name, morsel in SimpleCookie(part.strip()).items()})
    return found


def _form_token(key: bytes, form: str, session: str) -> str:
    return hmac.new(key, f"{form}|{session}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _refusal(scope: Scope, headers: Headers, state: dict[str, Any]) -> Response | None:
    """Return the answer to a request that may not come in."""
    path: str = scope["path"]
    if scope["method"] not in ("GET", "HEAD", "OPTIONS") and not _from_here(headers):
        return PlainTextResponse("This form was sent by another site.", 403)
    if state["user"] or path in _OPEN or path.startswith(_OPEN_BELOW):
        return None
    if path.startswith(("/api/", "/live/")):
        return JSONResponse({"detail": "log in first"}, 401)
    wanted = path + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    return RedirectResponse(f"/login?next={quote(wanted, safe='/')}", 303)


def _from_here(headers: Headers) -> bool:
    """Tell by the headers that only browsers set whether a form is one of this page."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")
