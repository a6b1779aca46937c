"""What somebody follows: a query of one's own, what it may cost, and how it travels.

Follows lie in the compacted Kafka topic ``follows``, one message each, by name; a message without a value
removes one. So whoever reads the topic from its beginning knows them all, after any restart and on any host.
Those of the inventory are written by ``site.yml`` alone, the others by ``opslib follow``.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Optional

from opslib.message import FOLLOW, moment_of, stamp
from opslib.x.budget import Account

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

MODES = ("search", "stream")
ORIGINS = ("command", "inventory")
# https://docs.x.com/x-api/posts/search/integrate/build-a-query
MOST_QUERY = {"search": 512, "stream": 1024}
MOST_ARCHIVE_QUERY = 1024
_NAME = re.compile(r"[#@]?[^\W_][\w .#@&'+-]{0,59}")
_LANG = re.compile(r"[a-z]{2,3}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_LARGEST_USD = 1e6
ACCOUNT = "follow "  # what the names of their accounts begin with


class BadFollow(ValueError):  # noqa: N818 - it names a thing
    """What was said of a follow cannot be so; the text is one line for people."""


@dataclass(frozen=True)
class Follow:
    """A query that is collected, trending or not, for at most what it may cost."""

    name: str
    query: str
    usd_day: float
    usd_total: Optional[float] = None  # noqa: UP045 - read on Python 3.9
    lang: Optional[str] = None  # noqa: UP045 - as X names languages
    country: Optional[str] = None  # noqa: UP045 - of geotagged posts, two letters
    mode: str = "search"
    until: Optional[str] = None  # noqa: UP045 - as messages write moments
    paused: bool = False
    origin: str = "command"

    def __post_init__(self) -> None:
        _check_texts(self)
        for what, usd in (("a day", self.usd_day), ("in all", self.usd_total)):
            if usd is not None and not 0 < usd <= _LARGEST_USD:
                raise BadFollow(f"{self.name}: what it may cost {what} is more than 0 USD, not {usd:g}")
        if self.until is not None:
            try:
                moment_of(self.until)
            except ValueError as wrong:
                raise BadFollow(f"{self.name}: until {self.until!r} {wrong}") from None

    @property
    def full_query(self) -> str:
        """Return the query as X is asked it, with language and country."""
        rest = [f"lang:{self.lang}"] if self.lang else []
        rest += [f"place_country:{self.country}"] if self.country else []
        # OR binds less than what stands beside it.
        own = f"({self.query})" if rest and re.search(r"\bOR\b", self.query) else self.query
        return " ".join([own, *rest])

    @property
    def account(self) -> Account:
        """Return what of the budget it may use."""
        return Account(f"{ACCOUNT}{self.name}", self.usd_day, self.usd_total)

    @property
    def topic(self) -> dict[str, Any]:
        """Return the topic that its posts are collected for."""
        return {"kind": FOLLOW, "name": self.name, "woeid": None}

    def active(self, now: datetime) -> bool:
        """Tell whether it is collected."""
        return not self.paused and (self.until is None or now < moment_of(self.until))

    def to_record(self) -> dict[str, Any]:
        """Return it as plain data; what is as usual is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _check_texts(follow: Follow) -> None:
    if not _NAME.fullmatch(follow.name) or follow.name != follow.name.strip():
        raise BadFollow(
            f"{follow.name[:80]!r} is no name: up to 60 letters, digits, spaces and .#@&'+-_, "
            "a letter or digit first"
        )
    if follow.mode not in MODES or follow.origin not in ORIGINS:
        raise BadFollow(f"{follow.name}: mode {follow.mode!r} is neither search nor stream")
    if not follow.query.strip() or re.search(r"[\x00-\x1f\ud800-\udfff]", follow.query):
        raise BadFollow(f"{follow.name}: its query is empty or has a character that is none")
    if follow.lang is not None and not _LANG.fullmatch(follow.lang):
        raise BadFollow(f"{follow.name}: {follow.lang!r} is no language as X names them, such as pt")
    if follow.country is not None and not _COUNTRY.fullmatch(follow.country):
        raise BadFollow(f"{follow.name}: {follow.country!r} is no country of two letters, such as BR")
    length, most = len(follow.full_query), MOST_QUERY[follow.mode]
    if length > most:
        raise BadFollow(
            f"{follow.name}: its query has {length} characters, and X takes {most} by {follow.mode}"
        )


def follow_of(record: Mapping[str, Any]) -> Follow:
    """Return the follow in a *record*. Raises :class:`BadFollow`."""
    known = {one.name for one in fields(Follow)}
    strange = sorted(set(record) - known)
    if strange:
        raise BadFollow(f"{record.get('name')}: {strange[0]} is nothing that is known of a follow")
    try:
        return Follow(**{**record, "usd_day": float(record["usd_day"])})
    except KeyError as missing:
        raise BadFollow(f"{record.get('name')}: {missing.args[0]} is missing") from None
    except TypeError as wrong:
        raise BadFollow(f"{record.get('name')}: {wrong}") from None


def follows_in(text: str) -> list[Follow]:
    """Return the follows in the *text* of a state; those of a later version that are strange are left out."""
    return [follow for record in json.loads(text or "[]") if (follow := readable(record)) is not None]


def readable(record: Mapping[str, Any]) -> Follow | None:
    """Return the follow in a *record*; ``None`` for one that a later version has written."""
    try:
        return follow_of(record)
    except BadFollow:
        return None


def text_of(follows: Iterable[Follow]) -> str:
    """Return *follows* as the text of a state, in the order of their names."""
    ordered = sorted(follows, key=lambda follow: follow.name)
    return json.dumps([follow.to_record() for follow in ordered], ensure_ascii=False)


def until_text(moment: datetime | None) -> str | None:
    """Return *moment* as a follow has it."""
    return None if moment is None else stamp(moment)


def changed(known: Mapping[str, Follow], wanted: Iterable[Follow]) -> dict[str, Follow | None]:
    """Return what makes the follows of the inventory among *known* those *wanted*: ``None`` removes one.

    Those of the command stay. Raises :class:`BadFollow` for a name that is theirs.
    """
    inventory = {follow.name: replace(follow, origin="inventory") for follow in wanted}
    for name in inventory:
        if name in known and known[name].origin != "inventory":
            raise BadFollow(f"{name}: there is a follow of that name that was added by `opslib follow add`")
    gone = {n: None for n, of in known.items() if of.origin == "inventory" and n not in inventory}
    return {**gone, **{name: of for name, of in inventory.items() if known.get(name) != of}}
