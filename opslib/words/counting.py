"""How many tweets hold each word: the spellings that are one word, and two words that belong together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

from opslib.words.folding import JOINT, parts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

# Two words belong together if at least so many tweets have them side by side, and if the square of that
# number is at least this part of the product of the numbers of tweets with the one and with the other.
_FEWEST_TOGETHER = 4
_TOGETHER = 0.09


@dataclass(frozen=True)
class Counting:
    """By which entries of :func:`opslib.words.words_of` a text counts for a word, and by which not."""

    entries: frozenset[str]
    without: frozenset[str] = frozenset()

    def counts(self, words: Collection[str]) -> bool:
        """Tell whether a text with the entries *words* counts."""
        return not self.entries.isdisjoint(words) and self.without.isdisjoint(words)


@dataclass(frozen=True)
class Merged:
    """The words that entries make up, and what each is made of.

    A text counts once for each of a word's *keys*; that a word has two of them, which a text can hold at
    once, is rare: see :func:`merged`.
    """

    counts: dict[str, int]
    keys: Mapping[str, tuple[str, ...]]
    together: Mapping[str, str]  # of a word's key that of the expression that its texts count for instead
    spellings: Mapping[str, int]

    def of(self, spellings: Mapping[str, int]) -> dict[str, int]:
        """Return how many of other texts count for these words, given the numbers of their entries."""
        totals: Counter[str] = Counter()
        for entry, number in spellings.items():
            totals[parts(entry)[1]] += number
        # Fewer than its expression a word is where a roll-up did not keep all spellings.
        taken = {key: min(totals[key], totals[pair]) for key, pair in self.together.items()}
        totals.subtract(taken)
        return {word: sum(totals[key] for key in keys) for word, keys in self.keys.items()}

    def counting(self, word: str) -> tuple[Counting, ...]:
        """Return by which entries texts count for *word*, for each of its keys; nothing if it is none."""
        return tuple(
            Counting(
                frozenset(self._entries[key]), frozenset(self._entries.get(self.together.get(key, ""), ()))
            )
            for key in self.keys.get(word, ())
        )

    @cached_property
    def _entries(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for entry in self.spellings:
            found.setdefault(parts(entry)[1], []).append(entry)
        return found


def count(tweets: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return how many tweets hold each word, given the words of each; see :func:`merge`."""
    return merge(Counter(word for words in tweets for word in words))


def merge(spellings: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of words, the most frequent first, given those of entries of ``words_of``."""
    return merged(spellings).counts


def merged(spellings: Mapping[str, int]) -> Merged:
    """Return the words that are made up of entries of ``words_of`` with their numbers of texts.

    A word is shown in its commonest form that no more frequent one is shown in. Two words that belong
    together are one, and a tweet that holds them is not counted for either of the two as well.
    """
    totals: Counter[str] = Counter()
    forms: dict[str, list[str]] = {}
    # Of spellings equally common, the one that sorts last wins: small letters come after capitals.
    for entry, number in sorted(spellings.items(), key=itemgetter(1, 0), reverse=True):
        spelling, key = parts(entry)
        totals[key] += number
        forms.setdefault(key, []).append(spelling)
    together = _join(totals)
    counts: dict[str, int] = {}
    keys: dict[str, tuple[str, ...]] = {}
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    for key, number in ordered:
        # Two can look alike, as the verb and the noun of one spelling in two languages.
        shown = next((form for form in forms[key] if form not in counts), forms[key][0])
        counts[shown] = counts.get(shown, 0) + number
        keys[shown] = (*keys.get(shown, ()), key)
    if len(counts) < len(ordered):
        counts = dict(sorted(counts.items(), key=lambda item: -item[1]))
    # A pair that counts as the set expression that it reads like.
    pairs = set(together.values())
    for shown, some in keys.items():
        also = [key.replace(JOINT, " ") for key in some if JOINT in key]
        keys[shown] = (*some, *(pair for pair in also if pair in pairs))
    return Merged(counts, keys, together, spellings)


def _join(totals: Counter[str]) -> dict[str, str]:
    """Keep of the pairs in *totals* those that belong together, and take them from their two words.

    The closest come first. A word is part of one at most: what is left of it are then the texts that do not
    hold this one, however the texts are. Return the pair of each word that is part of one.
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
    together: dict[str, str] = {}
    for _, _, pair in sorted(candidates):
        words = pair.split(" ")
        if any(word in together for word in words):
            del totals[pair]
            continue
        for word in words:
            together[word] = pair
            totals[word] -= totals[pair]
    for key in [key for key, number in totals.items() if number <= 0]:
        del totals[key]
    # What is a set expression in one language, numbers can have found in another.
    for key in [key for key in totals if JOINT in key]:
        totals[key] += totals.pop(key.replace(JOINT, " "), 0)
    return together
