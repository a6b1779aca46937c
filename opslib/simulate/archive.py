"""X's full archive: search and counts over everything there was, as far as the store still has it.

What the store has forgotten, since it is older than the 7 days that recent search reaches, is as if nobody
had written anything then: the answers have the same form, and no posts.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from opslib.message import moment_of, moment_of_id, stamp
from opslib.simulate import answers
from opslib.simulate import parameters as p
from opslib.simulate.problems import InvalidRequest
from opslib.simulate.tweets import SEARCHABLE, snowflake

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from opslib.simulate.tweets import Store

    Json = dict[str, Any]

MAX_RESULTS = 500
_PAGE = timedelta(days=31)
_HOUR = timedelta(hours=1)
_USUAL = timedelta(days=30)
_EARLIEST = datetime(2006, 3, 26, tzinfo=timezone.utc)


def search(store: Store, parameters: Mapping[str, str]) -> Json:
    """Return the answer for one page of all posts."""
    return answers.search(store, _within_reach(parameters, store.now()), MAX_RESULTS)


def counts(store: Store, parameters: Mapping[str, str]) -> Json:
    """Return the answer for how many posts match by the hour, of 31 days at most: the newest first."""
    if parameters.get("granularity", "hour") != "hour":
        return answers.counts(store, _within_reach(parameters, store.now()))
    given, now, query = dict(parameters), store.now(), parameters.get("query", "")
    token = given.pop("next_token", None) or given.pop("pagination_token", None)
    end = _moment(given, "end_time") or now
    if token is not None:
        end = moment_of_id(p.place_of(token, query, "next_token")) or end
    start = _moment(given, "start_time") or end - _USUAL
    begin = max(start, end - _PAGE)
    oldest = now - SEARCHABLE
    found: Json = {"data": [], "meta": {"total_tweet_count": 0}}
    if end > oldest:
        span = {"start_time": stamp(max(begin, oldest + timedelta(seconds=1))), "end_time": stamp(end)}
        found = answers.counts(store, {**given, **span})
    until = min(end, oldest + timedelta(seconds=1))
    before = []
    while begin < until:
        after = min(until, begin.replace(minute=0, second=0, microsecond=0) + _HOUR)
        before.append({"start": stamp(begin), "end": stamp(after), "tweet_count": 0})
        begin = after
    meta = dict(found["meta"])
    if start < end - _PAGE:
        meta["next_token"] = p.token_of(snowflake(end - _PAGE), query)
    return {"data": [*before, *found["data"]], "meta": meta}


def _within_reach(parameters: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return the parameters without bounds that are older than all that there is."""
    given = dict(parameters)
    oldest = now - SEARCHABLE
    if "since_id" in given:
        written = moment_of_id(int(p.identity("since_id", given["since_id"])))
        if written is None or written < oldest:
            del given["since_id"]
    if (_moment(given, "start_time") or now) < oldest:
        del given["start_time"]
    return given


def _moment(given: Mapping[str, str], name: str) -> datetime | None:
    if name not in given:
        return None
    try:
        found = moment_of(given[name])
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(
            f"The `{name}` query parameter value [{given[name]}] {error}", name, given[name]
        ) from error
    if found < _EARLIEST:
        raise InvalidRequest(f"Invalid '{name}':'{given[name]}'. It is before X began.", name, given[name])
    return found
