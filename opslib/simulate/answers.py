"""The shapes of X API v2's answers: fields that were asked for, includes, pages, counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from opslib.message import moment_of_id, stamp
from opslib.simulate import parameters as p
from opslib.simulate.ledger import USAGE_DAYS
from opslib.simulate.problems import InvalidRequest, not_authorized, not_found, problem
from opslib.simulate.query import Matcher, QueryError, parse
from opslib.simulate.tweets import DELETED, SEARCHABLE, SUSPENDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime

    from opslib.simulate.ledger import Ledger
    from opslib.simulate.tweets import Store, Tweet

Json = dict[str, Any]

_ALWAYS = ("id", "text", "edit_history_tweet_ids")
_USER_ALWAYS = ("id", "name", "username")
SEARCH_PARAMETERS = p.names("query max_results sort_order") | p.OF_TIME | p.OF_TWEETS
COUNTS_PARAMETERS = p.names("query granularity search_count.fields") | p.OF_TIME
LOOKUP_PARAMETERS = p.names("ids") | p.OF_TWEETS
_BUCKETS = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1), "day": timedelta(days=1)}
MAX_LOOKUP = 100
_PROJECT = "1"


@dataclass(frozen=True)
class Selection:
    """What an answer is to hold of tweets."""

    fields: frozenset[str]
    user_fields: frozenset[str]
    expansions: frozenset[str]

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Selection:
        """Return what the *parameters*, checked before, ask for."""
        fields, expansions = p.items(parameters, "tweet.fields"), p.items(parameters, "expansions")
        # The ids that expansions go by come along.
        fields |= expansions & {"author_id", "in_reply_to_user_id"}
        if "referenced_tweets.id" in expansions:
            fields |= {"referenced_tweets"}
        return cls(fields, p.items(parameters, "user.fields"), expansions)

    def tweet(self, tweet: Tweet) -> Json:
        """Return the fields of *tweet*."""
        return {name: value for name, value in tweet.data.items() if name in _ALWAYS or name in self.fields}

    def _user(self, user: Json) -> Json:
        return {
            name: value for name, value in user.items() if name in _USER_ALWAYS or name in self.user_fields
        }

    def expanded(self, store: Store, tweets: list[Tweet]) -> tuple[Json, list[Json]]:
        """Return the includes of *tweets*, and a problem for each that is not to be had."""
        includes: Json = {}
        problems: list[Json] = []
        if "author_id" in self.expansions:
            users = {tweet.author["id"]: tweet.author for tweet in tweets}
            includes["users"] = [self._user(user) for user in users.values()]
        if "referenced_tweets.id" in self.expansions:
            ids = {ref["id"]: None for tweet in tweets for ref in tweet.data.get("referenced_tweets", ())}
            found, problems = _looked_up(store, ids, "referenced_tweets.id")
            includes["tweets"] = [self.tweet(tweet) for tweet in found]
        return {kind: held for kind, held in includes.items() if held}, problems


def _looked_up(store: Store, ids: Iterable[str], parameter: str) -> tuple[list[Tweet], list[Json]]:
    """Return the tweets with these ids, and a problem for each that is not to be had."""
    found: list[Tweet] = []
    problems: list[Json] = []
    for tweet_id in ids:
        tweet = store.with_id(int(tweet_id))
        gone = store.gone(int(tweet_id))
        if tweet is not None and gone is None:
            found.append(tweet)
        elif gone in (None, DELETED):
            problems.append(not_found("tweet", tweet_id, parameter))
        elif gone == SUSPENDED:
            suspended = f"User has been suspended: [{tweet_id}]."
            problems.append({**not_found("tweet", tweet_id, parameter), "detail": suspended})
        else:
            problems.append(not_authorized("tweet", tweet_id, parameter))
    return found, problems


def _with(answer: Json, **parts: Any) -> Json:
    """Return *answer* with those *parts* that hold something: X leaves out what is empty."""
    answer.update((name, part) for name, part in parts.items() if part)
    return answer


def trends(store: Store, woeid: str, parameters: Mapping[str, str]) -> Json:
    """Return the answer for the trends of a place: of the tweets in its language, if it has one."""
    p.check(parameters, p.names("max_trends trend.fields"))
    if not (woeid.isascii() and woeid.isdigit() and 0 < int(woeid[:11]) < 2**31):
        raise InvalidRequest(f"The `woeid` query parameter value [{woeid}] is not valid", "woeid", woeid)
    number = p.number(parameters, "max_trends", 1, 50, 20)
    # The contract requires none of the fields: without a list X sends the name.
    wanted = p.items(parameters, "trend.fields") | {"trend_name"}
    found = [
        {name: trend[name] for name in trend if name in wanted} for trend in store.trends(int(woeid), number)
    ]
    # An empty list is no answer of X's: there is data, or there is none.
    none = problem(404, "Not Found Error", f"Could not find trends for woeid: [{woeid}].")
    return {"data": found} if found else {"errors": [none]}


def searchable(tweet: Tweet) -> bool:
    """Tell whether searches and counts know *tweet*: since May 2026 they know no retweets."""
    return "retweeted" not in tweet.indexed.references


def offered(store: Store) -> list[str]:
    """Return the ids of all tweets that a search may find, the newest first."""
    return [str(tweet.id) for tweet in store.newest_first() if searchable(tweet)]


def _query(parameters: Mapping[str, str]) -> tuple[str, Matcher]:
    query = parameters.get("query", "")
    try:
        return query, parse(query)
    except QueryError as error:
        raise InvalidRequest(str(error), "query", query) from error


def search(store: Store, parameters: Mapping[str, str], most: int = 100) -> Json:
    """Return the answer for one page of recent search, or of another with *most* results."""
    p.check(parameters, SEARCH_PARAMETERS)
    query, matches = _query(parameters)
    size = p.number(parameters, "max_results", 10, most, 10)
    p.choice(parameters, "sort_order", ("recency", "relevancy"))
    selection = Selection.of(parameters)
    ids = p.time_range(parameters, query, store.now())
    found = (t for t in store.newest_first(ids.low, ids.high) if searchable(t) and matches(t.indexed))
    page, more = _page(found, size)
    if not page:
        return {"meta": {"result_count": 0}}
    meta: Json = {
        "newest_id": str(page[0].id),
        "oldest_id": str(page[-1].id),
        "result_count": len(page),
    }
    if more:
        meta["next_token"] = p.token_of(page[-1].id, query)
    includes, problems = selection.expanded(store, page)
    return _with(
        {"data": [selection.tweet(tweet) for tweet in page]}, includes=includes, errors=problems, meta=meta
    )


def _page(found: Iterable[Tweet], size: int) -> tuple[list[Tweet], bool]:
    page: list[Tweet] = []
    for tweet in found:
        if len(page) == size:
            return page, True
        page.append(tweet)
    return page, False


def lookup(store: Store, parameters: Mapping[str, str]) -> Json:
    """Return the answer for tweets by their ids; those that are not to be had become errors."""
    p.check(parameters, LOOKUP_PARAMETERS)
    ids = p.identities(parameters, "ids", MAX_LOOKUP)
    selection = Selection.of(parameters)
    store.refresh()
    found, problems = _looked_up(store, ids, "ids")
    includes, missing = selection.expanded(store, found)
    return _with(
        {}, data=[selection.tweet(tweet) for tweet in found], includes=includes, errors=problems + missing
    )


def counts(store: Store, parameters: Mapping[str, str]) -> Json:
    """Return the answer for how many tweets match, in buckets of a minute, an hour or a day."""
    p.check(parameters, COUNTS_PARAMETERS)
    query, matches = _query(parameters)
    width = _BUCKETS[p.choice(parameters, "granularity", ("hour", "minute", "day"))]
    now = store.now()
    ids = p.time_range(parameters, query, now)
    start = p.moment(parameters["start_time"], "start_time", now) if "start_time" in parameters else None
    end = p.moment(parameters["end_time"], "end_time", now) if "end_time" in parameters else now
    start = start or max(now - SEARCHABLE, _moment(ids.low) or now - SEARCHABLE)
    edges = _edges(start, end, width)
    numbers = [0] * (len(edges) - 1)
    for tweet in store.newest_first(ids.low, ids.high):
        if start <= tweet.created_at < end and searchable(tweet) and matches(tweet.indexed):
            numbers[_bucket(edges, tweet.created_at, width)] += 1
    data = [
        {"start": stamp(edges[place]), "end": stamp(edges[place + 1]), "tweet_count": number}
        for place, number in enumerate(numbers)
    ]
    return _with({}, data=data, meta={"total_tweet_count": sum(numbers)})


def _moment(low: int) -> datetime | None:
    return moment_of_id(low) if low else None


def _edges(start: datetime, end: datetime, width: timedelta) -> list[datetime]:
    """Return where buckets begin and end: at whole minutes, hours or days, but for the first and the last."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    edge = midnight + (start - midnight) // width * width + width
    edges = [start]
    while edge < end:
        edges.append(edge)
        edge += width
    return [*edges, end] if end > start else [start]


