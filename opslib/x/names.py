"""The names by which X knows what belongs to a post: two contracts, and one spelling everywhere inside.

X renamed parameters, fields and expansions in August 2026, call by call and unannounced: the filtered stream
is still asked for by the old names, and answers may come by either. So what X sends is brought to one
spelling, the older one, at the door where it comes in (:func:`normal`): messages on Kafka and documents stay
as they are. Which names a call takes is found out by asking: a refusal (400) that names one of the parameters
of :data:`PARAMETERS` costs nothing and is the sign that it takes others.
https://docs.x.com/changelog, contract 2.167 beside 2.159
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

EXPAND_AUTHORS = "author_id"
EXPAND_REFERENCED = "referenced_tweets.id"
# The parameters whose names, or whose values' names, differ between the contracts.
PARAMETERS = frozenset({"post.fields", "tweet.fields", "expansions"})

# New name: ours. Of a post, a user, and a bucket of counts, which share none.
_FIELDS = {
    "note_post": "note_tweet",
    "referenced_posts": "referenced_tweets",
    "edit_history_post_ids": "edit_history_tweet_ids",
    "most_recent_post_id": "most_recent_tweet_id",
    "pinned_post_id": "pinned_tweet_id",
    "post_count": "tweet_count",
}
_METRICS = {"repost_count": "retweet_count", "post_count": "tweet_count"}
_INCLUDES = {"posts": "tweets"}
_META = {"total_post_count": "total_tweet_count"}
_WITHHELD_SCOPES = {"post": "tweet"}
_EXPANSIONS = {EXPAND_REFERENCED: "referenced_posts"}


@dataclass(frozen=True)
class Names:
    """One way of asking: the parameter that lists fields, and what it calls them."""

    parameter: str
    renamed: bool  # whether fields and expansions have the new names
    without: frozenset[str] = frozenset()  # fields that it does not take, by our names

    def asked(self, fields: tuple[str, ...], expansions: tuple[str, ...] = ()) -> dict[str, str]:
        """Return the parameters for *fields* and *expansions*, given by our names."""
        news = {ours: new for new, ours in _FIELDS.items()} if self.renamed else {}
        wanted = [news.get(field, field) for field in fields if field not in self.without]
        told = [_EXPANSIONS.get(one, one) if self.renamed else one for one in expansions]
        return {
            **({self.parameter: ",".join(wanted)} if wanted else {}),
            **({"expansions": ",".join(told)} if told else {}),
        }


# What the contract 2.167 has no place for among fields: there they come with an expansion, which is charged.
_RELATIONS = frozenset({"author_id", "referenced_tweets", "edit_history_tweet_ids"})
_NEW = Names("post.fields", renamed=True)
_NEW_STRICT = Names("post.fields", renamed=True, without=_RELATIONS)
_OLD = Names("tweet.fields", renamed=False)
_OLDEST = Names("tweet.fields", renamed=False, without=frozenset({"paid_partnership"}))
# In which order a call is tried; who is refused the last begins again with the first.
OF_CALLS = (_NEW, _NEW_STRICT, _OLD, _OLDEST)
OF_THE_STREAM = (_OLD, _OLDEST, _NEW, _NEW_STRICT)


def ours(field: str) -> str:
    """Return the name that a field has here."""
    return _FIELDS.get(field, field)


def normal(answer: Json) -> Json:
    """Return *answer* as it is by the names used here, whichever of both spellings X chose for each.

    Nothing is lost: where X sends a field by both names, ours wins unless it is null.
    """
    found = dict(answer)
    for part in ("data", "meta", "includes"):
        value = found.get(part)
        if isinstance(value, dict):
            found[part] = _OF_PARTS[part](value)
        elif isinstance(value, list):
            found[part] = [_object(one) for one in value]
    return found


def _object(holder: Any) -> Any:
    """Return a post, a user or a bucket of counts by the names used here."""
    if not isinstance(holder, dict):
        return holder
    found = _renamed(holder, _FIELDS)
    metrics, withheld = found.get("public_metrics"), found.get("withheld")
    if isinstance(metrics, dict) and not _METRICS.keys().isdisjoint(metrics):
        found = {**found, "public_metrics": _renamed(metrics, _METRICS)}
    if isinstance(withheld, dict) and withheld.get("scope") in _WITHHELD_SCOPES:
        found = {**found, "withheld": {**withheld, "scope": _WITHHELD_SCOPES[withheld["scope"]]}}
    return found


def _includes(holder: Json) -> Json:
    found = _renamed(holder, _INCLUDES)
    return {
        kind: [_object(one) for one in held] if isinstance(held, list) else held
        for kind, held in found.items()
    }


def _meta(holder: Json) -> Json:
    return _renamed(holder, _META)


_OF_PARTS = {"data": _object, "meta": _meta, "includes": _includes}


def _renamed(holder: Json, names: Mapping[str, str]) -> Json:
    """Return *holder* with our names; the same object where it has no other, as most have."""
    if names.keys().isdisjoint(holder):
        return holder
    found: Json = {}
    for name, value in holder.items():
        ours = names.get(name, name)
        known = found.get(ours)
        if known is None:
            found[ours] = value
        elif isinstance(known, list) and isinstance(value, list):
            found[ours] = known + [one for one in value if one not in known]
        elif value is not None and name == ours:
            found[ours] = value
    return found
