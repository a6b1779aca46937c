"""What those who mean harm cost everybody else: the delays of readers and page while it is tried.

    python tests/bench/security.py [--seconds 60] [--attempts 100] [--bombs 3]

ZooKeeper, Kafka, MongoDB, the sink, the speed layer, the statistics, the page and nginx in front of it run on
loopback as they are deployed. Probes go on all the time: a tweet every half second, whose delay is that until
a reader's group has committed it, and the page Now through nginx by somebody who is logged in. First as
usual; then with posts of 10,000 characters of every script; with attempts to log in, from one address through
nginx, and then from as many networks as attempts and past nginx, so that the page has to stand them alone;
and with batches of 33 KB that become a gibibyte. Delays are put beside the usual ones of the same run. Prints
JSON, a line a part.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import ssl
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import bombs
import requests  # noqa: TC002 - as in the tests
import services
import urllib3
from conftest import Lake, running
from nginx import in_front
from page import PASSWORD, USER, Page, new_session
from slow_texts import LETTERS, REPEATED, text
from test_bombs import most_memory
from test_speed import SpeedLayer

from opslib import message
from opslib.store.collections import initialise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERY = 0.5  # seconds between two probes
POSTS = 5  # long ones a second
BEGUN = int(time.time() * 1000) << 22


def post(number: int, words: str) -> dict[str, Any]:
    """Return the message of a tweet."""
    now = datetime.now(timezone.utc)
    data = {"id": str(BEGUN + number), "text": words, "lang": "pt", "author_id": str(number % 1000 + 1),
            "created_at": message.stamp(now)}  # fmt: skip
    return message.tweet_message(data, None, "Rio", 1, "Rio", now)


def long_posts() -> Iterator[str]:
    """Return texts of 10,000 characters, over and over."""
    shapes = [text(r, letter, 10_000, end=" x.com #é") for r in REPEATED for letter in LETTERS.values()]
    random.Random(1).shuffle(shapes)  # noqa: S311
    return itertools.cycle(shapes)


class Probes:
    """Sends tweets and asks for the page until it is stopped, and notes how long each takes."""

    def __init__(self, lake: Lake, groups: dict[str, str], session: requests.Session, url: str) -> None:
        self.lake, self.groups, self.session, self.url = lake, groups, session, url
        self.numbers = itertools.count()
        self.delays: dict[str, list[float]] = {}
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=one) for one in (self.send, self.watch, self.look)]
        self.waiting: dict[str, list[tuple[Any, int, float]]] = {name: [] for name in groups}

    def note(self, name: str, seconds: float) -> None:
        self.delays.setdefault(name, []).append(seconds)

    def send(self) -> None:
        while not self.stop.wait(EVERY):
            sent = time.monotonic()
            value = message.encode(post(next(self.numbers), "festa na praia com samba"))
            at = self.lake.producer.send(message.TWEETS, value=value).get(60)
            for waiting in self.waiting.values():
                waiting.append((at.topic_partition, at.offset, sent))

    def watch(self) -> None:
        while not self.stop.wait(0.1):
            for name, group in self.groups.items():
                done = {
                    p: o.offset for p, o in self.lake.admin.list_group_offsets({group: None})[group].items()
                }
                for probe in list(self.waiting[name]):
                    if done.get(probe[0], 0) > probe[1]:
                        self.waiting[name].remove(probe)
                        self.note(name, time.monotonic() - probe[2])

    def look(self) -> None:
        while not self.stop.wait(EVERY):
            began = time.monotonic()
            answer = self.session.get(self.url, timeout=60, verify=False)
            answer.raise_for_status()
            self.note("page", time.monotonic() - began)

    def taken(self) -> dict[str, dict[str, float]]:
        """Return the delays since the last time."""
        found, self.delays = self.delays, {}
        return {
            name: {
                "n": len(times),
                "median": round(statistics.median(times), 3),
                "p95": round(statistics.quantiles(times, n=20)[-1], 3),
            }
            for name, times in sorted(found.items())
            if len(times) > 1
        }


async def attempts(
    open_one: Callable[[], Any], head: Callable[[int], str], rate: int, seconds: float
) -> dict[int, int]:
    """Send the form to log in so often a second over ten connections, and count the answers by status."""
    counts: dict[int, int] = {}
    numbers = itertools.count()
    begun = time.monotonic()

    async def one() -> None:
        reader, writer = await open_one()
        while time.monotonic() - begun < seconds:
            number = next(numbers)
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            writer.write(head(number).encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            status = int(answer.split(b" ", 2)[1])
            counts[status] = counts.get(status, 0) + 1
            length = re.search(rb"content-length: (\d+)", answer)
            await reader.readexactly(int(length[1]) if length else 0)
            if b"connection: close" in answer:
                reader, writer = await open_one()
        writer.close()

    await asyncio.gather(*(one() for _ in range(10)))
    return counts


def form(session: requests.Session, url: str) -> tuple[str, str]:
    """Return the body and the cookies of a form to log in."""
    page = session.get(url, timeout=30, verify=False).text
    token = re.findall(r'name="form_token" value="(\w+)"', page)[0]
    cookies = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
    return token, cookies


def request(name: str, token: str, cookies: str, address: str = "") -> str:
    body = urlencode({"name": name, "password": "wrong password", "form_token": token})
    forwarded = f"X-Forwarded-For: {address}\r\n" if address else ""
    return (
        f"POST /login HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n{forwarded}"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def tell(name: str, value: object) -> None:
    """Print one part."""
    print(json.dumps({name: value}), flush=True)  # noqa: T201


class Bench:
    """Everything that runs, and what is done to it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        servers = stack.enter_context(running(folder / "servers"))
        for name in ("lake", "page", "nginx"):
            (folder / name).mkdir()
        self.lake = lake = Lake(servers, folder / "lake")
        stack.callback(lake.close)
        initialise(lake.database)
        self.units = {"sink": lake.start_sink()}
        self.wait_for("sink-1.log", "started group")
        lake.log_in("opslib-stats")
        group = f"{lake.name}-stats"
        self.units["stats"] = lake.start("stats", "stats", "record", OPSLIB_STATS__GROUP_ID=group)
        self.wait_for("stats.log", "started behind")
        speed = SpeedLayer(lake)
        stack.callback(speed.close)
        self.units["speed"] = speed.start()
        self.wait_for("speed-1.log", "started group")
        page = Page(servers, folder / "page")
        stack.callback(page.close)
        self.socket = Path(stack.enter_context(page.serving("--socket", str(folder / "socket"))))
        names = {"inventory_hostname": "lake"}
        self.port = stack.enter_context(in_front(folder / "nginx", servers.authority, self.socket, **names))
        self.url = f"https://localhost:{self.port}"
        session = new_session()
        token, _ = form(session, f"{self.url}/login")
        data = {"name": USER, "password": PASSWORD, "form_token": token}
        session.post(f"{self.url}/login", data=data, timeout=30, verify=False).raise_for_status()
        self.probes = Probes(lake, {"sink": lake.name, "speed": speed.group}, session, self.url)
        self.usual: dict[str, dict[str, float]] = {}

    def wait_for(self, log: str, word: str) -> None:
        """Wait until a service says that it has begun: the next one has another account in the same place."""
        path = self.lake.folder / log
        services.wait_until(path.read_text, lambda: word in path.read_text(), 120)

    def part(self, name: str, seconds: float, act: Callable[[], object]) -> None:
        """Do something for so long, and tell the delays meanwhile beside the usual ones."""
        self.probes.taken()
        began = time.monotonic()
        done = act()
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        delays = self.probes.taken()
        self.usual = self.usual or delays
        compared = {
            who: {what: round(found[what] / self.usual[who][what], 2) for what in ("median", "p95")}
            for who, found in delays.items()
        }
        ended = [unit for unit, process in self.units.items() if process.poll() is not None]
        waiting = {who: len(waiting) for who, waiting in self.probes.waiting.items()}
        told = {"did": done, "seconds": delays, "times_usual": compared, "ended": ended, "waiting": waiting}
        tell(name, told)

    def posts(self, seconds: float) -> dict[str, int]:
        words, began, sent = long_posts(), time.monotonic(), 0
        while time.monotonic() - began < seconds:
            self.lake.producer.send(
                message.TWEETS, value=message.encode(post(10_000_000 + sent, next(words)))
            )
            sent += 1
            time.sleep(max(0.0, began + sent / POSTS - time.monotonic()))
        return {"posts": sent}

    def through_nginx(self, rate: int, seconds: float) -> dict[int, int]:
        token, cookies = form(new_session(), f"{self.url}/login")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return asyncio.run(
            attempts(
                lambda: asyncio.open_connection("127.0.0.1", self.port, ssl=context),
                lambda _: request("ana", token, cookies), rate, seconds,
            )
        )  # fmt: skip

    def past_nginx(self, rate: int, seconds: float) -> dict[int, int]:
        token, cookies = form(new_session(), f"{self.url}/login")
        return asyncio.run(
            attempts(
                lambda: asyncio.open_unix_connection(str(self.socket)),
                lambda n: request(f"user{n % 1000}", token, cookies, f"2001:db8:{n >> 8:x}:{n % 256:x}00::1"),
                rate, seconds,
            )
        )  # fmt: skip

    def bomb(self, number: int) -> dict[str, int]:
        for _ in range(number):
            bombs.send(self.lake.servers.operator, message.TWEETS, 1 << 30)
        return {"bombs": number}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--attempts", type=int, default=100, help="to log in, a second")
    parser.add_argument("--bombs", type=int, default=3)
    options = parser.parse_args()
    urllib3.disable_warnings()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        bench = Bench(Path(folder), stack)
        for thread in bench.probes.threads:
            thread.start()
        try:
            time.sleep(15)  # what is new is slow
            seconds, rate = options.seconds, options.attempts
            bench.part("as usual", seconds, dict)
            bench.part("posts of 10,000 characters", seconds, lambda: bench.posts(seconds))
            bench.part("attempts from an address", seconds, lambda: bench.through_nginx(rate, seconds))
            bench.part(
                "attempts from everywhere, past nginx", seconds, lambda: bench.past_nginx(rate, seconds)
            )
            bench.part("bombs", seconds, lambda: bench.bomb(options.bombs))
        finally:
            bench.probes.stop.set()
            for thread in bench.probes.threads:
                thread.join(60)
        letters = [dict(letter.headers)["reason"].decode() for letter in bench.lake.dead_letters()]
        tell("dead letters", {reason: letters.count(reason) for reason in set(letters)})
        alive = {unit: process for unit, process in bench.units.items() if process.poll() is None}
        tell("MiB at most", {unit: most_memory(process) for unit, process in alive.items()})
        for unit in bench.units.keys() - alive.keys():
            log = next(bench.lake.folder.glob(f"{unit}*.log")).read_text()
            sys.stderr.write(f"{unit} ended: {log[-2000:]}\n")


if __name__ == "__main__":
    main()
