"""Why: each failure of the doctor with what it follows from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from opslib.cli import doctor as command
from opslib.cli import main
from opslib.doctor import growth, host
from opslib.doctor.causes import explained
from opslib.doctor.findings import Finding

if TYPE_CHECKING:
    from pathlib import Path

DAY, HOUR = growth.DAY, growth.HOUR
OLD = "the newest tweet came 2026-11-25 10:00 UTC, 3 h 0 min ago"


def failed(check: str, text: str = "no") -> Finding:
    return Finding(check, "failed", text, "mend it")


def causes(*findings: Finding) -> dict[str, tuple[str, ...]]:
    return {one.check: one.causes for one in explained(findings)}


def test_no_tweets_leads_to_nifi_and_that_to_the_credits_at_x() -> None:
    said = "SearchTweets, ERROR (2 in the last five minutes): X refused (402): no credits"
    found = causes(failed("nifi", said), failed("tweets", OLD))
    used_up = "x: the credits at X are used up: buy some at developer.x.com"
    assert found == {"nifi": (used_up,), "tweets": (f"nifi: {said}", used_up)}


def test_a_refusal_of_x_that_is_no_failure_of_nifi_any_more_is_a_cause_still() -> None:
    said = Finding("nifi", "ok", "SearchTweets, ERROR (1 in the last five minutes): X refused (401): who?")
    assert [one.partition(":")[0] for one in causes(said, failed("trends"))["trends"]] == ["nifi", "x"]


@pytest.mark.parametrize("check", ["web", "sink", "speed", "stats", "trends", "tweets", "rollups", "clouds"])
def test_with_mongodb_away_it_is_mongodb(check: str) -> None:
    found = causes(failed("mongodb", "no primary"), failed(check))
    assert found == {"mongodb": (), check: ("mongodb: no primary",)}


def test_a_unit_that_is_stopped_is_the_cause_of_what_it_runs_and_of_nothing_else() -> None:
    unit = failed("units", "opslib-rollup.service is stopped, though a boot starts it")
    found = causes(failed("rollups"), failed("speed"), unit)
    assert found == {"rollups": (f"units: {unit.text}",), "speed": (), "units": ()}


def test_one_leads_to_the_next_as_far_as_it_goes() -> None:
    found = causes(
        failed("zookeeper", "down"), failed("kafka", "away"), failed("sink", "late"), failed("tweets")
    )
    assert found["tweets"] == ("kafka: away", "zookeeper: down")
    assert found["sink"] == ("kafka: away", "zookeeper: down")


def test_a_certificate_that_ends_is_a_fault_of_its_own_whoever_is_down() -> None:
    ends = failed("certificates", "kafka on k:9093 expires in 3 days")
    assert causes(failed("kafka"), ends)["certificates"] == ()
    away = failed("certificates", "kafka on k:9093 does not answer: refused")
    assert causes(failed("kafka"), away)["certificates"] == ("kafka: no",)


def test_what_is_well_has_no_cause() -> None:
    well = Finding("tweets", "ok", "the newest tweet came just now")
    assert causes(failed("mongodb"), well)["tweets"] == ()


@pytest.mark.parametrize(
    ("noted", "days"),
    [
        ([(0.0, 400)], 6.0),  # 100 in a day, 600 left
        ([(DAY - HOUR, 450)], 0.5),  # 50 in an hour
        ([(DAY - HOUR / 2, 100)], None),  # too young to tell
        ([(0.0, 500)], None),
        ([(0.0, 600)], None),  # it empties
        ([], None),
    ],
)
def test_days_left_are_those_at_the_growth_since_the_oldest_note(
    noted: list[tuple[float, int]], days: float | None
) -> None:
    assert growth.days_left(noted, used=500, free=600, now=DAY) == days


def test_growth_is_noted_once_an_hour_and_for_a_day() -> None:
    noted: growth.Noted = {}
    for minute in range(0, 3 * 24 * 60, 2):
        noted = growth.note(noted, {"/": minute}, minute * 60.0)
    moments = [at for at, _ in noted["/"]]
    assert moments == sorted(set(moments))
    assert all(later - earlier >= HOUR for earlier, later in zip(moments, moments[1:]))
    assert DAY - HOUR <= moments[-1] - moments[0] <= DAY + HOUR


@pytest.mark.parametrize("text", ["", "[]", "{", '{"/": 3}', '{"/": [[1]]}'])
def test_notes_that_cannot_be_read_are_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "disk.json"
    assert growth.read(file) == {}
    file.write_text(text)
    assert growth.read(file) == {}


def test_what_is_told_to_prometheus_is_what_stands_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "GROWTH", tmp_path / "disk.json")
    found = [
        failed("mongodb"),
        failed("tweets"),
        Finding("kafka", "ok", "well"),
        Finding("web", "skipped", "not configured"),
    ]
    monkeypatch.setattr(command, "run", lambda *_: iter(found))
    told = tmp_path / "doctor.prom"
    done = CliRunner().invoke(main, ["doctor", "--metrics", str(told)])
    assert done.exit_code == 1, done.output
    lines = [line for line in told.read_text().splitlines() if line.startswith("trendlake_doctor_failed")]
    assert lines == [
        'trendlake_doctor_failed{check="mongodb"} 1.0',
        'trendlake_doctor_failed{check="tweets"} 0.0',
        'trendlake_doctor_failed{check="kafka"} 0.0',
    ]
    assert growth.read(tmp_path / "disk.json")
    assert "because of mongodb: no" in done.output


def test_a_refusal_that_is_no_failure_leaves_its_effect_to_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "GROWTH", tmp_path / "disk.json")
    found = [Finding("nifi", "ok", "X refused (402): no"), failed("tweets")]
    monkeypatch.setattr(command, "run", lambda *_: iter(found))
    told = tmp_path / "doctor.prom"
    CliRunner().invoke(main, ["doctor", "--metrics", str(told)])
    assert 'trendlake_doctor_failed{check="tweets"} 1.0' in told.read_text()
