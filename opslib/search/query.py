"""What somebody looks for, from the line that they typed to what is asked of the index.

The language is that of ``docs/search.md``. A line that is none raises :class:`QueryError`, whose text says
what is wrong, where, and how it is written instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Union

import regex

from opslib.search.tokens import EVERY, HAS, IS, said, trend_at, words, written
from opslib.search.told import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

MOST_CHARACTERS = 1000
MOST_TERMS = 64
MOST_DEPTH = 20
LEAST_BEGINNING = 2  # letters before a *
OPERATORS = ("from", "lang", "topic", "follow", "place", "has", "is", "since", "until")
EXAMPLES = {
    "from": "from:ana",
    "lang": "lang:pt",
    "topic": 'topic:#Carnaval or topic:"Lula Livre"',
    "follow": "follow:#Carnaval",
    "place": "place:Brazil",
    "has": "has:links",
    "is": "is:retweet",
    "since": "since:2026-03-01",
    "until": "until:2026-03-01T12:00",
}
_SPACE = regex.compile(r"\s++")
_OPERATOR = regex.compile(r"([A-Za-z]++):(?!//)")
_QUOTED = regex.compile(r'["\u201c\u201d]([^"\u201c\u201d]*+)["\u201c\u201d]')
_BARE = regex.compile(r'[^\s()"\u201c\u201d]++')
_MOMENT = regex.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:[zZ]|[+-]\d\d:\d\d)?)?", regex.ASCII)


class QueryError(Told, ValueError):
    """What is asked for cannot be understood; the text says why and how it is written.

    *at* is the character, from 1 on, that is wrong.
    """

    def __init__(self, message: str, at: int, **values: object) -> None:
        super().__init__(message, **values)
        self.at = at + 1

    def __str__(self) -> str:
        return f"{super().__str__()} (at character {self.at})"


@dataclass(frozen=True)
class Term:
    """Words in a row; the last may be only the beginning of one."""

    words: tuple[str, ...]
    beginning: bool = False
    exact: tuple[str, ...] = ()  # as it is to be written, where that matters
    topic: str | None = None  # the name of what tweets were collected for
    woeid: str | None = None  # the place for which they were


@dataclass(frozen=True)
class Not:
    """What does not hold."""

    node: Node


@dataclass(frozen=True)
class Some:
    """At least one of these holds."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Every:
    """All of these hold."""

    nodes: tuple[Node, ...]


Node = Union[Term, Not, Some, Every]


@dataclass(frozen=True)
class Query:
    """What is looked for, among the tweets written from *since* until before *until*."""

    node: Node
    since: datetime | None = None
    until: datetime | None = None
    # Where in the line since: and until: stand, from the first character to behind the last.
    stands: Mapping[str, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)


EVERYTHING = Query(Term((EVERY,)))


@dataclass
class _Line:
    """A line, and how far it is understood."""

    text: str
    places: Mapping[str, int]
    zone: tzinfo
    at: int = 0
    terms: int = 0
    depth: int = 0  # of parentheses, NOT and OR, in which no moment may stand
    moments: dict[str, datetime] = field(default_factory=dict)
    stands: dict[str, tuple[int, int]] = field(default_factory=dict)

    def space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def peek(self, word: str) -> bool:
        """Say whether *word* stands here, by itself."""
        end = self.at + len(word)
        return self.text.startswith(word, self.at) and (
            not word.isalpha() or end == len(self.text) or self.text[end].isspace() or self.text[end] in "()"
        )

    def take(self, word: str) -> bool:
        found = self.peek(word)
        if found:
            self.at += len(word)
            self.space()
        return found

    @property
    def ended(self) -> bool:
        return self.at >= len(self.text)

    def wrong(self, message: str, at: int | None = None, **values: object) -> QueryError:
        return QueryError(message, self.at if at is None else at, **values)


def parse(text: str, places: Mapping[str, int] | None = None, zone: tzinfo = timezone.utc) -> Query:
    """Return what *text* asks for.

    *places* are the WOEIDs of places by casefolded name; moments without an offset are of *zone*.
    """
    if len(text) > MOST_CHARACTERS:
        raise QueryError(
            "this has {n} characters, and {most} are the most",
            MOST_CHARACTERS,
            n=len(text),
            most=MOST_CHARACTERS,
        )
    line = _Line(text, places or {}, zone)
    line.space()
    if line.ended:
        raise line.wrong("nothing is asked for: write a word, such as carnaval")
    node = _some(line)
    if not line.ended:
        raise line.wrong("this ) closes nothing: leave it out, or open it with a (")
    since, until = line.moments.get("since"), line.moments.get("until")
    if since and until and since >= until:
        raise line.wrong("since: is not before until:, so no tweet can be between them", 0)
    return Query(_at_places(node), since, until, line.stands)


def terms(node: Node) -> Iterator[Term]:
    """Yield what a tweet may hold to be found; not what it must not."""
    if isinstance(node, Term):
        yield node
    elif isinstance(node, (Some, Every)):
        for one in node.nodes:
            yield from terms(one)


