"""One index: a file of SQLite with a table of FTS5, written by one service and read by whoever may.

``words`` has for each tweet, by its id, the words of its text and those that say what it is (``tokens``). It
keeps no text itself: what was put in is taken out by putting the same in again, marked as to be deleted,
which the SQLite of Debian 11 can as well. ``tweets`` has what is needed for that, for joining copies of a
tweet as the storage layer joins them, and for what words cannot tell. Beside them stands how far Kafka was
read: it changes together with the tweets, so that no message is lost or taken twice, whenever the service is
killed.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import bson
from bson.codec_options import CodecOptions

from opslib.search.tokens import facts, reach_of, said, words
from opslib.store.documents import changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from opslib.store.documents import Document
    from opslib.store.unwanted import Policy

# What the index is made of: another number, and each host makes its index anew. It goes up whenever words are
# taken in another way, or other things are said of a tweet.
FORM = 2
# Of a document: what words and facts are made of, and what copies are joined by.
FIELDS = (
    *("text", "lang", "author", "public_metrics", "referenced_tweets", "retweet_of", "retweet_author", "geo"),
    *("attachments", "topics", "created_at", "first_seen_at", "collected_at", "as_of"),
    *("entities.urls", "entities.mentions"),
)
_OF_ENTITIES = ("urls", "mentions")
_TABLES = """
CREATE TABLE tweets (
    id INTEGER PRIMARY KEY, reach INTEGER NOT NULL, lang TEXT, author TEXT, collected INTEGER NOT NULL,
    text TEXT NOT NULL, rest BLOB NOT NULL);
CREATE INDEX collected ON tweets (collected);
CREATE VIRTUAL TABLE words USING fts5 (
    held, content = '', columnsize = 0, tokenize = "ascii tokenchars '#@_$'");
