"""What is hidden: the one policy that every picture, table and list for readers asks.

An operator hides words and authors (the settings ``words.hidden`` and ``authors.hidden``), each with a
reason. What is hidden stays stored and counted: it is only not shown. So numbers are what they are without
it, and a list says how many of its tweets it leaves out. What nobody may keep is forgotten instead
(:mod:`opslib.store.unwanted`).

A word is hidden in all its spellings and inflections, as a hashtag too, and with it whatever holds it: a
topic, an expression, a tweet. Of an author the tweets are hidden, and the retweets that hold their text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import regex

from opslib.store.unwanted import origin
from opslib.words import fold
from opslib.words.folding import composed, undressed
from opslib.words.lemmas import LANGUAGES, lemma

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opslib.settings import Settings

    Document = dict[str, Any]

# Written without spaces between words: any row of their characters is found.
_SINGLE = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# A mention is a word of its own, so that who is called as a word is not hidden with it.
_TOKEN = regex.compile(
    rf"(?V1)[@\uff20][\p{{L}}\p{{N}}_]++|[{_SINGLE}]\p{{M}}*+"
    r"|[\U0001f1e6-\U0001f1ff]{2}|\p{Extended_Pictographic}"
    rf"|[[\p{{L}}\p{{N}}\p{{M}}_\u200c\u200d]--[{_SINGLE}]]++"
)
_BEGINS = 2  # so many letters a lemma has in common with its word


@dataclass(frozen=True)
class Hidden:
    """Hidden words, and hidden authors by name or id, with the reason of each; falsy if there are none."""

    words: Mapping[str, str] = field(default_factory=dict)
    authors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Hidden:
        """Return what the settings hide."""
        return cls(settings.words.hidden, settings.authors.hidden)

    def __bool__(self) -> bool:
        return bool(self.words or self.authors)

    def holds(self, text: str) -> bool:
        """Say whether *text* holds a hidden word: a word or a name as it is shown, or a whole text."""
        if not self.words:
            return False
        tokens = _TOKEN.findall(composed(text))
        if any(self._is(token) for token in tokens):
            return True
        return any(
            row[at : at + len(phrase)] == phrase
            for row in ([_folded(token) for token in tokens],)
            for phrase in self._phrases
            for at in range(len(row) - len(phrase) + 1)
        )

    def author(self, author_id: object, name: str | None = None) -> bool:
        """Say whether the author of that id and name is hidden, or holds a hidden word in the name."""
        named = name is not None and (name.casefold() in self._authors or self.holds(name))
        return str(author_id) in self._authors or named

    def tweet(self, document: Document) -> bool:
        """Say whether a stored tweet is not shown; it has what :data:`FIELDS` name, as far as it is known."""
        author = document.get("author") or {}
        if self.author(author.get("id"), author.get("username")):
            return True
        if self._authors and self._retweets(document):
            return True
        return any(map(self.holds, _texts(document)))

    def _retweets(self, document: Document) -> bool:
        found = origin(document)
        return found.retweet_author in self._authors or found.retweet_name in self._authors

    @cached_property
    def _authors(self) -> frozenset[str]:
        return frozenset(name.strip().lstrip("@\uff20").casefold() for name in self.authors)

    @cached_property
    def _rows(self) -> list[list[str]]:
        """Return the hidden words taken apart, each as it is written."""
        return [_TOKEN.findall(composed(word)) for word in self.words]

    @cached_property
    def _single(self) -> frozenset[str]:
        return frozenset(form for row in self._rows if len(row) == 1 for form in _forms(row[0]))

    @cached_property
    def _phrases(self) -> list[list[str]]:
        return [[_folded(token) for token in row] for row in self._rows if len(row) > 1]

    @cached_property
    def _begins(self) -> frozenset[str]:
        return frozenset(form[:_BEGINS] for form in self._single)

    def _is(self, token: str) -> bool:
        folded = _folded(token)
        # Most words need no look into the tables of five languages.
        return folded in self._single or (
            folded[:_BEGINS] in self._begins and not self._single.isdisjoint(_forms(token))
        )


# What of a tweet has to be read to know whether it is shown.
FIELDS = {"text": 1, "author": 1, "entities": 1, "referenced_tweets": 1, "retweet_author": 1}


def _texts(document: Document) -> Iterator[str]:
    """Yield what a reader sees of a tweet."""
    yield document["text"]
    yield str((document.get("author") or {}).get("name") or "")
    for url in (document.get("entities") or {}).get("urls") or ():
        if isinstance(url, dict):
            yield str(url.get("display_url") or "")


def _folded(token: str) -> str:
    return fold(undressed(token))


@lru_cache(maxsize=50_000)
def _forms(token: str) -> frozenset[str]:
    """Return what a word counts as in any language: neither words nor topics have one."""
    return frozenset((_folded(token), *(fold(lemma(token, lang)) for lang in LANGUAGES)))
