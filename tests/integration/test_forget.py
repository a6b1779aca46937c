"""Forgetting with the real MongoDB and the real sink, and the recheck against the local X API."""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import services
from bson.int64 import Int64
from pymongo.errors import OperationFailure
from test_rollups import NO_WAIT, recounted, stored, write
from unit.local_x import Running, Ten, local_x, serving

from opslib import message
from opslib.cloud.counts import Selection, from_database
from opslib.forgetting.jobs import Jobs
from opslib.forgetting.recheck import Page, Recheck
from opslib.forgetting.take import Asked, Forgetting, Request, Taken
from opslib.message import tweet_document
from opslib.store import rollups
from opslib.store.unwanted import Notes, Policy
from opslib.x.backoff import Backoff
from opslib.x.client import Refused
from opslib.x.compliance import Job

if TYPE_CHECKING:
    from conftest import Lake

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
ASKED = Asked("a test", "to see it go")


@dataclass
class Account:
    """The database as the account opslib-forget sees it."""

    lake: Lake

    def __enter__(self) -> Any:
        servers = self.lake.servers
        account = ("opslib-forget", services.PASSWORD)
        self._client = services.mongodb_client(servers.mongodb.port, servers.authority.ca, account)
        return self._client[self.lake.name]

    def __exit__(self, *_: object) -> None:
        self._client.close()


def forgotten(lake: Lake, wanted: Request, **options: Any) -> Taken:
    total = Taken()
    with Account(lake) as database:
        for part in Forgetting(database, wanted, ASKED, **options).take():
            total.add(part)
    return total


