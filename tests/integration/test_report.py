"""Clouds of what was trending, on a real MongoDB: counted, kept once, caught up with, and shown again."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from test_rollups import NO_WAIT, write

from opslib.cloud import kept
from opslib.message import tweet_document
from opslib.settings import load
from opslib.store import rollups

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Lake

    from opslib.cloud.report import Report

BRAZIL, RIO = 23424768, 455825
NOW = dt.datetime.now(dt.timezone.utc).replace(second=0, microsecond=0)
MINUTE = dt.timedelta(minutes=1)


def snapshot(minutes: int, *topics: tuple[str, int | None], woeid: int = BRAZIL) -> dict[str, Any]:
    """Return the trends of *minutes* ago."""
    at = NOW - minutes * MINUTE
    return {
        "_id": f"{woeid}:{at.isoformat()}",
        "woeid": woeid,
        "place": {BRAZIL: "Brazil", RIO: "Rio"}[woeid],
        "collected_at": at,
        "trends": [
            {"name": name, "tweet_count": n, "rank": rank} for rank, (name, n) in enumerate(topics, 1)
        ],
    }


def tweet(number: int, minutes: float, text: str, *topics: str, woeid: int = BRAZIL) -> dict[str, Any]:
    """Return a tweet that was collected *minutes* ago."""
    at = NOW - minutes * MINUTE
    document = tweet_document(
        {
            "id": str(1_900_000_000_000_000_000 + number),
            "text": text,
            "lang": "pt",
            "collected_at": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
    )
    document["topics"] = [{"name": name, "woeid": woeid, "first_at": at} for name in topics]
    return document


@pytest.fixture
def told(lake: Lake) -> Lake:
    """Two snapshots an hour apart, with tweets of each, some of them of both topics."""
    lake.config.write_text(
        lake.config.read_text()
        + f"[cloud]\nwidth = 600\nheight = 400\n[report.timezones]\n{BRAZIL} = 'America/Sao_Paulo'\n"
    )
    lake.log_in("opslib-cloud")
    lake.database.trends.insert_many(
        [
            snapshot(120, ("#Carnaval", 5000), ("Samba", None)),
            snapshot(60, ("#Carnaval", 9000), ("Chuva", 7000)),
            snapshot(60, ("Praia", None), woeid=RIO),
        ]
    )
    write(
        lake.database,
        *(tweet(n, 115, f"samba e festa {n}a", "Samba", "#Carnaval") for n in range(6)),
        *(tweet(n, 58, "chuva e festa #Carnaval", "#Carnaval", "Chuva") for n in range(10, 14)),
        *(tweet(n, 57, "muita chuva", "Chuva") for n in range(20, 23)),
        tweet(30, 57, "só da praia", "Praia", woeid=RIO),
        tweet(31, 57, "nada disso trovoada", "Futebol"),
    )
    rollups.refresh(lake.database, settle=NO_WAIT)
    return lake


def asked(lake: Lake, *arguments: str) -> Any:
    done = lake.opslib("report", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def words_of(found: Any) -> dict[str, int]:
    return {word["word"]: word["tweets"] for word in found["words"]}


def test_a_moment_has_the_tweets_of_the_topics_trending_then_each_once(told: Lake) -> None:
    found = asked(told, "--place", "brazil")
    assert found["tweets"] == 13, "those of both topics count once, those of Futebol not at all"
    assert words_of(found)["festa"] == 10
    assert words_of(found)["chuva"] == 7
    assert "trovoada" not in words_of(found)
    assert found["timezone"] == "America/Sao_Paulo"
    assert dt.datetime.fromisoformat(found["until"]).utcoffset() == dt.timedelta(hours=-3)

    before = (NOW - 61 * MINUTE).astimezone(dt.timezone(dt.timedelta(hours=-3)))
    found = asked(told, "--place", str(BRAZIL), "--at", before.strftime("%Y-%m-%d %H:%M"))
    assert found["tweets"] == 6
    assert [topic["name"] for topic in found["topics"]] == ["#Carnaval", "Samba"]
    assert "chuva" not in words_of(found)


def test_two_sides_are_compared_as_a_table_and_as_a_picture(told: Lake, tmp_path: Path) -> None:
    since = (NOW - 130 * MINUTE).isoformat()
    until, middle = (NOW - 5 * MINUTE).isoformat(), (NOW - 90 * MINUTE).isoformat()
    picture = tmp_path / "both.svg"
    sides = ("--place", "Brazil", "--since", since, "--until", middle,
             "--compare", f"since={middle}", "--compare", f"until={until}")  # fmt: skip
    found = asked(told, *sides, "--output", str(picture))
    assert [side["tweets"] for side in found["sides"]] == [6, 8]
    words = {one["word"]: one for one in found["words"]}
    assert (words["chuva"]["first"], words["chuva"]["second"]) == (0, 7)
    assert (words["samba"]["first"], words["samba"]["second"]) == (6, 0)
    # Of so few texts any difference can be chance.
    assert words["chuva"]["score"] > 0 > words["samba"]["score"]
    assert {one["way"] for one in found["words"]} == {"same"}
    assert "chuva: 7 texts" in picture.read_text()
    told_as_text = told.opslib("report", *sides)
    assert told_as_text.returncode == 0
    assert "no word differs by more than chance" in told_as_text.stderr
    topics = asked(told, "--place", "Brazil", "--topic", "Samba", "--hours", "3", "--compare", "topic=Chuva")
    assert [side["topic"] for side in topics["sides"]] == ["Samba", "Chuva"]
    for wrong in ("place", "color=red", "since=never"):
        refused = told.opslib("report", "--place", "Brazil", "--compare", wrong)
        assert refused.returncode == 2, refused.stderr


def test_a_span_has_all_tweets_of_the_place_and_the_topics_of_all_its_snapshots(told: Lake) -> None:
    since = (NOW - 180 * MINUTE).isoformat()
    found = asked(told, "--place", "Brazil", "--since", since)
    assert found["tweets"] == 14
    assert words_of(found)["trovoada"] == 1
    topics = asked(told, "--place", "Brazil", "--since", since, "--kind", "topics")
    assert list(words_of(topics).items()) == [("#Carnaval", 9000), ("Chuva", 7000), ("Samba", 0)]


def test_each_snapshot_is_rendered_once_and_can_be_shown_again(told: Lake) -> None:
    folder = told.folder / "clouds"
    folder.mkdir()
    done = told.opslib("report", "keep", "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "6 clouds were rendered\n"
    assert (folder / "cloud.png").read_bytes().startswith(b"\x89PNG")
    clouds = {cloud["_id"]: cloud for cloud in told.database.clouds.find()}
    until = NOW - 50 * MINUTE
    words = clouds[kept.key(BRAZIL, until, "words")]
    assert words["tweets"] == 13
    assert {word["word"]: word["tweets"] for word in words["words"]}["festa"] == 10
    assert [word["word"] for word in words["words"] if word.get("own")] == ["chuva", "#Carnaval"]
    assert b">festa<" in words["svg"]
    assert words["svg"] != words["svg_dark"]
    assert told.opslib("report", "keep").stdout == "0 clouds were rendered\n"
    assert {cloud["_id"]: cloud for cloud in told.database.clouds.find()} == clouds

    listed = asked(told, "list", "--place", "Brazil")
    assert [cloud["id"] for cloud in listed][:2] == [
        kept.key(BRAZIL, until, "topics"),
        kept.key(BRAZIL, until, "words"),
    ]
    paths = [told.folder / f"again{suffix}" for suffix in (".png", ".svg", ".html")]
    arguments = [part for path in paths for part in ("--output", str(path))]
    shown = asked(told, "--show", words["_id"], *arguments)
    assert words_of(shown)["festa"] == 10
    assert paths[0].read_bytes() == words["png"]
    assert paths[1].read_bytes() == words["svg"]
    assert "<td>10</td>" in paths[2].read_text()


def test_what_came_late_or_was_forgotten_is_rendered_anew(told: Lake) -> None:
    assert told.opslib("report", "keep").returncode == 0
    until = NOW - 50 * MINUTE

    def counted() -> Counter[str]:
        cloud = told.database.clouds.find_one({"_id": kept.key(BRAZIL, until, "words")})
        return Counter({word["word"]: word["tweets"] for word in cloud["words"]})

    write(told.database, tweet(40, 56, "chuva atrasada", "Chuva"))
    rollups.refresh(told.database, settle=NO_WAIT)
    assert told.opslib("report", "keep").stdout == "2 clouds were rendered\n"
    assert counted()["atrasada"] == 1

    # Known for another topic of the place before, and late for this one.
    write(told.database, tweet(31, 56, "nada disso trovoada", "Chuva"))
    rollups.refresh(told.database, settle=NO_WAIT)
    assert told.opslib("report", "keep").stdout == "2 clouds were rendered\n"
    assert counted()["trovoada"] == 1
    # Late for a topic that was not trending then.
    write(told.database, tweet(41, 56, "outra coisa", "Xadrez"))
    rollups.refresh(told.database, settle=NO_WAIT)
    assert told.opslib("report", "keep").stdout == "0 clouds were rendered\n"

    gone = told.database.tweets.find_one_and_delete({"text": "chuva atrasada"})
    covering = {"since": {"$lte": gone["collected_at"]}, "until": {"$gte": gone["collected_at"]}}
    assert told.database.clouds.delete_many(covering).deleted_count == 4  # Brazil's and Rio's of that time
    assert told.opslib("report", "keep").stdout == "4 clouds were rendered\n"
    assert counted()["atrasada"] == 0
    assert told.opslib("report", "keep").stdout == "0 clouds were rendered\n"


def test_a_kept_cloud_stays_as_it_was_when_its_tweets_are_collected_again(lake: Lake) -> None:
    """Twenty tweets for #a, an hour later ten of them come with #b."""
    lake.config.write_text(lake.config.read_text() + "[cloud]\nwidth = 600\nheight = 400\n")
    lake.log_in("opslib-cloud")
    lake.database.trends.insert_many([snapshot(120, ("#a", 5000)), snapshot(60, ("#a", 5000), ("#b", 7000))])
    write(lake.database, *(tweet(n, 115, f"festa {n}x", "#a") for n in range(20)))
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert lake.opslib("report", "keep").stdout == "4 clouds were rendered\n"
    first = lake.database.clouds.find_one({"_id": kept.key(BRAZIL, NOW - 110 * MINUTE, "words")})
    assert first["tweets"] == 20

    write(lake.database, *(tweet(n, 55, f"festa {n}x", "#b") for n in range(10)))
    rollups.refresh(lake.database, settle=NO_WAIT)
    assert lake.opslib("report", "keep").stdout == "2 clouds were rendered\n", "the later ones alone"
    assert lake.database.clouds.find_one({"_id": first["_id"]}) == first
    # Nor is it another one if it is drawn anew.
    lake.database.clouds.delete_many({})
    assert lake.opslib("report", "keep").stdout == "4 clouds were rendered\n"
    again = lake.database.clouds.find_one({"_id": first["_id"]})
    del first["rendered_at"], again["rendered_at"]
    assert again == first
    later = lake.database.clouds.find_one({"_id": kept.key(BRAZIL, NOW - 50 * MINUTE, "words")})
    assert later["tweets"] == 20, "each once, whatever it was collected for"


