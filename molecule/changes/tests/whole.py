"""A whole lake of the scenario's machines, which follows the stream of a local X."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import chaos
import requests
from chaos import wait_until
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import TopicAlreadyExistsError
from machines import CA, FOLDER, VAULT, Lake
from pymongo import MongoClient
from simulated import X

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

SUBNET = os.environ.get("TRENDLAKE_SUBNET", "10.77.0")


class Whole(Lake):
    """Members are on all of its hosts, what there is once is on the first, and X outlives them."""

    once = (1,)
    topic = "verify.changes"  # beside tweets, which readers wait for

    def __init__(self, x: X) -> None:
        super().__init__()
        self.x = x
        self.also: dict[str, Any] = {}  # variables from now on
        self.began = time.monotonic()  # all that was written from then on is to be stored

    def variables(self) -> dict[str, Any]:
        return {
            **self.x.inventory,
            "nifi_flow_mode": "stream",
            # The topics of a place count for three of them without a snapshot: longer than its host is away.
            "nifi_flow_trends_interval": "10 min",
            # Nothing of a gap is left out, however long it was.
            "nifi_flow_pages_per_topic": 2000,
            # What is not about changes would only take its time.
            "opslib_report_enabled": False,
            "opslib_search_enabled": False,
            **self.also,
        }

    def start(self, *called: Any, **variables: Any) -> subprocess.Popen[str]:
        return super().start(*called, x_token=self.x.token, **variables)

    @property
    def machine(self) -> chaos.Machine:
        """Return what counts again, with a client of the whole replica set."""
        found = chaos.Machine(FOLDER, str(VAULT.relative_to(FOLDER)))
        found.mongo.close()
        found.mongo = MongoClient(**self.mongodb(self.hosts), tz_aware=True)
        found.database = found.mongo.trendlake
        return found

    def makes_its_topic(self) -> None:
        """Make the topic that writers of a test write to, as many times as there are hosts."""
        admin = KafkaAdminClient(**self.kafka(self.hosts))
        with contextlib.suppress(TopicAlreadyExistsError):  # of a run before
            admin.create_topics(
                [NewTopic(self.topic, num_partitions=6, replication_factor=min(3, len(self.hosts)))]
            )
        admin.close()

    def stored(self) -> set[int]:
        with MongoClient(**self.mongodb(self.hosts)) as client:
            return {one["_id"] for one in client.trendlake.tweets.find({}, {"_id": 1}).batch_size(50_000)}

    def written(self, before: float) -> set[int]:
        return {one for one, at in self.x.written.copy().items() if self.began <= at < before}

    def collects(self, a_second: int) -> None:
        """Wait until the stream is read, and from then on as many tweets *a_second*."""
        wait_until("the stream is read", lambda: len(self.stored()) > 20, 600)
        self.x.a_second = a_second
        time.sleep(40)
        # What was written before the stream was connected is searched for as far as its topics trended.
        self.began = time.monotonic() - 30
        self.keeps_up()

    def keeps_up(self) -> None:
        """Wait until all is stored that had been written half a minute before."""

        def is_there() -> bool:
            wanted = self.written(time.monotonic() - 30)
            return bool(wanted) and wanted <= self.stored()

        wait_until("what is written is stored half a minute later", is_there, 600)

    def serves(self) -> None:
        """Hold that the page answers with a certificate of ours, and that no unit of a host has failed."""
        for number in self.once:
            page = f"https://{self.addresses[number - 1]}/"
            answer = requests.get(page, verify=CA, allow_redirects=False, timeout=120)
            assert answer.headers["Location"].startswith("/login")
        for number in self.hosts:
            assert self.host(number).check_output("systemctl --failed --no-legend --plain") == ""


Follows = TypeVar("Follows", bound=Whole)


@contextlib.contextmanager
def following(port: int, keep: int, kind: Callable[[X], Follows] = Whole) -> Iterator[Follows]:
    """Have a lake of a *kind* follow a local X on a *port*, which keeps so many tweets to be searched for."""
    x = X(FOLDER, f"{SUBNET}.1", port, "--keep", str(keep), a_second=2)
    try:
        x.start()
        yield kind(x)
    finally:
        x.end()
