"""What X takes for a hashtag, in whatever script it is written.

The rule is twitter-text's (``validHashtag``, https://github.com/twitter/twitter-text). The NiFi processors
carry this module, so the standard library is enough for it: one name is looked at by ``unicodedata``, and
:data:`opslib.words.extract.HASHTAG` finds the hashtags of a text by the same signs.
"""

from __future__ import annotations

import unicodedata

# The number sign, and the one as wide as an ideograph.
NUMBER_SIGNS = "#\uff03"
# What makes a keycap of the number sign (#️⃣): no hashtag begins so.
KEYCAP = "\ufe0f\u20e3"
# What may stand in a hashtag besides letters, marks and decimal digits: the low line, the two joiners, and
# signs inside words of Cyrillic, Hebrew, Japanese, Tibetan and Catalan.
SIGNS = "_\u200c\u200d\ua67e\u05be\u05f3\u05f4\uff5e\u301c\u309b\u309c\u30a0\u30fb\u3003\u0f0b\u0f0c\u00b7"


def is_hashtag(text: str) -> bool:
    """Tell whether *text*, from its ``#`` to its end, is one hashtag: of its signs alone, one a letter."""
    sign, tag = text[:1], text[1:]
    if not sign or sign not in NUMBER_SIGNS or not tag or tag[0] in KEYCAP:
        return False
    kinds = [unicodedata.category(character) for character in tag]
    return all(
        kind[0] in "LM" or kind == "Nd" or character in SIGNS for character, kind in zip(tag, kinds)
    ) and any(kind[0] in "LM" for kind in kinds)
