"""Roll-ups equal a recount from scratch, whatever was written, killed or repeated in between."""

from __future__ import annotations

import datetime as dt
import random
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import services
from bson import ObjectId
from bson.int64 import Int64
from conftest import end
from recount import buckets, keys_of, moment_for, rolled_up
from test_sink import tweet

from opslib.cloud.counts import Selection, from_database
from opslib.message import tweet_document
from opslib.sink import writer
from opslib.store import counting, rollups
from opslib.store.collections import ROLLUP_MARKS, initialise
from opslib.store.marks import Claim
from opslib.store.write import safely, write_tweets
from opslib.words import VERSION

if TYPE_CHECKING:
    from conftest import Lake
    from recount import Buckets

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)
NO_WAIT = dt.timedelta(0)
WORDS = ["festa", "samba", "gol", "chuva", "praia", "#carnaval", "pão", "Rio"]
TOPICS = [
    ("Carnaval", 23424768),
    ("Samba", 23424768),
    ("Samba", 455827),
    ("Rio", None),
    ("Samba", "follow"),
]


def document(
    number: int, minute: int, words: list[str], topics: list[tuple[str, Any]], retweet_of: int | None = None
) -> dict[str, Any]:
    at = NOON + dt.timedelta(minutes=minute, seconds=number % 60)
    return {
        **tweet_document(tweet(number)),
        **({"retweet_of": Int64(tweet(retweet_of)["id"])} if retweet_of is not None else {}),
        "words": words,
        "words_version": VERSION,
        "topics": [
            {
                "name": name,
                "first_at": at,
                **({"woeid": None, "kind": of} if of == "follow" else {"woeid": of}),
            }
            for name, of in topics
        ],
        "first_seen_at": at,
        "collected_at": at,
    }


def write(database: Any, *documents: dict[str, Any]) -> None:
    marks = safely(database[ROLLUP_MARKS.name])
    by_id = {one["_id"]: one for one in documents}
    write_tweets(safely(database["tweets"]), by_id, lambda moments: rollups.mark(marks, moments))


def recounted(database: Any) -> Buckets:
    return buckets(safely(database["tweets"]).find().sort("_id"))


def stored(database: Any) -> Buckets:
    found = list(safely(database["word_counts"]).find())
    buckets = rolled_up(found)
    assert sum(len(one["keys"]) for one in found) == len(buckets), "none is there twice"
    return buckets


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_roll_ups_equal_a_recount_after_any_writes(lake: Lake, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    for _ in range(12):
        write(
            lake.database,
            *(
                document(
                    number,
                    chance.choice([0, 1, 2, 59, 60, 61, 700, 719, 720, 2000]),
                    chance.sample(WORDS, chance.randint(0, 4)),
                    chance.sample(TOPICS, chance.randint(0, 3)),
                    # Of the first ten, which may be stored or not, and never another one for the same tweet.
                    number % 10 + 1 if number % 3 and number > 10 else None,
                )
                for number in (chance.randrange(1, 61) for _ in range(15))
            ),
        )
        if chance.random() < 0.5:
            rollups.refresh(lake.database, settle=NO_WAIT)
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database)
    assert lake.database.rollup_marks.count_documents({}) == 0
    assert rollups.refresh(lake.database) == {"minute": 0, "hour": 0, "day": 0}

    # Of those that nobody retweets.
    alone = {"_id": {"$gt": int(tweet(10)["id"])}, "retweet_of": {"$exists": False}}
    gone = list(lake.database.tweets.find(alone).limit(5))
    some = [found["_id"] for found in gone]
    moments = [moment_for(found, *key) for found in gone for key in keys_of(found)]
    rollups.mark(safely(lake.database.rollup_marks), moments)
    lake.database.tweets.delete_many({"_id": {"$in": some}})
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database)


def test_a_later_collection_changes_no_earlier_bucket(lake: Lake) -> None:
    """Twenty tweets for one topic; an hour later ten of them come with another one, and some retweets."""
    first = [document(n, 0, ["festa", f"{n}"], [("#a", 1)]) for n in range(20)]
    write(lake.database, *first)
    rollups.refresh(lake.database, settle=NO_WAIT)
    before = stored(lake.database)
    again = [document(n, 60, ["festa", f"{n}"], [("#b", 1)]) for n in range(10)]
    retweets = [document(100 + n, 61, ["festa"], [("#a", 1)], n) for n in range(5, 15)]
    write(lake.database, *again, *retweets)
    rollups.refresh(lake.database, settle=NO_WAIT)
    after = stored(lake.database)
    assert after == recounted(lake.database)
    assert {bucket: after[bucket] for bucket in before if bucket[0] == "minute"} == {
        bucket: found for bucket, found in before.items() if bucket[0] == "minute"
    }
    hour = rollups.counts(lake.database, NOON, NOON + dt.timedelta(hours=1), woeid=1, topic="#a")
    assert (hour.tweets, hour.words["festa"]) == (20, 20)
    later = rollups.counts(lake.database, NOON + dt.timedelta(hours=1), NOON + DAY, woeid=1, topic="#b")
    assert (later.tweets, later.words["festa"]) == (10, 10)
    later = rollups.counts(lake.database, NOON + dt.timedelta(hours=1), NOON + DAY, woeid=1)
    assert (later.tweets, later.words) == (10, {}), (
        "the retweets alone: the tweets and texts were there before"
    )


