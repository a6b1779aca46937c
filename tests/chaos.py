"""Chaos on the deployed lake: everything is killed in turn, cut off and starved while tweets are produced.

Shared by `tests/e2e/test_chaos.py` and `tests/bench/chaos.py`. What comes out is compared with what went in,
and each derived thing with a count from scratch that does not use the code that derives it.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opened
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from recount import buckets, rolled_up

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from recount import Bucket

ROOT = Path(__file__).resolve().parents[1]
# All sinks at once: a host runs as many as it has cores.
UNITS = ("opslib-sink@*", "opslib-speed", "mongodb", "kafka", "zookeeper")
AUTHORS = 500
_WORDS = ["gol", "festa", "praia", "samba", "chuva", "trem", "café", "estrada", "violão", "sorriso"]
_HASHTAGS = ("#caos", "#calma", "#tempestade")
_FIRST_ID = 7_000_000_000_000_000_000  # far behind all that were ever given out


def say(text: str) -> None:
    """Tell on standard error what happens, with the time."""
    sys.stderr.write(f"[{time.strftime('%H:%M:%S')}] {text}\n")


def wait_until(what: str, ready: Callable[[], bool], seconds: float) -> None:
    """Wait until *ready* holds. What is away is not ready.

    *seconds* is what it may take on a machine that does nothing else; after three times as long it fails
    with *what*.
    """
    seconds *= 3
    deadline = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return
        except (PyMongoError, KafkaError, AssertionError) as error:
            said = f": {error}"[:1500]
        else:
            said = ""
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s still not so: {what}{said}")
        time.sleep(1)


@dataclass
class Machine:
    """The deployed machine, and what a client on the control node holds."""

    folder: Path = ROOT / "out" / "molecule" / "default"
    vault: str = "vault.yml"  # in the folder; its secrets are those of the lake as it is

    def __post_init__(self) -> None:
        known = (self.folder / "ssh_config").read_text()
        hosts = re.findall(r"^Host (\S+) \S+\n\s+HostName (\S+)", known, re.MULTILINE)
        self.name, self.address = hosts[0]
        vault = VaultLib([("default", VaultSecret((self.folder / "vault-password").read_bytes().strip()))])
        self.secrets = yaml.safe_load(vault.decrypt((self.folder / self.vault).read_bytes()))
        operator = self.folder / "ca" / "operator"
        self.kafka: dict[str, Any] = {
            "bootstrap_servers": f"{self.address}:9093",
            "security_protocol": "SSL",
            "ssl_cafile": str(operator / "ca.pem"),
            "ssl_certfile": str(operator / "operator.pem"),
            "ssl_keyfile": opened.operator_key(self.folder / "ca", self.secrets["tls_operator_p12_password"]),
        }
        self.mongo: MongoClient[dict[str, Any]] = MongoClient(
            self.address,
            tls=True,
            tlsCAFile=str(operator / "ca.pem"),
            directConnection=True,
            tz_aware=True,
            serverSelectionTimeoutMS=3000,
            username="admin",
            password=self.secrets["mongodb_admin_password"],
        )
        self.database: Any = self.mongo.get_database(
            "trendlake",
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", wtimeout=5000),
        )

    def run(self, command: str, *, check: bool = True, seconds: float = 600) -> str:
        """Run a shell command on the machine as root, and return what it wrote."""
        done = subprocess.run(
            ["ssh", "-F", str(self.folder / "ssh_config"), self.name, command],
            capture_output=True, text=True, check=False, timeout=seconds,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{command}: {done.stdout[-800:]} {done.stderr[-1500:]}"
        return done.stdout

    def is_active(self, unit: str) -> bool:
        """Tell whether systemd has the unit running, or all of a pattern."""
        return set(self.run(f"systemctl is-active {unit}", check=False).split()) == {"active"}

    def primary(self) -> bool:
        """Tell whether MongoDB takes writes."""
        return bool(self.mongo.admin.command("hello")["isWritablePrimary"])

    def offsets(self, topic: str) -> int:
        """Return how many messages the topic has ever had."""
        consumer = KafkaConsumer(**self.kafka)
        try:
            partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
            return sum(consumer.end_offsets(partitions).values())
        finally:
            consumer.close()


def _now() -> str:
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Producer:
    """Produces tweets in a thread of its own, at a pace, until all are acknowledged."""

    machine: Machine
    number: int
    seconds: float  # the pace; :meth:`finish` lets go of it
    seed: int

    def __post_init__(self) -> None:
        # Each run has ids of its own, so that one that was broken off does no harm to the next.
        self.first = _FIRST_ID + int(time.time()) * 1_000_000
        self.ids = range(self.first, self.first + self.number)
        # So have their authors, who are forgotten in the end, and stay so.
        first_author = int(time.time()) * 1_000
        self.authors = range(first_author, first_author + AUTHORS)
        self.repeated = 0
        self._hurry = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.began = dt.datetime.now(dt.timezone.utc)
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Send the rest as fast as it goes, and wait until the broker has all."""
        self._hurry.set()
        self._thread.join(seconds)
        if self._error is not None:
            raise self._error
        assert not self._thread.is_alive(), f"the broker did not take all tweets within {seconds:g} s"

    def _run(self) -> None:
        try:
            self._produce()
        except BaseException as error:
            self._error = error

    def _produce(self) -> None:
        chance = random.Random(self.seed)  # noqa: S311 - not a secret
        # A broker that is away for longer than this is no chaos any more but an end.
        producer = KafkaProducer(
            **self.machine.kafka, acks="all", enable_idempotence=True, linger_ms=20, max_block_ms=300_000,
            delivery_timeout_ms=300_000, request_timeout_ms=10_000, compression_type="zstd",
        )  # fmt: skip
        try:
            started = time.monotonic()
            sent = []
            for place, id_ in enumerate(self.ids):
                ahead = place * self.seconds / self.number - (time.monotonic() - started)
                if ahead > 0:
                    self._hurry.wait(ahead)
                tweet = self._tweet(id_, chance)
                sent.append((id_, self._send(producer, tweet)))
                if chance.random() < 0.02:  # X gives some twice
                    self._send(producer, {**tweet, "collected_at": _now()})
                    self.repeated += 1
            producer.flush()
            for _, future in sent:
                future.get(60)
        finally:
            producer.close()

    def _send(self, producer: KafkaProducer, tweet: dict[str, Any]) -> Any:
        value = json.dumps(tweet, ensure_ascii=False).encode()
        return producer.send("tweets.raw", key=tweet["id"].encode(), value=value)

    def _tweet(self, id_: int, chance: random.Random) -> dict[str, Any]:
        now = _now()
        author = str(self.authors[id_ % AUTHORS])
        words = [*chance.sample(_WORDS, 3), chance.choice(_HASHTAGS)]
        return {
            "id": str(id_),
            "text": " ".join(words),
            "lang": "pt",
            "created_at": now,
            "author_id": author,
            "collected_for": [{"name": "caos", "woeid": 1, "query": "caos"}],
            "collected_at": now,
        }