def test_the_page_and_what_cannot_be_shown(told: Lake) -> None:
    out = told.folder / "now.html"
    for kind, head in (("words", "<th>Word</th>"), ("topics", "<th>Topic</th>")):
        asked(told, "--place", "Brazil", "--kind", kind, "--output", str(out))
        assert out.read_text().count("<svg ") == 2
        assert head in out.read_text()
    for arguments, message in (
        (["--show", "nothing"], "no cloud 'nothing' is kept"),
        ([], "name one of the places"),
        (["--place", "Atlantis"], "places known: Brazil (23424768), Rio (455825)"),
        (["--place", "Brazil", "--at", "2020-01-01"], "were not collected until then"),
        (["--place", "Brazil", "--at", "noon"], "is no time such as"),
    ):
        done = told.opslib("report", *arguments)
        assert done.returncode in (1, 2)
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_names_that_cannot_be_drawn_are_told_and_of_two_alike_the_larger_number_counts(told: Lake) -> None:
    told.database.trends.insert_one(
        snapshot(40, ("\u200b\u200b", 9900), ("Carnaval", 5000), ("Carnaval\u200f", None), ("Praia", 70))
    )
    assert told.opslib("report", "keep").returncode == 0
    cloud = told.database.clouds.find_one({"_id": kept.key(BRAZIL, NOW - 30 * MINUTE, "topics")})
    assert [(word["word"], word["tweets"]) for word in cloud["words"]] == [("Carnaval", 5000), ("Praia", 70)]
    assert cloud["left_out"] == ["U+200B U+200B"]
    assert told.database.clouds.count_documents({"woeid": RIO}) == 2