def test_a_copy_marks_no_minute_unless_its_words_or_its_topics_are_new(lake: Lake) -> None:
    def marked(*documents: dict[str, Any]) -> set[int]:
        lake.database.rollup_marks.delete_many({})
        write(lake.database, *documents)
        ats = [found["_id"]["at"] for found in safely(lake.database.rollup_marks).find()]
        return {int((at - NOON).total_seconds()) // 60 for at in ats}

    assert marked(document(1, 0, ["festa"], [("#a", 1)])) == {0}
    again = document(1, 60, ["festa"], [("#a", 1)])
    again["public_metrics"] = {"like_count": 9}
    assert marked(again) == set()
    assert marked(document(1, 90, ["festa"], [("#b", 1)])) == {90}
    assert marked(document(1, 30, ["festa"], [("#b", 1)])) == {30, 90}, "a copy that comes late"
    whole = document(1, 120, [], [("#a", 1)])
    whole["text"] += " e mais um gol"  # of which the others were cut
    del whole["words"]
    assert marked(whole) == {0, 30}, "wherever its words are counted"


def test_a_tweet_and_its_retweets_count_once_and_the_first_to_be_collected_counts(lake: Lake) -> None:
    def counted() -> dict[str, int]:
        rollups.refresh(lake.database, settle=NO_WAIT)
        assert stored(lake.database) == recounted(lake.database)
        found = rollups.counts(lake.database, NOON, NOON + DAY)
        assert found.tweets == lake.database.tweets.count_documents({})
        return dict(found.words)

    write(lake.database, document(7, 90, ["festa", "7"], TOPICS[:1], 2), document(8, 91, ["samba"], []))
    assert counted() == {"festa": 1, "7": 1, "samba": 1}
    # Later ones change nothing, were it the tweet itself.
    write(
        lake.database, document(2, 200, ["festa", "2"], TOPICS[:1]), document(9, 300, ["festa", "9"], [], 2)
    )
    assert counted() == {"festa": 1, "7": 1, "samba": 1}
    whole = Selection(NOON + DAY, 24)
    assert from_database(lake.database, whole).words == {"7": 1, "festa": 1, "samba": 1}
    # One that was collected before and comes late takes the place.
    write(lake.database, document(5, 30, ["festa", "5"], TOPICS[:1], 2))
    assert counted() == {"festa": 1, "5": 1, "samba": 1}
    # The tweet itself too: for the topic that it was collected for before the retweets, and for anything.
    write(lake.database, document(2, 10, ["festa", "2"], TOPICS[1:2]))
    assert counted() == {"festa": 1, "2": 1, "samba": 1}
    for (topic, woeid), words in ((TOPICS[0], {"festa", "5"}), (TOPICS[1], {"festa", "2"})):
        found = rollups.counts(lake.database, NOON, NOON + DAY, woeid=woeid, topic=topic)
        assert set(found.words) == words
    # In a span that holds later ones alone, the first of these counts if tweets are read, not roll-ups.
    assert from_database(lake.database, whole).words == {"2": 1, "festa": 1, "samba": 1}
    after = Selection(NOON + DAY, 22.6)
    assert from_database(lake.database, after).words == {"7": 1, "festa": 1, "samba": 1}


def test_a_bucket_keeps_the_words_of_most_tweets(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "MOST", {"minute": 4, "hour": 3, "day": 2})
    for number in range(1, 9):
        words = [word for every, word in enumerate("abcde", start=1) if number % every == 0]
        write(lake.database, document(number, 0, words, []))
    rollups.refresh(lake.database, settle=NO_WAIT)
    kept = {
        one["unit"]: (one["tweets"], one["words"], one["left_out"])
        for one in lake.database.word_counts.find()
    }
    most, next_one = {"n": 8, "w": "a"}, {"n": 4, "w": "b"}
    assert kept == {
        "minute": (8, [most, next_one, {"n": 2, "w": "c\nd"}], 1),
        "hour": (8, [most, next_one, {"n": 2, "w": "c"}], 1),
        "day": (8, [most, next_one], 1),
    }


def test_places_and_topics_of_the_same_tweets_share_a_document(lake: Lake) -> None:
    one_place = [("Carnaval", 1), ("Samba", 1)]
    write(lake.database, *(document(n, 0, ["festa"], one_place[n % 2 :][:1]) for n in range(6)))
    write(lake.database, document(9, 1, ["gol"], one_place), document(10, 1, ["gol"], [("Samba", 2)]))
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database)
    found = lake.database.word_counts.find({"unit": "minute"}).sort("at")
    shared = [len(one["keys"]) for one in found]
    assert shared[:3] == [2, 2, 2], "of any place and of the only one"
    assert sorted(shared[3:]) == [2, 2, 4], "of the one, the other and both tweets"


