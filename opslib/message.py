"""What a tweet and a snapshot of trends look like on Kafka and in MongoDB: the one place both sides import.

Only the standard library is needed, because the NiFi processors carry this module with them; where orjson
is installed, as it is with the sink, it reads what it is sure to read alike.

``tweets.raw`` has the tweet id as its key and, as its value, the tweet as X returned it under ``data`` with
``author`` (from the ``includes``, if they were asked for), ``referenced`` (tweets it retweets, quotes or
answers), ``collected_for`` (``[{"name", "woeid", "query"}]``) and ``collected_at``. A topic is a trend, or
what somebody follows: then it has ``"kind": "follow"`` besides, no WOEID, and ``"looked_up": true`` where it
was asked for long after it was written. ``trends.raw`` has the WOEID as its key and ``{"woeid", "place",
"collected_at", "searched", "trends"}``, where ``trends`` are ``[{"name", "tweet_count", "rank"}]``: tweets
are collected for the first ``searched`` ones, without it for all.
What a reader cannot use raises :class:`BadMessage` with a reason for people.
"""

from __future__ import annotations

import html
import json
import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from html.entities import html5
from typing import TYPE_CHECKING, Any

try:
    import orjson
except ModuleNotFoundError:  # inside NiFi, which writes messages and reads none
    orjson = None  # type: ignore[assignment,unused-ignore]

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TWEETS = "tweets.raw"
TRENDS = "trends.raw"
FOLLOWS = "follows"
DEAD_LETTERS = "tweets.dlq"

# What a topic is; one without a kind is a trend.
TREND, FOLLOW = "trend", "follow"

# MongoDB takes 100 levels, and a document puts a message's parts one level deeper at most.
MAX_DEPTH = 90
# X's longest posts have 25,000 characters, 100 KB of UTF-8; with its entities and a quoted one of the same
# length a tweet stays well below this.
MAX_BYTES = 512 * 1024
_INT64 = 2**63
_INFINITE = (float("inf"), float("-inf"))  # what Python makes of 1e400
_EARLIEST = datetime(2006, 1, 1, tzinfo=timezone.utc)  # there is no older tweet
_LATEST = datetime(2100, 1, 1, tzinfo=timezone.utc)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII)
# Each byte as what it may be a part of: 0 for a digit, a colon for what can stand before a number.
_SHAPES = bytes(48 if byte in b"0123456789" else 58 if byte in b":,[- \t\r\n" else 0 for byte in range(256))
# A number that may not fit into 64 bits, which orjson would round without a word.
_LONG_NUMBER = b":" + b"0" * 19
_SURROGATE = re.compile("[\ud800-\udfff]")
# Ids have held their moment since November 2010: milliseconds since this one, in the bits above the 22nd.
_SNOWFLAKE_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=timezone.utc)
_FIRST_SNOWFLAKE = 29_700_859_247
_RETWEET = re.compile(r"RT @\w+: ", re.ASCII)
# X writes &, < and > as HTML does; other references come with archives. None without its semicolon is one,
# nor a number that no character has.
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# What holds the whole of a post that is longer than its text; X changed the name in August 2026.
_NOTES = ("note_tweet", "note_post")
# Where the text of an article stands; X's documents leave open which.
_ARTICLE_TEXTS = ("plain_text", "text", "preview_text")
# What a document has of a post as it came, where it came.
_KEPT = {
    "article": dict,
    "attachments": dict,
    "community_id": str,
    "context_annotations": list,
    "geo": dict,
    "paid_partnership": bool,
    "withheld": dict,
}
_OPTIONAL_FIELDS = {
    "lang": str,
    "author_id": str,
    "author": dict,
    "entities": dict,
    "public_metrics": dict,
}

Json = dict[str, Any]


class BadMessage(ValueError):  # noqa: N818 - it names a thing, and readers tell it from an error of theirs
    """A message that no retry will make readable; its text says why."""


