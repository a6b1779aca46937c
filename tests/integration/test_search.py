"""The search index beside a search by hand: killed, with edits and what is forgotten, and made anew."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import search_by_hand as by_hand
import services
from conftest import end

from opslib import message
from opslib.search import find
from opslib.search.folder import Folder
from opslib.search.index import FORM
from opslib.search.query import parse

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Lake

NOW = datetime.now(timezone.utc).replace(microsecond=0)
MANY = 10_000_000
KILLS = 10


@dataclass
class Host:
    """A host of the page with an index of its own."""

    lake: Lake
    process: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.path = self.lake.folder / "search"
        self.path.mkdir()
        self.folder = Folder(self.path)
        # The sink reads its own whenever it starts.
        self.credentials = self.lake.folder / "credentials-of-search"
        shutil.copytree(self.lake.credentials, self.credentials)
        (self.credentials / "mongodb_username").write_text("opslib-search")
        with self.lake.config.open("a") as config:
            config.write(
                f"[search]\nenabled = true\ndirectory = '{self.path}'\ngroup_id = '{self.lake.name}-search'\n"
                "host = 'here'\nhosts = ['here']\nbatch_size = 200\n"
            )

    def start(self) -> None:
        environment = {**self.lake.environment(), "CREDENTIALS_DIRECTORY": str(self.credentials)}
        with (self.lake.folder / "search.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "opslib", "search"], env=environment, stderr=log, text=True
            )
        self.lake.started.append(self.process)

    def kill(self) -> None:
        assert self.process
        assert self.process.poll() is None, self.log()
        end(self.process, signal.SIGKILL)

    def stop(self) -> None:
        assert self.process
        assert end(self.process) == 0, self.log()

    def log(self) -> str:
        return (self.lake.folder / "search.log").read_text()

    def read(self, statement: str, path: Path | None = None) -> list[Any]:
        """Return what a file of the folder says, the one that answers or else the one that is made."""
        chosen = path or self.folder.current() or self.folder.others()[-1]
        with contextlib.closing(sqlite3.connect(f"file:{chosen}?mode=ro", uri=True, timeout=300)) as database:
            return database.execute(statement).fetchall()

    def progress(self) -> int:
        """Return how many messages the index has taken in since the test began."""
        begun = sum(offset for p, offset in self.lake.begun.items() if p.topic == message.TWEETS)
        try:
            return int(self.read("SELECT sum(next) FROM offsets")[0][0]) - begun
        except (sqlite3.Error, IndexError, TypeError):
            return 0

    def wait(self, what: str, ready: Any) -> None:
        services.wait_until(lambda: f"{what}, log:\n{self.log()}", ready, 120)

    def wait_for(self, messages: int) -> None:
        self.wait(f"{messages} messages are in", lambda: self.progress() >= messages)

    def wait_for_all(self) -> None:
        ends = sum(self.lake.ends(message.TWEETS).values())
        begun = sum(offset for p, offset in self.lake.begun.items() if p.topic == message.TWEETS)
        self.wait("an index answers", lambda: self.folder.current() is not None)
        self.wait_for(ends - begun)

    def ids(self, line: str) -> list[int]:
        with find.opened(self.path) as answers:
            return answers.page(parse(line), limit=MANY).ids

    def held(self) -> tuple[list[Any], list[Any]]:
        """Return what the index keeps of tweets, and which words each is found by."""
        tweets = self.read("SELECT id, reach, lang, author, collected, text FROM tweets ORDER BY id")
        current = self.folder.current()
        with contextlib.closing(sqlite3.connect(str(current), timeout=300)) as database:
            database.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, words, instance)")
            terms = database.execute("SELECT term, doc, offset FROM temp.terms ORDER BY 1, 2, 3").fetchall()
        return tweets, terms


def compare(host: Host, tweets: list[by_hand.Tweet], seed: int, number: int) -> None:
    """Hold queries against what a search by hand finds."""
    queries = by_hand.Queries(tweets, seed)
    with find.opened(host.path) as answers:
        for _ in range(number):
            query = queries.one()
            wanted = [tweet.id for tweet in reversed(tweets) if query.holds(tweet)]
            assert answers.page(parse(query.line), limit=MANY).ids == wanted, query.line


@pytest.mark.parametrize("some", [2000, pytest.param(None, marks=pytest.mark.long, id="all")])
def test_the_index_finds_what_a_search_by_hand_finds_whatever_happens_to_it(
    lake: Lake, some: int | None
) -> None:
    tweets = by_hand.lake(11, some)
    host = Host(lake)
    lake.start_sink()
    lake.wait_for_commit()
    # Killed ten times while it takes in what comes.
    for part in range(KILLS):
        host.start()
        before = host.progress()
        lake.send(*(tweet.message(NOW) for tweet in tweets[part::KILLS]))
        host.wait_for(before + 1)
        host.kill()
    host.start()
    host.wait_for_all()
    compare(host, tweets, seed=12, number=200)

    # Edits, new numbers, the same again and what is none: the newest copy counts, whatever comes first.
    chance = by_hand.random.Random(13)
    copies = []
    for number in chance.sample(range(len(tweets)), 300):
        tweet = tweets[number]
        copies.append(tweet.message(NOW - timedelta(hours=1), likes=tweet.likes + 5))
        other = by_hand.Tweet(**{**vars_of(tweet), "text": f"{tweet.came} outravez 🎭 #Editado"})
        other.reach = (other.reach - other.likes) + other.likes + 50
        other.likes += 50
        copies += [other.message(NOW + timedelta(minutes=1))] * 2
        tweets[number] = other
    chance.shuffle(copies)
    lake.send(*copies, b"no tweet")
    host.wait_for_all()
    compare(host, tweets, seed=14, number=20)
    assert len(host.ids("#Editado")) == 300
    assert host.ids("🎭") == [tweet.id for tweet in reversed(tweets) if "🎭" in tweet.text]

    # Forgotten: by the command, and out of the index without anything else being done.
    lake.wait_for_commit()
    gone, author = next(t.original for t in tweets if t.kind == "retweeted"), tweets[5].author
    lake.log_in("opslib-forget")
    for what in ([str(gone)], ["--author", author[0]]):
        done = lake.opslib("forget", *what, "--why", "a test", "--yes")
        assert done.returncode == 0, done.stderr
    left = [
        tweet
        for tweet in tweets
        if tweet.id != gone
        and tweet.author != author
        and not (tweet.kind == "retweeted" and tweet.original == gone)
        and not (
            tweet.kind == "retweeted" and any(t.id == tweet.original and t.author == author for t in tweets)
        )
    ]
    wanted = [tweet.id for tweet in reversed(left)]
    host.wait("what is forgotten is out", lambda: host.ids("-lang:none") == wanted)
    compare(host, left, seed=15, number=10)

    # Made anew of MongoDB, killed in the midst of it, it is what it was.
    before, answered = host.held(), host.folder.current()
    waiting = lake.start("rebuild", "search", "rebuild")
    host.wait("a new index has some tweets", lambda: bool(find.progress(host.path)) and made(host) > 0)
    assert host.ids("-lang:none") == wanted, "the one before does not answer meanwhile"
    host.kill()
    assert end(waiting, signal.SIGINT) != 0
    kept = made(host)
    host.start()
    host.wait("the service has begun", host.folder.served)
    lake.send(left[0].message(NOW + timedelta(minutes=2)))
    done = lake.opslib("search", "rebuild")
    assert done.returncode == 0, done.stderr
    assert f"with {len(left)} tweets" in done.stderr
    assert kept > 0
    assert host.folder.current() != answered
    host.wait_for_all()
    after = host.held()
    assert after[1] == before[1]
    assert [row for row in after[0] if row[0] != left[0].id] == [
        row for row in before[0] if row[0] != left[0].id
    ]
    # The wish of the first call was fulfilled with the second's.
    assert not host.folder.wished()
    compare(host, left, seed=16, number=10)

    # How it is.
    lake.log_in("opslib-doctor")
    seen = lake.opslib("doctor", "--only", "search", "--format", "json")
    assert seen.returncode == 0, seen.stdout
    (finding,) = json.loads(seen.stdout)["findings"]
    assert finding["text"].startswith(f"{lake.name}-search-here is up to date")
    told = lake.opslib("search", "find", "--format", "json", "--limit", "5", "#Editado")
    assert [int(tweet["id"]) for tweet in json.loads(told.stdout)["tweets"]] == host.ids("#Editado")[:5]
    host.stop()
    # Nobody writes it now, and it answers all the same.
    compare(host, left, seed=17, number=5)


def vars_of(tweet: by_hand.Tweet) -> dict[str, Any]:
    names = by_hand.Tweet.__dataclass_fields__
    return {**{name: getattr(tweet, name) for name in names}, "text": tweet.came}


def made(host: Host) -> int:
    found = find.progress(host.path)
    return found[0] if found else 0


def test_an_index_that_is_damaged_or_of_an_older_form_is_made_anew_and_answers_meanwhile(lake: Lake) -> None:
    tweets = by_hand.lake(21, some=400)
    wanted = [tweet.id for tweet in reversed(tweets)]
    host = Host(lake)
    lake.start_sink()
    lake.wait_for_commit()
    host.start()
    lake.send(*(tweet.message(NOW) for tweet in tweets))
    host.wait_for_all()
    lake.wait_for_commit()
    host.stop()

    first = host.folder.current()
    assert first
    with contextlib.closing(sqlite3.connect(str(first))) as database:
        database.execute(f"PRAGMA user_version = {FORM - 1}")
    assert host.ids("-lang:none") == wanted, "an older form answers"
    host.start()
    host.wait("a new one answers", lambda: host.folder.current() != first)
    assert host.ids("-lang:none") == wanted
    host.stop()

    second = host.folder.current()
    assert second
    content = bytearray(second.read_bytes())
    content[len(content) // 2 :] = b"\x5a" * (len(content) - len(content) // 2)
    second.write_bytes(content)
    host.start()
    host.wait("a new one answers", lambda: host.folder.current() != second)
    assert "cannot be gone on with" in host.log()
    assert host.ids("-lang:none") == wanted
    compare(host, tweets, seed=22, number=20)
    assert [path.name for path in host.path.glob("*.sqlite")] == [host.folder.current().name]  # type: ignore[union-attr]
    host.stop()


def test_a_service_alone_keeps_a_folder_and_nobody_waits_for_none(lake: Lake) -> None:
    host = Host(lake)
    refused = lake.opslib("search", "rebuild")
    assert refused.returncode == 2
    assert "systemctl start opslib-search" in refused.stderr
    refused = lake.opslib("search", "find", "rio")
    assert refused.returncode == 1
    assert "there is no index in" in refused.stderr
    host.start()
    host.wait("an index answers", lambda: host.folder.current() is not None)
    lake.log_in("opslib-doctor")
    seen = lake.opslib("doctor", "--only", "search")
    assert seen.returncode == 0, "an index that nothing has come to is not up to date"
    second = lake.opslib("search")
    assert second.returncode == 2
    assert "another opslib search works in" in second.stderr
    host.stop()
