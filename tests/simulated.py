"""The local X API on the control node, which outlives the machines as X does, and people who write there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import requests
from chaos import wait_until
from played import ROOT

if TYPE_CHECKING:
    from pathlib import Path

HASHTAGS = ("#tema0", "#tema1", "#tema2", "#tema3")


class X:
    """X, and people who write: each tweet has one hashtag, so that one search or rule finds it."""

    def __init__(self, folder: Path, host: str, port: int, *options: str, a_second: int) -> None:
        self.url = f"http://{host}:{port}"
        self.a_second = a_second  # may be changed at any time
        command = [sys.executable, "-m", "opslib", "x", "simulate", "--host", host, "--port", str(port)]
        command += ["--rate", "0", "--backlog", "0", "--no-limits", *options]
        self._log = folder / "x.log"
        with self._log.open("a") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stderr=log)
        # Of a lake that collects from it, with no limit. Its vault has an empty token, and any is good.
        self.inventory: dict[str, Any] = {
            "nifi_flow_x_base_url": self.url,
            "nifi_flow_places": [{"woeid": 23424768, "name": "Brazil"}],
            "nifi_flow_budget_usd_day": "",
            "nifi_flow_budget_usd_month": "",
        }
        self.token = "of-the-local-x-api"
        self.written: dict[int, float] = {}  # when, by the monotonic clock
        self._stop = threading.Event()
        self._writing = threading.Thread(target=self._write)

    def start(self) -> None:
        def answers() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(f"the local X API has ended:\n{self._log.read_text()[-800:]}")
            return self.returned() is not None

        wait_until("the local X API answers", answers, 60)
        self._writing.start()

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = requests.request(method, f"{self.url}/_control/{path}", timeout=60, **options)
        except requests.ConnectionError as error:
            raise AssertionError(error) from error
        answer.raise_for_status()
        return answer.json()

    def _write(self) -> None:
        number, due = 0, time.monotonic()
        # A moment that comes late is made up for by the next ones.
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            numbers = range(number, number + min(self.a_second, 100))
            number += len(numbers)
            due += len(numbers) / self.a_second
            texts = [f"mudança {n} {HASHTAGS[n % len(HASHTAGS)]} nada se perde" for n in numbers]
            body = "\n".join(json.dumps({"text": text, "lang": "pt"}) for text in texts)
            for one in self._call("POST", "tweets", data=body.encode())["added"]:
                self.written[int(one)] = time.monotonic()
            self.look()

    def look(self) -> None:
        """Look at what was given out, whenever people have written."""

    def quiet(self) -> None:
        """Let people write no more."""
        self._stop.set()
        self._writing.join(60)

    def returned(self) -> dict[int, int]:
        """Return how often each tweet was given out to searches."""
        return {int(id_): number for id_, number in self._call("GET", "ledger")["returned"].items()}

    def offered(self) -> set[int]:
        """Return all that people have written."""
        return {int(id_) for id_ in self._call("GET", "ledger")["offered"]}

    def end(self) -> None:
        if self._writing.is_alive():
            self.quiet()
        self._process.terminate()
        self._process.wait(60)
