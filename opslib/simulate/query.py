"""The query language of X API v2's recent search, as far as its documentation describes what we use.

Words and phrases match whole tokens of the text; case is ignored and accents are not. Terms side by side
must all match, which binds closer than ``OR``; ``-`` negates, parentheses group. Operators that describe
rather than name (``is:``, ``has:``, ``lang:``) cannot stand alone, nor can negations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

import regex

from opslib.hashtag import NUMBER_SIGNS, SIGNS
from opslib.words.extract import LETTER
from opslib.words.folding import composed

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LENGTH = 512
# More than anyone writes, and less than what Python can follow.
_MAX_DEPTH = 50
_PARTS = regex.compile(
    rf'\s*(?P<minus>-)?(?:(?P<paren>[()])|(?P<operator>[a-z_]+):(?P<value>"[^"]*"|[^\s()"]+)'
    rf'|"(?P<phrase>[^"]*)"|(?P<sign>[{NUMBER_SIGNS}])(?P<name>[{LETTER}{SIGNS}]+)|(?P<sign>[@$])(?P<name>{LETTER}+)|(?P<word>[^\s()"]+))'
)
_TOKEN = regex.compile(rf"{LETTER}+|[^\w\s\x00-\x7f\u2000-\u206f]")
_IS = {"retweet": "retweeted", "quote": "quoted", "reply": "replied_to"}
_HAS = {"hashtags": "hashtags", "mentions": "mentions", "links": "urls", "cashtags": "cashtags"}
# Known to X; tweets made of texts have none of these.
_HAS_NEVER = {"media", "images", "videos", "video_link", "geo"}


class QueryError(ValueError):
    """A query that X would refuse; the text is what it would say."""


@dataclass(frozen=True)
class Indexed:
    """What a search looks at in a tweet."""

    tokens: str  # with a line feed around each, so that a phrase is a part of it
    hashtags: frozenset[str]
    mentions: frozenset[str]
    names: frozenset[str]  # the author's user name and id
    data: Mapping[str, Any]
    answered: str = ""  # the user name that the tweet answers

    @property
    def references(self) -> set[str]:
        """Return how the tweet refers to others."""
        return {reference["type"] for reference in self.data.get("referenced_tweets", ())}

    def metric(self, name: str) -> int:
        """Return one of the public metrics."""
        return int((self.data.get("public_metrics") or {}).get(name, 0))


Matcher = Callable[[Indexed], bool]


def normal(text: str) -> str:
    """Return *text* as it is compared."""
    return composed(text).casefold()


def tokens_of(text: str) -> str:
    """Return the tokens of *text* with a line feed before, between and behind them."""
    return "\n" + "".join(f"{token}\n" for token in _TOKEN.findall(normal(text)))


def index(data: Mapping[str, Any], username: str, text: str, answered: str = "") -> Indexed:
    """Return what searches look at in the tweet *data*, whose text without HTML entities is *text*."""
    entities = data.get("entities") or {}
    return Indexed(
        tokens=tokens_of(text),
        hashtags=frozenset(normal(tag["tag"]) for tag in entities.get("hashtags", ())),
        mentions=frozenset(normal(mention["username"]) for mention in entities.get("mentions", ())),
        names=frozenset({normal(username), str(data.get("author_id", ""))}),
        data=data,
        answered=normal(answered),
    )


def parse(query: str, max_length: int = MAX_LENGTH) -> Matcher:
    """Return what decides whether a tweet matches *query*; raise :class:`QueryError` if X would refuse it."""
    if not query.strip():
        raise QueryError("The query must not be empty")
    if len(query) > max_length:
        raise QueryError(f"Rule length exceeds the maximum allowed length of {max_length} characters")
    parser = _Parser(_split(query))
    expression = parser.alternatives()
    if parser.here is not None:
        raise QueryError("There is a ')' without its '('")
    if not expression.stands_alone:
        raise QueryError(
            "Rules must contain at least one positive, non-stopword clause that is no is:, has: or lang:"
        )
    return expression.matches


@dataclass(frozen=True)
class _Expression:
    matches: Matcher
    stands_alone: bool = True


@dataclass
class _Parser:
    parts: list[regex.Match[str]]
    place: int = field(default=0)
    depth: int = field(default=0)

    @property
    def here(self) -> regex.Match[str] | None:
        return self.parts[self.place] if self.place < len(self.parts) else None

    def alternatives(self) -> _Expression:
        choices = [self.sequence()]
        while self.here is not None and self.here["word"] == "OR":
            self.place += 1
            choices.append(self.sequence())
        return _Expression(
            lambda tweet: any(choice.matches(tweet) for choice in choices),
            all(choice.stands_alone for choice in choices),
        )

    def sequence(self) -> _Expression:
        terms: list[_Expression] = []
        while self.here is not None and self.here["paren"] != ")" and self.here["word"] != "OR":
            terms.append(self.term())
        if not terms:
            raise QueryError("A clause is missing beside OR or between parentheses")
        return _Expression(
            lambda tweet: all(term.matches(tweet) for term in terms), any(term.stands_alone for term in terms)
        )

    def term(self) -> _Expression:
        part = self.parts[self.place]
        self.place += 1
        expression = self.group() if part["paren"] else _term(part)
        if not part["minus"]:
            return expression
        return _Expression(lambda tweet: not expression.matches(tweet), stands_alone=False)

    def group(self) -> _Expression:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise QueryError(f"Parentheses are nested deeper than {_MAX_DEPTH}")
        inner = self.alternatives()
        self.depth -= 1
        if self.here is None:
            raise QueryError("There is a '(' without its ')'")
        self.place += 1
        return inner


def _split(query: str) -> list[regex.Match[str]]:
    parts = []
    place = 0
    end = len(query.rstrip())
    while place < end:
        part = _PARTS.match(query, place)
        if part is None:
            raise QueryError(f"no viable alternative at character {query[place:].lstrip()[:1]!r}")
        if part["minus"] and part["paren"] == ")":
            raise QueryError("no viable alternative at character ')'")
        parts.append(part)
        place = part.end()
    return parts


def _term(part: regex.Match[str]) -> _Expression:
    if part["operator"]:
        return _operator(part["operator"], part["value"].strip('"'))
    if part["sign"] and part["sign"] in NUMBER_SIGNS:
        tag = normal(part["name"])
        return _Expression(lambda tweet: tag in tweet.hashtags)
    if part["sign"] == "@":
        name = normal(part["name"])
        return _Expression(lambda tweet: name in tweet.mentions)
    words = (
        part["phrase"]
        if part["phrase"] is not None
        else (part["sign"] or "") + (part["name"] or part["word"])
    )
    return _tokens(words)


def _tokens(words: str) -> _Expression:
    phrase = tokens_of(words)
    if phrase == "\n":
        raise QueryError(f"'{words}' holds nothing to match")
    return _Expression(lambda tweet: phrase in tweet.tokens)


def _operator(name: str, value: str) -> _Expression:
    make = _OPERATORS.get(name)
    if make is None:
        raise QueryError(
            f"Reference to invalid operator '{name}'. "
            "Operator is not available in current product or product packaging."
        )
    return make(value)


def _from(value: str) -> _Expression:
    return _Expression(lambda tweet: normal(value.lstrip("@")) in tweet.names)


def _to(value: str) -> _Expression:
    return _Expression(lambda tweet: normal(value.lstrip("@")) == tweet.answered)


def _lang(value: str) -> _Expression:
    return _Expression(lambda tweet: tweet.data.get("lang") == value, stands_alone=False)


def _is(value: str) -> _Expression:
    if value not in _IS:
        raise QueryError(f"Reference to invalid value '{value}' of the operator 'is'")
    return _Expression(lambda tweet: _IS[value] in tweet.references, stands_alone=False)


def _has(value: str) -> _Expression:
    if value in _HAS_NEVER:
        return _Expression(lambda _: False, stands_alone=False)
    if value not in _HAS:
        raise QueryError(f"Reference to invalid value '{value}' of the operator 'has'")
    kind = _HAS[value]
    return _Expression(lambda tweet: bool((tweet.data.get("entities") or {}).get(kind)), stands_alone=False)


def _conversation(value: str) -> _Expression:
    return _Expression(lambda tweet: tweet.data.get("conversation_id") == value)


def _at_least(metric: str) -> Callable[[str], _Expression]:
    """Return the operator that asks for so many of a metric; it may stand alone."""

    def make(value: str) -> _Expression:
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise QueryError(f"Reference to invalid value '{value}': a number is to be given")
        least = int(value)
        return _Expression(lambda tweet: tweet.metric(metric) >= least)

    return make


_OPERATORS: dict[str, Callable[[str], _Expression]] = {
    "from": _from,
    "to": _to,
    "lang": _lang,
    "is": _is,
    "has": _has,
    "conversation_id": _conversation,
    "min_likes": _at_least("like_count"),
    "min_replies": _at_least("reply_count"),
    "min_reposts": _at_least("retweet_count"),
}
