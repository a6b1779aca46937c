"""What people said about what was trending at a place: at a moment, or over a span of time.

At a moment the topics are those of the place's newest snapshot of trends, and the tweets those collected for
them in the hours before. Over a span the topics are those of all its snapshots, and the tweets all that were
collected for the place: these the roll-ups have counted already.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from opslib.message import FOLLOW
from opslib.store import rollups
from opslib.store.observations import within
from opslib.store.reads import Lake, Place
from opslib.store.spans import of_tweets
from opslib.words import fold, merged, parts, words_of
from opslib.words.lemmas import LANGUAGES, lemma

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from pymongo.database import Database

    from opslib.store.hidden import Hidden
    from opslib.store.reads import Kind
    from opslib.words import Merged

    Document = dict[str, Any]

# Joiners belong to words of Hindi and to emoji. Other characters without a picture, such as those that turn
# the direction of what follows, have no place in a name that is drawn.
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Topic:
    """What was trending: its best rank, and the most tweets that X said it had, if it said so."""

    name: str
    rank: int
    tweet_count: int | None


@dataclass(frozen=True)
class Report:
    """The counts behind a cloud, and what a reader must know to judge them.

    ``words`` are all words with their number of tweets, or all topics with X's number, the most frequent
    first; topics without a number have 0.
    """

    kind: Kind
    place: Place
    since: datetime
    until: datetime
    tweets: int
    topics: tuple[Topic, ...]
    words: Mapping[str, int] = field(default_factory=dict)
    subject: str | None = None  # the one topic that it is about, if it is about one
    merged: Merged | None = None  # what the words were made of

    @property
    def own(self) -> frozenset[str]:
        """Return those of the words that the topics' names are made of."""
        if self.kind == "topics":
            return frozenset()
        return names_in(self.words, [topic.name for topic in self.topics])

    def without(self, hidden: Hidden) -> Report:
        """Return it with the words that are not *hidden*: what a picture or a table shows."""
        if not hidden:
            return self
        return replace(self, words={word: n for word, n in self.words.items() if not hidden.holds(word)})


def at_moment(
    database: Database[Document], place: Place, snapshot: Document, until: datetime, hours: float
) -> dict[Kind, Report]:
    """Return both reports of the topics of *snapshot*: their tweets of the *hours* before *until*."""
    topics = topics_of([snapshot])
    since = until - timedelta(hours=hours)
    names = {topic.name for topic in topics}
    match = within({"$gte": since, "$lt": until}, {"woeid": place.woeid, "name": {"$in": list(names)}})
    # A tweet collected for two of them counts once, so sums of their roll-ups would not do.
    found = of_tweets(
        database, match, lambda at: since <= at < until, lambda key: key[0] == place.woeid and key[1] in names
    )
    return _both(place, since, until, found.counts.tweets, topics, merged(found.counts.words))


def over_span(
    database: Database[Document], place: Place, since: datetime, until: datetime
) -> dict[Kind, Report]:
    """Return both reports of all that was trending from *since* to *until*; see :func:`rollups.counts`."""
    lake = Lake(database)
    before, snapshots = lake.snapshot(place.woeid, since), lake.snapshots(place.woeid, since, until)
    topics = topics_of([*([before] if before else []), *snapshots])
    counted = rollups.counts(database, since, until, woeid=place.woeid)
    return _both(place, since, until, counted.tweets, topics, merged(counted.words))


def of_topic(
    database: Database[Document], place: Place, since: datetime, until: datetime, name: str, *, followed: bool
) -> Report:
    """Return the report of one topic: of what is *followed* by that name, or of a trend of *place*.

    What is followed has no place: *place* is whose clock is shown then.
    """
    woeid, kind = (None, FOLLOW) if followed else (place.woeid, None)
    counted = rollups.counts(database, since, until, woeid=woeid, topic=name, kind=kind)
    topic = Topic(name, 1, None)
    return Report("words", place, since, until, counted.tweets, (topic,), merged(counted.words).counts, name)


