"""The tweets of a span of time counted from the tweets themselves, where sums of roll-ups would not do.

Several topics share tweets, and roll-ups know no language. As in the roll-ups, a tweet is in a span if it
stands there for one of the keys that are asked for, and of a tweet and its retweets that are in it, the first
to stand there has its words counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from opslib.message import kind_of
from opslib.store.buckets import Counts
from opslib.store.collections import TWEETS
from opslib.store.observations import Key, moments_of
from opslib.store.texts import FIELDS, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from pymongo.database import Database

    Document = dict[str, Any]

_FIELDS = {**FIELDS, "words": 1, "created_at": 1}


@dataclass
class Found:
    """What was found in a span, with what a reader must know to judge it."""

    counts: Counts = field(default_factory=Counts)
    first: datetime | None = None  # when the oldest and the newest tweet were written, if known
    last: datetime | None = None
    # All that the tweets were collected for, by name and kind.
    topics: set[tuple[str, str | None]] = field(default_factory=set)


class _Retweet(NamedTuple):
    first: tuple[datetime, int]
    words: list[str]


def of_tweets(
    database: Database[Document],
    match: Mapping[str, Any],
    stands: Callable[[datetime], bool],
    wanted: Callable[[Key], bool],
) -> Found:
    """Count the stored tweets that *match* finds and that stand for a *wanted* key where *stands* says so.

    *match* is there to find them fast; see :func:`opslib.store.observations.within`.
    """
    found, retweets = Found(), dict[int, _Retweet]()

    def placed(tweets: Iterable[Document]) -> Iterable[tuple[Document, tuple[datetime, int]]]:
        for tweet in tweets:
            moments = [at for key, at in moments_of(tweet).items() if wanted(key) and stands(at)]
            if moments:
                yield tweet, (min(moments), tweet["_id"])

    collection = database[TWEETS.name]
    for tweet, first in placed(collection.find(match, _FIELDS)):
        _add(found, tweet)
        if "retweet_of" not in tweet:
            found.counts.words.update(tweet["words"])
        elif text_of(tweet) not in retweets or first < retweets[text_of(tweet)].first:
            retweets[text_of(tweet)] = _Retweet(first, tweet["words"])
    # Those have been counted, unless a retweet of them stands before.
    originals = {"$and": [dict(match), {"_id": {"$in": list(retweets)}}]}
    for tweet, first in placed(collection.find(originals, _FIELDS) if retweets else ()):
        if first < retweets[tweet["_id"]].first:
            del retweets[tweet["_id"]]
        else:
            found.counts.words.subtract(tweet["words"])
    for retweet in retweets.values():
        found.counts.words.update(retweet.words)
    found.counts.words = +found.counts.words
    return found


def _add(found: Found, tweet: Document) -> None:
    found.counts.tweets += 1
    found.topics.update((topic["name"], kind_of(topic)) for topic in tweet["topics"])
    created = tweet.get("created_at")
    if created is not None:
        found.first = min(found.first or created, created)
        found.last = max(found.last or created, created)
