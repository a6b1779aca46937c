"""The server: routes, tokens, limits, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Callable

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opslib.simulate import answers, archive, contracts, rules
from opslib.simulate.compliance import OneAtATime
from opslib.simulate.connections import ENDPOINT, endpoint_of, uuids_of
from opslib.simulate.control import control_routes
from opslib.simulate.faults import REFUSALS
from opslib.simulate.limits import LIMITS, headers
from opslib.simulate.parameters import OF_TWEETS, check, names, number
from opslib.simulate.problems import InvalidRequest, capped, connection_issue, problem, refused
from opslib.simulate.state import saving
from opslib.simulate.stream import Stream, cut, partial

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from opslib.simulate.local import LocalX

Json = dict[str, Any]
# What a route answers to a call; it may have to wait for the body.
Answer = Callable[["LocalX", Request], Any]
# The same, ready to be sent: with the token of the caller and the headers that tell its limits.
Sent = Callable[["LocalX", Request, str, "dict[str, str]"], "Awaitable[ASGIApp]"]

_NOT_JSON = b"<html><body>upstream connect error</body></html>"
_STREAM_PARAMETERS = names("backfill_minutes start_time end_time") | OF_TWEETS
# The calls whose parameters the contracts name differently.
_NAMED = {
    "search": answers.SEARCH_PARAMETERS,
    "search_all": answers.SEARCH_PARAMETERS,
    "lookup": answers.LOOKUP_PARAMETERS,
    "stream": _STREAM_PARAMETERS,
}
# X has no place for errors in its lists of rules.
_NEVER_PARTIAL = ("rules", "compliance", "connections")
# What the month's cap of posts ends.
_POSTS = ("search", "search_all", "lookup")


class _Refused(Exception):  # noqa: N818 - a way out, no error
    def __init__(self, status: int, answer: Json) -> None:
        super().__init__()
        self.status = status
        self.answer = answer


class _CutShort(Response):
    """An answer that ends before its end: the server closes the connection then."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a part, and no end."""
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        part = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": part, "more_body": True})


def application(x: LocalX, state_file: Path | None = None) -> Starlette:
    """Return the application that serves *x*, and keeps its state in *state_file* if there is one."""

    def get(path: str, route: str, answer: Answer) -> Route:
        return Route(path, _endpoint(x, route, _answered(route, answer)))

    async def as_problem(request: Request, error: Exception) -> Response:
        del request
        return _as_problem(x, error)

    return Starlette(
        routes=[
            get("/2/trends/by/woeid/{woeid}", "trends", _trends),
            get("/2/tweets/search/recent", "search", _search),
            get("/2/tweets/search/all", "search_all", _search_all),
            get("/2/tweets/counts/recent", "counts", _counts),
            get("/2/tweets/counts/all", "counts_all", _counts_all),
            get("/2/tweets", "lookup", _lookup),
            get("/2/usage/tweets", "usage", _usage),
            Route(
                "/2/tweets/search/stream/rules",
                _by_method(
                    {
                        "GET": _endpoint(x, "rules", _answered("rules", _rules)),
                        "POST": _endpoint(
                            x, "rules:change", _answered("rules", _changed_rules, "rules:change")
                        ),
                    }
                ),
                methods=["GET", "POST"],
            ),
            Route("/2/tweets/search/stream", _endpoint(x, "stream", _connected)),
            *_compliance_routes(x),
            *_connection_routes(x),
            *control_routes(x, lambda request: _bearer(x, request) is not None),
        ],
        exception_handlers={HTTPException: as_problem, Exception: as_problem},
        lifespan=lambda _: saving(x, state_file),
    )


def _named(x: LocalX, route: str, request: Request) -> dict[str, str]:
    """Return the parameters of a call for posts by the names that everything here has."""
    return contracts.asked(x.contract, route, _parameters(request), _NAMED[route], strict=x.strict_fields)


def _parameters(request: Request) -> dict[str, str]:
    """Return the parameters of a call, none of which may be there twice."""
    given = request.query_params.multi_items()
    for name in {name for name, _ in given}:
        values = [value for other, value in given if other == name]
        if len(values) > 1:
            raise InvalidRequest(f"The query parameter [{name}] has more than one value", name, values[-1])
    return dict(given)


def _trends(x: LocalX, request: Request) -> Json:
    return answers.trends(x.store, request.path_params["woeid"], _parameters(request))


def _search(x: LocalX, request: Request) -> Json:
    return answers.search(x.store, _named(x, "search", request))


