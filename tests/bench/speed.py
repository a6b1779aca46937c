"""How well the speed layer finds bursts, and how far it is behind. Not part of the test runs.

    .venv/bin/python tests/bench/speed.py [--tune pt] [--measure en es fr ar hi]    # bursts, no servers
    .venv/bin/python tests/bench/speed.py --live 180 --rate 100                     # Kafka and MongoDB

Bursts: three hours of real tweets, two a second, drawn from one language's file by authors of whom some write
often, more and less over the hours. Into the last 110 minutes go 32 bursts of 10, 20, 40 and 80 authors
within 2 or 5 minutes, each about one word, in real tweets that hold it; and 12 times one author repeats one
tweet 40 times in 3 minutes, which is no burst. A detector says which words it would show at each step of ten
seconds; a run of steps is one alarm. It is right if at least ten authors of a burst use the word (which need
not be the one that the burst is about), and the burst has begun and its last tweet is still in the window.
Ours shows what scores at least so much with at least so many authors; plain counting the words with the most
tweets. What *at least* and *most* are is tuned on one language, to the best F1, for each of both, and then
measured on the others.

Live: tweets are sent as they are written; how long after its end a window of one minute is first there, and
how long until it has all its tweets. Then all of them once more, at once, with the peer of reading alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

PROJECT = Path(__file__).parents[2]
sys.path[:0] = [str(PROJECT / "tests/bench"), str(PROJECT / "tests/integration")]

import services  # noqa: E402
from certificates import Authority  # noqa: E402
from kafka import KafkaConsumer, KafkaProducer  # noqa: E402
from kafka.admin import KafkaAdminClient  # noqa: E402
from sink import high_water, processor_seconds, report  # noqa: E402

from opslib import message  # noqa: E402
from opslib.speed.score import Rules  # noqa: E402
from opslib.speed.sightings import STEP, Sighting, read  # noqa: E402
from opslib.speed.windows import Windows  # noqa: E402
from opslib.store.collections import initialise  # noqa: E402
from opslib.words import parts, words_of  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TWEETS = PROJECT.parent / "shared/data/tweets"
HOURS, RATE, WARM_UP = 3, 2, 70 * 60
SIZES, LASTS = (10, 20, 40, 80), (120, 300)
BURSTS, LOUD = 32, 12
LEAST = 3  # authors: what the grid begins with
SCORES = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120)
AUTHORS = (3, 5, 8, 10, 15)
TOP = (1, 2, 3, 5, 10, 20, 50)
MINUTES = (1, 5)
Shown = dict[int, set[str]]  # by step, the words that a detector would show


@dataclass(frozen=True)
class Burst:
    word: str
    begins: float
    ends: float
    size: int
    words: frozenset[str]  # that at least SIZES[0] of its authors use


class Corpus:
    """The tweets of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.texts = (TWEETS / f"{language}.txt").read_text(encoding="utf-8").splitlines()
        self.entries = [
            [entry for entry in words_of({"text": text, "lang": language}) if " " not in entry]
            for text in self.texts
        ]
        self.words = [[parts(entry)[1] for entry in entries] for entries in self.entries]
        self.holding: dict[str, list[int]] = {}
        for number, words in enumerate(self.words):
            for word in words:
                self.holding.setdefault(word, []).append(number)