def test_a_mark_stays_until_no_write_can_be_under_way(lake: Lake) -> None:
    write(lake.database, document(1, 0, ["festa"], TOPICS[:1]))
    assert rollups.refresh(lake.database)["minute"] == 1
    assert stored(lake.database) == recounted(lake.database)
    # A write whose mark was there before the count and whose tweet came after it.
    late = document(2, 0, ["gol"], TOPICS[:1])
    lake.database.tweets.insert_one(late)
    assert rollups.refresh(lake.database)["minute"] == 1
    assert stored(lake.database) == recounted(lake.database)


def test_a_minute_is_marked_again_before_its_mark_can_go(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def touched() -> Any:
        (found,) = lake.database.rollup_marks.find()
        return found["touched_at"]

    # Twice the time of an attempt, for one that goes on in the server when its client has given up.
    assert rollups.SETTLE.total_seconds() > writer.REMARK_SECONDS + 2 * writer.ATTEMPT_SECONDS
    sink = writer.Writer(lake.database, lambda _: None)
    sink._mark({NOON})
    first = touched()
    services.wait_until(
        "the clock has moved on", lambda: lake.mongo.admin.command("hello")["localTime"] > first
    )
    sink._mark({NOON + dt.timedelta(seconds=59)})
    assert touched() == first, "it was marked just before"
    monkeypatch.setattr(writer, "REMARK_SECONDS", 0)
    sink._mark({NOON})
    assert touched() > first


def test_what_is_too_much_at_once_is_counted_by_and_by(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)  # noqa: S311 - not a secret
    for _ in range(3):
        numbers = [chance.randrange(1, 90) for _ in range(60)]
        write(
            lake.database,
            *(
                document(
                    number,
                    chance.choice([0, 1, 61]),
                    chance.sample(WORDS, 3),
                    chance.sample(TOPICS, number % 4),
                    number % 10 + 1 if number > 10 and number % 2 else None,
                )
                for number in numbers
            ),
        )
    monkeypatch.setattr(rollups, "_TWEETS_AT_ONCE", 5)
    monkeypatch.setattr(rollups, "_DOCUMENTS_AT_ONCE", 3)
    monkeypatch.setattr(counting, "_TWEETS_AT_ONCE", 7)
    monkeypatch.setattr(counting, "_TWEETS_IN_MEMORY", 20)
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database)
    assert lake.database.rollup_marks.count_documents({}) == 0


def test_what_comes_out_as_it_was_is_left_as_it_is(lake: Lake) -> None:
    write(lake.database, document(1, 0, ["festa"], TOPICS[:1]), document(2, 1, ["gol"], TOPICS[:1]))
    rollups.refresh(lake.database, settle=NO_WAIT)
    before = {found["_id"]: found for found in lake.database.word_counts.find()}
    rollups.mark(safely(lake.database.rollup_marks), [NOON])
    write(lake.database, document(3, 1, ["samba"], TOPICS[:1]))
    assert rollups.refresh(lake.database, settle=NO_WAIT) == {"minute": 2, "hour": 1, "day": 1}
    after = {found["_id"]: found for found in lake.database.word_counts.find()}
    same = before.keys() & after.keys()
    assert {(before[one]["unit"], before[one]["at"].minute) for one in same} == {("minute", 0)}
    assert all(before[one] == after[one] for one in same)


