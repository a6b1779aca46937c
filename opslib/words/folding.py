"""What a word is counted as, and how an entry of the words of a tweet is written."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import regex

from opslib.hashtag import NUMBER_SIGNS

# Between a word's spelling and what it is counted as, where the one does not follow from the other.
SEPARATOR = "\t"
# Between the two words of a set expression, which is one word for all that counts: no text keeps this sign.
JOINT = "\u00a0"

# Of Arabic the vowel signs, the hamza on a letter and the drawn-out line: the same word has them or has not.
_ARABIC = "\u0640\u064b-\u0655\u0670"
_OPTIONAL = re.compile(f"[{_ARABIC}]")
# The tones of emoji, and what says whether they are drawn in colours.
_EMOJI_DRESS = "\ufe0e\ufe0f\U0001f3fb-\U0001f3ff"
# With the accents of Latin, Greek and Cyrillic.
_ACCENTS = re.compile(f"[\u0300-\u036f{_ARABIC}{_EMOJI_DRESS}]")
_DRESS = re.compile(f"[{_EMOJI_DRESS}]")
# Python takes time that grows with the square of a row of marks to bring them into order. No language has
# more than a few on a letter; this many is what Unicode's Stream-Safe Text Format (UAX #15) allows.
_MARKS = regex.compile(r"(\p{M}{30})\p{M}+")
_SHORT = 300


def composed(text: str) -> str:
    """Return *text* in Unicode's NFC, of more than 30 marks in a row the first 30."""
    if text.isascii():
        return text
    if len(text) > _SHORT:
        text = _MARKS.sub(r"\1", text)
    return unicodedata.normalize("NFC", text)


@lru_cache(maxsize=50_000)
def fold(word: str) -> str:
    """Return what *word* is counted as: without case, and without accents unless it is a hashtag.

    To X ``#maisvoce`` and ``#maisvocê`` are two hashtags, so they are here.
    """
    folded = composed(word).casefold()
    if folded.isascii() or folded[0] in NUMBER_SIGNS:
        return folded
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", folded)))


def accented(word: str) -> str:
    """Return *word* without case, but with its accents: what a list of stop words is held against."""
    folded = composed(word).casefold()
    if folded.isascii():
        return folded
    # Turkish: what full case folding makes of İ is an i with the dot that it has already.
    kept = _OPTIONAL.sub("", unicodedata.normalize("NFD", folded).replace("i\u0307", "i"))
    return unicodedata.normalize("NFC", kept)


def undressed(emoji: str) -> str:
    """Return *emoji* without its tones, and without what says whether it is drawn in colours."""
    return _DRESS.sub("", emoji)


def parts(entry: str) -> tuple[str, str]:
    """Return the spelling of an entry of :func:`opslib.words.words_of`, and what it is counted as."""
    spelling, _, key = entry.partition(SEPARATOR)
    return spelling.replace(JOINT, " "), key or fold(spelling)