def _both(
    place: Place,
    since: datetime,
    until: datetime,
    tweets: int,
    topics: tuple[Topic, ...],
    words: Merged,
) -> dict[Kind, Report]:
    report = Report("words", place, since, until, tweets, topics, words.counts, merged=words)
    volumes: dict[str, int] = {}
    for topic in sorted(topics, key=_by_volume):
        # Of names that look alike the larger number counts; one of which nothing can be drawn stays as it is.
        volumes.setdefault(drawable(topic.name) or topic.name, topic.tweet_count or 0)
    return {"words": report, "topics": replace(report, kind="topics", words=volumes, merged=None)}


def topics_of(snapshots: Iterable[Document]) -> tuple[Topic, ...]:
    """Return the topics of some snapshots in the order of their ranks, each once."""
    found: dict[str, Topic] = {}
    for snapshot in snapshots:
        for trend in snapshot["trends"]:
            topic = Topic(trend["name"], trend["rank"], trend.get("tweet_count"))
            known = found.get(topic.name, topic)
            volume = max((t.tweet_count for t in (known, topic) if t.tweet_count is not None), default=None)
            found[topic.name] = Topic(topic.name, min(known.rank, topic.rank), volume)
    return tuple(sorted(found.values(), key=lambda topic: (topic.rank, topic.name)))


def _by_volume(topic: Topic) -> tuple[int, int, str]:
    return -(topic.tweet_count or 0), topic.rank, topic.name


def names_in(words: Iterable[str], topics: Iterable[str]) -> frozenset[str]:
    """Return those of *words* that names of *topics* are made of: nearly every tweet about them has these.

    That is a name itself, with or without ``#``, each of its words, another inflection of one, and
    expressions of these alone. Neither words nor topics have a language: two words are forms of one if they
    are in any.
    """
    known: set[str] = set()
    spelt: set[str] = set()
    for name in topics:
        known.update((fold(name), fold(name.lstrip("#"))))
        known.update(fold(word) for word in name.split())
        # Word by word too: two that make an expression are one word in the name.
        for text in {name, *name.split()}:
            spelt.update(parts(entry)[0] for entry in words_of({"text": text}) if " " not in entry)
    known.update(map(fold, spelt))
    plain = known | {name.lstrip("#") for name in known} | {f"#{name}" for name in known}
    lemmas = {form for word in spelt for form in _lemmas(word)}
    # A lemma begins as its word does: most words need no look into five tables.
    begins = {name[:2] for name in plain}

    def is_own(word: str) -> bool:
        folded = fold(word)
        return folded in plain or (folded[:2] in begins and not lemmas.isdisjoint(_lemmas(word)))

    return frozenset(
        word for word in words if is_own(word) or (" " in word and all(map(is_own, word.split(" "))))
    )


def _lemmas(word: str) -> set[tuple[str, str]]:
    """Return what *word* counts as in each language that has lemmas, with that language."""
    return {(lang, fold(lemma(word, lang))) for lang in LANGUAGES}


def drawable(name: str) -> str:
    """Return a topic's name without characters that draw nothing, such as those that turn the direction."""
    kept = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Cs") or c in _JOINERS)
    return " ".join(unicodedata.normalize("NFC", kept).split())


def local(moment: datetime, zone: ZoneInfo) -> str:
    """Return a moment as people at a place write it, with its offset from UTC: ``2026-03-01 12:00 UTC-3``."""
    there = moment.astimezone(zone)
    return f"{there:%Y-%m-%d %H:%M} {offset(there)}"


def span(since: datetime, until: datetime, zone: ZoneInfo) -> str:
    """Return a span of time as people at a place write it; the day is said once if it is one."""
    first, last = since.astimezone(zone), until.astimezone(zone)
    same = (
        "%H:%M" if first.date() == last.date() and first.utcoffset() == last.utcoffset() else "%Y-%m-%d %H:%M"
    )
    zoned = "" if first.utcoffset() == last.utcoffset() else f" {offset(first)}"
    return f"{first:%Y-%m-%d %H:%M}{zoned} to {last.strftime(same)} {offset(last)}"


def offset(moment: datetime) -> str:
    """Return the offset of a moment from UTC as it is written everywhere: ``UTC-3``, ``UTC+5:30``."""
    seconds = (moment.utcoffset() or timedelta()).total_seconds()
    hours, minutes = divmod(round(abs(seconds) / 60), 60)
    sign = "-" if seconds < 0 else "+"
    return "UTC" if not seconds else f"UTC{sign}{hours}" + (f":{minutes:02}" if minutes else "")