@dataclass
class Chaos:
    """What is done to the machine, from a seed."""

    machine: Machine
    seed: int = 1
    kills: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - not a secret
        self._units = [unit for unit in UNITS if self.machine.is_active(unit)]

    def kill(self, number: int) -> None:
        """Kill each in turn, in an order of the seed's, while the one before may still be coming back."""
        order: list[str] = []
        for _ in range(number):
            if not order:
                order = self._chance.sample(self._units, len(self._units))
            unit = order.pop()
            wait_until(f"{unit} runs", lambda unit=unit: self.machine.is_active(unit), 240)  # type: ignore[misc]
            say(f"kill -9 {unit}")
            self.machine.run(f"systemctl kill -s KILL {unit}")
            self.kills[unit] += 1
            time.sleep(self._chance.uniform(3, 9))

    def cut_off_mongodb(self, seconds: float = 20) -> None:
        """Let nftables drop all between the jobs of opslib and MongoDB for a while."""
        say("nftables cuts the sink from MongoDB")
        jobs = "{ opslib-sink, opslib-rollup, opslib-speed }"
        rules = (
            "add table inet chaos",
            "add chain inet chaos cut { type filter hook output priority 0; }",
            f"add rule inet chaos cut meta skuid {jobs} tcp dport 27017 counter drop",
        )
        self.machine.run(f"printf '%s\\n' {' '.join(map(shlex.quote, rules))} | nft -f -")
        try:
            before = self._stored()
            time.sleep(seconds)
            assert self._stored() - before < 2000, "the cut does not hold: MongoDB gets more tweets"
            dropped = self.machine.run("nft list table inet chaos")
            assert not re.search(r"counter packets 0 ", dropped), "nothing was dropped"
        finally:
            self.machine.run("nft delete table inet chaos")

    def fill_disk(self) -> None:
        """Let MongoDB's data be on a small tmpfs that is full for a while, and bring it back to its disk."""
        say("MongoDB's data goes onto a tmpfs")
        data, disk = "/var/lib/mongodb", "/run/chaos-disk"
        spare = 400
        self.machine.run(
            f"set -e; systemctl stop mongodb; mkdir -p {disk}; mount --bind {data} {disk}; "
            # Otherwise the tmpfs would be mounted there as well.
            f"mount --make-private {disk}; "
            f"size=$(( $(du -sm {disk} | cut -f1) + {spare} )); "
            f"mount -t tmpfs -o size=${{size}}m chaos {data}; "
            f"cp -a {disk}/. {data}/; chown --reference={disk} {data}; chmod --reference={disk} {data}; "
            "systemctl start mongodb"
        )
        try:
            wait_until("MongoDB is primary on the tmpfs", self.machine.primary, 180)
            say("the disk is full")
            # Once more: what MongoDB frees meanwhile is filled as well.
            self.machine.run(
                f"for n in 1 2 3; do dd if=/dev/zero of={data}/ballast$n bs=1M; done",
                check=False,
            )
            wait_until("MongoDB feels that its disk is full", self._writes_fail, 180)
            time.sleep(10)
            say("and is freed")
            self.machine.run(f"rm -f {data}/ballast*")
            wait_until("MongoDB is primary again", self.machine.primary, 180)
        finally:
            self.machine.run(
                f"set -e; rm -f {data}/ballast*; systemctl stop mongodb; "
                f"find {disk} -mindepth 1 -delete; cp -a {data}/. {disk}/; umount {data}; umount {disk}; "
                f"rmdir {disk}; systemctl reset-failed mongodb || true; systemctl start mongodb"
            )
        wait_until("MongoDB is primary on its own disk", self.machine.primary, 180)
        say("MongoDB's data is back on its disk")

    def _writes_fail(self) -> bool:
        """Ask for a checkpoint, which needs room: with none MongoDB refuses or ends."""
        try:
            self.machine.mongo.admin.command("fsync", 1)
        except PyMongoError as error:
            say(f"MongoDB: {str(error)[:150]}")
            return True
        return False

    def _stored(self) -> int:
        return int(self.machine.database.tweets.estimated_document_count())


