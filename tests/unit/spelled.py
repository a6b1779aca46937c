"""Answers of X by the names of its contract 2.167, made of those by the names from before."""

from __future__ import annotations

from typing import Any

FIELDS = {
    "note_tweet": "note_post",
    "referenced_tweets": "referenced_posts",
    "edit_history_tweet_ids": "edit_history_post_ids",
    "most_recent_tweet_id": "most_recent_post_id",
    "pinned_tweet_id": "pinned_post_id",
}
POST_METRICS = {"retweet_count": "repost_count"}
USER_METRICS = {"tweet_count": "post_count"}


def renamed(answer: dict[str, Any]) -> dict[str, Any]:
    """Return *answer* by the new names throughout."""
    found = dict(answer)
    data = found.get("data")
    if data is not None:
        found["data"] = [_post(post) for post in data] if isinstance(data, list) else _post(data)
    if "includes" in found:
        includes = dict(found["includes"])
        if "tweets" in includes:
            includes["posts"] = [_post(post) for post in includes.pop("tweets")]
        if "users" in includes:
            includes["users"] = [_user(user) for user in includes["users"]]
        found["includes"] = includes
    if "errors" in found:
        found["errors"] = [
            {**e, "type": e["type"].replace("api.twitter.com", "api.x.com")} for e in found["errors"]
        ]
    return found


def _by(names: dict[str, str], holder: dict[str, Any]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in holder.items()}


def _post(post: dict[str, Any]) -> dict[str, Any]:
    found = _by(FIELDS, post)
    if "public_metrics" in found:
        # The newer contract asks for both; answers from before they were there have neither.
        found["public_metrics"] = {
            **_by(POST_METRICS, found["public_metrics"]),
            **{n: found["public_metrics"].get(n, 0) for n in ("bookmark_count", "impression_count")},
        }
    if found.get("withheld", {}).get("scope") == "tweet":
        found["withheld"] = {**found["withheld"], "scope": "post"}
    return found


def _user(user: dict[str, Any]) -> dict[str, Any]:
    found = _by(FIELDS, user)
    if "public_metrics" in found:
        found["public_metrics"] = _by(USER_METRICS, found["public_metrics"])
    return found
