"""The local X API and a NiFi with the project's flow, for the tests of the extraction layer."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import requests
import services
from contract import CONTRACT
from nifi import Nifi, credentials

from opslib.packing.nar import PROCESSORS

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from conftest import Lake, Servers

FLOW = PROCESSORS.parent / "trendlake.json"
ROOT = PROCESSORS.parents[1]
PAGE = 100
TOKEN = "of the tests"
TOPICS = 40


class X:
    """The local X API as a process of its own; its answers are held against X's contract when it stops."""

    def __init__(self, folder: Path, *arguments: str, strict: bool = True) -> None:
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._report = folder / f"x-{self.port}.json" if strict else None
        program = ["tests/strict_x.py", str(self._report)] if strict else ["-m", "opslib", "x", "simulate"]
        command = [sys.executable, *program, "--port", str(self.port), *arguments]
        with (folder / "x.log").open("a") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=services.environment(), stderr=log)
        services.wait_until("the local X API listens", lambda: services.listening(self.port))

    def _control(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = requests.request(
            method, f"{self.url}/_control/{path}", headers=headers, timeout=300, **options
        )
        answer.raise_for_status()
        return answer.json()

    def ledger(self) -> dict[str, Any]:
        found: dict[str, Any] = self._control("GET", "ledger")
        return found

    def add(self, *lines: str) -> list[str]:
        """Write tweets; return their ids."""
        added: list[str] = self._control("POST", "tweets", data="".join(lines).encode())["added"]
        return added

    def speak(self, contract: str) -> None:
        """Change over to another version of X's contract."""
        self._control("PUT", "contract", json={"contract": contract})

    def faults(self, **settings: Any) -> None:
        self._control("PUT", "faults", json=settings)

    def stop(self) -> dict[str, Any]:
        """End it, and return how many answers were looked at and how many a fault has broken."""
        self._process.terminate()
        self._process.wait(60)
        if self._report is None or not CONTRACT.is_file():
            return {"checked": 0, "broken": 0}
        report: dict[str, Any] = json.loads(self._report.read_text())
        assert report["checked"]
        assert report["wrong"] == [], f"{len(report['wrong'])} answers are not what X's contract describes"
        return report


class Collector:
    """NiFi with the project's flow."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self.folder = folder
        self.nifi = Nifi(folder / "nifi", servers.authority)
        self.environment = services.environment(**credentials(folder / "credentials", self.nifi))
        self._tls = folder / "tls"
        self._tls.mkdir()
        client = servers.authority.certificate("nifi-client")
        for name, path in (("cert", client.cert), ("key", client.key), ("ca", client.ca)):
            (self._tls / f"{name}.pem").write_bytes(path.read_bytes())
        self._kafka = f"127.0.0.1:{servers.kafka.port}"

    def deploy(self, x: X, budget: Path, **different: str) -> None:
        """Deploy the project's flow to collect from *x*."""
        done = self.flow("deploy", str(FLOW), "--parameters", str(self.parameters(x, budget, **different)))
        assert done.returncode == 0, done.stderr + self.nifi.log()[-3000:]

    def parameters(self, x: X, budget: Path, **different: str) -> Path:
        """Write the flow's parameters."""
        parameters = {
            "x_base_url": x.url,
            "x_token": {"secret": TOKEN},
            "mode": "search",
            "stream_margin": "100",
            "places": "23424768:Brazil",
            "topics_per_place": str(TOPICS),
            "trends_interval": "10 sec",
            "pages_per_topic": "100",
            "tweets_per_page": str(PAGE),
            "retweets": "true",
            "trends_part": "0.5",
            "authors": "false",
            "referenced_tweets": "false",
            "x_budget_file": str(budget),
            "x_budget_usd_day": "",
            "x_budget_usd_month": "",
            "x_budget_resources_day": "",
            "x_budget_resources_month": "",
            "x_prices": "post:0.005,user:0.010,trend:0.010",
            "kafka_bootstrap_servers": self._kafka,
            "kafka_tls_directory": str(self._tls),
            **different,
        }
        path = self.folder / "parameters.json"
        path.write_text(json.dumps(parameters))
        return path

    def kill_after(self, x: X, least: int, chance: random.Random) -> None:
        """Kill NiFi some time, by *chance*, after *x* has given out so many tweets, and start it again."""
        services.wait_until(
            lambda: f"{len(x.ledger()['returned'])} of {least} tweets were given out",
            lambda: len(x.ledger()["returned"]) >= least,
            300,
            pause=0.25,
        )
        time.sleep(chance.random())
        self.nifi.kill()
        self.nifi.start()

    def status(self) -> dict[str, Any]:
        """Return what the flow is doing."""
        found: dict[str, Any] = json.loads(self.flow("status", "--format", "json").stdout)
        return found

    def flow(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `opslib flow`."""
        history = (
            () if command in ("drain", "export", "status") else ("--history", str(self.folder / "history"))
        )
        return subprocess.run(
            [sys.executable, "-m", "opslib", "flow", command, *arguments, *history],
            env=self.environment, capture_output=True, text=True, check=False, timeout=400,
        )  # fmt: skip


class Following:
    """The command `opslib follow`, as NiFi's host runs it."""

    def __init__(self, lake: Lake, x: X, budget: Path) -> None:
        self._lake = lake
        self._environment = {"OPSLIB_X__BASE_URL": x.url, "OPSLIB_X__BUDGET_FILE": str(budget)}
        lake.put("x_token", TOKEN)

    def __call__(self, *arguments: str, fails: bool = False) -> str:
        done = self._lake.opslib(*arguments, **self._environment)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    def names(self) -> list[str]:
        return [one["name"] for one in json.loads(self("follow", "list", "--format", "json"))]

    def end(self, folder: Path) -> None:
        """Leave nothing on the board, which all tests share."""
        (folder / "none.json").write_text("[]")
        self("follow", "apply", str(folder / "none.json"))
        for name in self.names():
            self("follow", "remove", name)


def collected(lake: Lake, name: str) -> set[int]:
    """Return the ids of what was stored for what is followed by that name."""
    topic = {"kind": "follow", "name": name, "woeid": None}
    return {one["_id"] for one in lake.database.tweets.find({"topics": {"$elemMatch": topic}}, {"_id": 1})}