def narrowed(text: str, asked: Query, further: str) -> str:
    """Return the line *text*, which reads as *asked*, with something *further* that is to hold."""
    return f"({text.strip()}) {further}" if isinstance(asked.node, Some) else f"{text.strip()} {further}"


def narrowed_to(text: str, asked: Query, since: datetime, until: datetime) -> str:
    """Return the line *text*, which reads as *asked*, for a part of its span, in whole seconds."""
    times = {"since": max(since, asked.since or since), "until": min(until, asked.until or until)}
    written_as = {
        name: f"{name}:{at.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}" for name, at in times.items()
    }
    # From behind, so that what stands before stays where it is.
    for name, (begin, end) in sorted(asked.stands.items(), key=lambda item: item[1], reverse=True):
        text = text[:begin] + written_as.pop(name) + text[end:]
    return narrowed(text, asked, " ".join(written_as.values())).strip()


# ---- a topic and a place, which are one thing


def _at_places(node: Node, woeids: tuple[str, ...] = ()) -> Node:
    """Return *node* with each topic beside a place as what was trending there.

    A tweet may have been collected for one topic here and for another one there.
    """
    if isinstance(node, Term):
        if node.topic is None or not woeids:
            return node
        found = tuple(Term((said(trend_at(woeid), node.topic),)) for woeid in woeids)
        return found[0] if len(found) == 1 else Every(found)
    if isinstance(node, Not):
        return Not(_at_places(node.node, woeids))
    if isinstance(node, Some):
        return Some(tuple(_at_places(one, woeids) for one in node.nodes))
    here = tuple(dict.fromkeys((*woeids, *_places(node))))
    return Every(tuple(_at_places(one, here) for one in node.nodes))


def _places(node: Node) -> Iterator[str]:
    """Yield the places that hold for all of *node*."""
    if isinstance(node, Term) and node.woeid is not None:
        yield node.woeid
    elif isinstance(node, Every):
        for one in node.nodes:
            yield from _places(one)


# ---- the grammar, from what binds least


def _some(line: _Line) -> Node:
    """Read what OR joins."""
    start = line.at
    before = dict(line.moments)
    nodes = [_every(line)]
    while line.take("OR"):
        nodes.append(_every(line))
    if len(nodes) > 1 and line.moments != before:
        raise line.wrong(
            "since: and until: hold for everything: write them once, beside the rest in parentheses, "
            "such as (rio OR bahia) since:2026-03-01",
            start,
        )
    return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))


def _every(line: _Line) -> Node:
    """Read what stands side by side, with AND or without."""
    nodes = [_not(line)]
    while not line.ended and not line.peek(")") and not line.peek("OR"):
        line.take("AND")
        nodes.append(_not(line))
    return nodes[0] if len(nodes) == 1 else Every(tuple(nodes))


def _not(line: _Line) -> Node:
    if line.take("NOT") or _minus(line):
        with_in = _Deeper(line)
        with with_in:
            return Not(_not(line))
    return _one(line)


def _minus(line: _Line) -> bool:
    """Take a minus that stands for NOT: before something, and not by itself."""
    following = line.text[line.at + 1 : line.at + 2]
    if line.text.startswith("-", line.at) and following and not following.isspace():
        line.at += 1
        return True
    return False