def tweet(number: int, author: str = "42", name: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return the message of one tweet, collected so many minutes past noon."""
    data = {"id": str(number), "text": f"gol número {number}", "author_id": author, **fields}
    collected_at = NOON + dt.timedelta(minutes=number % 50)
    sent = message.tweet_message(data, None, "Gol", 23424768, "Gol", collected_at)
    return {**sent, "author": {"id": author, "username": name}} if name else sent


def by(author: str, number: int, **fields: Any) -> dict[str, Any]:
    return tweet_document(tweet(number, author, f"name{author}", **fields))


def retweet(number: int, original: int, text: str = "RT @somebody: o texto") -> dict[str, Any]:
    reference = [{"type": "retweeted", "id": str(original)}]
    return by("99", number, text=text, referenced_tweets=reference)


def test_a_tweet_goes_with_its_retweets_and_roll_ups_equal_a_recount(lake: Lake) -> None:
    chance = random.Random(4)  # noqa: S311 - not a secret
    some = [
        {
            **by("42", number),
            "words": chance.sample(["gol", "rio", "sol"], 2),
            "words_version": 0,
            "collected_at": NOON + dt.timedelta(minutes=chance.randrange(3000)),
        }
        for number in range(1, 60)
    ]
    quote = by("8", 70, referenced_tweets=[{"type": "quoted", "id": "5"}])
    write(lake.database, *some, retweet(71, 5), retweet(72, 6), quote)
    rollups.refresh(lake.database, settle=NO_WAIT)

    dry = forgotten(lake, Request(dict.fromkeys((5, 17, 4711), "asked")), dry_run=True)
    assert dry == Taken(noted=3, tweets=2, retweets=1)
    assert lake.ids() >= {5, 17, 71}
    assert lake.database.audit.count_documents({}) == lake.database.forgotten.count_documents({}) == 0

    assert forgotten(lake, Request(dict.fromkeys((5, 17, 4711), "asked"))) == dry
    assert lake.ids() == {*range(1, 60), 70, 72} - {5, 17}
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database)
    noted = {one["_id"]: one["reason"] for one in lake.database.forgotten.find()}
    assert noted == dict.fromkeys((5, 17, 4711, 71), "asked")


def test_the_next_retweet_has_the_words_of_one_that_goes(lake: Lake) -> None:
    write(lake.database, retweet(71, 5), retweet(72, 5, "RT @somebody: o texto, e outro"), retweet(73, 5))
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert "outro" not in rollups.counts(lake.database, NOON, NOON + dt.timedelta(hours=1)).words
    forgotten(lake, Request({71: "deleted"}))
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database)
    found = rollups.counts(lake.database, NOON, NOON + dt.timedelta(hours=1))
    assert (found.tweets, found.words["texto"]) == (2, 1)


def test_doing_it_again_changes_nothing_and_writes_no_further_line(lake: Lake) -> None:
    write(lake.database, by("7", 1), by("8", 2))
    wanted = Request({2: "deleted"}, {"7": "asked"})
    assert forgotten(lake, wanted) == Taken(noted=2, tweets=2)
    before = {name: list(lake.database[name].find()) for name in ("audit", "forgotten", "forgotten_authors")}
    assert forgotten(lake, wanted) == Taken()
    assert before == {name: list(lake.database[name].find()) for name in before}
    reasons = {one["_id"]: one["reason"] for one in lake.database.forgotten.find()}
    assert reasons == {1: "asked", 2: "deleted"}


def test_an_author_goes_with_retweets_that_only_name_them(lake: Lake) -> None:
    write(
        lake.database,
        by("7", 1),
        by("7", 2),
        by("8", 3),
        retweet(4, 2),
        retweet(5, 4711, "RT @NAME7: nunca guardado"),
        retweet(6, 4712, "RT @name77: outra pessoa"),
    )
    assert forgotten(lake, Request(authors={"7": "asked"})) == Taken(noted=1, tweets=2, retweets=2)
    assert lake.ids() == {3, 6}
    assert lake.database.forgotten_authors.find_one()["names"] == ["name7"]


def as_x_sends(number: int, text: str, **more: Any) -> dict[str, Any]:
    """Return the message of a tweet as default settings ask for it: authors by their ids alone."""
    return tweet(number, "99", text=text, **more)


def whole(sent: dict[str, Any], text: str, author: str) -> dict[str, Any]:
    """Return the message of a retweet with what it retweets, as it comes if that is asked for."""
    (of,) = sent["referenced_tweets"]
    return {**sent, "referenced": [{"id": of["id"], "text": text, "author_id": author}]}


def naming(*people: tuple[int, str, str]) -> dict[str, Any]:
    return {"mentions": [{"start": at, "end": at + 1, "id": id_, "username": n} for at, id_, n in people]}


def retweets_of_seven(first: int) -> list[dict[str, Any]]:
    """Return retweets of what 7 (@sete, later @mudou) wrote: none of their tweets need be in the lake."""
    reference = {"referenced_tweets": [{"type": "retweeted", "id": "4711"}]}
    return [
        as_x_sends(first, "RT @sete: segredo meu e só…", entities=naming((3, "7", "sete")), **reference),
        as_x_sends(first + 1, "RT @Mudou: segredo", entities=naming((3, "7", "mudou"), (20, "8", "oito"))),
        whole(as_x_sends(first + 2, "RT @sete: seg…", **reference), "segredo meu e só meu", "7"),
        as_x_sends(first + 3, "RT @MUDOU: segredo, sem entidades"),
    ]


OTHERS = [
    as_x_sends(20, "oi @sete, tudo bem?", entities=naming((3, "7", "sete"))),
    as_x_sends(21, "RT @oito: fala @sete", entities=naming((3, "8", "oito"), (14, "7", "sete"))),
    as_x_sends(22, "RT @sete: o nome é meu agora", entities=naming((3, "70", "sete"))),
    as_x_sends(23, "concordo", referenced_tweets=[{"type": "quoted", "id": "4711"}]),
]


def test_an_author_s_text_does_not_stand_in_retweets_at_default_settings(lake: Lake) -> None:
    documents = [tweet_document(sent) for sent in (*retweets_of_seven(1), *OTHERS)]
    old = dict(tweet_document(retweets_of_seven(5)[0]))
    del old["retweet_author"]  # as it was stored before that was kept
    write(lake.database, *documents, old)
    rollups.refresh(lake.database, settle=NO_WAIT)
    hour = (NOON, NOON + dt.timedelta(hours=1))
    selection = Selection(hour[1], 2.0)
    assert "segredo" in rollups.counts(lake.database, *hour).words
    assert "segredo" in from_database(lake.database, selection).words

    wanted = Request(authors={"7": "asked"})
    dry = forgotten(lake, wanted, dry_run=True)
    assert dry == Taken(noted=1, retweets=5)
    assert forgotten(lake, wanted) == dry
    assert lake.ids() == {20, 21, 22, 23}
    assert set(lake.database.forgotten_authors.find_one()["names"]) == {"sete", "mudou"}

    rollups.refresh(lake.database, settle=NO_WAIT)
    assert stored(lake.database) == recounted(lake.database)
    assert "segredo" not in rollups.counts(lake.database, *hour).words
    assert "segredo" not in from_database(lake.database, selection).words


def test_nor_do_new_ones_come_in_at_default_settings(lake: Lake) -> None:
    forgotten(lake, Request(authors={"7": "asked"}))
    lake.start_sink()
    lake.send(*retweets_of_seven(1)[:3], *OTHERS)
    lake.wait_for_commit()
    assert lake.ids() == {20, 21, 22, 23}
    assert lake.dead_letters() == []


def test_a_name_that_is_learned_later_is_news_for_those_who_follow_what_is_noted(lake: Lake) -> None:
    forgotten(lake, Request(authors={"7": "asked"}))
    notes = Notes(lake.database)
    noted = lake.database.forgotten_authors.find_one()["at"].replace(tzinfo=dt.timezone.utc)
    moment = rollups.now(lake.database)
    forgotten(lake, Request(authors={"7": "asked"}))
    assert lake.database.forgotten_authors.find_one()["at"].replace(tzinfo=dt.timezone.utc) == noted
    assert not notes.since(moment)
    write(lake.database, by("7", 1))
    forgotten(lake, Request(authors={"7": "asked"}))
    assert notes.since(moment) == Policy({1}, {"7"}, {"name7"})
    assert notes.since(None) == Policy({1}, {"7"}, {"name7"})


def test_the_audit_says_who_when_what_and_why_and_no_job_can_change_it(lake: Lake) -> None:
    write(lake.database, by("7", 1))
    forgotten(lake, Request({1: "protected"}))
    asked, taken = lake.database.audit.find().sort("_id")
    for line in (asked, taken):
        assert (line["who"], line["why"], line["reasons"]) == ("a test", "to see it go", ["protected"])
        assert line["tweets"] == [1]
    assert taken["taken"] == {"tweets": 1, "retweets": 0}
    with Account(lake) as database:
        for change in (
            lambda: database.audit.delete_many({}),
            lambda: database.audit.update_many({}, {"$set": {"who": "nobody"}}),
            lambda: database.tweets.insert_one({}),
        ):
            with pytest.raises(OperationFailure, match="not authorized"):
                change()


def test_only_pictures_whose_span_covers_it_go(lake: Lake) -> None:
    write(lake.database, by("7", 1), by("7", 40))  # collected at 12:01 and 12:40
    minute = dt.timedelta(minutes=1)
    lake.database.command("collMod", "clouds", validator={})
    spans = {"before": (-60, 0), "of both": (-60, 45), "between": (10, 30), "after": (42, 60)}
    clouds = [
        {"_id": name, "since": NOON + first * minute, "until": NOON + last * minute, "rendered_at": NOON}
        for name, (first, last) in spans.items()
    ]
    lake.database.clouds.insert_many(clouds)
    assert forgotten(lake, Request({1: "asked", 40: "asked"})).clouds == 1
    assert sorted(lake.database.clouds.distinct("_id")) == ["after", "before", "between"]


def test_what_was_in_somebody_s_hands_meanwhile_goes_at_the_second_look(lake: Lake) -> None:
    write(lake.database, by("7", 1))
    lake.database.command("collMod", "clouds", validator={})
    with Account(lake) as database:
        forgetting = Forgetting(database, Request({1: "asked"}), ASKED)
        list(forgetting.take())
        assert lake.ids() == set()
        write(lake.database, by("7", 1))
        again = forgetting.look_again()
        assert next(again) == Taken()  # nobody new is noted
        assert next(again) == Taken(tweets=1)
        span = {"since": NOON, "until": NOON + dt.timedelta(hours=1)}
        later = dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1)
        counted = {"before": NOON, "later": later}
        lake.database.clouds.insert_many([{"_id": n, **span, "rendered_at": at} for n, at in counted.items()])
        assert list(again) == [Taken(clouds=1)]
    assert lake.ids() == set()
    assert lake.database.clouds.distinct("_id") == ["later"]


def test_kafka_does_not_bring_it_back(lake: Lake) -> None:
    of_author = tweet(3, "7", "sete")
    retweets = tweet(4, text="RT @x: a", referenced_tweets=[{"type": "retweeted", "id": "1"}])
    names = tweet(5, text="RT @Sete: nunca guardado")
    lake.send(tweet(1), tweet(2), of_author)
    lake.start_sink()
    lake.wait_for_commit()
    assert lake.ids() == {1, 2, 3}
    lake.log_in("opslib-forget")
    done = lake.opslib("forget", "1", "--author", "7", "--why", "a letter", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"noted": 2, "tweets": 2, "retweets": 0, "clouds": 0, "dry_run": False}
    assert lake.ids() == {2}
    assert "letter" in lake.database.audit.find_one()["why"]

    lake.send(tweet(1), tweet(2), of_author, retweets, names, tweet(6))
    lake.wait_for_commit()
    assert lake.ids() == {2, 6}
    assert lake.dead_letters() == []
    services.wait_until("the sink tells what it left out", lambda: "forgotten=4" in lake.log())


def test_what_the_sink_asks_is_answered_for_a_whole_batch(lake: Lake) -> None:
    forgotten(lake, Request({1: "asked"}, {"7": "asked"}))
    asked = Notes(lake.database)
    assert asked.unwanted({}) == set()
    batch = {one["_id"]: one for one in (by("8", 1), by("7", 2), by("8", 3), retweet(4, 1), retweet(5, 3))}
    assert asked.unwanted(batch) == {1, 2, 4}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--why", "x"], "say what is to be forgotten"),
        (["12x", "--why", "x"], "neither the id of a post nor a link"),
        (["--author", "@name", "--why", "x"], "names change hands"),
        (["1"], "--why"),
    ],
)
def test_a_wrong_call_is_told_from_a_failure(lake: Lake, arguments: list[str], said: str) -> None:
    done = lake.opslib("forget", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_ids_and_links_are_read_from_a_file(lake: Lake) -> None:
    write(lake.database, by("7", 1), by("7", 2), by("7", 3))
    lake.log_in("opslib-forget")
    file = lake.folder / "ids"
    file.write_text("1\n\n# a comment\nhttps://x.com/name7/status/3?s=20  # a link\n")
    done = lake.opslib("forget", "--from", str(file), "--why", "x", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 stored tweets, 0 retweets of them and 0 pictures would be taken out")
    file.write_text("1\nx\n")
    done = lake.opslib("forget", "--from", str(file), "--why", "x", "--dry-run")
    assert done.returncode == 2
    assert "line 2" in done.stderr


def recheck(lake: Lake, url: str, *arguments: str, **settings: str) -> Any:
    lake.log_in("opslib-forget")
    lake.put("x_token", "right")
    extra = {f"OPSLIB_RECHECK__{name.upper()}": value for name, value in settings.items()}
    if "--method" not in arguments:
        extra.setdefault("OPSLIB_RECHECK__METHOD", "lookup")
    return lake.opslib(
        "recheck", "--format", "json", *arguments,
        OPSLIB_X__BASE_URL=url, OPSLIB_RECHECK__BUDGET_FILE=str(lake.folder / "budget"), **extra,
    )  # fmt: skip


def test_what_is_gone_from_x_is_forgotten_with_its_reason_and_the_rest_stays(lake: Lake) -> None:
    with serving(local_x(Ten())) as x:
        ids = sorted(map(int, x.ledger()["offered"]))
        write(lake.database, *({**by("500", 1), "_id": Int64(id_)} for id_ in ids))
        x.send("POST", "/_control/tweets/delete", {"ids": [str(ids[1])]})
        x.send("POST", "/_control/tweets/protect", {"ids": [str(ids[2])]})
        x.send("POST", "/_control/tweets/edit", {"id": str(ids[3]), "text": "mudou"})
        x.faults(next=[{"route": "lookup", "fault": "503", "times": 1}])

        dry = json.loads(recheck(lake, x.url, "--dry-run").stdout)
        assert (dry["asked"], dry["there"], dry["unanswered"]) == (10, 7, 0)
        assert dry["gone"] == {"deleted": 1, "protected": 1, "edited": 1}
        assert len(lake.ids()) == 10

        # A post read again on the same day is free, and those that are gone were never charged.
        assert lake.database.rechecks.count_documents({}) == 0
        done = recheck(lake, x.url)
        found = json.loads(done.stdout)
        assert found["gone"] == dry["gone"], done.stderr
        assert found["spent_today_usd"] == x.ledger()["charged"]["usd"] == 0.04
        assert lake.ids() == set(ids) - set(ids[1:4])
        reasons = {one["_id"]: one["reason"] for one in lake.database.forgotten.find()}
        assert reasons == {ids[1]: "deleted", ids[2]: "protected", ids[3]: "edited"}


def test_a_recheck_goes_on_where_the_budget_ended_the_last_one(lake: Lake) -> None:
    with serving(local_x(Ten())) as x:
        ids = sorted(map(int, x.ledger()["offered"]))
        write(lake.database, *({**by("500", 1), "_id": Int64(id_)} for id_ in ids))
        first = json.loads(recheck(lake, x.url, usd_day="0.02").stdout)
        assert first["asked"] == 4
        assert "budget of money for a day" in first["stopped"]
        assert sorted(x.ledger()["looked_up"]) == sorted(map(str, ids[:4]))
        second = json.loads(recheck(lake, x.url, usd_day="1").stdout)
        assert second["asked"] == 10
        assert set(x.ledger()["looked_up"]) == set(map(str, ids))


def test_batch_compliance_forgets_the_same_and_costs_nothing(lake: Lake) -> None:
    with serving(local_x(Ten(), Running())) as x:
        ids = sorted(map(int, x.ledger()["offered"]))
        write(lake.database, *({**by("500", 1), "_id": Int64(id_)} for id_ in ids))
        for path, number in (("delete", 1), ("protect", 2), ("suspend", 3)):
            x.send("POST", f"/_control/tweets/{path}", {"ids": [str(ids[number])]})
        dry = json.loads(recheck(lake, x.url, "--method", "batch", "--dry-run").stdout)
        assert dry["gone"] == {"deleted": 1, "protected": 1, "suspended": 1}
        assert len(lake.ids()) == 10
        done = recheck(lake, x.url, "--method", "batch", usd_day="0")
        found = json.loads(done.stdout)
        assert (found["method"], found["jobs"], found["asked"], found["there"]) == ("batch", 1, 10, 7)
        assert found["gone"] == dry["gone"], done.stderr
        assert found["spent_usd"] == x.ledger()["charged"]["usd"] == 0, "not even a budget is needed"
        assert lake.ids() == set(ids) - set(ids[1:4])
        reasons = {one["_id"]: one["reason"] for one in lake.database.forgotten.find()}
        assert reasons == {ids[1]: "deleted", ids[2]: "protected", ids[3]: "suspended"}
        again = json.loads(recheck(lake, x.url, "--method", "batch").stdout)
        assert (again["asked"], again["gone"]) == (7, {}), "it begins with the first again"


def test_where_the_token_may_make_no_jobs_posts_are_looked_up(lake: Lake) -> None:
    with serving(local_x(Ten())) as x:
        ids = sorted(map(int, x.ledger()["offered"]))
        write(lake.database, *({**by("500", 1), "_id": Int64(id_)} for id_ in ids))
        x.send("POST", "/_control/tweets/delete", {"ids": [str(ids[0])]})
        x.send("PUT", "/_control/compliance", {"allowed": False})
        done = recheck(lake, x.url, "--method", "batch")
        found = json.loads(done.stdout)
        assert "no batch compliance" in done.stderr
        assert (found["method"], found["asked"], found["gone"]) == ("lookup", 10, {"deleted": 1})
        assert found["spent_usd"] == 0.045 == x.ledger()["charged"]["usd"]


def test_a_place_that_was_taken_back_goes_with_its_tweet_and_no_other(lake: Lake) -> None:
    placed, plain = Int64(20), Int64(21)
    write(lake.database, *({**by("500", 1), "_id": id_} for id_ in (placed, plain)))
    lake.database.tweets.update_one({"_id": placed}, {"$set": {"geo": {"place_id": "a"}}})
    compliance: Any = Made({20: "scrub_geo", 21: "scrub_geo"})
    jobs = Jobs(lake.database, compliance, Backoff(), lambda _: None)
    page = jobs.page([20, 21])
    assert (page.gone, page.there) == ({20: "scrub_geo"}, 1)


class Made:
    """Batch compliance that is done at once; before each call it may be killed."""

    def __init__(self, results: dict[int, str]) -> None:
        self.found = results
        self.kill_at: int | None = None
        self.calls = 0
        self.status: dict[str, str] = {}
        self.uploaded: dict[str, list[int]] = {}

    def _called(self) -> None:
        self.calls += 1
        if self.calls == self.kill_at:
            raise KeyboardInterrupt

    def _job(self, id_: str) -> Job:
        return Job(id_, "", self.status[id_], "https://a", "https://b")

    def create(self, name: str) -> Job:
        if "created" in self.status.values() or "in_progress" in self.status.values():
            raise Refused(409, name)
        id_ = str(len(self.status) + 1)
        self.status[id_] = "created"
        self._called()  # killed with the job made, and not known here
        return self._job(id_)

    def get(self, job_id: str) -> Job:
        self._called()
        if self.status[job_id] == "in_progress":
            self.status[job_id] = "complete"
        return self._job(job_id)

    def under_way(self) -> Job | None:
        self._called()
        ids = [id_ for id_, status in self.status.items() if status in ("created", "in_progress")]
        return self._job(ids[0]) if ids else None

    def upload(self, job: Job, ids: Any) -> None:
        self.uploaded[job.id] = list(ids)
        self.status[job.id] = "in_progress"
        self._called()  # killed with the ids there, and not known here

    def results(self, job: Job) -> dict[int, str]:
        self._called()
        return {id_: reason for id_, reason in self.found.items() if id_ in self.uploaded[job.id]}


def test_killed_at_any_call_a_job_is_gone_on_with_and_none_is_made_twice(lake: Lake) -> None:
    ids = list(range(101, 141))
    write(lake.database, *({**by("500", 1), "_id": Int64(id_)} for id_ in ids))
    for kill_at in range(1, 5):
        made = Made({105: "deleted", 139: "bounced"})
        made.kill_at = kill_at
        lake.database.rechecks.delete_many({})

        def run(compliance: Any = made) -> list[Page]:
            jobs = Jobs(lake.database, compliance, Backoff(), lambda _: None)
            return list(Recheck(lake.database, jobs).pages(40, 0.5))

        with pytest.raises(KeyboardInterrupt):
            run()
        # Others came in meanwhile: they are looked at another time.
        (page,) = run()
        assert (page.asked, page.gone) == (ids, {105: "deleted", 139: "bounced"})
        assert len(made.status) == 1, f"killed at call {kill_at}"


def test_a_job_that_x_loses_or_fails_is_made_again(lake: Lake) -> None:
    write(lake.database, *({**by("500", 1), "_id": Int64(id_)} for id_ in range(101, 141)))
    made: Any = Made({105: "deleted"})
    made.status["1"] = "failed"
    lake.database.rechecks.replace_one(
        {"_id": "job"}, {"job": "1", "first": Int64(101), "last": Int64(140)}, upsert=True
    )
    (page,) = Recheck(lake.database, Jobs(lake.database, made, Backoff(), lambda _: None)).pages(40, 0.5)
    assert page.gone == {105: "deleted"}
    assert set(made.status) == {"1", "2"}


def test_x_is_not_believed_that_nearly_everything_is_gone(lake: Lake) -> None:
    write(lake.database, *(by("500", number) for number in range(1, 40)))
    with serving(local_x()) as x:
        done = recheck(lake, x.url)
        assert done.returncode == 1
        assert "39 of 39 posts are gone" in done.stderr
        assert len(lake.ids()) == 39
        assert lake.database.forgotten.count_documents({}) == 0
        x.faults(next=[{"route": "lookup", "fault": "429", "times": 1}])
        limited = recheck(lake, x.url)
        assert limited.returncode == 0, limited.stderr
        assert "rate limit" in json.loads(limited.stdout)["stopped"]
