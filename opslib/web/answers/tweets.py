"""A tweet as X asks for it to be shown: its whole text unchanged, its links linked, author and time to X.

The rules are X's display requirements (https://developer.x.com/en/developer-terms/display-requirements).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opslib.words.extract import Found, cashtags, hashtags, links, mentions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

_X = "https://x.com"
_USERNAME = re.compile(r"\w{1,20}", re.ASCII)
_SAFE_LINK = re.compile(r"https?://[^\s]+", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A piece of a text, with where it leads if it leads anywhere."""

    text: str
    href: str | None = None


@dataclass(frozen=True)
class Tweet:
    """A tweet ready to be shown."""

    id: str
    href: str
    name: str | None
    username: str | None
    author_href: str | None
    created_at: datetime | None
    lang: str | None
    parts: list[Part]


def shown(document: Mapping[str, Any]) -> Tweet:
    """Return the stored tweet *document* as it is to be shown."""
    tweet_id = str(document["_id"])
    author = document.get("author") or {}
    username = author.get("username")
    if not (isinstance(username, str) and _USERNAME.fullmatch(username)):
        username = None
    author_id = str(author.get("id", ""))
    profile = f"{_X}/i/user/{author_id}" if author_id.isdigit() else None
    return Tweet(
        id=tweet_id,
        href=f"{_X}/{username or 'i'}/status/{tweet_id}",
        name=author.get("name"),
        username=username,
        author_href=f"{_X}/{username}" if username else profile,
        created_at=document.get("created_at"),
        lang=document.get("lang"),
        parts=parts(document["text"], document.get("entities")),
    )


def profile(author_id: str, username: str | None) -> str:
    """Return the address of an author on X."""
    return f"{_X}/{username}" if username and _USERNAME.fullmatch(username) else f"{_X}/i/user/{author_id}"


def parts(text: str, entities: Mapping[str, Any] | None) -> list[Part]:
    """Split *text* where it holds hashtags, cashtags, mentions and links.

    X's entities say where links lead and what they are to read; their places are those of the text before its
    HTML entities were decoded, so the places are found anew.
    """
    addresses = {url["url"]: url for url in (entities or {}).get("urls") or () if _is_address(url)}
    found = [(link, _link(link, addresses)) for link in links(text)]
    for tags, href in (
        (hashtags(text), f"{_X}/hashtag/"),
        (mentions(text), f"{_X}/"),
        (cashtags(text), f"{_X}/search?q=%24"),
    ):
        found += [(tag, Part(text[tag.start : tag.end], href + quote(tag.text, safe=""))) for tag in tags]
    return _joined(text, sorted(found, key=lambda pair: pair[0].start))


def _joined(text: str, found: Iterable[tuple[Found, Part]]) -> list[Part]:
    result: list[Part] = []
    end = 0
    for place, part in found:
        if place.start < end:
            continue
        if place.start > end:
            result.append(Part(text[end : place.start]))
        result.append(part)
        end = place.end
    if end < len(text):
        result.append(Part(text[end:]))
    return result


def _is_address(url: Any) -> bool:
    return isinstance(url, dict) and isinstance(url.get("url"), str)


def _link(link: Found, addresses: Mapping[str, Mapping[str, Any]]) -> Part:
    known = addresses.get(link.text, {})
    display = known.get("display_url")
    href = link.text if _SAFE_LINK.fullmatch(link.text) else f"https://{link.text}"
    return Part(display if isinstance(display, str) and display else link.text, href)
