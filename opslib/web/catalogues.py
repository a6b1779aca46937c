"""Strings in languages beside those of :mod:`opslib.web.strings`: gettext catalogues, for translators.

``locale/CODE.po`` has a message for each string, its name as the context. They are read as they are, so that
nothing has to be compiled; what one lacks, or has of an English text that has changed since, is shown in
English.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from babel.messages.pofile import read_po

from opslib.web.strings import STRINGS

_FOLDER = Path(__file__).parent / "locale"
_COLUMNS = {"en": 0, "pt": 1}


def string(language: str, key: str) -> str:
    """Return the string *key* in a language."""
    if language in _COLUMNS:
        return STRINGS[key][_COLUMNS[language]]
    return catalogue(language).get(key) or STRINGS[key][0]


@lru_cache(maxsize=8)
def catalogue(language: str) -> dict[str, str]:
    """Return the strings of a catalogue by their names, as :mod:`opslib.web.strings` has them."""
    with (_FOLDER / f"{language}.po").open("rb") as file:
        messages = read_po(file, locale=language)
    found: dict[str, str] = {}
    for message in messages:
        of, told = ("|".join(text) if isinstance(text, (tuple, list)) else text
                    for text in (message.id, message.string))  # fmt: skip
        key = message.context
        if key in STRINGS and of == STRINGS[key][0] and not message.fuzzy:
            found[key] = str(told)
    return found