def _counts(x: LocalX, request: Request) -> Json:
    return answers.counts(x.store, _parameters(request))


def _search_all(x: LocalX, request: Request) -> Json:
    return archive.search(x.store, _named(x, "search_all", request))


def _counts_all(x: LocalX, request: Request) -> Json:
    return archive.counts(x.store, _parameters(request))


def _lookup(x: LocalX, request: Request) -> Json:
    return answers.lookup(x.store, _named(x, "lookup", request))


def _usage(x: LocalX, request: Request) -> Json:
    return answers.usage(x.ledger, x.store.now().date(), _parameters(request))


def _rules(x: LocalX, request: Request) -> Json:
    return rules.listed(x.rules, _parameters(request), x.store.now())


async def _changed_rules(x: LocalX, request: Request) -> Json:
    body = await _json(request)
    try:
        return rules.changed(x.rules, _parameters(request), body, x.store.now())
    except rules.TooManyRules as error:
        raise _Refused(422, error.problem()) from error


Respond = Callable[[Request], "Awaitable[ASGIApp]"]


def _by_method(responds: Mapping[str, Respond]) -> Respond:
    """Return what responds to a request by its method."""

    async def respond(request: Request) -> ASGIApp:
        return await responds["GET" if request.method == "HEAD" else request.method](request)

    return respond


def _endpoint(x: LocalX, kind: str, sent: Sent) -> Any:
    """Return what responds to a call whose limit is *kind*, if the token is right and calls are left."""
    assert kind in LIMITS  # noqa: S101 - a slip of the routes above

    async def respond(request: Request) -> ASGIApp:
        token = _bearer(x, request)
        if token is None:
            return _refusal(x, 401, refused(401), {})
        limited: dict[str, str] = {}
        if x.limits is not None:
            allowed, limited = x.limits.spend(token, kind)
            if not allowed:
                return _refusal(x, 429, refused(429), limited)
        try:
            return await sent(x, request, token, limited)
        except InvalidRequest as error:
            return _refusal(x, 400, error.problem(), limited)
        except _Refused as error:
            return _refusal(x, error.status, error.answer, limited)

    return respond


