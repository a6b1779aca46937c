"""Reading an index: what a query finds, in pages, how many, when they were written, what stands beside it.

Whoever reads opens the file that answers anew for each question: that takes less than a millisecond, and the
file may be another one by then. They may not write it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from opslib.message import id_at, moment_of_id
from opslib.search.folder import Folder
from opslib.search.match import EXACTLY, asked, has_exactly
from opslib.search.tokens import MOST_REACH, hashtags, reach_class, said
from opslib.search.told import Told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opslib.search.match import Asked
    from opslib.search.query import Query

Order = Literal["newest", "reach"]
# Of so many of the newest it is looked what stands beside them.
SAMPLE = 2000
_BESIDE = 12
_WAIT_SECONDS = 5.0
_MAPPED = 1 << 30  # bytes of the file that are read as memory
_SHIFT = 22  # bits of an id below its moment
_NEVER = 2**63 - 1


class NoIndexError(Told, LookupError):
    """There is no index that answers yet; the text says how far it is."""


@dataclass(frozen=True)
class Page:
    """Some of what was found, and where the next ones begin (``None``: there are no more)."""

    ids: list[int]
    following: str | None = None


@dataclass(frozen=True)
class Beside:
    """How many of the newest that were found, those of *ids*, have each language, author and hashtag."""

    ids: list[int] = field(default_factory=list)
    languages: list[tuple[str, int]] = field(default_factory=list)
    authors: list[tuple[str, int]] = field(default_factory=list)
    hashtags: list[tuple[str, int]] = field(default_factory=list)


@contextmanager
def opened(directory: Path) -> Iterator[Answers]:
    """Give what answers for the index in *directory*; raise :class:`NoIndexError` if there is none."""
    database = _answering(directory)
    try:
        yield Answers(database)
    finally:
        database.close()


def _answering(directory: Path) -> sqlite3.Connection:
    """Return a connection to the file that answers, which may be another one from one moment to the next."""
    folder = Folder(directory)
    current = folder.current()
    while current is not None:
        database = _connected(current)
        if database is not None:
            return database
        before, current = current, folder.current()
        if before == current:
            raise NoIndexError("the index {path} cannot be read", path=current)
    raise _how_far(directory)


def _connected(path: Path) -> sqlite3.Connection | None:
    """Return a connection that reads alone, unless *path* is no index, or none any more."""
    for option in ("mode=ro", "mode=ro&immutable=1"):
        try:
            database = sqlite3.connect(
                f"file:{path}?{option}",
                uri=True,
                timeout=_WAIT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.OperationalError:
            continue
        try:
            database.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # Nobody writes it now, so the file beside it is missing that readers and writers share: then it
            # does not change either.
            database.close()
            continue
        database.execute(f"PRAGMA mmap_size = {_MAPPED}")
        database.create_function(EXACTLY, 2, has_exactly, deterministic=True)
        return database
    return None


def _how_far(directory: Path) -> NoIndexError:
    found = progress(directory)
    if found is None:
        return NoIndexError("there is no index in {directory} yet", directory=directory)
    made, total = found
    return NoIndexError("the index is being made: {made} of {total} tweets", made=made, total=total)


def progress(directory: Path) -> tuple[int, int] | None:
    """Return how many tweets of how many a new index has that is being made; ``None`` if none is."""
    others = Folder(directory).others()
    if not others:
        return None
    database = _connected(others[-1])
    if database is None:  # it was only begun, or is gone by now
        return None
    try:
        rows = dict(
            database.execute("SELECT name, value FROM state WHERE name IN ('made', 'total')").fetchall()
        )
    except sqlite3.Error:
        return None
    finally:
        database.close()
    made = int(rows.get("made", 0))
    return made, max(made, int(rows.get("total", 0)))


class Answers:
    """What an index says. Everything may raise ``sqlite3.Error``."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def page(self, query: Query, order: Order = "newest", after: str | None = None, limit: int = 50) -> Page:
        """Return what *query* finds, *limit* at most, behind the place that a page before gave as *after*.

        Places that nobody gave raise ``ValueError``.
        """
        return self._newest(query, after, limit) if order == "newest" else self._farthest(query, after, limit)

    def _newest(self, query: Query, after: str | None, limit: int) -> Page:
        before = _NEVER if after is None else _number(after) - 1
        found = self._rows("SELECT words.rowid", _below(asked(query), before), limit + 1, "words.rowid DESC")
        ids = [row[0] for row in found[:limit]]
        return Page(ids, str(ids[-1]) if len(found) > limit else None)

    def _farthest(self, query: Query, after: str | None, limit: int) -> Page:
        """Return the tweets of the greatest reach, those of one power of two after the other."""
        reach, before = _place(after)
        found: list[tuple[int, int]] = []
        for power in range(reach_class(reach), -1, -1):
            condition = asked(query, (said("reach", power),))
            condition.sql += " AND (tweets.reach, tweets.id) < (?, ?)"
            condition.values += [reach, before]
            head = "SELECT tweets.reach, tweets.id"
            found += self._rows(
                head, condition, limit + 1 - len(found), "tweets.reach DESC, tweets.id DESC", _WITH_TWEETS
            )
            if len(found) > limit:
                break
        ids = [key for _, key in found[:limit]]
        following = ".".join(map(str, found[limit - 1])) if len(found) > limit else None
        return Page(ids, following)

    def count(self, query: Query) -> int:
        """Return how many tweets *query* finds."""
        condition = asked(query)
        found = self._database.execute(f"SELECT count(*) FROM words WHERE {condition.sql}", condition.values)  # noqa: S608 - what a person writes is among the values
        return int(found.fetchone()[0])

    def course(self, query: Query, most: int = 60) -> list[tuple[datetime, datetime, int]]:
        """Return how many tweets were written in each of at most *most* spans of one length.

        The spans cover what was asked for, or else what was found.
        """
        bounds = self._bounds(query)
        if bounds is None:
            return []
        low, high = ((key >> _SHIFT) + _FIRST for key in bounds)
        step = next(length for length in _STEPS if high // length - low // length < most)
        condition = asked(query)
        moment = f"((words.rowid >> {_SHIFT}) + {_FIRST})"
        found = self._database.execute(
            f"SELECT {moment} / {step}, count(*) FROM words WHERE {condition.sql} GROUP BY 1",  # noqa: S608
            condition.values,
        )
        numbers = dict(found.fetchall())
        return [
            (_moment(number * step), _moment((number + 1) * step), numbers.get(number, 0))
            for number in range(low // step, high // step + 1)
        ]

    def _bounds(self, query: Query) -> tuple[int, int] | None:
        ends = [
            self._rows("SELECT words.rowid", asked(query), 1, f"words.rowid {order}")
            for order in ("ASC", "DESC")
        ]
        if not ends[0]:
            return None
        low = id_at(query.since) if query.since else ends[0][0][0]
        high = id_at(query.until) - 1 if query.until else ends[1][0][0]
        return max(0, low), high

    def beside(self, query: Query, sample: int = SAMPLE, most: int = _BESIDE) -> Beside:
        """Return the languages, authors and hashtags of the newest *sample* tweets that *query* finds."""
        head = "SELECT tweets.id, tweets.lang, tweets.author, tweets.text"
        found = self._rows(head, asked(query), sample, "words.rowid DESC", _WITH_TWEETS)
        counted: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
        for _, lang, author, text in found:
            counted[0].update([lang] if lang else ())
            counted[1].update([author] if author else ())
            counted[2].update(hashtags(text))
        ranked = [sorted(c.items(), key=lambda item: (-item[1], item[0]))[:most] for c in counted]
        return Beside([row[0] for row in found], *ranked)

    def rows(self, ids: list[int]) -> list[dict[str, Any]]:
        """Return what the index itself keeps of tweets that can be read, in the order of *ids*."""
        found = {}
        for key in ids:
            row = self._database.execute(
                "SELECT lang, author, reach, text FROM tweets WHERE id = ?", (key,)
            ).fetchone()
            if row:
                told = dict(zip(("lang", "author", "reach", "text"), row))
                found[key] = {"id": str(key), "at": moment_of_id(key), **told}
        return [found[key] for key in ids if key in found]

    def _rows(
        self, head: str, condition: Asked, limit: int, order: str, source: str = "words"
    ) -> list[tuple[Any, ...]]:
        statement = f"{head} FROM {source} WHERE {condition.sql} ORDER BY {order} LIMIT ?"
        return self._database.execute(statement, [*condition.values, limit]).fetchall()


_WITH_TWEETS = "words CROSS JOIN tweets ON tweets.id = words.rowid"
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
# In milliseconds, each a part of a day or some days.
_STEPS = (
    *(n * _SECOND for n in (1, 5, 10, 30)),
    *(n * _MINUTE for n in (1, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7, 14, 28, 91, 364, 3640, 36400)),
)
# The moment that ids count from, as Unix time in milliseconds.
_FIRST = 1_288_834_974_657


def _moment(milliseconds: int) -> datetime:
    """Return the moment that a Unix time names; any that ids tell."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _below(condition: Asked, before: int) -> Asked:
    condition.values[-1] = min(condition.values[-1], before)
    return condition


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_NEVER)) and int(text) <= _NEVER):
        raise ValueError(f"{text[:40]!r} is no place in a list")
    return int(text)


def _place(after: str | None) -> tuple[int, int]:
    if after is None:
        return 2**MOST_REACH, _NEVER
    reach, _, key = after.partition(".")
    found = _number(reach), _number(key)
    if found[0] > 2**MOST_REACH:
        raise ValueError(f"{after[:40]!r} is no place in a list")
    return found
