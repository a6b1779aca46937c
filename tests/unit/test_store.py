"""The rule for copies of a tweet, and whose fault an error of MongoDB is."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest
from bson.int64 import Int64
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from opslib import message
from opslib.run import failures
from opslib.store import documents, write
from opslib.store.collections import ALL

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)


def copy(minute: int, topics: tuple[str, ...], likes: int = 0, author: Any = None) -> dict[str, Any]:
    at = NOON + dt.timedelta(minutes=minute)
    return {
        "_id": 1,
        "text": "um texto",
        "author": author,
        "public_metrics": {"like_count": likes},
        "topics": [{"name": name, "woeid": 1, "first_at": at} for name in topics],
        "first_seen_at": at,
        "collected_at": at,
    }


def joined(copies: Any) -> dict[str, Any]:
    known, *more = copies
    for another in more:
        known = {**known, **documents.changes(known, another)}
    return {**known, "topics": sorted(known["topics"], key=lambda topic: str(topic["name"]))}


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.sets(st.sampled_from("abc")), st.integers(0, 5), st.booleans()),
        min_size=2, max_size=4, unique_by=lambda parts: parts[0],
    )
)  # fmt: skip
def test_the_outcome_does_not_depend_on_the_order_of_copies(parts: Any) -> None:
    copies = [copy(minute, tuple(sorted(topics)), likes) for minute, topics, likes, _ in parts]
    outcomes = [joined(order) for order in itertools.permutations(copies)]
    assert all(outcome == outcomes[0] for outcome in outcomes)
    newest = max(copies, key=lambda one: one["collected_at"])
    assert outcomes[0]["public_metrics"] == newest["public_metrics"]
    assert outcomes[0]["first_seen_at"] == min(one["first_seen_at"] for one in copies)
    assert {t["name"] for t in outcomes[0]["topics"]} == {t["name"] for c in copies for t in c["topics"]}


def test_a_repeated_copy_changes_nothing() -> None:
    known = joined([copy(1, ("a",)), copy(5, ("b",)), copy(3, ("c",))])
    for again in (copy(1, ("a",)), copy(5, ("b",)), copy(3, ("c",))):
        assert documents.changes(known, again) == {}


def test_a_newer_copy_without_an_author_keeps_the_author() -> None:
    known = copy(1, ("a",), author={"id": "7"})
    assert "author" not in documents.changes(known, copy(2, ("a",)))


def test_ids_are_64_bits_wide_whatever_their_size() -> None:
    data = {"id": "20", "text": "just setting up my twttr &amp; more"}
    content = message.tweet_message(data, None, "topic", None, "topic", NOON)
    document = documents.complete(documents.tweet_document(content))
    assert type(document["_id"]) is Int64
    assert document["words"]


def test_a_snapshot_has_the_id_that_follows_from_it() -> None:
    content = message.trends_message(23424768, "Brazil", [{"trend_name": "x"}], NOON)
    assert documents.trend_document(content)["_id"] == "23424768:2026-03-01T12:00:00.000Z"


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
