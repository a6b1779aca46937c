# ruff: noqa: RUF001, RUF003 - letters of several scripts are what this is about
"""Where a piece of text holds words and emoji, and how a word is spelt that somebody drew out.

Each pattern here reads text of strangers, so none may look at the same characters again and again: see
``tests/bench/patterns.py``.
"""

from __future__ import annotations

import re
import unicodedata

import regex

from opslib.words.folding import JOINT

# All that people and their keyboards write for the apostrophe, and for the hyphen.
_APOSTROPHES = "'\u2018\u2019\u201b\u02b9\u02bb\u02bc\u2032\u00b4`\uff07\ua78c"
_HYPHENS = "-\u2010\u2011"
_PLAIN = {ord(sign): plain for signs, plain in ((_APOSTROPHES, "'"), (_HYPHENS, "-")) for sign in signs}
# Python's own patterns are quicker to say that there is nothing to do, as with nearly every word.
_TO_PLAIN = re.compile(f"[{_APOSTROPHES[1:]}{_HYPHENS[1:]}]")

# Letters without a picture, of Korean: people write them to have a blank.
_FILLERS = "\u115f\u1160\u3164\uffa0"
_FILLER = re.compile(f"[{_FILLERS}]")
# What takes no room and is not seen (Unicode's Default_Ignorable_Code_Point), such as the soft hyphen, is no
# part of a word and parts none. The joiners are one in scripts that join, and as signs of an emoji, as the
# variation selectors and the tags of a flag are; U+200B is there to part words.
_JOINERS = "\u200c\u200d"
_UNSEEN = (
    "\u00ad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_TO_LOOK_AT = re.compile(f"[{_UNSEEN}{_JOINERS}{_FILLERS}]")
_NOT_SEEN = regex.compile(
    r"(\U0001f3f4[\U000e0020-\U000e007e]++\U000e007f|\p{Emoji}[\ufe0e\ufe0f])"
    rf"|(?<=[\p{{Latin}}\p{{Greek}}\p{{Cyrillic}}])[{_UNSEEN}{_JOINERS}]++|[{_UNSEEN}]++"
)

# Unicode's emoji sequences (UTS #51, 1.4.9), but for keycaps, which number lists and count nothing. The signs
# ©, ® and ™ and some letters (ℹ, 🅱) are emoji where a variation selector says that they are meant to be.
_STYLE = "[\ufe0e\ufe0f]"
_ELEMENT = (
    rf"\p{{Extended_Pictographic}}{_STYLE}?(?:[\U0001f3fb-\U0001f3ff]|[\U000e0020-\U000e007e]++\U000e007f)?"
)
_NO_SIGN = rf"(?![\u00a9\u00ae\u2122](?!\ufe0f))(?:(?!\w)|(?=.{_STYLE}))"
_EMOJI = rf"[\U0001f1e6-\U0001f1ff]{{2}}|{_NO_SIGN}{_ELEMENT}(?:\u200d{_ELEMENT})*+"
# A character of a word. For `regex`, unlike `re`, \w includes the combining marks, without which Hindi and
# Arabic fall apart. No word begins with one.
_PLAIN_LETTER = r"[\w--[\p{Extended_Pictographic}\ufe0e\ufe0f\u20e3]]"
_LETTERS = rf"(?:{_PLAIN_LETTER}++|[\w&&\p{{Extended_Pictographic}}](?!{_STYLE}))++"
_WORD = rf"(?![\p{{M}}{_JOINERS}]){_LETTERS}(?:[{_APOSTROPHES}\u2010\u2011{JOINT}-]{_LETTERS})*+"
TOKEN = regex.compile(rf"(?V1)(?P<word>{_WORD})|(?P<emoji>{_EMOJI})")

# Three times or more: somebody holds a letter (gooool). Not so digits, and not what is spelt with three.
_HELD = regex.compile(r"(\p{L}\p{M}*+|\p{M})\1{2,}", regex.IGNORECASE)
_PERHAPS_HELD = re.compile(r"(..?)\1\1")
_RUN = regex.compile(r"[\p{L}\p{M}]++")
_CONSONANT = r"[\p{Lu}--[AEIOUYÆØŒАЕИОУЫЭЮЯЄІΑΕΗΙΟΥΩ]]"
_ROMAN = "M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
# A Roman numeral, alone or behind consonants (WWIII), or an abbreviation: three times one letter (BBB, also
# bbb), with more consonants behind it or none (СССР, XXXL). No letter stands four times in any of these.
# One with a vowel looks like what people shout (IEEE as AEEE, OIII and NOOO do), so those are known by name.
_ABBREVIATIONS = "AAAI|AAAS|CEEE|IEEE|IIIF|IIIT"
_AS_WRITTEN = regex.compile(
    rf"(?V1)(?!.*?(.)\1{{3}})(?:{_ROMAN}|{_ABBREVIATIONS}|{_CONSONANT}{{2,}}+III"
    rf"|({_CONSONANT})\2\2{_CONSONANT}*+|(\p{{Lu}})\3\3|([b-z--[eiouy]])\4\4)"
)


def seen(text: str) -> str:
    """Return *text* without characters that nobody sees, and with those that are blank as ends of lines."""
    if text.isascii() or not _TO_LOOK_AT.search(text):
        return text
    return str(_NOT_SEEN.sub(r"\1", _FILLER.sub("\n", text)))


def spelling(word: str) -> str:
    """Return *word* with one apostrophe for all kinds of it, and without letters held (``gooool``)."""
    if _TO_PLAIN.search(word):
        word = word.translate(_PLAIN)
    word = word.strip("_'")  # some apostrophes are letters to Unicode
    return str(_RUN.sub(_unheld, word)) if _PERHAPS_HELD.search(word.lower()) else word


def _unheld(run: regex.Match[str]) -> str:
    letters: str = run.group()
    # A vowel is one with its accents too.
    if _AS_WRITTEN.fullmatch(regex.sub(r"\p{M}", "", unicodedata.normalize("NFD", letters))):
        return letters
    return str(_HELD.sub(r"\1", letters))
