"""The shapes of X API v2's answers: fields that were asked for, includes, problems, pages."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.message import moment_of, moment_of_id
from opslib.x.simulate.query import QueryError, parse
from opslib.x.simulate.tweets import SEARCHABLE, snowflake

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opslib.x.simulate.tweets import Store, Tweet

Json = dict[str, Any]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALWAYS = ("id", "text", "edit_history_tweet_ids")
_USER_ALWAYS = ("id", "name", "username")
# What X takes there, whether or not our tweets have it.
_TWEET_FIELDS = _names(
    """
    article attachments author_id card_uri community_id context_annotations conversation_id created_at
    display_text_range edit_controls edit_history_tweet_ids entities geo id in_reply_to_user_id lang
    media_metadata non_public_metrics note_tweet organic_metrics possibly_sensitive promoted_metrics
    public_metrics referenced_tweets reply_settings scopes source suggested_source_links
    suggested_source_links_with_counts text withheld
    """
)
_USER_FIELDS = _names(
    """
    affiliation confirmed_email connection_status created_at description entities id
    is_identity_verified location most_recent_tweet_id name parody pinned_tweet_id profile_banner_url
    profile_image_url protected public_metrics receives_your_dm subscription subscription_type url
    username verified verified_followers_count verified_type withheld
    """
)
_EXPANSIONS = _names(
    """
    article.cover_media article.media_entities attachments.media_keys attachments.media_source_tweet
    attachments.poll_ids author_id edit_history_tweet_ids entities.mentions.username geo.place_id
    in_reply_to_user_id entities.note.mentions.username referenced_tweets.id
    referenced_tweets.id.attachments.media_keys referenced_tweets.id.author_id
    """
)
_SEARCH_PARAMETERS = _names(
    """
    query start_time end_time since_id until_id max_results next_token pagination_token sort_order
    tweet.fields expansions media.fields poll.fields user.fields place.fields
    """
)
_TREND_PARAMETERS = _names("max_trends trend.fields")
_TREND_FIELDS = _names("trend_name tweet_count")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class InvalidRequest(Exception):  # noqa: N818 - X's own name for it
    """A call that X answers with 400."""

    def __init__(self, message: str, parameter: str, value: str) -> None:
        super().__init__(message)
        self._parameters = {parameter: [value]}

    def problem(self) -> Json:
        """Return what X says then."""
        return {
            "errors": [{"parameters": self._parameters, "message": str(self)}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": "https://api.twitter.com/2/problems/invalid-request",
        }


def problem(status: int, title: str) -> Json:
    """Return a problem that has no more to say than the status has."""
    return {"title": title, "type": "about:blank", "status": status, "detail": title}


def trends(store: Store, woeid: str, parameters: Mapping[str, str]) -> Json:
    """Return the answer for the trends of a place; all places have the same here."""
    _check_names(parameters, _TREND_PARAMETERS)
    if not (woeid.isascii() and woeid.isdigit() and 0 < int(woeid[:11]) < 2**31):
        raise InvalidRequest(f"The `woeid` query parameter value [{woeid}] is not valid", "woeid", woeid)
    number = _number(parameters, "max_trends", 1, 50, 20)
    fields = _list(parameters, "trend.fields", _TREND_FIELDS)
    wanted = fields or {"trend_name"}
    found = [{name: trend[name] for name in trend if name in wanted} for trend in store.trends(number)]
    # An empty list is no answer of X's: there is data, or there is none.
    return {"data": found} if found else {"errors": [_no_trends(woeid)]}


def _no_trends(woeid: str) -> Json:
    return {
        "title": "Not Found Error",
        "detail": f"Could not find trends for woeid: [{woeid}].",
        "type": "https://api.twitter.com/2/problems/resource-not-found",
        "resource_type": "trend",
        "resource_id": woeid,
        "parameter": "woeid",
        "value": woeid,
    }


@dataclass(frozen=True)
class _Range:
    """Ids that a search is about: above *low* and below *high*."""

    low: int
    high: int


def search(store: Store, parameters: Mapping[str, str]) -> Json:
    """Return the answer for one page of recent search."""
    _check_names(parameters, _SEARCH_PARAMETERS)
    query = parameters.get("query", "")
    try:
        matches = parse(query)
    except QueryError as error:
        raise InvalidRequest(str(error), "query", query) from error
    size = _number(parameters, "max_results", 10, 100, 10)
    fields = _list(parameters, "tweet.fields", _TWEET_FIELDS)
    user_fields = _list(parameters, "user.fields", _USER_FIELDS)
    expansions = _list(parameters, "expansions", _EXPANSIONS)
    ids = _range(store, parameters)
    page, more = _page(
        (t for t in store.newest_first() if ids.low < t.id < ids.high and matches(t.indexed)), size
    )
    store.returned.update(tweet.id for tweet in page)
    if not page:
        return {"meta": {"result_count": 0}}
    if "author_id" in expansions:
        fields = fields | {"author_id"}
    if "referenced_tweets.id" in expansions:
        fields = fields | {"referenced_tweets"}
    answer: Json = {"data": [_fields(tweet, fields) for tweet in page]}
    includes = _includes(store, page, expansions, fields, user_fields)
    if includes:
        answer["includes"] = includes
    answer["meta"] = {"newest_id": str(page[0].id), "oldest_id": str(page[-1].id), "result_count": len(page)}
    if more:
        answer["meta"]["next_token"] = _token(page[-1].id, query)
    return answer


def _page(found: Iterable[Tweet], size: int) -> tuple[list[Tweet], bool]:
    page: list[Tweet] = []
    for tweet in found:
        if len(page) == size:
            return page, True
        page.append(tweet)
    return page, False


def _fields(tweet: Tweet, fields: frozenset[str]) -> Json:
    return {name: value for name, value in tweet.data.items() if name in _ALWAYS or name in fields}


def _includes(
    store: Store,
    page: list[Tweet],
    expansions: frozenset[str],
    fields: frozenset[str],
    user_fields: frozenset[str],
) -> Json:
    includes: Json = {}
    if "author_id" in expansions:
        users = {tweet.author["id"]: tweet.author for tweet in page}
        includes["users"] = [
            {name: value for name, value in user.items() if name in _USER_ALWAYS or name in user_fields}
            for user in users.values()
        ]
    if "referenced_tweets.id" in expansions:
        ids = {reference["id"] for tweet in page for reference in tweet.data.get("referenced_tweets", ())}
        includes["tweets"] = [_fields(tweet, fields) for tweet in store.with_ids(ids)]
    return {kind: found for kind, found in includes.items() if found}


def _check_names(parameters: Mapping[str, str], known: frozenset[str]) -> None:
    for name in parameters:
        if name not in known:
            listed = ",".join(sorted(known))
            raise InvalidRequest(
                f"The query parameter [{name}] is not one of [{listed}]",
                name,
                parameters[name],
            )


def _number(parameters: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
        raise InvalidRequest(
            f"The `{name}` query parameter value [{text}] is not between {least} and {most}", name, text
        )
    return int(text)


def _list(parameters: Mapping[str, str], name: str, known: frozenset[str]) -> frozenset[str]:
    text = parameters.get(name)
    if text is None:
        return frozenset()
    items = text.split(",")
    for item in items:
        if item not in known:
            raise InvalidRequest(
                f"The `{name}` query parameter value [{item}] is not one of [{','.join(sorted(known))}]",
                name,
                text,
            )
    return frozenset(items)


def _range(store: Store, parameters: Mapping[str, str]) -> _Range:
    low, high = [0], [2**63]
    for name, bounds in (("since_id", low), ("until_id", high)):
        if name in parameters:
            bounds.append(_id(store, parameters[name], name))
    for name, bounds in (("start_time", low), ("end_time", high)):
        if name in parameters:
            # start_time is inclusive, end_time is not.
            bounds.append(_first_id_at(store, parameters[name], name) - (name == "start_time"))
    tokens = [name for name in ("next_token", "pagination_token") if name in parameters]
    high.extend(_place(parameters[name], parameters["query"], name) for name in tokens)
    return _Range(max(low), min(high))


def _id(store: Store, text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise InvalidRequest(f"The `{name}` query parameter value [{text}] is not a valid id", name, text)
    moment = moment_of_id(int(text))
    oldest = store.now() - SEARCHABLE
    if name == "since_id" and (moment is None or moment < oldest):
        raise InvalidRequest(
            f"'since_id' must be a tweet id created after {oldest:%Y-%m-%dT%H:%MZ}. "
            "Please use a 'since_id' that is larger than "
            f"{snowflake(oldest)}",
            name,
            text,
        )
    return int(text)


def _first_id_at(store: Store, text: str, name: str) -> int:
    try:
        moment = moment_of(text)
    except ValueError as error:
        raise InvalidRequest(f"The `{name}` query parameter value [{text}] {error}", name, text) from error
    if not store.now() - SEARCHABLE <= moment <= store.now():
        raise InvalidRequest(
            f"Invalid '{name}':'{text}'. '{name}' must be within the last 7 days", name, text
        )
    return snowflake(moment)


def _token(place: int, query: str) -> str:
    """Return the token of the page behind the tweet *place*: good for the same query alone, as X's are."""
    number = place << 32 | zlib.crc32(query.encode())
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def _place(token: str, query: str, name: str) -> int:
    if token and len(token) < 40 and set(token) <= set(_DIGITS):
        place, check = divmod(int(token, 36), 1 << 32)
        if check == zlib.crc32(query.encode()):
            return place
    raise InvalidRequest(f"The `{name}` query parameter value [{token}] is not valid", name, token)