def test_workers_share_the_marks_and_take_over_those_of_one_that_was_killed(lake: Lake) -> None:
    write(lake.database, *(document(n, n, ["festa"], TOPICS[:1]) for n in range(6)))
    marks = safely(lake.database.rollup_marks)
    ats = [NOON + dt.timedelta(minutes=n) for n in range(6)]
    other = Claim(marks, "minute", ats[:4], rollups.now(lake.database))
    assert other.ats == ats[:4]
    assert rollups.refresh(lake.database, settle=NO_WAIT) == {"minute": 2, "hour": 0, "day": 0}
    assert {bucket[1] for bucket in stored(lake.database)} == set(ats[4:])
    # The other one is killed: its claim runs out.
    over = {"claimed_until": rollups.now(lake.database) - dt.timedelta(seconds=1)}
    marks.update_many({"claimed_until": {"$exists": True}}, {"$set": over})
    assert rollups.refresh(lake.database, settle=NO_WAIT)["minute"] == 4
    assert stored(lake.database) == recounted(lake.database)
    assert rollups.refresh(lake.database, settle=NO_WAIT)["minute"] == 4, "what was taken over, once more"
    assert lake.database.rollup_marks.count_documents({}) == 0
    assert stored(lake.database) == recounted(lake.database)


def test_what_another_worker_has_counted_meanwhile_is_not_counted_again(lake: Lake) -> None:
    marks = safely(lake.database.rollup_marks)
    since = rollups.now(lake.database)
    rollups.mark(marks, [NOON])
    first = Claim(marks, "minute", [NOON], since)
    assert first.ats == [NOON]
    assert Claim(marks, "minute", [NOON], since).ats == [], "it is at work"
    first.end(since + dt.timedelta(seconds=1), since - DAY)
    assert Claim(marks, "minute", [NOON], since).ats == [], "it was counted after this pass began"
    assert Claim(marks, "minute", [NOON], since + dt.timedelta(seconds=2)).ats == [NOON]


def test_a_mark_that_was_touched_while_it_was_counted_stays(lake: Lake) -> None:
    marks = safely(lake.database.rollup_marks)
    began = rollups.now(lake.database)
    rollups.mark(marks, [NOON], "hour")
    claim = Claim(marks, "hour", [NOON], began)
    rollups.mark(marks, [NOON], "hour")
    claim.end(began)
    assert marks.count_documents({"claimed_by": {"$exists": False}}) == 1
    Claim(marks, "hour", [NOON], rollups.now(lake.database)).end(began)
    assert marks.count_documents({}) == 0


def test_a_worker_that_slept_until_another_took_over_leaves_nothing_behind(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(lake.database, document(1, 0, ["festa"], TOPICS[:1]))
    marks, counted = safely(lake.database.rollup_marks), counting.documents

    def slow(*arguments: Any) -> Any:
        yield from list(counted(*arguments))
        # Its claim has run out, and the other worker sees a tweet that it has not.
        monkeypatch.setattr(rollups, "documents", counted)
        marks.update_many({}, {"$set": {"claimed_until": NOON}})
        write(lake.database, document(2, 0, ["gol"], TOPICS[:1]))
        rollups.refresh(lake.database, settle=NO_WAIT)

    monkeypatch.setattr(rollups, "documents", slow)
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert {bucket for bucket in stored(lake.database) if bucket[0] == "minute"} == {
        bucket for bucket in recounted(lake.database) if bucket[0] == "minute"
    }
    assert rollups.counts(lake.database, NOON, NOON + dt.timedelta(minutes=1)).words == {"festa": 1, "gol": 1}
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database)


def test_of_two_documents_of_a_bucket_the_newer_one_is_read(lake: Lake) -> None:
    write(lake.database, document(1, 0, ["festa"], TOPICS[:1]))
    rollups.refresh(lake.database, settle=NO_WAIT)
    for found in list(lake.database.word_counts.find()):
        half_way = {"computed_at": found["computed_at"] - DAY, "tweets": 99, "words": [{"n": 99, "w": "gol"}]}
        lake.database.word_counts.insert_one({**found, "_id": ObjectId(), **half_way})
    for span in (dt.timedelta(minutes=1), dt.timedelta(hours=1), DAY):
        found = rollups.counts(lake.database, NOON - NOON.hour * dt.timedelta(hours=1), NOON + span)
        assert (found.tweets, found.words) == (1, {"festa": 1})
    rollups.mark(safely(lake.database.rollup_marks), [NOON])
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database), "and the next count takes the older one away"


