"""What is followed, through a real Kafka and a real NiFi: said, collected, changed, looked up."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
import services
from collection import Following, X, collected

from opslib.message import id_at, moment_of
from opslib.x.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collection import Collector
    from conftest import Lake

TWEETS = 20_000
KILLS = 3
PAGE = 500


@pytest.fixture
def x(tmp_path: Path) -> Iterator[X]:
    x = X(tmp_path, "--no-limits", "--rate", "0")
    x.add(*(f"alguém diz pix {n}\n" for n in range(150)), *(f"mais um boleto {n}\n" for n in range(90)))
    x.add(*(f"todos falam de #tema {n}\n" for n in range(40)))
    yield x
    x.stop()


@pytest.fixture
def following(lake: Lake, x: X, tmp_path: Path) -> Iterator[Following]:
    following = Following(lake, x, tmp_path / "budget.sqlite")
    yield following
    following.end(tmp_path)


def wait_for(lake: Lake, name: str, number: int) -> None:
    services.wait_until(
        lambda: f"{len(collected(lake, name))} of {number} tweets of {name}",
        lambda: len(collected(lake, name)) >= number,
        150,
        pause=0.5,
    )


def test_what_is_said_reaches_a_running_nifi_and_what_is_taken_back_does_too(
    collector: Collector, following: Following, lake: Lake, x: X, tmp_path: Path
) -> None:
    lake.start_sink()
    collector.deploy(x, tmp_path / "budget.sqlite", trends_interval="1 hour", topics_per_place="1")
    told = json.loads(following("follow", "add", "Pix", "pix", "--usd-day", "50"))
    assert (told["follow"]["query"], told["share"], told["usd_paid"]) == ("pix", 1.0, 0.005)
    wait_for(lake, "Pix", 150)
    following("follow", "add", "Pouco", "boleto", "--usd-day", "0.15")
    wait_for(lake, "Pouco", 10)
    following("follow", "add", "Pix", "boleto", "--usd-day", "50")
    wait_for(lake, "Pix", 240)
    collector.nifi.kill()
    collector.nifi.start()
    following("follow", "remove", "Pix")
    following("follow", "add", "tema", "#tema", "--usd-day", "50")
    wait_for(lake, "tema", 40)
    # What was said last is known by then, and so is what was said before it.
    x.add(*(f"tarde demais, boleto {n}\n" for n in range(20)), *(f"sinal {n}\n" for n in range(10)))
    following("follow", "add", "Sinal", "sinal", "--usd-day", "50")
    wait_for(lake, "Sinal", 10)
    services.wait_until(
        "the trend of that name is another topic",
        lambda: (
            lake.database.tweets.count_documents({"topics.name": "#tema", "topics.woeid": 23424768}) == 40
        ),
    )
    assert len(collected(lake, "Pix")) == 240, "it was removed"
    assert 10 <= len(collected(lake, "Pouco")) <= 30, "it costs 0.15 USD a day at most, a page at once"
    shown = json.loads(following("follow", "show", "Pouco", "--format", "json"))
    assert shown["spent_today_usd"] <= 0.15
    assert lake.dead_letters() == []


def test_the_inventory_has_its_own_and_the_command_leaves_them_alone(
    following: Following, tmp_path: Path
) -> None:
    following("follow", "add", "ours", "pix", "--usd-day", "1")
    own = tmp_path / "follows.json"
    own.write_text(json.dumps([{"name": "theirs", "query": "boleto", "usd_day": 2, "lang": "pt"}]))
    dry = json.loads(following("follow", "apply", str(own), "--dry-run", "--format", "json"))
    assert (dry, following.names()) == ({"changed": ["theirs"], "removed": []}, ["ours"])
    assert json.loads(following("follow", "apply", str(own), "--format", "json")) == dry
    again = json.loads(following("follow", "apply", str(own), "--format", "json"))
    assert again == {"changed": [], "removed": []}
    for call in (("pause", "theirs"), ("remove", "theirs"), ("add", "theirs", "x", "--usd-day", "1")):
        assert "of the inventory" in following("follow", *call, fails=True)
    following("follow", "pause", "ours")
    assert "paused" in following("follow", "show", "ours")
    following("follow", "resume", "ours")
    assert "active, by search, of the command" in following("follow", "show", "ours")
    own.write_text("[]")
    following("follow", "apply", str(own))
    assert following.names() == ["ours"]
    own.write_text(json.dumps([{"name": "ours", "query": "boleto", "usd_day": 2}]))
    assert "ours: there is a follow of that name" in following("follow", "apply", str(own), fails=True)
    own.write_text('[{"name": "a"}]')
    assert "a: usd_day is missing" in following("follow", "apply", str(own), fails=True)


def test_a_query_that_x_refuses_is_refused_with_its_reason_and_nothing_is_saved(
    following: Following,
) -> None:
    said = following("follow", "add", "broken", "pix (", "--usd-day", "1", fails=True)
    assert "X does not take this query" in said
    assert len(said.splitlines()) == 1
    assert following.names() == []
    assert "'nobody' is not followed" in following("follow", "show", "nobody", fails=True)


@pytest.mark.long
def test_nifi_killed_during_a_backfill_loses_nothing_and_pays_again_for_pages_in_flight_alone(
    collector: Collector, lake: Lake, tmp_path: Path
) -> None:
    lines = tmp_path / "tweets.txt"
    lines.write_text("".join(f"antes disto, tweet {n}\n" for n in range(TWEETS)))
    x = X(tmp_path, "--no-limits", "--tweets", str(lines))
    following = Following(lake, x, tmp_path / "budget.sqlite")
    chance = random.Random(1)  # noqa: S311 - the same kills each time
    lake.start_sink()
    try:
        collector.deploy(x, tmp_path / "budget.sqlite", trends_interval="1 hour", topics_per_place="1")
        following("follow", "add", "antes", "antes", "--usd-day", "0.01")
        told = json.loads(following("follow", "backfill", "antes", "--since", "10d", "--usd", "200"))
        before = id_at(moment_of(told["backfill"]["until"]))
        tweets = {int(tweet) for tweet in x.ledger()["offered"] if int(tweet) < before}
        assert told["posts"] == len(tweets) > TWEETS * 0.99
        for part in range(1, KILLS + 1):
            least = TWEETS * part // (KILLS + 1)
            collector.kill_after(x, least, chance)
        services.wait_until(
            lambda: f"MongoDB has {len(collected(lake, 'antes'))} of {len(tweets)} tweets",
            lambda: len(collected(lake, "antes")) >= len(tweets),
            300,
            pause=0.5,
        )
        ledger: dict[str, Any] = x.ledger()
        assert collected(lake, "antes") == tweets
        assert sum(times - 1 for times in ledger["returned"].values()) <= KILLS * PAGE
        spent = Budget.of(tmp_path / "budget.sqlite").spent_this_month().usd
        assert ledger["charged"]["usd"] <= spent, "X has charged more than was counted"
        found = lake.database.tweets.find_one()
        assert found["topics"][0]["first_at"] == found["created_at"], "it stands where it was written"
        services.wait_until(
            "the command says that it is done",
            lambda: "all of it has come" in following("follow", "show", "antes"),
            90,
            pause=2,
        )
    finally:
        following.end(tmp_path)
        x.stop()