def stream(corpus: Corpus, seed: int) -> tuple[list[Sighting], list[Burst]]:
    """Return three hours of sightings from time 0 on, and the bursts in them."""
    draw = random.Random(seed)  # noqa: S311
    seen: list[tuple[float, str, int]] = []
    at = 0.0
    while at < HOURS * 3600:
        wave = 1 + 0.3 * (1 if int(at // 3600) % 2 else -1) * abs((at % 3600) / 1800 - 1)
        at += draw.expovariate(RATE * wave)
        seen.append((at, f"a{int(draw.paretovariate(0.8)) % 20_000}", draw.randrange(len(corpus.texts))))
    some = sorted(word for word, texts in corpus.holding.items() if 3 <= len(texts) <= 25)
    chosen = draw.sample(some, BURSTS)
    bursts = []
    for number, word in enumerate(chosen):
        size, lasts = SIZES[number % 4], LASTS[number // 4 % 2]
        begins = draw.uniform(WARM_UP, HOURS * 3600 - 600)
        texts = [draw.choice(corpus.holding[word]) for _ in range(size)]
        moments = sorted(draw.uniform(begins, begins + lasts) for _ in texts)
        seen += [(moment, f"b{number}.{n}", text) for n, (moment, text) in enumerate(zip(moments, texts))]
        counts = Counter(word for text in texts for word in corpus.words[text])
        words = frozenset(word for word, count in counts.items() if count >= SIZES[0])
        bursts.append(Burst(word, moments[0], moments[-1], size, words))
    for number in range(LOUD):
        begins, text = draw.uniform(WARM_UP, HOURS * 3600 - 600), draw.randrange(len(corpus.texts))
        seen += [(begins + draw.uniform(0, 180), f"loud{number}", text) for _ in range(40)]
    seen.sort()
    sightings = [
        Sighting(number, author, int(moment // STEP), corpus.entries[text])
        for number, (moment, author, text) in enumerate(seen)
    ]
    return sightings, bursts


FIRST, LAST = WARM_UP // STEP, HOURS * 360 - 1


def scored(sightings: list[Sighting], minutes: int) -> dict[int, list[tuple[str, int, float]]]:
    """Return word, authors and score of all that the speed layer's windows hold, by step."""
    windows = Windows(Rules(minimum=LEAST), sightings)
    key = {entry.partition("\t")[0]: parts(entry)[1] for s in sightings for entry in s.entries}
    return {
        window.ends: [(key[item.name], item.authors, item.score) for item in window.items]
        for first in range(FIRST, LAST + 1, 180)
        for window in windows.between(minutes, first, min(first + 179, LAST), 0)
    }


def counted(sightings: list[Sighting], minutes: int) -> dict[int, list[str]]:
    """Return the words with the most tweets, by step."""
    by_pane: dict[int, Counter[str]] = {}
    for sighting in sightings:
        by_pane.setdefault(sighting.pane, Counter()).update(parts(entry)[1] for entry in sighting.entries)
    total: Counter[str] = Counter()
    best = {}
    for step in range(1, LAST + 1):
        total.update(by_pane.get(step - 1, Counter()))
        total.subtract(by_pane.get(step - 1 - minutes * 6, Counter()))
        if step >= FIRST:
            ordered = sorted(((-n, word) for word, n in total.items() if n > 0))[: max(TOP)]
            best[step] = [word for _, word in ordered]
    return best


@dataclass
class Found:
    """What a detector's alarms are worth."""

    precision: float
    recall: float
    delay: float  # seconds from a burst's first tweet to the end of the window that shows it, the median
    by_size: dict[int, float]  # recall

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-9)


def judged(shown: Shown, bursts: list[Burst], minutes: int) -> Found:
    """Hold the alarms in *shown* against the bursts that there were."""
    alarms, right = 0, 0
    before: set[str] = set()
    open_alarms: dict[str, bool] = {}
    for step in range(FIRST, LAST + 1):
        now = shown.get(step, set())
        for word in before - now:
            alarms, right = alarms + 1, right + open_alarms.pop(word)
        for word in now:
            true = any(
                word in b.words and b.begins <= step * STEP <= b.ends + 60 * minutes + STEP for b in bursts
            )
            open_alarms[word] = open_alarms.get(word, False) or true
        before = now
    alarms, right = alarms + len(open_alarms), right + sum(open_alarms.values())
    delays: dict[Burst, float] = {}
    for burst in bursts:
        first, last = int(burst.begins // STEP) + 1, int(burst.ends // STEP) + 1 + minutes * 6
        steps = [step for step in range(first, min(last, LAST) + 1) if burst.word in shown.get(step, ())]
        if steps:
            delays[burst] = steps[0] * STEP - burst.begins
    sizes = {
        size: sum(b in delays for b in bursts if b.size == size) / sum(b.size == size for b in bursts)
        for size in SIZES
    }
    return Found(
        right / max(alarms, 1), len(delays) / len(bursts), statistics.median(delays.values() or [0]), sizes
    )


def ours(best: dict[int, list[tuple[str, int, float]]], score: float, authors: int) -> Shown:
    return {step: {w for w, a, s in items if s >= score and a >= authors} for step, items in best.items()}


def plain(best: dict[int, list[str]], top: int) -> Shown:
    return {step: set(words[:top]) for step, words in best.items()}


def bursts(tune: str, measure: Iterable[str]) -> None:
    """Tune on one language, measure on the others."""

    @lru_cache(maxsize=1)
    def made(language: str) -> Any:
        sightings, injected = stream(Corpus(language), 7)
        report(f"{language}: tweets, authors", [len(sightings), len({s.author for s in sightings})])
        return (
            injected,
            {minutes: scored(sightings, minutes) for minutes in MINUTES},
            {minutes: counted(sightings, minutes) for minutes in MINUTES},
        )

    injected, by_score, by_count = made(tune)
    grid: dict[str, dict[Any, Callable[[Any, Any], Shown]]] = {
        "ours": {
            (minutes, score, authors): lambda s, _c, m=minutes, x=score, a=authors: ours(s[m], x, a)
            for minutes in MINUTES
            for score in SCORES
            for authors in AUTHORS
        },
        "plain counting": {
            (minutes, top): lambda _s, c, m=minutes, t=top: plain(c[m], t)
            for minutes in MINUTES
            for top in TOP
        },
    }
    tuned = {}
    for name, choices in grid.items():
        tuned[name] = max(
            choices, key=lambda c, of=choices: judged(of[c](by_score, by_count), injected, c[0]).f1
        )
        report(f"{name}, tuned on {tune}: minutes, at least", tuned[name])
    for language in (tune, *measure):
        injected, by_score, by_count = made(language)
        for name, choice in tuned.items():
            found = judged(grid[name][choice](by_score, by_count), injected, choice[0])
            rounded = {k: round(v, 2) for k, v in vars(found).items() if k != "by_size"}
            report(
                f"{language}: {name}", {**rounded, "f1": round(found.f1, 2), "recall by size": found.by_size}
            )


class Live:
    """The speed layer on servers of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = Authority(folder / "certificates")
        certificate = authority.certificate("server")
        client = authority.certificate("opslib-speed")
        zookeeper, port = services.zookeeper(folder / "zookeeper", certificate)
        self.mongodb = services.mongodb(folder / "mongodb", certificate)
        self.kafka = services.kafka(folder / "kafka", certificate, port)
        self.servers = [zookeeper, self.mongodb, self.kafka]
        for server in self.servers:
            server.start()
        services.initiate(self.mongodb.port, authority.ca)
        services.create_topics(self.kafka.port, client, {message.TWEETS: 6})
        self.options = services.kafka_options(self.kafka.port, client)
        self.producer = KafkaProducer(**self.options, acks="all", linger_ms=20, compression_type="zstd")
        self.admin = KafkaAdminClient(**self.options)
        self.database: Any = services.mongodb_client(self.mongodb.port, authority.ca)["speed"]
        initialise(self.database)
        credentials = folder / "credentials"
        credentials.mkdir()
        texts = {"ca": client.ca.read_text(), "kafka_cert": client.cert.read_text()}
        texts.update(kafka_key=client.key.read_text(), mongodb_username="opslib-speed")
        texts["mongodb_password"] = services.PASSWORD
        for name, text in texts.items():
            (credentials / name).write_text(text)
        self.environment = services.environment(
            CREDENTIALS_DIRECTORY=str(credentials),
            OPENBLAS_NUM_THREADS="1",
            OPSLIB_KAFKA__BOOTSTRAP_SERVERS=json.dumps([f"127.0.0.1:{self.kafka.port}"]),
            OPSLIB_MONGODB__URI=f"mongodb://127.0.0.1:{self.mongodb.port}/?replicaSet=trendlake&tls=true",
            OPSLIB_MONGODB__DATABASE="speed",
        )
        self.sent: Counter[int] = Counter()  # tweets by pane
        self.number = 0

    def start(self, group: str) -> subprocess.Popen[bytes]:
        """Start the speed layer in a group of its own, which begins with the first tweet."""
        state = {"OPSLIB_SPEED__GROUP_ID": group, "OPSLIB_SPEED__STATE_DIRECTORY": str(self.folder / group)}
        with (self.folder / f"{group}.log").open("w") as log:
            command = [sys.executable, "-W", "ignore", "-m", "opslib", "speed", "--instance", group]
            return subprocess.Popen(command, env={**self.environment, **state}, stderr=log)

    def send(self, texts: list[str]) -> None:
        """Write and collect one tweet now."""
        now = datetime.now(timezone.utc)
        self.number += 1
        data = {
            "id": str(1_900_000_000_000_000_000 + self.number * 4_194_304),
            "text": texts[self.number % len(texts)],
            "lang": "pt",
            "author_id": str(random.randrange(5000)),  # noqa: S311
            "created_at": message.stamp(now),
        }
        content = message.tweet_message(data, None, f"topic {self.number % 20}", 1, "topic", now)
        self.producer.send(message.TWEETS, key=message.key_of(content), value=message.encode(content))
        self.sent[int(now.timestamp() // STEP)] += 1

    def lag(self, group: str) -> int:
        """Return how many tweets the group has not committed."""
        found = self.admin.list_group_offsets({group: None})[group]
        return self.number - sum(
            at.offset for p, at in found.items() if p.topic == message.TWEETS and at.offset > 0
        )

    def run(self, seconds: int, rate: int) -> None:
        """Send tweets as they are written, and look at the windows."""
        texts = (TWEETS / "pt.txt").read_text(encoding="utf-8").splitlines()
        process = self.start("live")
        began = time.time()
        first: dict[int, float] = {}
        whole: dict[int, float] = {}
        lags = []

        def look() -> None:
            while process.poll() is None and time.time() < began + seconds + 30:
                for made in self.database.trending.find({"minutes": 1}, {"ends_at": 1, "tweets": 1}):
                    ends = int(made["ends_at"].replace(tzinfo=timezone.utc).timestamp())
                    now = time.time()
                    first.setdefault(ends, now - ends)
                    if made["tweets"] == sum(self.sent[ends // STEP - back] for back in range(1, 7)):
                        whole.setdefault(ends, now - ends)
                    else:
                        whole.pop(ends, None)
                if time.time() < began + seconds:
                    lags.append(self.lag("live"))
                time.sleep(0.5)

        watch = threading.Thread(target=look)
        watch.start()
        while time.time() < began + seconds:
            due = int((time.time() - began) * rate)
            while self.number < due:
                self.send(texts)
            time.sleep(0.01)
        self.producer.flush()
        watch.join()
        # From when it has started to when tweets end.
        ends = [end for end in first if began + 60 <= end <= began + seconds]
        report("windows", len(ends))
        for name, seen in (("first there", first), ("has all its tweets", whole)):
            values = sorted(seen[end] for end in ends if end in seen)
            report(
                f"seconds after its end a window {name}: median, most",
                [round(statistics.median(values), 1), round(values[-1], 1)],
            )
        report("windows without all their tweets at the end", sum(end not in whole for end in ends))
        steady = lags[len(lags) // 3 :]
        report("tweets not committed: median, most", [statistics.median(steady), max(steady)])
        report("cores used", round(processor_seconds(process.pid) / (time.time() - began), 3))
        report("most memory, MB", round(high_water(process.pid)))
        process.terminate()
        process.wait(60)

    def catch_up(self) -> None:
        """Read everything that was sent from the beginning, and by itself as the peer."""
        consumer = KafkaConsumer(
            message.TWEETS, **self.options, auto_offset_reset="earliest", consumer_timeout_ms=3000
        )
        done, began = 0, 0.0
        for record in consumer:
            began = began or time.perf_counter()
            read(record.value, time.time())
            done += 1
            last = time.perf_counter()
        alone = done / (last - began)
        consumer.close()
        process = self.start("again")
        began = 0.0
        while (left := self.lag("again")) > 0:
            if left < self.number and not began:
                began, from_ = time.perf_counter(), left
            time.sleep(0.1)
        rate = from_ / (time.perf_counter() - began)
        report("catching up, tweets/s", round(rate))
        report("reading and taking the words alone, tweets/s", round(alone))
        report("ratio", round(rate / alone, 2))
        process.terminate()
        process.wait(60)

    def close(self) -> None:
        for server in reversed(self.servers):
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tune", default="pt")
    parser.add_argument("--measure", nargs="*", default=["en", "es", "fr", "ar", "hi"])
    parser.add_argument("--live", type=int, metavar="SECONDS", default=0)
    parser.add_argument("--rate", type=int, default=100)
    options = parser.parse_args()
    if not options.live:
        bursts(options.tune, options.measure)
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        live = Live(Path(folder))
        try:
            live.run(options.live, options.rate)
            live.catch_up()
        finally:
            live.close()


if __name__ == "__main__":
    main()