CREATE TABLE offsets (
    topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_PUT = "INSERT INTO words (rowid, held) VALUES (?, ?)"
_TAKE = "INSERT INTO words (words, rowid, held) VALUES ('delete', ?, ?)"
_WRITE = """INSERT INTO tweets VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET reach = excluded.reach, lang = excluded.lang, author = excluded.author,
    collected = excluded.collected, text = excluded.text, rest = excluded.rest"""
_AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
_WAIT_SECONDS = 30.0
_CACHE_KIB = 64 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
Partition = tuple[str, int]  # topic and number


@dataclass
class Done:
    """What became of some tweets."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


def kept(document: Document) -> Document:
    """Return what the index keeps of *document*, as MongoDB has it or as it is made of a message."""
    found = {name: document[name] for name in FIELDS if document.get(name) is not None}
    entities = document.get("entities") or {}
    parts = {name: entities[name] for name in _OF_ENTITIES if entities.get(name) is not None}
    if parts:
        found["entities"] = parts
    as_of = [entry for entry in found.pop("as_of", ()) if _is_kept(entry["field"])]
    return {"_id": int(document["_id"]), **found, **({"as_of": as_of} if as_of else {})}


def _is_kept(field: str) -> bool:
    name, _, part = field.partition(".")
    return part in _OF_ENTITIES if name == "entities" else name in FIELDS


def milliseconds(moment: datetime) -> int:
    """Return *moment* as Unix time."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class Index:
    """An index to write, and how far it is. Everything may raise ``sqlite3.Error``."""

    def __init__(self, path: Path) -> None:
        """Open the index at *path*, made if there is none."""
        self.path = path
        self._database = sqlite3.connect(str(path), timeout=_WAIT_SECONDS, isolation_level=None)
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            # Of what a power cut takes back, the offsets are taken back as well.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            if not self._database.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._make()
        except sqlite3.Error:
            self._database.close()
            raise

    def _make(self) -> None:
        with self.writing():
            for statement in _TABLES.split(";\n"):
                self._database.execute(statement)
            self._database.execute(f"PRAGMA user_version = {FORM}")

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    @property
    def form(self) -> int:
        """Return of which form it is."""
        return int(self._database.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Do several things or none of them."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            # Where SQLite has ended it itself there is nothing to take back.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def whole(self) -> str | None:
        """Return what is wrong with the file, or ``None``. It reads all of it."""
        found = str(self._database.execute("PRAGMA quick_check(1)").fetchone()[0])
        if found != "ok":
            return found
        try:
            self._database.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        except sqlite3.DatabaseError as error:
            return f"words: {error}"
        return None

    # ---- how far it is

    def offsets(self) -> dict[Partition, int]:
        """Return by partition the offset of the next message that it lacks."""
        found = self._database.execute("SELECT topic, partition, next FROM offsets")
        return {(topic, number): following for topic, number, following in found}

    def note_offsets(self, offsets: Mapping[Partition, int]) -> None:
        """Note that all messages below these *offsets* are in it."""
        rows = [(*partition, offset) for partition, offset in offsets.items()]
        self._database.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)", rows)

    def state(self, name: str) -> Any:
        """Return what was noted as *name*, ``None`` if nothing was."""
        found = self._database.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return json.loads(found[0]) if found else None

    def note(self, name: str, value: Any) -> None:
        """Note a value that JSON has."""
        self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, json.dumps(value)))

    def size(self) -> int:
        """Return its bytes on disk."""
        found = self._database.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        )
        return int(found.fetchone()[0])

    # ---- tweets

    def put(self, documents: Iterable[Document]) -> Done:
        """Take copies of tweets in: each joins what is known of it; within :meth:`writing`."""
        joined: dict[int, Document] = {}
        for document in documents:
            copy = kept(document)
            known = joined.get(copy["_id"])
            joined[copy["_id"]] = copy if known is None else {**known, **changes(known, copy)}
        before = self.known(joined)
        done = Done()
        for key, copy in joined.items():
            known = before.get(key)
            if known is None:
                self._database.execute(_PUT, (key, _indexed(copy)))
                self._write(copy)
                done.new += 1
                continue
            changed = changes(known, copy)
            if not changed:
                done.unchanged += 1
                continue
            self._replace(known, {**known, **changed})
            done.changed += 1
        return done

    def _replace(self, known: Document, tweet: Document) -> None:
        old, new = _indexed(known), _indexed(tweet)
        if old != new:
            self._database.execute(_TAKE, (tweet["_id"], old))
            self._database.execute(_PUT, (tweet["_id"], new))
        self._write(tweet)

    def _write(self, tweet: Document) -> None:
        author = tweet.get("author") or {}
        rest = {name: value for name, value in tweet.items() if name != "text"}
        self._database.execute(
            _WRITE,
            (
                tweet["_id"],
                reach_of(tweet),
                tweet.get("lang"),
                author.get("username") or author.get("id"),
                milliseconds(tweet["collected_at"]),
                tweet["text"],
                zlib.compress(bson.encode(rest), 1),
            ),
        )

    def known(self, ids: Iterable[int]) -> dict[int, Document]:
        """Return what is kept of those of the tweets that are in it."""
        found = {}
        for key in ids:
            row = self._database.execute("SELECT text, rest FROM tweets WHERE id = ?", (key,)).fetchone()
            if row:
                found[key] = {**bson.decode(zlib.decompress(row[1]), _AWARE), "text": row[0]}
        return found

    def drop(self, ids: Iterable[int]) -> int:
        """Take tweets out, and return how many there were; within :meth:`writing`."""
        found = self.known(ids)
        for key, tweet in found.items():
            self._database.execute(_TAKE, (key, _indexed(tweet)))
            self._database.execute("DELETE FROM tweets WHERE id = ?", (key,))
        return len(found)

    def unwanted(self, policy: Policy) -> list[int]:
        """Return the ids of those that *policy* is about."""
        names = [
            *(said("of", tweet) for tweet in policy.tweets),
            *(said(kind, author) for author in policy.authors for kind in ("from", "ofauthor")),
            *(said("ofname", name) for name in policy.names),
        ]
        ids = set(policy.tweets)
        for name in names:
            found = self._database.execute("SELECT rowid FROM words WHERE words MATCH ?", (f'"{name}"',))
            ids.update(key for (key,) in found)
        return [key for key, tweet in self.known(ids).items() if policy.unwanted(tweet)]

    def older(self, moment: datetime, limit: int) -> list[int]:
        """Return the ids of at most *limit* tweets that were collected last before *moment*."""
        found = self._database.execute(
            "SELECT id FROM tweets WHERE collected < ? ORDER BY collected LIMIT ?",
            (milliseconds(moment), limit),
        )
        return [key for (key,) in found]

    def ids(self) -> list[int]:
        """Return the ids of all tweets in it."""
        return [key for (key,) in self._database.execute("SELECT id FROM tweets ORDER BY id")]


def _indexed(tweet: Document) -> str:
    """Return the words of *tweet* as they are put in, and as they are taken out."""
    found = words(tweet["text"])
    return " ".join([*found, *facts(tweet, found)])
