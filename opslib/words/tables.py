"""Build the tables of :mod:`opslib.words.lemmas` from simplemma: ``python -m opslib.words.tables``."""

from __future__ import annotations

import dawg  # type: ignore[import-not-found,import-untyped,unused-ignore]
import simplemma
from simplemma.strategies.dictionaries import DefaultDictionaryFactory

from opslib.words.lemmas import FOLDER, LANGUAGES, by_rule, fits, has_lemma


def _entries(lang: str) -> list[tuple[str, bytes]]:
    """Return each word of simplemma's table for which the rules alone would not lead to the same."""
    entries = []
    for word in sorted({known.lower() for known in DefaultDictionaryFactory().get_dictionary(lang)}):
        if not has_lemma(word):
            continue
        found = simplemma.lemmatize(word, lang).lower()
        found = found if fits(word, found) else word
        if found != by_rule(word, lang):
            entries.append((word, _change(word, found)))
    return entries


def _change(word: str, found: str) -> bytes:
    """Return how *found* is made of *word*: how many characters go from its end, and what comes there."""
    same = 0
    while same < len(found) and found[same] == word[same]:
        same += 1
    return bytes([len(word) - same]) + found[same:].encode()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for language in LANGUAGES:
        dawg.BytesDAWG(_entries(language)).save(str(FOLDER / f"{language}.dawg"))
