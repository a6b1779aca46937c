"""The local X API for tests: served in a thread, and every answer held against X's contract."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from contract import Contracts

from opslib.simulate import NEW
from opslib.simulate.local import LocalX
from opslib.simulate.server import Server, listen
from opslib.simulate.tweets import Nothing, Store, snowflake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract import Contract

    from opslib.simulate.tweets import Source

NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
ROOT = Path(__file__).resolve().parents[2]
_CONTRACTS = Contracts()


class Client:
    """Calls the local X API, and holds what it answers against the contract."""

    def __init__(self, url: str, token: str = "right", x: LocalX | None = None) -> None:
        self.url = url
        self.x = x
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, broken: bool = False, **options: Any) -> requests.Response:
        response = self._session.request(method, self.url + path, timeout=120, **options)
        path = urlsplit(response.url).path
        contract = self._contract
        if contract is not None and path.startswith("/2/") and not broken:
            kind = response.headers["content-type"]
            if response.status_code != 200 or contract.knows(method, path):
                contract.check_answer(method, path, response.status_code, kind, response.json())
        return response

    @property
    def _contract(self) -> Contract | None:
        """The contract that the server claims to speak."""
        return _CONTRACTS[self.x.contract if self.x is not None else NEW]

    def refuses(self, path: str, **parameters: Any) -> bool:
        """Tell whether a call is refused as wrong, without reading on where it is not."""
        with self._session.get(self.url + path, params=parameters, stream=True, timeout=120) as response:
            return response.status_code == 400

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        response = self.call("GET", path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def send(self, method: str, path: str, content: Any, **parameters: Any) -> dict[str, Any]:
        body = content if isinstance(content, str) else json.dumps(content)
        response = self.call(method, path, data=body.encode(), params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def search(self, query: str = "gol", **parameters: Any) -> dict[str, Any]:
        return self.get("/2/tweets/search/recent", query=query, **parameters)

    def ledger(self) -> dict[str, Any]:
        return self.get("/_control/ledger")

    def faults(self, **settings: Any) -> None:
        self.send("PUT", "/_control/faults", settings)

    def add(self, *texts: str) -> list[str]:
        added: list[str] = self.send("POST", "/_control/tweets", "\n".join(texts))["added"]
        return added

    def add_rules(self, *values: str) -> dict[str, Any]:
        rules = [{"value": value, "tag": f"tag of {value}"} for value in values]
        return self.send("POST", "/2/tweets/search/stream/rules", {"add": rules})

    @contextmanager
    def stream(self, **parameters: Any) -> Iterator[Iterator[dict[str, Any] | bytes]]:
        """Yield what the stream sends: objects that are held against the contract, or lines as they are."""
        with self._session.get(
            f"{self.url}/2/tweets/search/stream", params=parameters, stream=True, timeout=120
        ) as response:
            assert response.status_code == 200, response.text
            yield _messages(response, self._contract)


def _messages(response: requests.Response, contract: Contract | None) -> Iterator[dict[str, Any] | bytes]:
    pending = b""
    for part in response.iter_content(None):
        *lines, pending = (pending + part).split(b"\r\n")
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                yield line
                continue
            if contract is not None:
                contract.check_streamed(message)
            yield message


def posts(messages: Iterator[dict[str, Any] | bytes], number: int) -> list[dict[str, Any]]:
    """Return the next messages of a stream that are posts."""
    found: list[dict[str, Any]] = []
    while len(found) < number:
        message = next(messages)
        if isinstance(message, dict):
            found.append(message)
    return found


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Running:
    """A time that runs as fast as ours from noon on: no test that goes by it meets a midnight."""

    def __init__(self, now: datetime = NOW) -> None:
        self._ahead = now.timestamp() - time.monotonic()

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self._ahead + time.monotonic(), timezone.utc)


class Ten:
    """A source of ten tweets about goals, a minute apart; the last four quote the first."""

    def __init__(self, now: datetime = NOW) -> None:
        from opslib.simulate.tweets import tweet_of

        self._tweets = []
        for place in range(10):
            moment = now - timedelta(minutes=10 - place)
            given: dict[str, Any] = {"text": f"gol número {place} #Gol", "author_id": str(500 + place % 3)}
            if place > 5:
                first = str(self._tweets[0].id)
                given["referenced_tweets"] = [{"type": "quoted", "id": first}]
            given["id"] = str(snowflake(moment, place))
            self._tweets.append(tweet_of(given, "made", moment, place, "pt"))
        self._given = False

    def until(self, now: datetime) -> list[Any]:
        del now
        given, self._given = self._given, True
        return [] if given else self._tweets

    def state(self) -> dict[str, Any]:
        return {"kind": "ten"}

    def rewind(self, since: datetime) -> None:
        del since
        self._given = False


@contextmanager
def serving(x: LocalX, state_file: Path | None = None) -> Iterator[Client]:
    """Serve *x*, and yield a client of it."""
    server = Server(x, state_file)
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield Client(f"http://127.0.0.1:{listening.getsockname()[1]}", x=x)
        finally:
            server.handle_exit(signal.SIGTERM, None)
            thread.join(60)
        assert not thread.is_alive(), "the server did not end"


def local_x(source: Source | None = None, clock: Any = None, **settings: Any) -> LocalX:
    """Return a local X API with the tweets of *source*."""
    return LocalX(Store(source or Nothing(), clock or Clock()), **{"token": "right", **settings})
