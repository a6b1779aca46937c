"""What docs/collecting.md says that a day costs is what the role's defaults make it cost."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import yaml

from opslib.settings import Settings
from opslib.x.budget import PRICES, Budget, Limits
from opslib.x.client import BASE_URL
from opslib.x.walk import CollectionPolicy, allowance

ROOT = Path(__file__).parents[2]
DEFAULTS = yaml.safe_load((ROOT / "roles/nifi_flow/defaults/main.yml").read_text())
MIDNIGHT = datetime(2026, 1, 31, tzinfo=timezone.utc)


def test_the_page_says_what_a_day_at_the_defaults_costs(tmp_path: Path) -> None:
    minutes = int(DEFAULTS["nifi_flow_trends_interval"].removesuffix(" min"))
    rounds, topics = 24 * 60 // minutes, DEFAULTS["nifi_flow_topics_per_place"]
    usd = DEFAULTS["nifi_flow_budget_usd_day"]
    trends = rounds * topics
    posts = round((usd - trends * PRICES["trend"]) / PRICES["post"])
    budget = Budget(tmp_path / "b", Limits(usd_day=usd), DEFAULTS["nifi_flow_prices"], lambda: MIDNIGHT)
    rules = CollectionPolicy(interval=timedelta(minutes=minutes))
    # The round's own trends are paid for when its share is worked out.
    with budget.call({"trend": topics}) as came:
        came({"trend": [str(n) for n in range(topics)]})
    share = allowance(budget, rules, topics, MIDNIGHT)
    usd_left = usd - trends * PRICES["trend"]
    said = (
        f"{rounds} rounds of {topics} trends are {trends} trends, {usd - usd_left:.2f} USD. The budget of "
        f"{usd} USD leaves {usd_left:.2f} USD, which is {posts:,} posts: {share} a round."
    )
    assert said in " ".join((ROOT / "docs/collecting.md").read_text().split())


def test_all_but_the_demo_collect_from_the_real_x() -> None:
    assert DEFAULTS["nifi_flow_x_base_url"] == Settings().x.base_url == BASE_URL == "https://api.x.com"
    elsewhere = {
        path.relative_to(ROOT / "inventory").parts[0]
        for path in (ROOT / "inventory").rglob("*.yml")
        if "x_base_url" in path.read_text()
    }
    assert elsewhere == {"demo"}
