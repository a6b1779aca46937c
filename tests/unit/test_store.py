"""The rule for copies of a tweet, and whose fault an error of MongoDB is."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest
from bson.int64 import Int64
from hypothesis import given
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    OperationFailure,
    ServerSelectionTimeoutError,
)

sys.path.insert(0, str(Path(__file__).parents[1]))

from copies import COPIES, FIELDS, NOON, copy, merged

from opslib import message
from opslib.run import failures
from opslib.store import documents, write
from opslib.store.collections import ALL


def one_topic(topic: dict[str, Any]) -> tuple[Any, ...]:
    return topic["name"], topic["woeid"], topic.get("kind")


def joined(copies: Any) -> dict[str, Any]:
    return {"as_of": [], **documents.complete({**merged(copies)})}  # none is as good as an empty one


@given(COPIES)
def test_the_outcome_does_not_depend_on_the_order_of_copies(copies: Any) -> None:
    outcomes = [joined(order) for order in itertools.permutations(copies)]
    for outcome in outcomes:
        assert outcome == outcomes[0]


@given(COPIES, COPIES)
def test_nor_on_how_they_fall_into_batches(some: Any, more: Any) -> None:
    assert joined([merged(some), merged(more)]) == joined([*some, *more])


@given(COPIES)
def test_nothing_that_any_copy_had_is_missing_afterwards(copies: Any) -> None:
    outcome = joined(copies)
    for one in copies:
        for name in FIELDS:
            if one.get(name) in (None, []):
                continue
            assert outcome[name] is not None
            if isinstance(one[name], dict):
                assert {part for part in one[name] if one[name][part] is not None} <= {
                    part for part in outcome[name] if outcome[name][part] is not None
                }
    assert len(outcome["text"]) == max(len(one["text"]) for one in copies)
    assert outcome["collected_at"] == max(one["collected_at"] for one in copies)
    assert outcome["first_seen_at"] == min(one["first_seen_at"] for one in copies)
    for topic in outcome["topics"]:
        came = [
            one["collected_at"] for one in copies for t in one["topics"] if one_topic(t) == one_topic(topic)
        ]
        assert topic["first_at"] == min(came)


@given(COPIES)
def test_of_equally_rich_values_the_newest_is_kept(copies: Any) -> None:
    outcome = joined(copies)
    for part in ("likes", "quotes"):
        told = [one for one in copies if part in (one["public_metrics"] or {})]
        newest = max((one["collected_at"] for one in told), default=None)
        values = [one["public_metrics"][part] for one in told if one["collected_at"] == newest]
        assert (outcome["public_metrics"] or {}).get(part) == max(values, default=None)


@given(COPIES)
def test_a_repeated_copy_changes_nothing(copies: Any) -> None:
    known = joined(copies)
    for again in copies:
        assert documents.changes(known, again) == {}


@pytest.mark.parametrize("newer_first", [False, True])
def test_a_poorer_newer_copy_takes_nothing_from_a_richer_one(newer_first: bool) -> None:
    whole = "RT @ana: festa de carnaval no Rio inteiro"
    full = {"id": "7", "username": "ana", "name": "Ana"}
    rich = copy(1, text=whole, lang="pt", author=full, referenced_tweets=[{"type": "retweeted", "id": "5"}])
    poor = copy(2, text="RT @ana: festa de carn…", lang="und", author={"id": "7"}, referenced_tweets=[])
    outcome = joined([poor, rich] if newer_first else [rich, poor])
    assert (outcome["text"], outcome["lang"], outcome["author"]) == (whole, "pt", full)
    assert (outcome["retweet_of"], outcome["collected_at"]) == (5, poor["collected_at"])
    assert "inteiro" in outcome["words"]


def test_words_follow_the_text_and_the_language_of_all_copies_together() -> None:
    cut, whole = "RT @ana: não vai ter fes…", "RT @ana: não vai ter festa"
    known = joined([copy(1, text=cut, lang="pt")])
    change = documents.completed(known, documents.changes(known, copy(2, text=whole, lang=None)))
    assert change["words"] == documents.words_of({"text": whole, "lang": "pt"})
    again = {**known, **change}
    assert "words" not in documents.completed(again, documents.changes(again, copy(3, text=cut)))


def test_a_tweet_stored_before_copies_were_told_apart_keeps_what_it_has() -> None:
    stored = documents.complete(copy(5, author={"id": "7", "username": "ana"}, lang="pt"))
    assert "as_of" not in stored
    known = {**stored, **documents.changes(stored, copy(9, author={"id": "7"}, lang=None))}
    assert (known["author"], known["lang"]) == ({"id": "7", "username": "ana"}, "pt")


def test_ids_are_64_bits_wide_whatever_their_size() -> None:
    data = {"id": "20", "text": "just setting up my twttr &amp; more"}
    content = message.tweet_message(data, None, "topic", None, "topic", NOON)
    document = documents.complete(message.tweet_document(content))
    assert type(document["_id"]) is Int64
    assert document["words"]


def test_a_snapshot_has_the_id_that_follows_from_it() -> None:
    content = message.trends_message(23424768, "Brazil", [{"trend_name": "x"}], NOON)
    assert message.trend_document(content)["_id"] == "23424768:2026-03-01T12:00:00.000Z"


def test_indexes_have_names_of_their_own() -> None:
    for collection in ALL:
        names = [index.document["name"] for index in collection.indexes]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OperationFailure("Authentication failed.", 18), "refuses this user (AuthenticationFailed)"),
        (OperationFailure("not authorized on trendlake", 13), "refuses this user (Unauthorized)"),
        (OperationFailure("not authorized on t to execute command { insert: 1 }", 13), "authorized on t"),
        (ConfigurationError("Unknown option"), "settings are wrong"),
        (AutoReconnect("connection closed"), None),
        (ServerSelectionTimeoutError("timed out"), None),
        (OperationFailure("interrupted at shutdown", 11600), None),
    ],
)
def test_wrong_settings_are_told_from_faults_that_pass(error: Any, words: str | None) -> None:
    reason = failures.wrong_settings(error)
    assert (reason is None) == (words is None)
    assert words is None or words in str(reason)
    assert "command" not in str(reason)


def test_a_refused_certificate_is_wrong_settings_only_at_the_start() -> None:
    error = ServerSelectionTimeoutError("SSL handshake failed: certificate verify failed")
    assert failures.wrong_settings(error) is None
    assert "TLS" in str(failures.wrong_settings(error, starting=True))


class Collection:
    """Stands in for a collection whose insert and update commands fail as told."""

    def __init__(self, *, insert: Any = None, known: Any = ()) -> None:
        self.insert, self.known, self.inserted = insert, list(known), []  # type: ignore[var-annotated]

    def find(self, *_: Any) -> Any:
        return self.known

    def aggregate(self, _: Any) -> Any:
        return []

    def insert_many(self, fresh: Any, **_: Any) -> None:
        if self.insert:
            self.insert(fresh)
        self.inserted += [one["_id"] for one in fresh]


def test_what_cannot_be_bson_is_refused_alone() -> None:
    collection: Any = Collection()
    bad = {**copy(1, ()), "text": "\ud800"}
    outcome = write.write_tweets(collection, {1: copy(1, ()), 2: {**bad, "_id": 2}, 3: {**bad, "_id": 2**64}})
    assert set(outcome.refused) == {2, 3}
    assert (outcome.inserted, collection.inserted) == (1, [1])


def test_one_document_that_spoils_the_whole_command_is_found() -> None:
    def insert(fresh: Any) -> None:
        if any(one["_id"] == 5 for one in fresh):
            raise OperationFailure("exceeded depth", 15)

    collection: Any = Collection(insert=insert)
    outcome = write.write_once(collection, {n: {"_id": n} for n in range(9)})
    assert set(outcome.refused) == {5}
    assert sorted(collection.inserted) == [0, 1, 2, 3, 4, 6, 7, 8]


@pytest.mark.parametrize(
    "details",
    [
        {"writeErrors": [], "writeConcernErrors": [{"errmsg": "waiting for replication timed out"}]},
        {"writeErrors": [{"index": 0, "code": 14031, "errmsg": "disk full"}], "writeConcernErrors": []},
    ],
)
def test_no_majority_and_a_full_disk_are_faults_that_pass(details: Any) -> None:
    def insert(_: Any) -> None:
        raise BulkWriteError({"nInserted": 0, **details})

    with pytest.raises(AutoReconnect):
        write.write_once(Collection(insert=insert), {1: {"_id": 1}})  # type: ignore[arg-type]


def test_a_user_without_rights_is_not_waited_for() -> None:
    def insert(_: Any) -> None:
        raise OperationFailure("not authorized", 13)

    with pytest.raises(OperationFailure) as raised:
        write.write_once(Collection(insert=insert), {1: {"_id": 1}, 2: {"_id": 2}})  # type: ignore[arg-type]
    assert failures.wrong_settings(raised.value)


def test_a_tweet_that_is_followed_and_trends_under_one_name_has_two_topics() -> None:
    trend = copy(0)
    of_trend = {"name": "Pix", "woeid": None, "first_at": NOON}
    follow = {"kind": "follow", "name": "Pix", "woeid": None, "first_at": NOON}
    found = joined([{**trend, "topics": [follow]}, {**trend, "topics": [of_trend]}])
    assert found["topics"] == [of_trend, follow]