def _bearer(x: LocalX, request: Request) -> str | None:
    """Return the token of the call, if it may be used."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    given = given.strip() if kind.lower() == "bearer" else ""
    return given if given and x.token in (None, given) else None


def _answered(route: str, answer: Answer, told_as: str | None = None) -> Sent:
    """Return what sends the *answer* of a route, or what a fault makes of it.

    *told_as* is what the contract is asked by, where it is not the route by which faults and ledger know it.
    """
    told_as = told_as or route

    async def sent(x: LocalX, request: Request, token: str, limited: dict[str, str]) -> ASGIApp:
        del token
        fault = x.faults.draw(route)
        if fault in REFUSALS:
            return _fault_refusal(x, route, str(fault), limited)
        if route in _POSTS and x.ledger.capped():
            raise _Refused(429, capped())
        if fault == "stall":
            await asyncio.sleep(x.faults.stall_seconds)
            if await request.is_disconnected():
                return Response()
        found = answer(x, request)
        content: Json = await found if asyncio.iscoroutine(found) else found
        if fault == "partial" and route not in _NEVER_PARTIAL:
            content = partial(content)
        x.ledger.enter(route, content, cut=fault in ("disconnect", "malformed"))
        body = orjson.dumps(contracts.told(x.contract, told_as, content))
        if fault == "malformed":
            part = x.faults.part(route)
            body = _NOT_JSON if part < 0.5 else cut(body, part)
        kind = _CutShort if fault == "disconnect" else Response
        return kind(body, headers=limited, media_type="application/json; charset=utf-8")

    return sent


def _fault_refusal(x: LocalX, route: str, fault: str, limited: dict[str, str]) -> ASGIApp:
    if fault == "429":
        limited = headers(LIMITS[route], 0, x.store.now().timestamp() + x.faults.reset_seconds)
    return _refusal(x, int(fault), refused(int(fault)), limited)


async def _connected(x: LocalX, request: Request, token: str, limited: dict[str, str]) -> ASGIApp:
    """Return the stream, if it may begin."""
    parameters = _named(x, "stream", request)
    check(parameters, _STREAM_PARAMETERS)
    number(parameters, "backfill_minutes", 0, 5, 0)
    selection = answers.Selection.of(parameters)
    fault = x.faults.draw("stream", REFUSALS)
    if fault is not None:
        return _fault_refusal(x, "stream", fault, limited)
    if x.ledger.capped():
        raise _Refused(429, capped())
    if not len(x.rules):
        detail = "There are no rules: add some before you connect."
        raise _Refused(409, connection_issue("RuleConfigurationIssue", detail))
    if token in x.streams.connected:
        detail = "This stream is currently at the maximum allowed connection limit."
        raise _Refused(429, connection_issue("TooManyConnections", detail))
    host = request.client.host if request.client else ""
    return Stream(x, token, selection, limited, host)


def _compliance_routes(x: LocalX) -> list[Route]:
    """Return the routes of batch compliance, and of the storage that its URLs lead to."""

    def route(path: str, **answers_of: Answer) -> Route:
        sent = {
            m: _endpoint(x, "compliance", _answered("compliance", answer)) for m, answer in answers_of.items()
        }

        return Route(path, _by_method(sent), methods=list(answers_of))

    async def storage(request: Request) -> Response:
        job, signature = request.path_params["job"], request.query_params.get("signature", "")
        if request.method == "PUT":
            done = x.compliance.upload(job, signature, await request.body())
            return Response(status_code=200 if done else 403)
        found = x.compliance.download(job, signature)
        return (
            Response(found, media_type="application/x-ndjson")
            if found is not None
            else Response(status_code=404)
        )

    return [
        route("/2/compliance/jobs", GET=_jobs, POST=_new_job),
        route("/2/compliance/jobs/{job}", GET=_job),
        Route("/_storage/{job}/submission", storage, methods=["PUT"]),
        Route("/_storage/{job}/results", storage, methods=["GET"]),
    ]


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _may(x: LocalX) -> None:
    if not x.compliance.allowed:
        detail = "When authenticating requests to this endpoint, you must use an App that is allowed to."
        raise _Refused(403, problem(403, "Forbidden", detail))


def _jobs(x: LocalX, request: Request) -> Json:
    _may(x)
    return x.compliance.listed(_parameters(request), _base(request))


async def _new_job(x: LocalX, request: Request) -> Json:
    _may(x)
    body = await _json(request)
    try:
        return x.compliance.create(_parameters(request), body, _base(request))
    except OneAtATime:
        detail = "You have reached the maximum number of concurrent jobs of this type."
        raise _Refused(409, problem(409, "Conflict", detail)) from None


def _job(x: LocalX, request: Request) -> Json:
    _may(x)
    found = x.compliance.one(request.path_params["job"], _parameters(request), _base(request))
    if found is None:
        raise _Refused(404, problem(404, "Not Found", "There is no such job."))
    return found


def _connection_routes(x: LocalX) -> list[Route]:
    """Return the routes that show the connections of a token and end them."""

    def sent(answer: Callable[[Request, str], Any]) -> Sent:
        async def send(x: LocalX, request: Request, token: str, limited: dict[str, str]) -> ASGIApp:
            return await _answered("connections", lambda _, asked: answer(asked, token))(
                x, request, token, limited
            )

        return send

    def endpoint(answer: Callable[[Request, str], Any]) -> Respond:
        respond: Respond = _endpoint(x, "connections", sent(answer))
        return respond

    def listed(request: Request, token: str) -> Json:
        return x.streams.listed(token, _parameters(request))

    async def some(request: Request, token: str) -> Json:
        return x.streams.killed(token, uuids_of(await _json(request)), x.store.now())

    def every(request: Request, token: str) -> Json:
        name = request.path_params.get("endpoint", ENDPOINT)
        ids = None if endpoint_of(name) == ENDPOINT else ()
        return x.streams.killed(token, ids, x.store.now())

    either = _by_method({"GET": endpoint(listed), "DELETE": endpoint(some)})
    return [
        Route("/2/connections", either, methods=["GET", "DELETE"]),
        Route("/2/connections/all", endpoint(every), methods=["DELETE"]),
        Route("/2/connections/{endpoint}", endpoint(every), methods=["DELETE"]),
    ]


async def _json(request: Request) -> Any:
    try:
        return orjson.loads(await request.body())
    except ValueError as error:
        raise InvalidRequest(f"The body is not JSON: {error}", "body", "") from error


def _refusal(x: LocalX, status: int, content: Json, limited: dict[str, str]) -> Response:
    told, kind = contracts.refused(x.contract, status, content)
    return Response(orjson.dumps(told), status, headers=limited, media_type=kind)


def _as_problem(x: LocalX, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        said = problem(error.status_code, error.detail)
        return _refusal(x, error.status_code, said, dict(error.headers or {}))
    return _refusal(x, 500, problem(500, "Internal Server Error"), {})