def stored_ids(machine: Machine, producer: Producer) -> set[int]:
    """Return the ids of the producer's range that MongoDB has."""
    some = {"_id": {"$gte": producer.ids[0], "$lte": producer.ids[-1]}}
    return {found["_id"] for found in machine.database.tweets.find(some, {"_id": 1})}


def roll_ups_differ(
    machine: Machine, since: dt.datetime | None = None, until: dt.datetime | None = None
) -> list[Bucket]:
    """Return the buckets that a count from scratch has otherwise.

    Compared are the minutes that began by *until*, by default now, and the hours and days that were over, of
    those that began at *since* or later if that is given. Where tweets still come, *until* is long enough ago
    that all of its minute is stored and counted.
    """
    until = until or dt.datetime.now(dt.timezone.utc)
    lengths = {"minute": dt.timedelta(0), "hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1)}
    wanted = buckets(_counted(machine, since))
    after = {"at": {"$gte": since}} if since else {}
    found = rolled_up(machine.database.word_counts.find(after).batch_size(2000))
    return sorted(
        (
            key
            for key in wanted.keys() | found.keys()
            if not (since and key[1] < since)
            and key[1] + lengths[key[0]] <= until
            and wanted.get(key) != found.get(key)
        ),
        key=str,
    )


def _counted(machine: Machine, since: dt.datetime | None) -> list[dict[str, Any]]:
    """Return all tweets that decide what is in buckets from *since* on."""
    fields = {"first_seen_at": 1, "topics": 1, "words": 1, "retweet_of": 1}
    tweets = machine.database.tweets

    def those(wanted: dict[str, Any]) -> dict[int, dict[str, Any]]:
        return {one["_id"]: one for one in tweets.find(wanted, fields).sort("_id").batch_size(5000)}

    if since is None:
        return [*those({}).values()]
    came = those({"$or": [{name: {"$gte": since}} for name in ("first_seen_at", "topics.first_at")]})
    # A text counts with the first that brought it, which may have come before.
    brought = {one["retweet_of"] for one in came.values() if "retweet_of" in one}
    before = those({"$or": [{"retweet_of": {"$exists": True}}, {"_id": {"$in": [*brought]}}]})
    return [*{**before, **came}.values()]


def windows_differ(
    machine: Machine, began: dt.datetime, until: dt.datetime, hashtags: Collection[str] = _HASHTAGS
) -> tuple[int, list[str]]:
    """Compare the windows that ended from *began* to *until* with a count from scratch.

    Returns how many were compared, and those that differ in tweets, authors or what they say of *hashtags*.
    """
    tweets = [
        (
            found["created_at"],
            found["author"]["id"],
            set(re.findall(r"#\w+", found["text"].lower())),
            {topic["woeid"] for topic in found["topics"]} or {None},
        )
        for found in machine.database.tweets.find(
            {"created_at": {"$gte": began - dt.timedelta(minutes=5), "$lt": until}},
            {"created_at": 1, "author.id": 1, "text": 1, "topics.woeid": 1},
        )
        if found.get("author")
    ]
    compared, wrong = 0, []
    for window in machine.database.trending.find(
        {"minutes": {"$in": [1, 5]}, "ends_at": {"$gt": began, "$lte": until}}
    ):
        begins = window["ends_at"] - dt.timedelta(minutes=window["minutes"])
        inside = [
            (author, tags)
            for created_at, author, tags, places in tweets
            if begins <= created_at < window["ends_at"] and window["woeid"] in places
        ]
        wanted: dict[str, Any] = {"tweets": len(inside), "authors": len({author for author, _ in inside})}
        found: dict[str, Any] = {name: window[name] for name in wanted}
        for item in window["items"]:
            if item["kind"] == "hashtag" and item["name"].lower() in hashtags:
                those = [author for author, tags in inside if item["name"].lower() in tags]
                wanted[item["name"]] = (len(those), len(set(those)))
                found[item["name"]] = (item["tweets"], item["authors"])
        compared += 1
        if wanted != found:
            wrong.append(f"{window['_id']}: {found}, recounted {wanted}")
    return compared, wrong


def forget_all(machine: Machine, producer: Producer) -> dict[str, Any]:
    """Take out of the lake what the producer put in, as an operator would: by its authors."""
    authors = " ".join(f"--author {author}" for author in producer.authors)
    told = machine.run(
        f"opslib forget {authors} --why 'the chaos is over' --yes --format json",
        seconds=300 + len(producer.ids) // 500,
    )
    assert not stored_ids(machine, producer)
    return dict(json.loads(told))


@dataclass(frozen=True)
class Result:
    """What came of it."""

    produced: int
    repeated: int
    missing: int
    unknown: int
    dead_letters: int
    roll_ups: list[Bucket]
    windows: int
    wrong_windows: list[str]
    kills: dict[str, int]
    seconds: float


def run(number: int, kills: int, *, seed: int = 1, seconds: float = 150) -> tuple[Machine, Producer, Result]:
    """Produce *number* tweets over about *seconds* while *kills* kills and the two other plagues befall."""
    machine = Machine()
    began = time.monotonic()
    machine.run("systemctl stop opslib-recheck.timer", check=False)  # X does not know these tweets
    dead = machine.offsets("tweets.dlq")
    chaos = Chaos(machine, seed)
    producer = Producer(machine, number, seconds, seed)
    producer.start()
    chaos.kill(kills)
    wait_until("MongoDB is primary", machine.primary, 180)
    chaos.cut_off_mongodb()
    chaos.fill_disk()
    producer.finish(300)
    say(f"all {number} tweets are in Kafka")
    wanted = set(producer.ids)
    patience = 180 + number / 300
    wait_until("MongoDB has every tweet", lambda: stored_ids(machine, producer) >= wanted, patience)
    say("MongoDB has every tweet")
    found = stored_ids(machine, producer)
    until = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
    differ: list[Bucket] = []

    def counted() -> bool:
        differ[:] = roll_ups_differ(machine)
        return not differ

    wait_until("roll-ups equal a recount", counted, 300 + number / 500)
    compared, wrong = 0, []
    if machine.is_active("opslib-speed"):

        def windows_are_there() -> bool:
            nonlocal compared, wrong
            compared, wrong = windows_differ(machine, producer.began, until)
            return compared > 0 and not wrong

        try:
            wait_until("windows equal a recount", windows_are_there, 300)
        except TimeoutError:
            say(f"{len(wrong)} of {compared} windows differ")
    result = Result(
        number, producer.repeated, len(wanted - found), len(found - wanted),
        machine.offsets("tweets.dlq") - dead, differ, compared, wrong, dict(chaos.kills),
        round(time.monotonic() - began, 1),
    )  # fmt: skip
    return machine, producer, result


def leave(machine: Machine, producer: Producer) -> dict[str, Any]:
    """Take the tweets out again, and wait until the machine is as it was; return what was forgotten."""
    taken = forget_all(machine, producer)
    patience = 300 + len(producer.ids) / 500
    wait_until("roll-ups equal a recount", lambda: not roll_ups_differ(machine), patience)
    machine.run("systemctl start opslib-recheck.timer", check=False)
    wait_until("the doctor is content", lambda: bool(machine.run("opslib doctor") or True), 300)
    return taken