def stamp(moment: datetime) -> str:
    """Return *moment* as messages write it: UTC with milliseconds."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=1024)  # a page of tweets was collected at one moment
def moment_of(text: str) -> datetime:
    """Return the moment that *text* (RFC 3339) names, to the millisecond; ``ValueError`` if it names none."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("is no time such as 2026-01-31T12:00:00.000Z")
    seconds, fraction, zone = match.groups()
    # Python 3.9 reads no Z, and fractions of three or six digits alone. MongoDB keeps milliseconds:
    # with more, a copy would look newer than itself.
    return datetime.fromisoformat(
        f"{seconds}.{(fraction or '')[:3].ljust(3, '0')}{'+00:00' if zone == 'Z' else zone}"
    ).astimezone(timezone.utc)


def moment_of_id(tweet_id: int) -> datetime | None:
    """Return when the tweet of that id was written; ``None`` for ids from before they told."""
    if tweet_id < _FIRST_SNOWFLAKE:
        return None
    return _SNOWFLAKE_EPOCH + timedelta(milliseconds=tweet_id >> 22)


def id_at(moment: datetime) -> int:
    """Return the smallest id that a tweet of that moment can have."""
    return round((moment - _SNOWFLAKE_EPOCH) / timedelta(milliseconds=1)) << 22


def tweet_message(
    data: Mapping[str, Any],
    includes: Mapping[str, Any] | None,
    topic: str,
    woeid: int | None,
    query: str,
    collected_at: datetime,
) -> Json:
    """Return the message of the tweet *data* as one page of X's answer holds it with its *includes*."""
    message = dict(data)
    includes = includes or {}
    author = _with_id(includes.get("users"), data.get("author_id"))
    if author is not None:
        message["author"] = author
    referenced = [
        _with_id(includes.get("tweets"), known["id"]) for known in data.get("referenced_tweets", [])
    ]
    message["referenced"] = [tweet for tweet in referenced if tweet is not None]
    message["collected_for"] = [{"name": topic, "woeid": woeid, "query": query}]
    message["collected_at"] = stamp(collected_at)
    return message


def _with_id(objects: Iterable[Json] | None, wanted: str | None) -> Json | None:
    return next((found for found in objects or () if found["id"] == wanted), None)


def trends_message(
    woeid: int,
    place: str,
    trends: Iterable[Mapping[str, Any]],
    collected_at: datetime,
    searched: int | None = None,
) -> Json:
    """Return the message of one snapshot: X's trends of a place, in the order in which X gave them.

    Tweets are collected for the first *searched* of them; ``None`` is all.
    """
    ranked = [
        {"name": trend["trend_name"], "tweet_count": trend.get("tweet_count"), "rank": rank}
        for rank, trend in enumerate(trends, start=1)
    ]
    told = {} if searched is None else {"searched": searched}
    return {"woeid": woeid, "place": place, "collected_at": stamp(collected_at), **told, "trends": ranked}


def searched_in(snapshot: Mapping[str, Any]) -> list[Json]:
    """Return the trends of a *snapshot*, a message or a document, for which tweets are collected."""
    trends: list[Json] = snapshot["trends"]
    return trends[: snapshot.get("searched")]


def key_of(message: Mapping[str, Any]) -> bytes:
    """Return the Kafka key of a tweet's or a snapshot's message."""
    return str(message["id"] if "id" in message else message["woeid"]).encode("ascii")


