"""When a tweet was collected for what: time belongs to the observation, not to the tweet.

A tweet is counted for a *key*, a place (WOEID) and the name of a topic, either of which can be ``None`` for
any. A topic that somebody follows is another one than a trend of the same name, and has no place. For a topic
of a place it stands at that topic's ``first_at``; for a place, the name of a topic or anything at the
earliest ``first_at`` of its topics that match. One that was collected for no topic is counted for anything
alone, at ``first_seen_at``. So another collection adds a later moment for another key, and changes none that
there was; only a copy that was collected earlier and comes late does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from opslib.message import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    Document = dict[str, Any]


class Key(NamedTuple):
    """What is counted: a WOEID, and the name and kind of a topic (``None``: a trend, or any)."""

    woeid: Optional[int]  # noqa: UP045 - read on Python 3.9
    topic: Optional[str]  # noqa: UP045 - read on Python 3.9
    kind: Optional[str] = None  # noqa: UP045 - read on Python 3.9

    def to_document(self) -> Document:
        """Return it as MongoDB keeps it; a kind is told only where there is one."""
        kind = {} if self.kind is None else {"kind": self.kind}
        return {"woeid": self.woeid, "topic": self.topic, **kind}


ANYTHING = Key(None, None)
# What of a stored tweet says when it was collected for what.
FIELDS = {"topics": 1, "first_seen_at": 1}


def moments_of(tweet: Mapping[str, Any]) -> dict[Key, datetime]:
    """Return the moment at which *tweet* stands for each of its keys."""
    found: dict[Key, datetime] = {}
    for topic in tweet.get("topics") or ():
        at = topic["first_at"]
        for key in keys_of(topic):
            if key not in found or at < found[key]:
                found[key] = at
    if not found and tweet.get("first_seen_at") is not None:
        found[ANYTHING] = tweet["first_seen_at"]
    return found


def keys_of(topic: Mapping[str, Any]) -> set[Key]:
    """Return the keys that a tweet collected for *topic* is counted for."""
    woeid, name, kind = topic.get("woeid"), topic["name"], kind_of(topic)
    return {Key(woeid, name, kind), Key(woeid, None), Key(None, name, kind), ANYTHING}


def within(span: Mapping[str, datetime], topic: Mapping[str, Any] | None = None) -> Document:
    """Return the query of the tweets that were collected in a *span*, such as ``{"$gte": …, "$lt": …}``.

    With *topic*, conditions such as ``{"woeid": …}``, those collected in it for a topic that fulfils them.
    A tweet that it finds may stand at another moment, that of an earlier topic: :func:`moments_of` says so.
    """
    return for_topics(span, topic) if topic else {"$or": [for_topics(span), for_nothing(span)]}


def for_topics(span: Mapping[str, datetime], topic: Mapping[str, Any] | None = None) -> Document:
    """Return the query of the tweets that were collected in a *span* for a topic; see :func:`within`."""
    return {"topics": {"$elemMatch": {"first_at": dict(span), **(topic or {})}}}


def for_nothing(span: Mapping[str, datetime]) -> Document:
    """Return the query of the tweets that were collected for no topic and first in a *span*."""
    return {"topics": [], "first_seen_at": dict(span)}


def moved(known: Mapping[str, Any] | None, new: Mapping[str, Any], *, counted: bool) -> set[datetime]:
    """Return the moments whose buckets change when *known*, ``None`` if it is not stored, becomes *new*.

    *counted* says whether its words change as well: then all of its buckets do.
    """
    after = moments_of(new)
    before = moments_of(known) if known is not None else {}
    if counted or known is None:
        return {*before.values(), *after.values()}
    changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return {at for key in changed for at in (before.get(key), after.get(key)) if at is not None}