def test_what_cannot_be_rendered_holds_up_no_other_place(told: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    document = kept.document

    def broken(report: Report, *arguments: Any) -> dict[str, Any]:
        if report.place.woeid == BRAZIL and len(report.topics) == 2 and report.until > NOW - 60 * MINUTE:
            raise ZeroDivisionError
        return document(report, *arguments)

    monkeypatch.setattr(kept, "document", broken)
    settings = load(told.config)
    with pytest.raises(kept.NotRendered, match="Brazil of "):
        list(kept.update(told.database, settings))
    assert told.database.clouds.count_documents({"woeid": BRAZIL}) == 2, "those of the other moment"
    assert told.database.clouds.count_documents({"woeid": RIO}) == 2


def test_words_stand_where_the_kept_cloud_before_has_them(told: Lake) -> None:
    assert told.opslib("report", "keep").returncode == 0
    before = told.database.clouds.find_one({"_id": kept.key(BRAZIL, NOW - 50 * MINUTE, "words")})
    assert [spot[0] for spot in before["spots"]] == [word["word"] for word in before["words"]]
    # As if it had been laid out so; the one of an hour before stays as it is and counts for nothing.
    moved = [["festa", 0.2, 0.2, False], ["chuva", 0.8, 0.8, False]]
    told.database.clouds.update_one({"_id": before["_id"]}, {"$set": {"spots": moved, "spots_tall": moved}})
    told.database.trends.insert_one(snapshot(40, ("#Carnaval", 9000), ("Chuva", 7000)))
    assert told.opslib("report", "keep").stdout == "2 clouds were rendered\n"
    after = told.database.clouds.find_one({"_id": kept.key(BRAZIL, NOW - 30 * MINUTE, "words")})
    for name in ("spots", "spots_tall"):
        spots = {word: place for word, *place in after[name]}
        for word, x, y, _ in moved:
            assert spots[word][0] == pytest.approx(x, abs=0.05), name
            assert spots[word][1] == pytest.approx(y, abs=0.05), name


def test_what_is_followed_is_reported_like_a_trend_and_never_with_one_of_its_name(told: Lake) -> None:
    for number, minutes in ((50, 40), (51, 39), (52, 38)):
        followed = tweet(number, minutes, f"pix caiu {number}a")
        at = followed["collected_at"]
        followed["topics"] = [{"kind": "follow", "name": "Samba", "woeid": None, "first_at": at}]
        write(told.database, followed)
    rollups.refresh(told.database, settle=NO_WAIT)
    span = ("--topic", "Samba", "--since", "3h")
    follow, trend = asked(told, *span), asked(told, *span, "--place", "Brazil")
    assert (follow["tweets"], words_of(follow)["pix"], follow["subject"]) == (3, 3, "Samba")
    assert (trend["tweets"], words_of(trend)["samba"]) == (6, 6)
    assert "pix" not in words_of(trend)
    done = told.opslib("cloud", "--follow", "samba", "--hours", "3h", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {word["word"]: word["tweets"] for word in json.loads(done.stdout)["words"]}["pix"] == 3
    told.opslib("report", *span, "--output", str(told.folder / "pix.svg"))
    assert "What people say about Samba" in (told.folder / "pix.svg").read_text()
    told.log_in("opslib-forget")
    gone = told.opslib("forget", str(1_900_000_000_000_000_050), "--yes", "--why", "asked")
    assert gone.returncode == 0, gone.stderr
    told.log_in("opslib-cloud")
    rollups.refresh(told.database, settle=NO_WAIT)
    assert asked(told, *span)["tweets"] == 2
