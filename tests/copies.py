"""Copies of one tweet as X may send them: now with the author's names, now without, now cut, now whole."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from opslib import message
from opslib.store import documents

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)


def copy(minute: int, topics: tuple[str, ...] = ("a",), **fields: Any) -> dict[str, Any]:
    at = NOON + dt.timedelta(minutes=minute)
    original = message.retweeted_id(fields)
    if fields.get("retweet_author", 0) is None:
        del fields["retweet_author"]  # which is there or not
    return {
        "_id": 1,
        **({"retweet_of": original} if original else {}),
        "text": "um texto",
        "topics": [{**topic_of(name), "first_at": at} for name in topics],
        "first_seen_at": at,
        "collected_at": at,
        **fields,
    }


def topic_of(letter: str) -> dict[str, Any]:
    """Return the topic that a letter stands for: a trend, a capital what somebody follows by that name."""
    if letter.isupper():
        return {"kind": message.FOLLOW, "name": letter.lower(), "woeid": None}
    return {"name": letter, "woeid": 1}


def merged(copies: Any) -> dict[str, Any]:
    """Return what is known once *copies* came, each by itself."""
    known, *more = copies
    for another in more:
        known = {**known, **documents.changes(known, another)}
    return known


def some(*values: Any) -> Any:
    return st.sampled_from([None, *values])


# All that X may send or leave out: text and entities come cut, names and what is retweeted only if asked for.
FIELDS = {
    "text": st.sampled_from(["RT @ana: festa…", "RT @ana: festa de #carnaval no Rio", "RT @bia: festa…"]),
    "lang": some("pt", "es", "und"),
    "author": some({"id": "7"}, {"id": "7", "username": "ana"}, {"id": "7", "username": "b", "name": "B"}),
    "entities": some({}, {"mentions": [{"id": "8"}]}, {"hashtags": [{"tag": "carnaval"}], "urls": None}),
    "public_metrics": st.none()
    | st.dictionaries(st.sampled_from(["likes", "quotes"]), st.integers(0, 3), max_size=2),
    "referenced_tweets": st.sampled_from([[], [{"type": "retweeted", "id": "5"}]]),
    "created_at": some(NOON, NOON - dt.timedelta(hours=1)),
    "retweet_author": some("8"),
}
COPIES = st.lists(
    st.builds(
        copy,
        st.integers(0, 3),  # some come at the same moment
        st.lists(st.sampled_from("abcAB"), unique=True).map(tuple),
        **FIELDS,
    ),
    min_size=1,
    max_size=4,
)
