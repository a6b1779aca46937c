"""How fast the sink stores tweets, beside MongoDB's own Kafka Connect sink. Not part of the test runs.

    .venv/bin/python tests/bench/sink.py [--count 200000] [--rounds 3] [--sinks 1] [--tasks 1] [--keep FILE]

Both read the same topic of six partitions from the same broker over TLS and write with majority writes over
TLS, into a collection with the same index; ours with validators and words besides. They take turns. A first
pass writes everything, a second one reads everything again onto the full collection. A rate is that of the
committed offsets, without the start of either program; processor time is with it, that of mongod beside it.
Prints JSON, one figure a line, and on standard error what it is about. With --keep the figures of each round
are added to a file, and medians are those of all rounds in it: so a long run can be done in parts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT / "tests/integration"))

import services  # noqa: E402
from certificates import Authority  # noqa: E402
from kafka import KafkaProducer  # noqa: E402
from kafka.admin import KafkaAdminClient  # noqa: E402

from opslib import message  # noqa: E402
from opslib.message import tweet_document  # noqa: E402
from opslib.settings import Sink  # noqa: E402
from opslib.store.collections import TWEETS, initialise  # noqa: E402
from opslib.store.documents import complete  # noqa: E402

PARTITIONS = 6
PROGRESS_SECONDS = 10
CONNECT = ["org.apache.kafka:kafka_2.13:3.9.1", "org.apache.kafka:connect-runtime:3.9.1"]
CONNECT += ["org.apache.kafka:connect-json:3.9.1", "org.slf4j:slf4j-simple:1.7.36"]
PLUGIN = ["org.mongodb.kafka:mongo-kafka-connect:2.0.1"]
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
BARE = (
    "import opslib.store.documents as d, opslib.store.write as w; d.words_of = lambda tweet: [];"
    "w._displaced = lambda *_: set(); from opslib.cli import main; main()"
)


def report(name: str, value: object) -> None:
    """Print one figure."""
    print(json.dumps({name: value}), flush=True)  # noqa: T201


def jars(folder: Path, coordinates: list[str]) -> Path:
    """Return *folder* with the artifacts and all they need, fetched once."""
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    parts = [dict(zip(("groupId", "artifactId", "version"), c.split(":"))) for c in coordinates]
    needed = "".join(
        f"<dependency>{''.join(f'<{k}>{v}</{k}>' for k, v in part.items())}</dependency>" for part in parts
    )
    pom = folder / "pom.xml"
    pom.write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>bench</groupId><artifactId>bench</artifactId>"
        f"<version>1</version><dependencies>{needed}</dependencies></project>"
    )
    subprocess.run(["mvn", "-q", "-B", "-f", pom, COPY, f"-DoutputDirectory={folder}"], check=True)
    return folder


def texts() -> list[str]:
    """Return real texts where there are any, made-up ones otherwise."""
    real = PROJECT.parent / "shared/data/tweets/pt.txt"
    if real.exists():
        return real.read_text(encoding="utf-8").splitlines()
    return [
        f"que festa boa a do carnaval de {n} https://t.co/abc{n} #carnaval @alguem" for n in range(1900, 2030)
    ]


def tweets(count: int, turns: int | None = None) -> Any:
    """Yield messages of about 1 KB; with an ``_id``, which the connector wants and ours does not look at.

    They are collected at 100 a second, or in so many turns of half an hour.
    """
    pool, noon = texts(), datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    for n in range(count):
        tweet_id = 1_800_000_000_000_000_000 + n * 4_194_304
        tag = f"tema{n % 50}"
        data = {
            "id": str(tweet_id),
            "_id": str(tweet_id),
            "text": f"{pool[n % len(pool)]} #{tag}",
            "author_id": str(1000 + n % 5000),
            "lang": "pt",
            "created_at": "2026-03-01T11:00:00.000Z",
            "conversation_id": str(tweet_id),
            "edit_history_tweet_ids": [str(tweet_id)],
            "possibly_sensitive": False,
            "reply_settings": "everyone",
            "source": "Twitter for Android",
            "context_annotations": [{"domain": {"id": "30", "name": "Topic"}, "entity": {"id": "8"}}],
            "edit_controls": {"edits_remaining": 5, "is_edit_eligible": True},
            "withheld": {"copyright": False, "country_codes": ["XY"]},
            "public_metrics": dict.fromkeys(("like_count", "retweet_count", "reply_count", "quote_count"), n),
            "entities": {
                "hashtags": [{"start": 0, "end": 8, "tag": tag}],
                "urls": [{"start": 9, "end": 32, "url": "https://t.co/abcdefghij", "expanded_url": "https://example.org/a"}],
            },
        }  # fmt: skip
        includes = {"users": [{"id": data["author_id"], "username": f"u{n % 5000}", "name": "Some One"}]}
        turn = timedelta(minutes=n * turns // count * 30) if turns else timedelta(seconds=n // 100)
        yield message.tweet_message(data, includes, f"#{tag}", 23424768, f"#{tag}", noon + turn)


class Bench:
    """The servers, and a way to run either reader over the topic."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.authority = Authority(folder / "certificates")
        certificate = self.authority.certificate("server")
        self.client = self.authority.certificate("bench")
        zookeeper, plain = services.zookeeper(folder / "zookeeper", certificate)
        self.mongodb = services.mongodb(folder / "mongodb", certificate)
        self.kafka = services.kafka(folder / "kafka", certificate, plain)
        self.servers = [zookeeper, self.mongodb, self.kafka]
        self.runs = 0
        self.running: list[subprocess.Popen[bytes]] = []
        # So that the servers are ended as well.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))

    def start(self) -> None:
        """Start the servers and fill the topic."""
        for server in self.servers:
            server.start()
        services.initiate(self.mongodb.port, self.authority.ca)
        topics = {message.TWEETS: PARTITIONS, message.TRENDS: 1, message.DEAD_LETTERS: 1}
        services.create_topics(self.kafka.port, self.client, topics)
        self.admin = KafkaAdminClient(**services.kafka_options(self.kafka.port, self.client))
        self.mongo = services.mongodb_client(self.mongodb.port, self.authority.ca)
        kafka = services.kafka_options(self.kafka.port, self.client)
        producer = KafkaProducer(
            **kafka, acks="all", linger_ms=50, compression_type="zstd", batch_size=200_000
        )
        size = 0
        for tweet in tweets(self.options.count, getattr(self.options, "turns", None)):
            value = message.encode(tweet)
            size += len(value)
            producer.send(message.TWEETS, key=message.key_of(tweet), value=value)
        producer.close()
        report("bytes a message", size // self.options.count)

    def passes(self, kind: str) -> dict[str, dict[str, float]]:
        """Write everything into a new database, then everything again; return the figures of both."""
        self.runs += 1
        database = f"{kind}{self.runs}"
        if kind == "ours":
            initialise(self.mongo[database])
        elif kind == "connector":
            self.mongo[database]["tweets"].create_indexes(list(TWEETS.indexes))
        start = self.connector if kind == "connector" else self.ours
        figures = {}
        for name in ("first", "again"):
            figures[name] = self.measured(
                start(database, f"{database}-{name}", kind), f"{database}-{name}", kind
            )
            found = self.mongo[database]["tweets"].count_documents({})
            if found != self.options.count:
                sys.exit(f"{kind} stored {found} of {self.options.count}")
        self.mongo.drop_database(database)
        return figures

    def measured(self, processes: list[subprocess.Popen[bytes]], name: str, kind: str) -> dict[str, float]:
        """Follow the group's offsets to the end; return the rate, memory and processor time."""
        self.running = processes
        group = f"connect-{name}" if kind == "connector" else name
        first = None
        limit = time.monotonic() + 900
        server = processor_seconds(self.mongodb.pid)
        told = time.monotonic()
        while True:
            found = self.admin.list_group_offsets({group: None})[group]
            done = sum(o.offset for p, o in found.items() if p.topic == message.TWEETS and o.offset > 0)
            now = time.monotonic()
            if done and first is None:
                first = (now, done)
            if done >= self.options.count:
                break
            if now - told > PROGRESS_SECONDS:
                told = now
                print(f"{name}: {done} of {self.options.count}", file=sys.stderr, flush=True)  # noqa: T201
            if now > limit or any(process.poll() is not None for process in processes):
                sys.exit(f"{name} ended or hangs: see its log in {self.folder}")
            time.sleep(0.1)
        assert first is not None
        memory = sum(high_water(process.pid) for process in processes)
        cpu = sum(processor_seconds(process.pid) for process in processes)
        for process in processes:
            process.terminate()
            process.wait(60)
        return {
            "rate": (done - first[1]) / max(now - first[0], 0.001),
            "memory": memory,
            "cpu": cpu,
            "mongod cpu": processor_seconds(self.mongodb.pid) - server,
        }

    def ours(self, database: str, group: str, kind: str) -> list[subprocess.Popen[bytes]]:
        """Start our sinks, one or several."""
        credentials = self.folder / "credentials"
        credentials.mkdir(exist_ok=True)
        for name, text in {
            "ca": self.authority.ca.read_text(),
            "kafka_cert": self.client.cert.read_text(),
            "kafka_key": self.client.key.read_text(),
            "mongodb_username": services.ADMIN[0],
            "mongodb_password": services.ADMIN[1],
        }.items():
            (credentials / name).write_text(text)
        environment = services.environment(
            CREDENTIALS_DIRECTORY=str(credentials),
            OPSLIB_KAFKA__BOOTSTRAP_SERVERS=json.dumps([f"127.0.0.1:{self.kafka.port}"]),
            OPSLIB_MONGODB__URI=f"mongodb://127.0.0.1:{self.mongodb.port}/?replicaSet=trendlake&tls=true",
            OPSLIB_MONGODB__DATABASE=database,
            OPSLIB_SINK__GROUP_ID=group,
            OPSLIB_SINK__BATCH_SIZE=str(self.options.batch_size),
        )
        command = [
            sys.executable,
            *(["-c", BARE] if kind == "bare" else ["-m", "opslib"]),
            "sink",
            "--instance",
        ]
        with (self.folder / f"{group}.log").open("wb") as log:
            return [
                subprocess.Popen([*command, f"{group}-{n}"], env=environment, stderr=log)
                for n in range(self.options.sinks)
            ]

    def connector(self, database: str, name: str, kind: str) -> list[subprocess.Popen[bytes]]:
        """Start Kafka Connect with MongoDB's sink."""
        del kind
        cache = Path(tempfile.gettempdir()) / "trendlake-bench-connect"
        worker, plugin = jars(cache / "worker", CONNECT), jars(cache / "plugins/mongodb", PLUGIN)
        trust = self.folder / "trust.p12"
        java = services.distribution("java")
        if not trust.exists():
            keytool = [
                java / "bin/keytool",
                "-importcert",
                "-noprompt",
                "-alias",
                "ca",
                "-storepass",
                "changeit",
            ]
            subprocess.run(
                [*keytool, "-file", self.authority.ca, "-keystore", trust], check=True, capture_output=True
            )
        tls = {
            "security.protocol": "SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.client.both,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.ca,
        }
        converter = "org.apache.kafka.connect.storage.StringConverter"
        worker_properties = {
            "bootstrap.servers": f"127.0.0.1:{self.kafka.port}",
            "key.converter": converter,
            "value.converter": converter,
            "offset.storage.file.filename": self.folder / "offsets",
            "offset.flush.interval.ms": 250,
            "plugin.path": plugin.parent,
            "listeners": f"http://127.0.0.1:{services.free_port()}",
            "consumer.max.poll.records": 1000,
            **tls,
            **{f"consumer.{key}": value for key, value in tls.items()},
        }
        login = ":".join(services.ADMIN)
        strategy = "com.mongodb.kafka.connect.sink"
        sink_properties = {
            "name": name,
            "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
            "tasks.max": self.options.tasks,
            "topics": message.TWEETS,
            "connection.uri": f"mongodb://{login}@127.0.0.1:{self.mongodb.port}/?replicaSet=trendlake&tls=true"
            "&w=majority&authSource=admin",
            "database": database,
            "collection": "tweets",
            "key.converter": converter,
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "writemodel.strategy": f"{strategy}.writemodel.strategy.ReplaceOneDefaultStrategy",
            "document.id.strategy": f"{strategy}.processor.id.strategy.ProvidedInValueStrategy",
            "max.batch.size": 1000,
            "bulk.write.ordered": "false",
        }
        paths = []
        for part, values in (("worker", worker_properties), ("sink", sink_properties)):
            paths.append(self.folder / f"{name}-{part}.properties")
            paths[-1].write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        command = [java / "bin/java", "-Xmx512m", f"-Djavax.net.ssl.trustStore={trust}"]
        command += [
            "-Djavax.net.ssl.trustStorePassword=changeit",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]
        command += ["-cp", f"{worker}/*", "org.apache.kafka.connect.cli.ConnectStandalone", *paths]
        with (self.folder / f"{name}.log").open("wb") as log:
            return [subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)]

    def pymongo_alone(self) -> float:
        """Return the rate of pymongo with the same documents, made beforehand, index and validator."""
        initialise(self.mongo["alone"])
        documents = [
            complete(tweet_document(message.decode_tweet(message.encode(t)))) for t in tweets(20_000)
        ]
        uri = f"mongodb://127.0.0.1:{self.mongodb.port}"
        from pymongo import MongoClient

        user, password = services.ADMIN
        client: Any = MongoClient(
            uri, username=user, password=password, replicaSet="trendlake", tls=True,
            tlsCAFile=str(self.authority.ca), w="majority",
        )  # fmt: skip
        began = time.monotonic()
        for at in range(0, len(documents), 1000):
            client["alone"]["tweets"].insert_many(documents[at : at + 1000], ordered=False)
        seconds = time.monotonic() - began
        client.close()
        self.mongo.drop_database("alone")
        return len(documents) / seconds

    def stop(self) -> None:
        """End the servers, and what still runs."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
        for server in reversed(self.servers):
            server.stop()


def high_water(pid: int) -> float:
    """Return the most memory that a process has held, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far, its start included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sinks", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=Sink().batch_size)
    parser.add_argument("--without-connector", action="store_true")
    parser.add_argument("--keep", type=Path, help="add each round to this file, and use all in it")
    options = parser.parse_args()
    report("machine", f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="trendlake-bench-") as folder:
        bench = Bench(Path(folder), options)
        try:
            bench.start()
            run(bench, options)
        finally:
            bench.stop()


