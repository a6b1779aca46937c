"""From a tweet's message to a sighting: who named what, and when. It is all that windows are made of.

A sighting belongs to the moment when its tweet was *written*, not when it was collected: a search brings the
tweets of many minutes at one moment, so by collection every turn of the collector would look like a burst of
its topics; and a tweet that is collected again for another topic is still in the same windows. What a tweet
cannot be is younger than its collection, nor that than now; a clock that is wrong may not push windows into
the future.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from opslib import message
from opslib.store.unwanted import Origin, origin
from opslib.words import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

STEP = 10  # seconds by which windows advance; the panes that they are made of are as long


class Topic(NamedTuple):
    """What a tweet was collected for: a trend of a place (WOEID), or what somebody follows."""

    name: str
    woeid: Optional[int] = None  # noqa: UP045 - read on Python 3.9
    kind: Optional[str] = None  # noqa: UP045 - read on Python 3.9


@dataclass
class Sighting:
    """One tweet as windows see it."""

    tweet: int
    author: str  # the tweet's own id where the author is not known
    pane: int  # the tweet was written in the STEP seconds from pane * STEP on (Unix time)
    entries: list[str]  # words and hashtags as opslib.words.words_of has them, without pairs
    topics: list[Topic] = field(default_factory=list)  # what it was collected for, each once
    retweet: Optional[list[Any]] = None  # noqa: UP045 - what a retweet holds: id, author and name, as in Origin

    @property
    def origin(self) -> Origin:
        """Whose text the tweet holds."""
        return Origin(self.tweet, self.author, *(self.retweet or ()))

    @property
    def places(self) -> list[int | None]:
        """Return the places whose windows it is in; ``None`` stands for no place."""
        return list(dict.fromkeys(topic.woeid for topic in self.topics)) or [None]


def read(value: bytes | None, now: float) -> tuple[Sighting, float]:
    """Return the sighting in a message of ``tweets.raw``, and when it was collected (Unix time).

    *now* is the latest that either can be. What is no tweet raises ``BadMessage`` or, as with all that
    strangers write, another ``ValueError``, ``TypeError``, ``KeyError`` or ``AttributeError``.
    """
    content = message.decode_tweet(value)
    document = message.tweet_document(content)
    collected = min(document["collected_at"].timestamp(), now)
    created = document["created_at"]
    written = min(created.timestamp(), collected) if created else collected
    tweet, author, *retweet = origin(document)
    sighting = Sighting(
        tweet=tweet,
        author=author or f"tweet {tweet}",
        pane=int(written // STEP),
        # Pairs are left out: the authors of an expression cannot be taken from those of its two words, as
        # the clouds take their tweets. Set expressions are words: they have no plain space.
        entries=[entry for entry in words_of(document) if " " not in entry],
        topics=joined([], map(_topic, document["topics"])),
        retweet=retweet if any(retweet) else None,
    )
    return sighting, collected


def _topic(topic: dict[str, Any]) -> Topic:
    return Topic(topic["name"], topic["woeid"], message.kind_of(topic))


def joined(known: list[Topic], more: Iterable[Topic]) -> list[Topic]:
    """Return the topics of both, each once, the known ones first."""
    return list(dict.fromkeys([*known, *more]))


def plain(topics: Iterable[Topic]) -> list[list[Any]]:
    """Return topics as the JSON of Quix Streams can keep them, which takes no named tuples."""
    return [list(topic) for topic in topics]


def topics_in(kept: Iterable[Any]) -> list[Topic]:
    """Return topics as JSON has kept them; of those kept before they had a place it is not known."""
    return [Topic(topic) if isinstance(topic, str) else Topic(*topic) for topic in kept]
