"""What names a post, and what X's answers about posts mean."""

from __future__ import annotations

from typing import Any

import click
import pytest

from opslib.cli.forget import _id, _lines
from opslib.forgetting.recheck import Page, _sort
from opslib.message import retweeted_name
from opslib.x.client import Lookup


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("20", 20),
        (str(2**63 - 1), 2**63 - 1),
        ("https://x.com/jack/status/20", 20),
        ("https://mobile.twitter.com/jack/status/20?s=20", 20),
        ("twitter.com/jack/status/20/photo/1", 20),
    ],
)
def test_ids_and_links_name_posts(text: str, id_: int) -> None:
    assert _id(text) == id_


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "٣", str(2**63), "9" * 5000, "https://example.org/1"])
def test_nothing_else_does(text: str) -> None:
    with pytest.raises(ValueError, match="neither the id"):
        _id(text)


def test_a_line_that_names_none_is_told_by_its_number(tmp_path: Any) -> None:
    path = tmp_path / "ids"
    path.write_text("# those of March\n20\n\nvinte\n")
    with pytest.raises(click.ClickException, match="line 4") as told:
        _lines(path)
    assert told.value.exit_code == 2


def test_the_name_that_a_retweet_begins_with() -> None:
    assert retweeted_name("RT @Jack: just setting up") == "jack"
    assert retweeted_name("just RT @Jack: no") is None
    assert retweeted_name("RT @Jack no") is None


def problem(id_: str, kind: str, detail: str = "") -> dict[str, Any]:
    return {"resource_id": id_, "type": f"https://api.twitter.com/2/problems/{kind}", "detail": detail}


@pytest.mark.parametrize("base", ["https://api.twitter.com/2/problems", "https://api.x.com/2/problems"])
def test_only_a_problem_that_says_so_makes_a_post_one_that_is_gone(base: str) -> None:
    kinds = {
        "resource-not-found": "deleted",
        "not-authorized-for-resource": "protected",
        "disallowed-resource": "disallowed",
        "resource-unavailable": None,
        "not-authorized-for-field": None,
        "field-unauthorized": None,
        "field-hydration-failure": None,
        "invalid-request": None,
        "internal-error": None,
    }
    for number, (kind, reason) in enumerate(kinds.items(), start=1):
        page = Page()
        error = {"resource_id": str(number), "type": f"{base}/{kind}", "detail": "no", "field": "geo"}
        _sort(Lookup([], [error]), [number], page)
        assert page.gone == ({number: reason} if reason else {}), kind
        assert page.unanswered == (0 if reason else 1)


def test_what_x_says_about_each_post() -> None:
    page = Page()
    answer = Lookup(
        [
            {"id": "1"},
            {"id": "2", "edit_history_tweet_ids": ["2", "9"]},
            {"id": "3", "edit_history_tweet_ids": ["3"]},
        ],
        [
            problem("4", "resource-not-found"),
            problem("5", "not-authorized-for-resource"),
            problem("6", "resource-not-found", "User has been suspended: [6]."),
            problem("7", "resource-unavailable"),
            problem("999", "resource-not-found"),  # nobody asked
        ],
    )
    _sort(answer, list(range(1, 9)), page)
    assert page.gone == {2: "edited", 4: "deleted", 5: "protected", 6: "suspended"}
    assert (page.there, page.unanswered) == (2, 2)
