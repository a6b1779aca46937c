"""Who is connected to the stream, and how that is ended by somebody else.

X holds a connection for a while whose client has gone without a word: then the token cannot connect again,
unless it ends that one. https://docs.x.com/x-api/connections/introduction
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslib.message import stamp
from opslib.simulate import parameters as p
from opslib.simulate.problems import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

Json = dict[str, Any]

ENDPOINT = "filtered_stream"
_FIELDS = "connection.fields"
_PAST = 100


@dataclass
class Connection:
    """One connection of a token; *killed* once somebody has ended it."""

    token: str
    connected_at: datetime
    client_ip: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    killed: bool = False
    disconnected_at: datetime | None = None

    def told(self, wanted: frozenset[str]) -> Json:
        """Return it as X shows it."""
        ended = self.disconnected_at
        found: Json = {
            "id": self.id,
            "endpoint_name": ENDPOINT,
            "client_ip": self.client_ip,
            "connected_at": stamp(self.connected_at),
        }
        if ended is not None:
            found.update(
                disconnected_at=stamp(ended), disconnect_reason=("killed" if self.killed else "closed")
            )
        return {name: value for name, value in found.items() if not wanted or name in wanted | {"id"}}


@dataclass
class Streams:
    """The connections: X allows one a token."""

    connected: dict[str, Connection] = field(default_factory=dict)
    past: list[Connection] = field(default_factory=list)
    # Of each ending ordered: how X calls it. The number tells connections which ones are new to them.
    _endings: list[str] = field(default_factory=list)
    closing: bool = False

    def connect(self, token: str, now: datetime, client_ip: str) -> Connection:
        """Note a new connection of *token*."""
        connection = self.connected[token] = Connection(token, now, client_ip)
        return connection

    def release(self, connection: Connection, now: datetime) -> None:
        """Let go of a connection, if that was not done before."""
        if self.connected.get(connection.token) is connection:
            del self.connected[connection.token]
            connection.disconnected_at = now
            self.past = [*self.past, connection][-_PAST:]

    def disconnect(self, kind: str) -> None:
        """End all connections, with the message that X sends then."""
        self._endings.append(kind)

    def endings(self) -> int:
        """Return how many endings there were so far."""
        return len(self._endings)

    def ending(self, since: int, connection: Connection) -> str | None:
        """Return the first ending of *connection* after the first *since* ones of all."""
        if self.closing or connection.killed:
            return "ForceDisconnect"
        return self._endings[since] if len(self._endings) > since else None

    # ---- the calls

    def listed(self, token: str, parameters: Mapping[str, str]) -> Json:
        """Return the answer for the connections of *token*."""
        p.check(parameters, p.names(f"status endpoints max_results pagination_token {_FIELDS}"))
        status = p.choice(parameters, "status", ("active", "inactive", "all"))
        most = p.number(parameters, "max_results", 1, 100, 10)
        p.items(parameters, "endpoints")
        wanted = p.items(parameters, _FIELDS)
        active = [self.connected[token]] if token in self.connected else []
        past = [one for one in reversed(self.past) if one.token == token]
        found = {"active": active, "inactive": past, "all": [*active, *past]}[status][:most]
        told = [one.told(wanted) for one in found]
        return {**({"data": told} if told else {}), "meta": {"result_count": len(told)}}

    def killed(self, token: str, ids: Iterable[str] | None, now: datetime) -> Json:
        """End connections of *token*, those with *ids* or all; return the answer."""
        mine = self.connected.get(token)
        asked = list(ids) if ids is not None else [mine.id] if mine is not None else []
        results = []
        for wanted in asked:
            if mine is not None and wanted == mine.id and not mine.killed:
                mine.killed = True
                self.release(mine, now)
                results.append({"uuid": wanted, "success": True})
            else:
                results.append({"uuid": wanted, "success": False, "error_message": "No such connection."})
        kills = sum(bool(result["success"]) for result in results)
        data: Json = {"successful_kills": kills, "failed_kills": len(results) - kills}
        return {"data": {**data, "results": results}}


def uuids_of(body: Any) -> list[str]:
    """Return the ids of connections that a body names."""
    uuids = body.get("uuids") if isinstance(body, dict) and set(body) == {"uuids"} else None
    if (
        not isinstance(uuids, list)
        or not 0 < len(uuids) <= 100
        or not all(isinstance(one, str) for one in uuids)
    ):
        raise InvalidRequest("The body is to have 1 to 100 `uuids`", "uuids", str(body)[:100])
    return uuids


def endpoint_of(name: str) -> str:
    """Return the name of an endpoint, checked."""
    p.check_items("endpoints", name, p.LISTS["endpoints"])
    return name
