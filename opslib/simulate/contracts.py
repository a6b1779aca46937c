"""The two contracts that the local X API speaks: 2.167, of August 2026, and 2.159 from before.

Behind this door everything has the older names. Calls are brought to them by :func:`asked`, which refuses
what the contract does not name; answers are brought to those of the contract by :func:`told` and
:func:`refused`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.simulate import NEW, OLD
from opslib.simulate import parameters as p

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

# Old name: new one.
_FIELDS = {
    "note_tweet": "note_post",
    "referenced_tweets": "referenced_posts",
    "edit_history_tweet_ids": "edit_history_post_ids",
    "most_recent_tweet_id": "most_recent_post_id",
    "pinned_tweet_id": "pinned_post_id",
}
_EXPANSIONS = {
    "referenced_tweets.id": "referenced_posts",
    "edit_history_tweet_ids": "edit_history_post_ids",
}
_POST_METRICS = {"retweet_count": "repost_count"}
_USER_METRICS = {"tweet_count": "post_count"}
# Fields of posts that only the newer contract has.
_ONLY_NEW = p.names("article article_title matched_media_notes note_request_suggestions paid_partnership")
# What the newer one has among expansions and not among the fields of a post. Its documents go on asking for
# them as fields, so that is taken as well, unless the server is set to be strict.
RELATIONS = p.names("author_id edit_history_post_ids in_reply_to_user_id referenced_posts")
_NEW_LISTS: dict[str, frozenset[str]] = {
    "post.fields": p.names(
        """
        article article_title attachments card_uri community_id context_annotations conversation_id created_at
        display_text_range edit_controls entities geo id lang matched_media_notes media_metadata
        non_public_metrics note_post note_request_suggestions organic_metrics paid_partnership
        possibly_sensitive promoted_metrics public_metrics reply_settings scopes source
        suggested_source_links suggested_source_links_with_counts text withheld
        """
    ),
    "user.fields": p.LISTS["user.fields"] - p.names("affiliation most_recent_tweet_id pinned_tweet_id")
    | {"subscribes_to_you"},
    "expansions": p.names(
        """
        article.cover_media article.media_entities attachments.media_keys attachments.media_source_tweet
        attachments.poll_ids author_id edit_history_post_ids entities.mentions.username geo.place_id
        in_reply_to_user_id referenced_posts username
        """
    ),
}
_OLD_LISTS: dict[str, frozenset[str]] = {
    "tweet.fields": p.LISTS["tweet.fields"] - _ONLY_NEW | {"article"},
    "user.fields": p.LISTS["user.fields"] - {"subscribes_to_you"},
    "expansions": p.LISTS["expansions"] - {"username"},
}
# In the newer contract the stream is asked by the old names, for fields that are new as well.
_STREAM_LISTS = {**_OLD_LISTS, "tweet.fields": p.LISTS["tweet.fields"] - {"article_title"}}
# The routes that return posts by request.
_OF_POSTS = ("search", "search_all", "lookup")

_PROBLEMS = "https://api.x.com/2/problems"
_SAME_KINDS = ("resource-not-found", "not-authorized-for-resource")


def asked(
    contract: str, route: str, parameters: Mapping[str, str], known: frozenset[str], *, strict: bool = False
) -> dict[str, str]:
    """Return the *parameters* of a call by the old names, of which *route* takes those *known*.

    ``InvalidRequest`` for one that the contract does not have; where it is *strict*, for relations among
    fields as well.
    """
    new = contract == NEW and route in _OF_POSTS
    names = {"tweet.fields": "post.fields"} if new else {}
    p.check_names(parameters, frozenset(names.get(name, name) for name in known))
    found = {}
    for name, text in parameters.items():
        allowed = _lists(contract, route).get(name)
        if allowed is not None:
            also = RELATIONS if new and name == "post.fields" and not strict else frozenset()
            p.check_items(name, text, allowed, also)
        found[_old_name(name) if new else name] = _old_items(name, text) if new else text
    return found


def _lists(contract: str, route: str) -> dict[str, frozenset[str]]:
    if contract == OLD:
        return _OLD_LISTS
    return _STREAM_LISTS if route == "stream" else _NEW_LISTS


def _old_name(name: str) -> str:
    return "tweet.fields" if name == "post.fields" else name


def _old_items(name: str, text: str) -> str:
    table = _EXPANSIONS if name == "expansions" else _FIELDS if name == "post.fields" else {}
    olds = {new: old for old, new in table.items()}
    return ",".join(olds.get(item, item) for item in text.split(",")) if olds else text


def told(contract: str, route: str, answer: Json) -> Json:
    """Return *answer* to a call of *route* as the contract has it."""
    if contract == OLD:
        return _without_new(answer) if route in (*_OF_POSTS, "stream") else answer
    found = dict(answer)
    if route in (*_OF_POSTS, "stream"):
        found = _posts(found)
    elif route in _OF_ROUTES:
        found = _OF_ROUTES[route](found)
    if "errors" in found:
        found["errors"] = [_problem(problem) for problem in found["errors"]]
    return found


def _without_new(answer: Json) -> Json:
    """Return *answer* without the fields that the older contract does not have."""
    found = dict(answer)
    data = found.get("data")
    if data is not None:
        found["data"] = [_less(post) for post in data] if isinstance(data, list) else _less(data)
    if "tweets" in found.get("includes", {}):
        tweets = [_less(post) for post in found["includes"]["tweets"]]
        found["includes"] = {**found["includes"], "tweets": tweets}
    return found


def _less(post: Json) -> Json:
    return {name: value for name, value in post.items() if name not in _ONLY_NEW}


def _posts(answer: Json) -> Json:
    data = answer.get("data")
    if data is not None:
        answer["data"] = [_post(post) for post in data] if isinstance(data, list) else _post(data)
    if "includes" in answer:
        includes = dict(answer["includes"])
        if "tweets" in includes:
            includes["posts"] = [_post(post) for post in includes.pop("tweets")]
        if "users" in includes:
            includes["users"] = [_user(user) for user in includes["users"]]
        answer["includes"] = includes
    return answer


def _post(post: Json) -> Json:
    found = _renamed(post, _FIELDS)
    if "public_metrics" in found:
        found["public_metrics"] = _renamed(found["public_metrics"], _POST_METRICS)
    if found.get("withheld", {}).get("scope") == "tweet":
        found["withheld"] = {**found["withheld"], "scope": "post"}
    return found


def _user(user: Json) -> Json:
    found = _renamed(user, _FIELDS)
    if "public_metrics" in found:
        found["public_metrics"] = _renamed(found["public_metrics"], _USER_METRICS)
    return found


def _renamed(holder: Json, names: Mapping[str, str]) -> Json:
    return {names.get(name, name): value for name, value in holder.items()}


def _counts(answer: Json) -> Json:
    answer["data"] = [_renamed(bucket, {"tweet_count": "post_count"}) for bucket in answer.get("data", ())]
    answer["meta"] = _renamed(answer.get("meta", {}), {"total_tweet_count": "total_post_count"})
    return answer


def _usage(answer: Json) -> Json:
    data = dict(answer["data"])
    for name in ("project_cap", "project_usage"):
        data[name] = str(data[name])
    if "daily_project_usage" in data:
        daily = data["daily_project_usage"]
        data["daily_project_usage"] = {
            "project_id": str(daily["project_id"]),
            "usage": _days(daily["usage"]),
        }
    if "daily_client_app_usage" in data:
        apps = data["daily_client_app_usage"]
        data["daily_client_app_usage"] = [{**app, "usage": _days(app["usage"])} for app in apps]
    return {**answer, "data": data}


def _days(usage: list[Json]) -> list[Json]:
    return [{**day, "usage": str(day["usage"])} for day in usage]


def _listed_rules(answer: Json) -> Json:
    meta = {name: value for name, value in answer["meta"].items() if name != "sent"}
    return {**answer, "meta": meta}


_OF_ROUTES = {"counts": _counts, "counts_all": _counts, "usage": _usage, "rules": _listed_rules}


def refused(contract: str, status: int, problem: Json) -> tuple[Json, str]:
    """Return the content of a refusal and its type.

    The newer contract has nine kinds of problems. What is none of them, such as too many calls, is its plain
    error with a code and a message.
    """
    kind = "application/problem+json; charset=utf-8"
    if contract == OLD:
        return problem, kind
    if status in (400, 422):
        return _problem(problem), kind
    if status >= 500:
        return {**_plain(problem), "type": f"{_PROBLEMS}/internal-error", "status": status}, kind
    message = ": ".join(dict.fromkeys((problem["title"], problem.get("detail") or problem["title"])))
    return {"code": status, "message": message}, "application/json; charset=utf-8"


def _plain(problem: Json) -> Json:
    return {"title": problem["title"], "detail": problem.get("detail") or problem["title"]}


def _problem(problem: Json) -> Json:
    """Return a problem as one of the nine kinds of the newer contract."""
    kind = problem["type"].rpartition("/")[2]
    if kind in _SAME_KINDS:
        found = {**problem, "type": f"{_PROBLEMS}/{kind}"}
        found["parameter"] = _EXPANSIONS.get(found["parameter"], found["parameter"])
        found["resource_type"] = "post" if found["resource_type"] == "tweet" else found["resource_type"]
        return found
    if kind == "operational-disconnect":
        ended = f"{problem['detail']} ({problem['disconnect_type']})"
        return {**_plain(problem), "detail": ended, "type": f"{_PROBLEMS}/internal-error"}
    if kind == "about:blank":
        return {**_plain(problem), "type": f"{_PROBLEMS}/resource-not-found", "resource_type": "trend"}
    found = {**_plain(problem), "type": f"{_PROBLEMS}/invalid-request"}
    for error in problem.get("errors", ())[:1]:
        ((parameter, values),) = error["parameters"].items()
        found.update(detail=error["message"], parameter=parameter, value=values[0])
    if kind == "duplicate-rules":
        found.update(detail=f"The rule {problem['value']} is there already.", value=problem["value"])
    return found
