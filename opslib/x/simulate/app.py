"""The server: routes, tokens and rate limits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from opslib.x.simulate.answers import InvalidRequest, problem, search, trends

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.requests import Request

    from opslib.x.simulate.tweets import Store

_WINDOW = 15 * 60
_TRENDS_LIMIT = 75
_SEARCH_LIMIT = 450


@dataclass
class _Window:
    reset_at: float
    left: int


class Limits:
    """How often each token may call: a window of 15 minutes begins with its first call."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}

    def spend(self, token: str, route: str, limit: int) -> tuple[bool, dict[str, str]]:
        """Count a call; tell whether it is within the limit, and the headers that say so."""
        now = self._clock()
        window = self._windows.get((token, route))
        if window is None or window.reset_at <= now:
            window = self._windows[token, route] = _Window(now + _WINDOW, limit)
        allowed = window.left > 0
        window.left -= allowed
        return allowed, {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(window.left),
            "x-rate-limit-reset": str(int(window.reset_at)),
        }


def application(store: Store, token: str | None = None, limits: Limits | None = None) -> Starlette:
    """Return the application; without a *token* any is good, without *limits* there are none."""

    def endpoint(
        limit: int, answer: Callable[[Request, dict[str, str]], dict[str, Any]]
    ) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def respond(request: Request) -> JSONResponse:
            given = _bearer(request)
            if not given or (token and given != token):
                return JSONResponse(problem(401, "Unauthorized"), 401)
            headers: dict[str, str] = {}
            if limits is not None:
                allowed, headers = limits.spend(given, answer.__name__, limit)
                if not allowed:
                    return JSONResponse(problem(429, "Too Many Requests"), 429, headers)
            try:
                return JSONResponse(answer(request, dict(request.query_params)), headers=headers)
            except InvalidRequest as error:
                return JSONResponse(error.problem(), 400, headers)

        return respond

    def answer_trends(request: Request, parameters: dict[str, str]) -> dict[str, Any]:
        return trends(store, request.path_params["woeid"], parameters)

    def answer_search(request: Request, parameters: dict[str, str]) -> dict[str, Any]:
        del request
        return search(store, parameters)

    async def ledger(request: Request) -> JSONResponse:
        """Return what was offered and how often each tweet was given out: for tests, X has no such thing."""
        del request
        offered = [str(tweet.id) for tweet in store.newest_first()]
        returned = {str(tweet_id): number for tweet_id, number in store.returned.items()}
        return JSONResponse({"offered": offered, "returned": returned})

    return Starlette(
        routes=[
            Route("/2/trends/by/woeid/{woeid}", endpoint(_TRENDS_LIMIT, answer_trends)),
            Route("/2/tweets/search/recent", endpoint(_SEARCH_LIMIT, answer_search)),
            Route("/_control/ledger", ledger),
        ],
        exception_handlers={HTTPException: _as_problem},
    )


def _bearer(request: Request) -> str:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else ""


async def _as_problem(request: Request, error: Exception) -> JSONResponse:
    del request
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "Internal Server Error"
    return JSONResponse(problem(status, detail), status)