def encode(message: Mapping[str, Any]) -> bytes:
    """Return the bytes of a message."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def decode_tweet(value: bytes | None) -> Json:
    """Return the tweet message in *value*, checked so far that :func:`tweet_document` can rely on it."""
    message = _object_of(value)
    _check_id(_required(message, "id", str))
    _required(message, "text", str)
    _check_moment(message, "collected_at")
    if message.get("created_at") is not None:
        _check_moment(message, "created_at")
    for name, kind in _OPTIONAL_FIELDS.items():
        if (
            type(message.get(name)) is not kind
        ):  # as nearly all are, and the whole look costs five times as much
            _optional(message, name, kind)
    for name in _KEPT.keys() & message.keys():
        _optional(message, name, _KEPT[name])
    _objects(message, "context_annotations")
    _check_author(message)
    for reference in _objects(message, "referenced_tweets"):
        _check_id(_required(reference, "id", str, "referenced_tweets."))
    check_whole(message)
    for topic in _objects(message, "collected_for"):
        _check_topic(topic)
    return message


def _check_author(message: Json) -> None:
    author = message.get("author")
    if author is not None:
        _check_id(_required(author, "id", str, "author."), "author.id")
        for name in ("username", "name"):
            _optional(author, name, str, "author.")


def check_whole(tweet: Json) -> None:
    """Raise :class:`BadMessage` where :func:`whole_text` could not rely on *tweet*, whose text is one."""
    _check_notes(tweet)
    for original in _objects(tweet, "referenced"):
        _check_id(_required(original, "id", str, "referenced."))
        _required(original, "text", str, "referenced.")
        _optional(original, "entities", dict, "referenced.")
        _check_notes(original, "referenced.")


def _check_notes(tweet: Json, where: str = "") -> None:
    for name in _NOTES:
        if tweet.get(name) is not None:
            _optional(tweet, name, dict, where)
            _optional(tweet[name], "text", str, f"{where}{name}.")
            _optional(tweet[name], "entities", dict, f"{where}{name}.")
    if tweet.get("article") is not None:
        _optional(tweet, "article", dict, where)
        for part in ("title", *_ARTICLE_TEXTS):
            _optional(tweet["article"], part, str, f"{where}article.")


def _check_topic(topic: Json) -> None:
    _required(topic, "name", str, "collected_for.")
    _optional(topic, "woeid", int, "collected_for.")
    if topic.get("kind") not in (None, TREND, FOLLOW):
        raise BadMessage(f"collected_for.kind is {str(topic['kind'])[:40]!r}, neither {TREND} nor {FOLLOW}")
    if type(topic.get("looked_up", False)) is not bool:
        raise BadMessage(f"collected_for.looked_up is a {type(topic['looked_up']).__name__}, not a bool")


def decode_trends(value: bytes | None) -> Json:
    """Return the snapshot in *value*, checked so far that :func:`trend_document` can rely on it."""
    message = _object_of(value)
    _required(message, "woeid", int)
    _required(message, "place", str)
    _optional(message, "searched", int)
    _check_moment(message, "collected_at")
    _required(message, "trends", list)
    for trend in _objects(message, "trends"):
        _required(trend, "name", str, "trends.")
        _required(trend, "rank", int, "trends.")
        _optional(trend, "tweet_count", int, "trends.")
    return message


def tweet_document(message: Mapping[str, Any]) -> Json:
    """Return the MongoDB document of a decoded message; its ``words`` are the storage layer's to add."""
    collected_at = moment_of(message["collected_at"])
    created = message.get("created_at")
    text, entities = whole_text(message)
    original, author = retweeted_id(message), retweeted_author(message)
    created_at = moment_of(created) if created else moment_of_id(int(message["id"]))
    return {
        "_id": int(message["id"]),
        **({"retweet_of": original} if original is not None else {}),
        **({"retweet_author": author} if author is not None else {}),
        "text": text,
        "lang": message.get("lang"),
        "author": _author(message),
        "entities": entities,
        "public_metrics": message.get("public_metrics"),
        "referenced_tweets": message.get("referenced_tweets") or [],
        **{name: message[name] for name in _KEPT if message.get(name) is not None},
        "topics": [_topic(topic, collected_at, created_at) for topic in message.get("collected_for") or ()],
        "created_at": created_at,
        "first_seen_at": collected_at,
        "collected_at": collected_at,
    }


def _topic(topic: Mapping[str, Any], collected_at: datetime, created_at: datetime | None) -> Json:
    """Return a topic as a tweet is stored with it; what was looked up stands where it was written."""
    written = created_at if topic.get("looked_up") else None
    return {
        **({"kind": FOLLOW} if topic.get("kind") == FOLLOW else {}),
        "name": topic["name"],
        "woeid": topic.get("woeid"),
        "first_at": min(collected_at, written or collected_at),
    }


def kind_of(topic: Mapping[str, Any]) -> str | None:
    """Return what a stored *topic* is: :data:`FOLLOW`, or ``None`` for a trend."""
    return FOLLOW if topic.get("kind") == FOLLOW else None


