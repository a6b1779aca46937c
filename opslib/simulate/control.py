"""The control API: what tests need and X has not. Its paths begin with ``/_control/``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import orjson
from starlette.responses import Response
from starlette.routing import Route

from opslib.simulate import CONTRACTS, answers, state
from opslib.simulate.faults import BadFaults
from opslib.simulate.problems import problem
from opslib.simulate.tweets import DELETED, PROTECTED, SUSPENDED, BadFile, BadState, lines_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.requests import Request

    from opslib.simulate.local import LocalX

Json = dict[str, Any]
# From the content of a request to that of the answer.
Action = Callable[["LocalX", bytes], Json]

DISCONNECTS = (
    "OperationalDisconnect",
    "UpstreamOperationalDisconnect",
    "ForceDisconnect",
    "UpstreamUncleanDisconnect",
    "SlowReader",
    "InternalError",
    "ClientApplicationStateDegraded",
    "InvalidRules",
)


class _BadRequest(ValueError):  # noqa: N818
    """What was asked for makes no sense; the text says why."""


def control_routes(x: LocalX, allowed: Callable[[Request], bool]) -> list[Route]:
    """Return the routes; they ask for the same token as X's, so where any is good, none is needed."""

    def route(path: str, **actions: Action) -> Route:
        return Route(f"/_control/{path}", _endpoint(x, allowed, actions), methods=list(actions))

    return [
        route("ledger", GET=_ledger),
        route("faults", GET=_faults, PUT=_set_faults),
        route("state", GET=_state_out, PUT=_state_in),
        route("tweets", POST=_add),
        route("tweets/delete", POST=_delete),
        route("tweets/protect", POST=_protect),
        route("tweets/suspend", POST=_suspend),
        route("tweets/edit", POST=_edit),
        route("compliance", GET=_compliance, PUT=_set_compliance),
        route("stream/disconnect", POST=_disconnect),
        route("contract", GET=_contract, PUT=_set_contract),
    ]


def _ledger(x: LocalX, _: bytes) -> Json:
    return {"offered": x.store.offered(), "searchable": answers.offered(x.store), **x.ledger.summary()}


def _contract(x: LocalX, _: bytes) -> Json:
    return {"contract": x.contract, "strict_fields": x.strict_fields}


def _set_contract(x: LocalX, body: bytes) -> Json:
    given = _json(body)
    if not isinstance(given, dict) or not set(given) <= {"contract", "strict_fields"}:
        raise _BadRequest("the body is no object with contract, and with strict_fields if wanted")
    contract, strict = given.get("contract", x.contract), given.get("strict_fields", x.strict_fields)
    if contract not in CONTRACTS or not isinstance(strict, bool):
        raise _BadRequest(f"contract is one of {', '.join(CONTRACTS)}, strict_fields true or false")
    x.contract, x.strict_fields = contract, strict
    return _contract(x, body)


def _faults(x: LocalX, _: bytes) -> Json:
    return x.faults.settings()


def _set_faults(x: LocalX, body: bytes) -> Json:
    x.faults.set(_json(body))
    return x.faults.settings()


def _state_out(x: LocalX, _: bytes) -> Json:
    return state.taken(x)


def _state_in(x: LocalX, body: bytes) -> Json:
    state.put(x, _json(body))
    return {"restored": True}


def _add(x: LocalX, body: bytes) -> Json:
    return {"added": x.store.add(lines_of(body, "the body"))}


def _delete(x: LocalX, body: bytes) -> Json:
    return {"deleted": x.store.remove(_ids(body), DELETED)}


def _protect(x: LocalX, body: bytes) -> Json:
    return {"protected": x.store.remove(_ids(body), PROTECTED)}


def _suspend(x: LocalX, body: bytes) -> Json:
    return {"suspended": x.store.remove(_ids(body), SUSPENDED)}


def _compliance(x: LocalX, _: bytes) -> Json:
    return {"seconds": x.compliance.seconds, "allowed": x.compliance.allowed, **x.compliance.summary()}


def _set_compliance(x: LocalX, body: bytes) -> Json:
    given = _json(body)
    if not isinstance(given, dict) or not set(given) <= {"seconds", "allowed"}:
        raise _BadRequest("the body is no object with seconds or allowed")
    seconds, allowed = given.get("seconds", x.compliance.seconds), given.get("allowed", x.compliance.allowed)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not isinstance(allowed, bool):
        raise _BadRequest("seconds is a number, allowed true or false")
    x.compliance.seconds, x.compliance.allowed = float(seconds), allowed
    return _compliance(x, body)


def _edit(x: LocalX, body: bytes) -> Json:
    given = _object(body, "id", "text")
    if not isinstance(given["text"], str):
        raise _BadRequest("text is no text")
    new_id = x.store.edit(_id(given["id"]), given["text"])
    if new_id is None:
        raise _BadRequest(f"there is no tweet {given['id']}")
    return {"id": new_id}


def _disconnect(x: LocalX, body: bytes) -> Json:
    kind = _object(body, "type")["type"] if body else "OperationalDisconnect"
    if kind not in DISCONNECTS:
        raise _BadRequest(f"type is one of {', '.join(DISCONNECTS)}")
    x.streams.disconnect(kind)
    return {"disconnected": len(x.streams.connected)}


def _endpoint(
    x: LocalX, allowed: Callable[[Request], bool], actions: dict[str, Action]
) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        if x.token is not None and not allowed(request):
            return _response(problem(401, "Unauthorized"), 401)
        body = await request.body()
        try:
            return _response(actions["GET" if request.method == "HEAD" else request.method](x, body))
        except (_BadRequest, BadFaults, BadFile, BadState) as error:
            return _response(problem(400, "Bad Request", str(error)), 400)

    return respond


def _response(content: Json, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise _BadRequest(f"the body is not JSON: {error}") from error


def _object(body: bytes, *names: str) -> Json:
    given = _json(body)
    if not isinstance(given, dict) or set(given) != set(names):
        raise _BadRequest(f"the body is no object with {' and '.join(names)}")
    return given


def _ids(body: bytes) -> list[int]:
    given = _object(body, "ids")["ids"]
    if not isinstance(given, list):
        raise _BadRequest("ids is no list")
    return [_id(text) for text in given]


def _id(text: Any) -> int:
    if not (isinstance(text, str) and text.isascii() and text.isdigit()):
        raise _BadRequest(f"{text!r} is no id of a tweet, which is a text of digits")
    return int(text)
