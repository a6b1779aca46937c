"""Which of a text's tweets has its words counted: a tweet and its retweets are one text.

For each key (:mod:`opslib.store.observations`) a text counts where the first of its tweets stands that is
counted for that key, with the words of that tweet; of two that stand at one moment, that of the smaller id.
So what comes later, were it the tweet that others retweeted, changes nothing that was counted before.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from opslib.store import observations
from opslib.store.observations import Key, moments_of

if TYPE_CHECKING:
    from collections.abc import Collection as Some
    from collections.abc import Mapping

    from pymongo.collection import Collection

    Document = dict[str, Any]

Text = int  # the id of the tweet that is retweeted, stored or not
Firsts = dict[tuple[Text, Key], tuple[datetime, int]]  # when the first stands, and its id
FIELDS = {**observations.FIELDS, "retweet_of": 1}


def text_of(tweet: Mapping[str, Any]) -> Text:
    """Return the text that *tweet* holds: that of what it retweets, or its own."""
    return int(tweet.get("retweet_of", tweet["_id"]))


def firsts(tweets: Collection[Document], texts: Some[Text]) -> Firsts:
    """Return who is the first of *texts* for each key, of those of them that stored tweets retweet."""
    found = _first_retweets(tweets, texts, ())
    _add(found, tweets.find({"_id": {"$in": list({text for text, _ in found})}}, FIELDS))
    return found


def displaced(tweets: Collection[Document], written: Some[Document]) -> set[datetime]:
    """Return the moments at which tweets stand that are the first of their text until *written* come."""
    new: Firsts = {}
    _add(new, written)
    if not new:
        return set()
    later = {"$gt": min(at for at, _ in new.values())}
    same_text: list[Document] = [{"retweet_of": {"$in": list({text for text, _ in new})}}]
    retweeted = {one["retweet_of"] for one in written if "retweet_of" in one}
    if retweeted:
        same_text.append({"_id": {"$in": list(retweeted)}})
    there: Firsts = {}
    for some in same_text:
        for observed in (observations.for_topics(later), observations.for_nothing(later)):
            _add(there, tweets.find({**some, **observed}, FIELDS))
    return {first[0] for key, first in there.items() if key in new and new[key] < first}


def heirs(tweets: Collection[Document], gone: Some[Document]) -> set[datetime]:
    """Return the moments at which tweets stand that are the first of their text once *gone* are gone."""
    lost: Firsts = {}
    _add(lost, gone)
    texts, ids = {text for text, _ in lost}, {one["_id"] for one in gone}
    left = _first_retweets(tweets, texts, ids)
    _add(left, tweets.find({"_id": {"$in": list(texts - ids)}}, FIELDS))
    return {first[0] for key, first in left.items() if key in lost}


def _first_retweets(tweets: Collection[Document], texts: Some[Text], left_out: Some[int]) -> Firsts:
    some: Document = {"retweet_of": {"$in": list(texts)}}
    if left_out:
        some["_id"] = {"$nin": list(left_out)}
    topic = {
        "text": "$retweet_of",
        **{name: f"$topics.{name}" for name in ("woeid", "name", "kind")},
    }
    first = {"at": {"$ifNull": ["$topics.first_at", "$first_seen_at"]}, "id": "$_id"}
    # A text that everybody retweets would be long in coming, tweet by tweet.
    stages: list[Document] = [
        {"$match": some},
        {"$unwind": {"path": "$topics", "preserveNullAndEmptyArrays": True}},
        {"$group": {"_id": topic, "first": {"$min": first}}},
    ]
    found: Firsts = {}
    for group in tweets.aggregate(stages, allowDiskUse=True):
        of, at = group["_id"], group["first"]["at"]
        alike = {"topics": [{**of, "first_at": at}] if "name" in of else [], "first_seen_at": at}
        _add(found, [{"_id": group["first"]["id"], "retweet_of": of["text"], **alike}])
    return found


def _add(found: Firsts, tweets: Any) -> None:
    """Count in some *tweets*."""
    for tweet in tweets:
        for key, at in moments_of(tweet).items():
            place, first = (text_of(tweet), key), (at, int(tweet["_id"]))
            if place not in found or first < found[place]:
                found[place] = first