def _author(message: Mapping[str, Any]) -> Json | None:
    author = message.get("author")
    if author is None:
        return {"id": message["author_id"]} if message.get("author_id") else None
    return {name: author[name] for name in ("id", "username", "name") if name in author}


def retweeted_name(text: str) -> str | None:
    """Return whom the text of a retweet names (casefolded, without ``@``); ``None`` if it is none."""
    prefix = _RETWEET.match(text)
    return prefix.group()[len("RT @") : -len(": ")].casefold() if prefix else None


def retweeted_id(tweet: Mapping[str, Any]) -> int | None:
    """Return the id of what a tweet, a message or a document, retweets; ``None`` if it is no retweet."""
    for known in tweet.get("referenced_tweets") or ():
        if known.get("type") == "retweeted":
            return int(known["id"])
    return None


def retweeted_author(tweet: Mapping[str, Any]) -> str | None:
    """Return the id of whoever wrote what *tweet*, a message or a document, retweets, if it tells.

    X tells it with what is retweeted, if that was asked for, and else where it lists whom a text mentions:
    the one at its beginning is whom it retweets, the others are not.
    """
    known = tweet.get("retweet_author")
    original, name = retweeted_id(tweet), retweeted_name(tweet["text"])
    if known is not None or (original is None and name is None):
        return known
    told = [one.get("author_id") for one in tweet.get("referenced") or () if int(one["id"]) == original]
    told += [one.get("id") for one in mentions(tweet) if name is not None and _is_of(one, name)]
    return next((author for author in told if isinstance(author, str)), None)


def mentions(tweet: Mapping[str, Any]) -> list[Json]:
    """Return whom X says the text of *tweet*, a message or a document, mentions."""
    found = (tweet.get("entities") or {}).get("mentions")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_of(mention: Json, name: str) -> bool:
    """Say whether *mention* is the one at the beginning of a retweet that gives that *name* there."""
    return mention.get("start") == len("RT ") or str(mention.get("username")).casefold() == name


def whole_text(tweet: Mapping[str, Any]) -> tuple[str, Json | None]:
    """Return the text of a tweet as people read it, and its entities, where X cut neither.

    X shortens long posts, whose whole stands in a note, and retweets, whose whole is that of the original
    under ``referenced``; of an article a post has no more than its link, and the article stands beside it.
    And it writes some characters as HTML references.
    """
    retweeted = retweeted_id(tweet)
    prefix = _RETWEET.match(tweet["text"]) if retweeted is not None else None
    for original in tweet.get("referenced") or ():
        if prefix and int(original["id"]) == retweeted:
            text, entities = _noted(original)
            return decoded(prefix.group() + text), entities or tweet.get("entities")
    text, entities = _noted(tweet)
    return decoded(text), entities


def _noted(tweet: Mapping[str, Any]) -> tuple[str, Json | None]:
    """Return text and entities of a post, those of its note if it has one."""
    text, entities = tweet["text"], tweet.get("entities")
    for name in reversed(_NOTES):
        note = tweet.get(name) or {}
        if note.get("text") is not None:
            text, entities = note["text"], note.get("entities") or tweet.get("entities")
    # Behind the post's own text, where entities stay in their places.
    return "\n\n".join([text, *_article(tweet)]), entities


def _article(tweet: Mapping[str, Any]) -> list[str]:
    """Return title and text of the article that is a post, as far as there are any."""
    article = tweet.get("article") or {}
    body = next((article[part] for part in _ARTICLE_TEXTS if article.get(part)), None)
    return [part for part in (article.get("title"), body) if part]


def decoded(text: str) -> str:
    """Return *text* with its HTML references as the characters that they stand for.

    It is done once, where a text comes in: what is stored and counted is never decoded again.
    """
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(reference: re.Match[str]) -> str:
    name = reference.group()[1:]
    return html.unescape(reference.group()) if name[0] == "#" else html5.get(name, reference.group())


