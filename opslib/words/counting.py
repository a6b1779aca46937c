"""How many tweets hold each word: the spellings that are one word, and two words that belong together."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING

from opslib.words.folding import JOINT, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Two words belong together if at least so many tweets have them side by side, and if the square of that
# number is at least this part of the product of the numbers of tweets with the one and with the other.
_FEWEST_TOGETHER = 4
_TOGETHER = 0.09


def count(tweets: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return how many tweets hold each word, given the words of each; see :func:`merge`."""
    return merge(Counter(word for words in tweets for word in words))


def merge(spellings: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of words, the most frequent first, given those of entries of ``words_of``.

    A word is shown in its commonest form. Two words that belong together are one, and a tweet that holds
    them is not counted for either of the two as well.
    """
    totals: Counter[str] = Counter()
    shown: dict[str, str] = {}
    # Of spellings equally common, the one that sorts last wins: small letters come after capitals.
    for entry, number in sorted(spellings.items(), key=itemgetter(1, 0), reverse=True):
        spelling, key = parts(entry)
        totals[key] += number
        shown.setdefault(key, spelling)
    _join(totals)
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    result: dict[str, int] = {}
    for key, number in ordered:
        # Two groups can look alike, as the verb and the noun of one spelling in two languages.
        result[shown[key]] = result.get(shown[key], 0) + number
    if len(result) < len(ordered):
        result = dict(sorted(result.items(), key=lambda item: -item[1]))
    return result


def _join(totals: Counter[str]) -> None:
    """Keep of the pairs in *totals* those that belong together, and take them from their two words.

    The closest come first; a pair whose words are used up by others is none.
    """
    candidates = []
    for pair, number in [(key, number) for key, number in totals.items() if " " in key]:
        first, second = (totals[word] for word in pair.split(" "))
        # Fewer than the pair they are where a roll-up did not keep all spellings.
        whole = min(first, second) >= number
        if whole and number >= _FEWEST_TOGETHER and number**2 >= _TOGETHER * first * second:
            candidates.append((-(number**2) / (first * second), -number, pair))
        else:
            del totals[pair]
    for _, _, pair in sorted(candidates):
        words = pair.split(" ")
        if min(totals[word] for word in words) < totals[pair]:
            del totals[pair]
            continue
        for word in words:
            totals[word] -= totals[pair]
    for key in [key for key, number in totals.items() if number <= 0]:
        del totals[key]
    # What is a set expression in one language, numbers can have found in another.
    for key in [key for key in totals if JOINT in key]:
        totals[key] += totals.pop(key.replace(JOINT, " "), 0)