def _bucket(edges: list[datetime], moment: datetime, width: timedelta) -> int:
    return 0 if moment < edges[1] else (moment - edges[1]) // width + 1


def usage(ledger: Ledger, today: date, parameters: Mapping[str, str]) -> Json:
    """Return the answer for how many posts a day were charged."""
    p.check(parameters, p.names("days usage.fields"))
    days = p.number(parameters, "days", 1, USAGE_DAYS, 7)
    wanted = p.items(parameters, "usage.fields")
    posts = ledger.posts_a_day()
    next_month = (today.replace(day=28) + timedelta(days=4)).replace(day=1)
    listed = [today - timedelta(days=back) for back in reversed(range(days))]
    per_day = [{"date": f"{day}T00:00:00.000Z", "usage": posts.get(day, 0)} for day in listed]
    data: Json = {
        "cap_reset_day": (next_month - today).days,
        "project_cap": ledger.monthly_cap,
        "project_id": _PROJECT,
        "project_usage": ledger.posts_this_month(),
    }
    if "daily_project_usage" in wanted:
        data["daily_project_usage"] = {"project_id": int(_PROJECT), "usage": per_day}
    if "daily_client_app_usage" in wanted:
        app = {"client_app_id": _PROJECT, "usage": per_day, "usage_result_count": len(per_day)}
        data["daily_client_app_usage"] = [app]
    return {"data": data}