def trend_document(message: Mapping[str, Any]) -> Json:
    """Return the MongoDB document of a decoded snapshot; its id follows from it: repeated it is the same."""
    collected_at = moment_of(message["collected_at"])
    return {
        "_id": f"{message['woeid']}:{stamp(collected_at)}",
        "woeid": message["woeid"],
        "place": message["place"],
        "collected_at": collected_at,
        **({"searched": message["searched"]} if message.get("searched") is not None else {}),
        "trends": [
            {"name": trend["name"], "tweet_count": trend.get("tweet_count"), "rank": trend["rank"]}
            for trend in message["trends"]
        ],
    }


def _object_of(value: bytes | None) -> Json:
    if not value:
        raise BadMessage("it is empty")
    if len(value) > MAX_BYTES:
        raise BadMessage(f"it has {len(value)} bytes, and no tweet has more than {MAX_BYTES}")
    message = _quickly(value)
    if message is None:
        message = _carefully(value)
    return message


def _quickly(value: bytes) -> Json | None:
    """Return the object in *value* if it is plain to see that MongoDB can hold it."""
    if (
        orjson is None
        # Looking at the bytes costs a tenth of looking at each value. Half a character orjson refuses itself.
        or b"\\u0000" in value
        or len(value) - len(value.translate(None, b"{[")) >= MAX_DEPTH
        or _LONG_NUMBER in value.translate(_SHAPES)
    ):
        return None
    try:
        message = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return message if isinstance(message, dict) else None


def _carefully(value: bytes) -> Json:
    """Return the object in *value*, or say what is wrong with it."""
    try:
        message = json.loads(value.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise BadMessage(f"it is not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise BadMessage(f"it is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise BadMessage(f"it is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise BadMessage(f"it is no JSON object but a {type(message).__name__}")
    _check_storable(message)
    return message


def _no_number(name: str) -> None:
    raise BadMessage(f"it is not JSON: {name} is no number there")


def _check_storable(message: Json) -> None:
    """Refuse what JSON can say and MongoDB cannot hold, wherever it is."""
    level: list[Any] = [message]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                for key in value:
                    _check_key(key)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            else:
                _check_scalar(value)
        if not below:
            return
        level = below
    raise BadMessage(f"it is nested deeper than {MAX_DEPTH} levels")


def _check_key(key: str) -> None:
    if "\0" in key:
        raise BadMessage("a key contains NUL")
    if _SURROGATE.search(key):
        raise BadMessage("a key contains half a character (a lone surrogate)")


def _check_scalar(value: Any) -> None:
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise BadMessage("a text contains half a character (a lone surrogate)")
    elif (isinstance(value, int) and not -_INT64 <= value < _INT64) or value in _INFINITE:
        raise BadMessage("a number is too large for 64 bits")


def _required(holder: Json, name: str, kind: type, where: str = "") -> Any:
    if holder.get(name) is None:
        raise BadMessage(f"{where}{name} is missing")
    _optional(holder, name, kind, where)
    return holder[name]


def _optional(holder: Json, name: str, kind: type, where: str = "") -> None:
    value = holder.get(name)
    # To Python True is a number, to MongoDB it is none.
    if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        raise BadMessage(f"{where}{name} is a {type(value).__name__}, not a {kind.__name__}")


def _objects(message: Json, name: str) -> list[Json]:
    if message.get(name) is None:
        return []
    _optional(message, name, list)
    items: list[Json] = message[name]
    for item in items:
        if not isinstance(item, dict):
            raise BadMessage(f"{name} holds a {type(item).__name__}, not a dict")
    return items


def _check_id(text: str, name: str = "id") -> None:
    if not (text.isascii() and text.isdigit()):
        raise BadMessage(f"{name} {text[:30]!r} is not numeric")
    # The length comes first: Python takes its time over thousands of digits, then refuses them.
    if len(text) > len(str(_INT64)) or not 0 < int(text) < _INT64:
        raise BadMessage(f"{name} {text[:30]} is not between 1 and 2^63-1")


def _check_moment(message: Json, name: str) -> None:
    text = _required(message, name, str)
    try:
        moment = moment_of(text)
    except (ValueError, OverflowError) as error:
        raise BadMessage(f"{name} {text[:40]!r}: {error}") from error
    if not _EARLIEST <= moment < _LATEST:
        raise BadMessage(f"{name} {text[:40]} is out of range: tweets are written from 2006 on")