def run(bench: Bench, options: argparse.Namespace) -> None:
    """Let them take turns, and print what came of it."""
    kinds = ["ours"] if options.without_connector else ["ours", "connector"]
    rounds: list[dict[str, dict[str, dict[str, float]]]] = []
    for _ in range(options.rounds):
        rounds.append({kind: bench.passes(kind) for kind in kinds})
        for kind, passes in rounds[-1].items():
            for name, figures in passes.items():
                report(f"{kind}, {name}", {key: round(value, 1) for key, value in figures.items()})
    if options.keep:
        with options.keep.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(one) + "\n" for one in rounds)
        rounds = [json.loads(line) for line in options.keep.read_text(encoding="utf-8").splitlines()]
    median = {
        (kind, name): {
            key: statistics.median(one[kind][name][key] for one in rounds)
            for key in ("rate", "memory", "cpu", "mongod cpu")
        }
        for kind in kinds
        for name in ("first", "again")
    }
    for (kind, name), figures in median.items():
        report(
            f"median of {len(rounds)}: {kind}, {name}",
            {key: round(value, 1) for key, value in figures.items()},
        )
    alone = bench.pymongo_alone()
    report("pymongo alone, tweets a second", round(alone))
    report("ours as a share of pymongo alone", round(median["ours", "first"]["rate"] / alone, 2))
    report("bare path (no words, index or validator)", round(bench.passes("bare")["first"]["rate"]))
    for name in ("first", "again") if "connector" in kinds else ():
        ours, theirs = median["ours", name], median["connector", name]
        for key in ours:
            report(f"ours to connector, {name}: {key}", round(ours[key] / theirs[key], 2))


if __name__ == "__main__":
    main()
