"""The properties that several NiFi processors have, for X and for Kafka, and what their values make.

Imports NiFi's own Python API (``nifiapi``), which is there inside NiFi alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from nifiapi.properties import (  # type: ignore[import-not-found]
    ExpressionLanguageScope,
    PropertyDescriptor,
    StandardValidators,
    TimeUnit,
)

from opslib.x.budget import PRICES, Budget
from opslib.x.carry import value_of
from opslib.x.client import XClient
from opslib.x.names import EXPAND_AUTHORS, EXPAND_REFERENCED
from opslib.x.parameters import limits_in, part_in, prices_in
from opslib.x.walk import CollectionPolicy

BASE_URL = PropertyDescriptor(
    name="X API URL",
    description="Where the X API answers: https://api.x.com, or the address of `opslib x simulate`.",
    required=True,
    validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    expression_language_scope=ExpressionLanguageScope.NONE,
)
TOKEN = PropertyDescriptor(
    name="Bearer Token",
    description="Bearer token of the X API.",
    required=True,
    sensitive=True,
    validators=[StandardValidators.NON_EMPTY_VALIDATOR],
)
BUDGET_FILE = PropertyDescriptor(
    name="Budget File",
    description="SQLite file in which all processors of this NiFi count what X returned and charged for.",
    required=True,
    validators=[StandardValidators.NON_EMPTY_VALIDATOR],
)
KAFKA_SERVERS = PropertyDescriptor(
    name="Bootstrap Servers",
    description="Brokers as host:port, separated by commas.",
    required=True,
    validators=[StandardValidators.NON_EMPTY_VALIDATOR],
)
KAFKA_TLS = PropertyDescriptor(
    name="TLS Directory",
    description="Folder with cert.pem, key.pem and ca.pem. Empty: a connection without TLS.",
    required=False,
)
_LIMITS = {
    "usd_day": (
        "USD per Day",
        "The most USD that a UTC day may cost; collection then waits for the next.",
    ),
    "usd_month": ("USD per Month", "The most USD that a UTC month may cost."),
    "resources_day": ("Resources per Day", "The most posts, users and requests for trends of a UTC day."),
    "resources_month": ("Resources per Month", "The same of a UTC month."),
}
LIMITS = {
    limit: PropertyDescriptor(
        name=name, description=f"{text} Empty: no limit.", validators=[StandardValidators.ALWAYS_VALID]
    )
    for limit, (name, text) in _LIMITS.items()
}
PRICE = PropertyDescriptor(
    name="Prices",
    description=(
        "USD for each post, user or medium that X returns, and for each request for trends and counts, as "
        "your contract has them."
    ),
    required=True,
    default_value=",".join(f"{kind}:{price:g}" for kind, price in PRICES.items()),
    validators=[StandardValidators.NON_EMPTY_VALIDATOR],
)
PROPERTIES = [BASE_URL, TOKEN, BUDGET_FILE, *LIMITS.values(), PRICE]
# Of those that collect tweets.
MODE = PropertyDescriptor(
    name="Mode",
    description="How tweets are collected. What comes to a processor of the other mode ends there.",
    required=True,
    default_value="search",
    allowable_values=["search", "stream"],
)
PAGES = PropertyDescriptor(
    name="Pages per Topic",
    description="The most pages of a topic that are fetched a snapshot, the newest first.",
    required=True,
    default_value="10",
    validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
)
RESULTS = PropertyDescriptor(
    name="Tweets per Page",
    description="How many tweets a page holds at most, 10 to 100. Each one returned is charged.",
    required=True,
    default_value="100",
    validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
)
AUTHORS = PropertyDescriptor(
    name="Authors",
    description=(
        "Whether each tweet comes with its author's name, which is one user more to be charged: "
        f"{PRICES['user']:.3f} USD a tweet at X's prices of 2026, beside {PRICES['post']:.3f} for itself."
    ),
    required=True,
    default_value="false",
    allowable_values=["true", "false"],
)
REFERENCED = PropertyDescriptor(
    name="Referenced Tweets",
    description=(
        "Whether tweets come with those that they retweet, quote or answer, each charged as a post: "
        f"{PRICES['post']:.3f} USD each at X's prices of 2026, two a tweet at most. Without them X cuts "
        "the text of long retweets."
    ),
    required=True,
    default_value="false",
    allowable_values=["true", "false"],
)
RETWEETS = PropertyDescriptor(
    name="Retweets",
    description="Whether the stream brings retweets; each one is charged like a tweet. Search has none.",
    required=True,
    default_value="true",
    allowable_values=["true", "false"],
)
INTERVAL = PropertyDescriptor(
    name="Snapshot Interval",
    description="How often a snapshot of trends comes: the day's budget is shared out over those left.",
    required=True,
    default_value="30 min",
    validators=[StandardValidators.TIME_PERIOD_VALIDATOR],
)
# The trends' own: a flow from before it was there has none, and goes by its schedule.
ROUND = PropertyDescriptor(
    name=INTERVAL.name,
    description="How often each place is asked for its trends. Empty: as often as this is scheduled.",
    required=False,
    validators=[StandardValidators.TIME_PERIOD_VALIDATOR],
)
TRENDS_PART = PropertyDescriptor(
    name="Part of Trends",
    description=(
        "Which part of each round is kept for trends, 0 to 1, while something is followed: what follows do "
        "not claim of the rest, within what each may cost, is the trends' as well."
    ),
    required=True,
    default_value="0.5",
    validators=[StandardValidators.NON_EMPTY_VALIDATOR],
)
COLLECTING = [MODE, PAGES, RESULTS, AUTHORS, REFERENCED, RETWEETS, INTERVAL, TRENDS_PART]


def client_of(context: Any) -> XClient:
    """Return a client of the X API that *context* names."""
    return XClient(value_of(context, BASE_URL), value_of(context, TOKEN))


def budget_of(context: Any) -> Budget:
    """Return the budget that *context* names."""
    limits = limits_in({limit: value_of(context, descriptor) for limit, descriptor in LIMITS.items()})
    return Budget(value_of(context, BUDGET_FILE), limits, prices_in(value_of(context, PRICE)))


def mode_of(context: Any) -> str:
    """Return how tweets are to be collected: ``search`` or ``stream``."""
    return value_of(context, MODE)


def interval_of(context: Any, descriptor: Any = INTERVAL) -> timedelta:
    """Return how often a snapshot of trends comes; no more often than each second."""
    told = (
        context.getProperty(descriptor).asTimePeriod(TimeUnit.SECONDS) if value_of(context, descriptor) else 0
    )
    return timedelta(seconds=max(1, told))


def policy_of(context: Any) -> CollectionPolicy:
    """Return what *context* says is collected of each topic."""
    expansions = [(AUTHORS, EXPAND_AUTHORS), (REFERENCED, EXPAND_REFERENCED)]
    return CollectionPolicy(
        max_pages=int(value_of(context, PAGES)),
        page_size=int(value_of(context, RESULTS)),
        expansions=tuple(expansion for prop, expansion in expansions if value_of(context, prop) == "true"),
        interval=interval_of(context),
        retweets=value_of(context, RETWEETS) == "true",
        kept_for_trends=part_in(value_of(context, TRENDS_PART) or "0.5"),
    )