def test_hours_and_days_are_counted_once_they_are_over(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    at = rollups.now(lake.database).replace(minute=0, second=0, microsecond=0)
    last, today = at - dt.timedelta(hours=1), rollups.floor(at, "day")
    for number, moment in enumerate((last, at), start=1):
        seen = {"first_seen_at": moment, "collected_at": moment}
        write(lake.database, {**document(number, 0, ["festa"], []), **seen})
    done = rollups.refresh(lake.database, settle=NO_WAIT)
    assert (done["minute"], done["hour"]) == (2, 1)
    assert ("hour", at, None, None, None) not in stored(lake.database)
    assert ("day", today, None, None, None) not in stored(lake.database)
    read = rollups.buckets(last, last + 2 * DAY)
    assert (read["day"], set(read["hour"]) - {last}) == ([], set())
    assert rollups.counts(lake.database, last, last + 2 * DAY).words == {"festa": 2}
    # Their marks wait for the end.
    monkeypatch.setattr(rollups, "_over", lambda _, ats, __: ats)
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database)
    assert lake.database.rollup_marks.count_documents({}) == 0


def is_for(document: dict[str, Any], woeid: int | None, name: str | None, kind: str | None) -> bool:
    return (woeid, name) == (None, None) or any(
        woeid in (None, topic["woeid"])
        and (name is None or (name, kind) == (topic["name"], topic.get("kind")))
        for topic in document["topics"]
    )


def test_counts_of_a_span_are_those_of_its_tweets(lake: Lake) -> None:
    chance = random.Random(4)  # noqa: S311 - not a secret
    documents = [
        document(n, chance.randrange(4 * 1440), chance.sample(WORDS, 2), chance.sample(TOPICS, 2))
        for n in range(300)
    ]
    write(lake.database, *documents)
    rollups.refresh(lake.database, settle=NO_WAIT)
    for hours in (0.1, 1, 24, 60.5):
        since = NOON + dt.timedelta(minutes=chance.randrange(1440))
        until = since + dt.timedelta(hours=hours)
        for key in [
            (None, None, None),
            (23424768, None, None),
            (None, "Samba", None),
            (455827, "Samba", None),
            (None, "Samba", "follow"),
        ]:
            meant = [one for one in documents if since <= one["collected_at"] < until and is_for(one, *key)]
            woeid, topic, kind = key
            found = rollups.counts(lake.database, since, until, woeid=woeid, topic=topic, kind=kind)
            assert found.tweets == len(meant)
            assert found.words == Counter(word for one in meant for word in one["words"])


def test_nothing_is_counted_anew_once_its_tweets_have_gone(lake: Lake) -> None:
    write(lake.database, document(1, 0, ["festa"], TOPICS[:1]), document(2, 0, ["gol"], TOPICS[:1]))
    rollups.refresh(lake.database, settle=NO_WAIT)
    before = stored(lake.database)
    rollups.mark(safely(lake.database.rollup_marks), [NOON])
    lake.database.tweets.delete_one({})
    rollups.refresh(lake.database, keep=dt.timedelta(days=1), settle=NO_WAIT)
    assert stored(lake.database) == before
    assert lake.database.rollup_marks.count_documents({}) == 0


def test_retention_is_set_changed_and_taken_back(lake: Lake) -> None:
    def seconds(name: str, field: str) -> Any:
        (index,) = [i for i in lake.database[name].list_indexes() if list(i["key"]) == [field]]
        return index.get("expireAfterSeconds")

    assert initialise(lake.database, {"tweets": 30, "word_counts": None}) == ["retention of tweets"]
    assert initialise(lake.database, {"tweets": 30, "word_counts": None}) == []
    assert seconds("tweets", "collected_at") == 30 * 86_400
    assert initialise(lake.database, {"tweets": 7, "word_counts": 400}) == [
        "retention of tweets",
        "retention of word_counts",
    ]
    assert seconds("word_counts", "at") == 400 * 86_400
    assert len(initialise(lake.database)) == 2
    assert seconds("tweets", "collected_at") == 2**31 - 1
    assert initialise(lake.database) == []


def test_a_killed_sink_leaves_roll_ups_right(lake: Lake) -> None:
    lake.send(*(tweet(n, minutes=n % 100) for n in range(5000)))
    sink = lake.start_sink()
    services.wait_until("it has begun", lambda: len(lake.ids()) > 500)
    end(sink, signal.SIGKILL)
    rollups.refresh(lake.database, settle=NO_WAIT)
    lake.start_sink()
    lake.wait_for_commit()
    lake.log_in("opslib-rollup")
    done = lake.opslib("store", "rollup")
    assert done.returncode == 0, done.stderr
    assert "minutes" in done.stderr
    assert stored(lake.database) == recounted(lake.database)
    before = stored(lake.database)
    marks = list(lake.database.rollup_marks.find())

    lake.send(*(tweet(n, minutes=n % 100) for n in range(5000)))
    lake.wait_for_commit()
    assert list(lake.database.rollup_marks.find()) == marks, "a replay marked what it did not change"
    assert lake.opslib("store", "rollup").returncode == 0
    assert stored(lake.database) == before
