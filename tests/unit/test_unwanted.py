"""The one policy on what is unwanted: whose text a tweet holds, and whether any of them is noted."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from opslib import message
from opslib.store.documents import complete
from opslib.store.unwanted import Origin, Policy, origin

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
# 7 is called @sete, and wrote none of what is below but what it says.
NOTED = Policy(tweets={5}, authors={"7"}, names={"sete"})


def document(includes: Any = None, **fields: Any) -> dict[str, Any]:
    data = {"id": "9", "text": "gol", "author_id": "8", **fields}
    sent = message.tweet_message(data, includes, "Gol", 1, "Gol", NOON)
    return message.tweet_document(message.decode_tweet(message.encode(sent)))


def of(kind: str, tweet: str) -> list[dict[str, str]]:
    return [{"type": kind, "id": tweet}]


def naming(*people: tuple[int, str, str]) -> dict[str, Any]:
    return {"mentions": [{"start": at, "id": id_, "username": name} for at, id_, name in people]}


CUT = "RT @sete: não vai ter fes…"
UNWANTED = {
    "it is noted": document(id="5"),
    "its author is": document(author_id="7"),
    "what it retweets is": document(text="RT @oito: gol", referenced_tweets=of("retweeted", "5")),
    "whom it names at its beginning is": document(
        text="RT @mudou: gol", entities=naming((3, "7", "mudou"), (12, "1", "um"))
    ),
    "so it is, in other letters": document(text="RT @Mudou: gol", entities=naming((99, "7", "mudou"))),
    "who wrote what it retweets is": document(
        {"tweets": [{"id": "6", "text": "não vai ter festa", "author_id": "7"}]},
        text="RT @mudou: não vai…",
        referenced_tweets=of("retweeted", "6"),
    ),
    "it gives their name and no id": document(text=CUT),
}
WANTED = {
    "it is somebody's own": document(),
    "it quotes": document(referenced_tweets=of("quoted", "5")),
    "it answers": document(text="@sete não", referenced_tweets=of("replied_to", "5")),
    "it only mentions": document(text="oi @sete", entities=naming((3, "7", "sete"))),
    "it retweets one who mentions": document(
        text="RT @oito: oi @sete", entities=naming((3, "8", "oito"), (13, "7", "sete"))
    ),
    "the name is another's by now": document(text=CUT, entities=naming((3, "8", "sete"))),
    "entities are none": document(text="RT @oito: a", entities={"mentions": [1, {"id": 7, "start": 3}, {}]}),
}


@pytest.mark.parametrize("why", UNWANTED)
def test_a_tweet_is_unwanted_if(why: str) -> None:
    assert NOTED.unwanted(UNWANTED[why])
    assert not Policy().unwanted(UNWANTED[why])


@pytest.mark.parametrize("why", WANTED)
def test_a_tweet_is_not_unwanted_because(why: str) -> None:
    assert not NOTED.unwanted(WANTED[why])


@pytest.mark.parametrize("why", {**UNWANTED, **WANTED})
def test_a_stored_tweet_tells_what_its_message_told(why: str) -> None:
    made = {**UNWANTED, **WANTED}[why]
    assert origin(complete({**made})) == origin(made)


def test_a_tweet_that_was_stored_before_its_retweeted_author_was_kept_tells_it_by_its_mentions() -> None:
    old = UNWANTED["whom it names at its beginning is"]
    del old["retweet_author"]
    assert origin(old) == Origin(9, "8", None, "7", "mudou")


def test_nobody_is_noted_and_nothing_is_asked_for() -> None:
    assert not Policy()
    assert Policy(names={"sete"})
