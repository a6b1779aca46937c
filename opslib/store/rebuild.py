"""The words of stored tweets, taken anew by the rules of today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson.int64 import Int64
from pymongo import UpdateOne

from opslib.message import retweeted_id
from opslib.store import rollups
from opslib.store.observations import FIELDS, moments_of
from opslib.words import VERSION, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.collection import Collection

_OLD = {"words_version": {"$ne": VERSION}}


def outdated(tweets: Collection[dict[str, Any]]) -> int:
    """Return how many of *tweets* have words by other rules than today's."""
    return tweets.count_documents(_OLD)


def rebuild_words(
    tweets: Collection[dict[str, Any]], marks: Collection[dict[str, Any]], batch: int
) -> Iterator[int]:
    """Bring the words of *tweets* up to date, and yield how many after each write of *batch*.

    *marks* are those of the roll-ups, see :func:`rollups.mark`: their minutes are counted anew. What is done
    is marked by its version, so a second call goes on where the first one ended. A tweet that a newer copy
    replaced meanwhile has its words by today's rules, and is left alone.
    """
    last: Any = None
    fields = {"text": 1, "lang": 1, "entities": 1, "referenced_tweets": 1, **FIELDS}
    while True:
        after = {"_id": {"$gt": last}} if last is not None else {}
        found = list(tweets.find({**_OLD, **after}, fields).sort("_id", 1).limit(batch))
        if not found:
            return
        rollups.mark(marks, (at for tweet in found for at in moments_of(tweet).values()))
        tweets.bulk_write(
            [
                UpdateOne(
                    {"_id": tweet["_id"], **_OLD},
                    {"$set": _counted(tweet)},
                )
                for tweet in found
            ],
            ordered=False,
        )
        last = found[-1]["_id"]
        yield len(found)


def _counted(tweet: dict[str, Any]) -> dict[str, Any]:
    """Return what counting needs of a stored tweet."""
    original = retweeted_id(tweet)
    return {
        "words": words_of(tweet),
        "words_version": VERSION,
        **({"retweet_of": Int64(original)} if original is not None else {}),
    }
