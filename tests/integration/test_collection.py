"""From the X API to MongoDB through a real NiFi, which is killed while it collects.

The flow is the project's own, deployed by `opslib flow deploy`; X is the local one.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
import services
from nifi import Nifi, credentials

from opslib.flow.nar import PROCESSORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Lake, Servers

FLOW = PROCESSORS.parent / "trendlake.json"
PAGE = 100
TOPICS = 40
TWEETS = 20_000
KILLS = 3
SEED = 20_260_131


class X:
    """The local X API as a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port = services.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "opslib", "x", "simulate", "--port", str(self.port), *arguments]
        with (folder / "x.log").open("a") as log:
            self._process = subprocess.Popen(command, env=services.environment(), stderr=log)
        services.wait_until("the local X API listens", lambda: services.listening(self.port))

    def ledger(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{self.url}/_control/ledger", timeout=30).json()
        return found

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


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
        parameters = {
            "x_base_url": x.url,
            "x_token": {"secret": "of the tests"},
            "places": "23424768:Brazil",
            "topics_per_place": str(TOPICS),
            "trends_interval": "10 sec",
            "pages_per_topic": "100",
            "tweets_per_page": str(PAGE),
            "retweets": "true",
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
        done = subprocess.run(
            [sys.executable, "-m", "opslib", "flow", "deploy", FLOW, "--parameters", path],
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + self.nifi.log()[-3000:]


@pytest.fixture(scope="module")
def collector(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(servers, tmp_path_factory.mktemp("collector"))
    try:
        collector.nifi.start()
        yield collector
    finally:
        collector.nifi.stop()


def tweets(path: Path, number: int) -> Path:
    lines = [f"tweet {n} sobre #tema{n % TOPICS:02}" for n in range(number)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_nothing_is_lost_or_paid_for_twice_when_nifi_is_killed(
    collector: Collector, lake: Lake, tmp_path: Path
) -> None:
    x = X(tmp_path, "--no-limits", "--tweets", str(tweets(tmp_path / "tweets.txt", TWEETS)))
    lake.start_sink()
    chance = random.Random(SEED)  # noqa: S311 - the same kills each time
    try:
        collector.deploy(x, tmp_path / "budget.sqlite")
        for part in range(1, KILLS + 1):
            wanted = TWEETS * part // (KILLS + 1) + chance.randrange(500)
            services.wait_until(
                f"{wanted} tweets are collected",
                lambda least=wanted: len(x.ledger()["returned"]) >= least,
                300,
            )
            time.sleep(chance.random())
            collector.nifi.kill()
            collector.nifi.start()
        services.wait_until(
            lambda: f"MongoDB has {len(lake.ids())} of {TWEETS} tweets",
            lambda: len(lake.ids()) >= TWEETS,
            300,
        )
        ledger = x.ledger()
        assert lake.ids() == {int(tweet) for tweet in ledger["offered"]}
        repeated = sum(times - 1 for times in ledger["returned"].values())
        assert repeated <= KILLS * PAGE, f"{repeated} tweets were asked for again"
        assert lake.dead_letters() == []
    finally:
        x.stop()
