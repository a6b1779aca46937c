"""What docs/collecting.md says that a day costs is what the role's defaults make it cost."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import yaml
from local_x import local_x, serving
from test_x_contract import EVERYTHING, WHOLE

from opslib.message import encode
from opslib.settings import Settings
from opslib.simulate import NEW
from opslib.x.budget import PRICES, Budget, Limits
from opslib.x.client import BASE_URL
from opslib.x.names import normal
from opslib.x.plan import unworkable
from opslib.x.walk import CollectionPolicy, allowance

ROOT = Path(__file__).parents[2]
DEFAULTS = yaml.safe_load((ROOT / "roles/nifi_flow/defaults/main.yml").read_text())
MIDNIGHT = datetime(2026, 1, 31, tzinfo=timezone.utc)


def test_the_page_says_what_a_day_at_the_defaults_costs(tmp_path: Path) -> None:
    minutes = int(DEFAULTS["nifi_flow_trends_interval"].removesuffix(" min"))
    rounds, places = 24 * 60 // minutes, len(DEFAULTS["nifi_flow_places"])
    usd = DEFAULTS["nifi_flow_budget_usd_day"]
    posts = round((usd - rounds * places * PRICES["trend"]) / PRICES["post"])
    budget = Budget(tmp_path / "b", Limits(usd_day=usd), DEFAULTS["nifi_flow_prices"], lambda: MIDNIGHT)
    rules = CollectionPolicy(interval=timedelta(minutes=minutes))
    # The round's own trends are paid for when its share is worked out.
    with budget.call({"trend": places}) as came:
        came({"trend": [str(n) for n in range(places)]})
    share = allowance(budget, rules, places, MIDNIGHT)
    usd_left = usd - rounds * places * PRICES["trend"]
    said = (
        f"{rounds} rounds of {places} place are {rounds * places} requests for trends, "
        f"{usd - usd_left:.2f} USD. The budget of {usd} USD leaves {usd_left:.2f} USD, which is {posts:,} "
        f"posts: {share} a round."
    )
    assert said in " ".join((ROOT / "docs/collecting.md").read_text().split())


def test_the_page_says_what_a_budget_that_cannot_work_comes_to() -> None:
    refused = unworkable(
        {"places": "1:World,2:Rio", "trends_interval": "1 min", "x_budget_usd_day": "20", "x_prices": ""}
    )
    assert "= 28.80 USD a day" in str(refused)
    text = " ".join((ROOT / "docs/collecting.md").read_text().split())
    assert "every minute the trends of two places are 28.80 USD a day" in text


def test_the_defaults_are_x_s_prices_and_a_budget_that_works() -> None:
    assert DEFAULTS["nifi_flow_prices"] == PRICES
    parameters = {
        "places": ",".join(f"{place['woeid']}:{place['name']}" for place in DEFAULTS["nifi_flow_places"]),
        "trends_interval": DEFAULTS["nifi_flow_trends_interval"],
        "x_budget_usd_day": str(DEFAULTS["nifi_flow_budget_usd_day"]),
        "x_budget_usd_month": str(DEFAULTS["nifi_flow_budget_usd_month"]),
    }
    assert unworkable(parameters) is None


def test_all_but_the_demo_collect_from_the_real_x() -> None:
    assert DEFAULTS["nifi_flow_x_base_url"] == Settings().x.base_url == BASE_URL == "https://api.x.com"
    elsewhere = {
        path.relative_to(ROOT / "inventory").parts[0]
        for path in (ROOT / "inventory").rglob("*.yml")
        if "x_base_url" in path.read_text()
    }
    assert elsewhere == {"demo"}


def test_the_page_says_what_the_fields_of_a_post_weigh() -> None:
    """The bytes by which a field makes the message of a post longer that the local X API returns."""
    with serving(local_x()) as x:
        (added,) = x.add(json.dumps(WHOLE))
        (post,) = normal(x.get("/2/tweets", ids=added, **EVERYTHING[NEW]))["data"]
    text = (ROOT / "docs/collecting.md").read_text()
    for name in (
        "attachments",
        "community_id",
        "context_annotations",
        "geo",
        "paid_partnership",
        "withheld",
        "article",
    ):
        less = {field: value for field, value in post.items() if field != name}
        weight = len(encode(post)) - len(encode(less))
        if name == "article":
            weight -= len(WHOLE["article"]["plain_text"])
        assert f"| `{name}` | {weight}" in text, (name, weight)