class _Deeper:
    """What stands inside something, so that it holds for a part of the line alone."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def __enter__(self) -> None:
        self._line.depth += 1
        if self._line.depth > MOST_DEPTH:
            raise self._line.wrong(
                "more than {most} things stand inside one another: write it flatter", most=MOST_DEPTH
            )

    def __exit__(self, *_: object) -> None:
        self._line.depth -= 1


def _one(line: _Line) -> Node:
    """Read what is in parentheses, or one thing."""
    for word in ("AND", "OR"):
        if line.peek(word):
            raise line.wrong(
                "{word} stands between two things, such as rio {word} bahia; "
                'the word itself is written "{itself}"',
                word=word,
                itself=word.lower(),
            )
    if line.ended:
        raise line.wrong("something is to follow here, such as a word")
    if line.peek(")"):
        raise line.wrong("nothing stands before this ): write a word there, or leave it out")
    start = line.at
    if line.take("("):
        with _Deeper(line):
            node = _some(line)
        if not line.take(")"):
            raise line.wrong("this ( is never closed: write a ) where it ends", start)
        return node
    line.terms += 1
    if line.terms > MOST_TERMS:
        raise line.wrong("more than {most} things are asked for at once", most=MOST_TERMS)
    node = _operator(line) or _term(line)
    line.space()
    return node


def _operator(line: _Line) -> Node | None:
    found = _OPERATOR.match(line.text, line.at)
    if found is None:
        return None
    name, start = found[1].lower(), line.at
    if name not in OPERATORS:
        if not line.text[found.end() : found.end() + 1].strip():
            return None  # a colon, as sentences have it
        raise line.wrong(
            "there is no {name}: here. There are {known}; to look for the text itself, write it in quotes: "
            '"{written} …"',
            name=name,
            known=", ".join(f"{known}:" for known in OPERATORS),
            written=found[1],
        )
    line.at = found.end()
    value = _value(line)
    if not value:
        raise line.wrong(
            "{name}: says nothing: write it without a space, such as {example}",
            start,
            name=name,
            example=EXAMPLES[name],
        )
    return _READ[name](line, name, value, start)


def _value(line: _Line) -> str:
    quoted = _QUOTED.match(line.text, line.at)
    found = quoted or _BARE.match(line.text, line.at)
    if found is None:
        return ""
    line.at = found.end()
    return (found[1] if quoted else found[0]).strip()


# ---- one thing


def _term(line: _Line) -> Term:
    """Read a word, words in quotes, or either as it is to be written."""
    start = line.at
    exactly = line.text.startswith("=", line.at)
    line.at += exactly
    quoted = _QUOTED.match(line.text, line.at)
    bare = None if quoted else _BARE.match(line.text, line.at)
    if quoted is None and bare is None:
        if line.text[line.at : line.at + 1] in ('"', "\u201c", "\u201d"):
            raise line.wrong("this quote is never closed: write another one where the phrase ends", start)
        raise line.wrong("something is to follow this =, without a space, such as =São", start)
    found = quoted or bare
    assert found is not None  # noqa: S101 - for the type checker
    line.at = found.end()
    text = found[1] if quoted else found[0]
    star = line.text.startswith("*", line.at) if quoted else text.endswith("*")
    line.at += bool(quoted and star)
    return _words(line, text.rstrip("*") if bare else text, star, exactly, start)


def _words(line: _Line, text: str, star: bool, exactly: bool, start: int) -> Term:
    found = tuple(words(text))
    if not found:
        said_so = repr(text or "*")
        raise line.wrong("{text} has no letter, no digit and no emoji to look for", start, text=said_so)
    if exactly:
        if star:
            raise line.wrong("what is to be written exactly has no beginning alone: leave out = or *", start)
        return Term(found, exact=tuple(written(text)))
    if star and len(found[-1]) < LEAST_BEGINNING:
        raise line.wrong("before a * stand at least {least} letters", start, least=LEAST_BEGINNING)
    return Term(found, beginning=star)


def _fact(line: _Line, name: str, value: str, start: int) -> Term:
    del line, start
    return Term((said(name, value.lstrip("@\uff20") if name == "from" else value),))


def _topic(line: _Line, name: str, value: str, start: int) -> Term:
    del line, start
    return Term((said(name, value),), topic=value)


def _named(line: _Line, name: str, value: str, start: int) -> Term:
    known = HAS if name == "has" else IS
    if value.lower() not in known:
        raise line.wrong(
            "{name}: knows {known}, and not {value}",
            start,
            name=name,
            known=", ".join(known),
            value=repr(value),
        )
    return Term((said(name, value.lower()),))


def _place(line: _Line, name: str, value: str, start: int) -> Term:
    woeid = line.places.get(value.casefold())
    if woeid is None and not (value.isascii() and value.isdigit()):
        shown = repr(value)
        if not line.places:
            raise line.wrong(
                "no trends were collected for {value}, nor for any place yet", start, value=shown
            )
        some = ", ".join(sorted(line.places)[:10])
        raise line.wrong(
            "no trends were collected for {value}; places known: {some}", start, value=shown, some=some
        )
    known = value.lstrip("0") if woeid is None else str(woeid)
    return Term((said(name, known),), woeid=known)


def _moment(line: _Line, name: str, value: str, start: int) -> Term:
    if line.depth:
        raise line.wrong(
            "{name}: holds for everything: write it beside the rest, outside of parentheses and NOT",
            start,
            name=name,
        )
    if name in line.moments:
        raise line.wrong("{name}: stands twice: leave one out", start, name=name)
    line.moments[name] = _time(line, name, value, start)
    line.stands[name] = start, line.at
    return Term((EVERY,))


def _time(line: _Line, name: str, value: str, start: int) -> datetime:
    known = _MOMENT.fullmatch(value)
    # Python 3.9 reads no Z.
    text = (value[:-1] + "+00:00" if value[-1] in "zZ" else value) if known else ""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=line.zone)
        found = found.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise line.wrong(
            "{value} is no date such as 2026-03-01, and no time such as 2026-03-01T12:00",
            start,
            value=repr(value),
        ) from None
    if not datetime(2006, 1, 1, tzinfo=timezone.utc) <= found < datetime(2100, 1, 1, tzinfo=timezone.utc):
        raise line.wrong("{name}: is to be between 2006 and 2100", start, name=name)
    return found


_READ: dict[str, Callable[[_Line, str, str, int], Term]] = {
    "from": _fact,
    "lang": _fact,
    "topic": _topic,
    "follow": _fact,
    "place": _place,
    "has": _named,
    "is": _named,
    "since": _moment,
    "until": _moment,
}
