"""What the page says, in each language: gettext's messages, in catalogues that translators write.

A message is the English text itself. ``locale/LANGUAGE/LC_MESSAGES/messages.po`` has it in another language,
and says in its head which language of which country that is and which form of a message a number takes. The
catalogues are read as translators leave them, so that nothing has to be compiled; what one lacks, or is not
sure of (``fuzzy``), is shown in English.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

_FOLDER = Path(__file__).parent / "locale"


@dataclass(frozen=True)
class Language:
    """A language of the page: how numbers and moments are written in it, and its messages."""

    locale: Locale
    messages: NullTranslations

    @classmethod
    def read(cls, catalogue: Path) -> Language:
        """Return that of a catalogue."""
        compiled = io.BytesIO()
        with catalogue.open("rb") as file:
            found = read_po(file)
        write_mo(compiled, found)
        compiled.seek(0)
        return cls(found.locale or Locale(catalogue.parts[-3]), GNUTranslations(compiled))

    @property
    def name(self) -> str:
        """Return what it calls itself."""
        name = str(self.locale.get_language_name(self.locale))
        return name[:1].upper() + name[1:]


LANGUAGES = {
    "en": Language(Locale("en"), NullTranslations()),
    **{path.parts[-3]: Language.read(path) for path in sorted(_FOLDER.glob("*/LC_MESSAGES/messages.po"))},
}
