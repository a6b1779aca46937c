"""A lake that the local X API feeds says so wherever it tells figures; the page's part is with the page."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from local_x import local_x, serving

from opslib.cli import main
from opslib.settings import X
from opslib.simulate.generator import Generator
from opslib.x.budget import Budget, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("base_url", "made_up"),
    [("https://api.x.com", False), ("http://127.0.0.1:8090", True), ("http://nifi.example.org:8090", True)],
)
def test_x_answers_over_tls_and_what_stands_in_for_it_does_not(base_url: str, made_up: bool) -> None:
    assert X(base_url=base_url).made_up is made_up


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    (tmp_path / "x_token").write_text("good\n")
    Budget(tmp_path / "budget.sqlite", Limits(usd_day=5, resources_day=100))
    with serving(local_x(Generator(1, 1, NOON, timedelta(hours=1)), lambda: NOON, token="good")) as client:
        yield {
            "CREDENTIALS_DIRECTORY": str(tmp_path),
            "OPSLIB_X__BASE_URL": client.url,
            "OPSLIB_X__BUDGET_FILE": str(tmp_path / "budget.sqlite"),
        }


@pytest.mark.parametrize("arguments", [("stats",), ("x", "check")])
def test_commands_say_that_the_tweets_are_made_up(
    environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    def told(**more: str) -> tuple[str, Any]:
        runner = CliRunner(env={**environment, **more})
        text = runner.invoke(main, arguments).output
        return text, json.loads(runner.invoke(main, [*arguments, "--format", "json"]).stdout)

    text, found = told()
    assert "made up" in text
    assert found["made_up"] is True
    # Nothing is asked there: it refuses connections.
    text, found = told(OPSLIB_X__BASE_URL="https://127.0.0.1:1")
    assert "made up" not in text
    assert found["made_up"] is False
