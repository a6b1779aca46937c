"""The search query for a trending topic.

https://docs.x.com/x-api/posts/search/integrate/operators
"""

from __future__ import annotations

import re
import unicodedata

from opslib.hashtag import is_hashtag

MAX_QUERY = 512
_NOT_IN_A_PHRASE = re.compile(r"[\s\"\\\u201c\u201d\u201e\u0000-\u001f]+")
# Pictures that Unicode counts among the signs of mathematics.
_SMALL_SQUARES = "\u25fd\u25fe"
# What makes a picture of the sign before it: the variation selector, and the frame of a key.
_MAKES_A_PICTURE = "\ufe0f\u20e3"
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")


def query_for(topic_name: str, *, retweets: bool = True) -> str:
    """Return the search query for a trending topic: its hashtag, its emoji, or its words as a phrase.

    Inside quotation marks X knows no operators, so that a topic named ``from:nasa`` asks for these words.
    Raises :class:`ValueError` for a name that holds nothing to search for.
    """
    name = topic_name.strip()
    rest = "" if retweets else " -is:retweet"
    if (is_hashtag(name) and len(name) + len(rest) <= MAX_QUERY) or _is_plain_emoji(name):
        return name + rest
    words = _NOT_IN_A_PHRASE.sub(" ", name).split()
    phrase = _cut(words, MAX_QUERY - len(rest) - 2)
    if not re.search(r"\w", phrase) and not any(map(_is_picture, phrase, phrase[1:] + " ")):
        raise ValueError(f"the topic {topic_name!r} holds nothing to search for")
    return f'"{phrase}"{rest}'


def _is_plain_emoji(name: str) -> bool:
    """Tell whether *name* is one emoji without variants; those X wants in quotation marks."""
    return (len(name) == 1 and _is_picture(name, "")) or _FLAG.fullmatch(name) is not None


def _is_picture(sign: str, following: str) -> bool:
    """Tell whether *sign* may be an emoji, or the sign that is *following* makes one of it."""
    pictured = following != "" and following in _MAKES_A_PICTURE
    return unicodedata.category(sign) == "So" or sign in _SMALL_SQUARES or pictured


def _cut(words: list[str], length: int) -> str:
    """Return as many of the words as fit, one at least, if need be a part of it."""
    phrase = words[0][:length] if words else ""
    for word in words[1:]:
        if len(phrase) + 1 + len(word) > length:
            break
        phrase += f" {word}"
    return phrase
