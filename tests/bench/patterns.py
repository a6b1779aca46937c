"""Whether a pattern's time grows with a text's length or with its square: every pattern, every script.

python tests/bench/patterns.py [--length N]

Every pattern of opslib that reads what strangers write searches texts of N and of 2N characters, made of
what is known to make patterns look twice. A ratio near 2 is linear, one near 4 the square. It ends with 1 if
a ratio is above 3 in the best of several attempts.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from slow_texts import ONLY_WHOLE, patterns, shapes, text

from opslib import words
from opslib.message import whole_text
from opslib.words.extract import cashtags, hashtags, links, mentions

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 5
SLOWEST = 5
LINEAR = 3.0
TOO_SHORT = 0.002  # seconds of processor time in which nothing can be measured


def seconds(work: Callable[[str], object], subject: str, attempts: int) -> float:
    """Return the least processor time of some attempts, which is what other programs disturb least."""
    times = []
    for _ in range(attempts):
        started = time.process_time()
        work(subject)
        times.append(time.process_time() - started)
    return min(times)


def words_anew(subject: str) -> list[str]:
    """Return the words of a text as if it were the first of its kind."""
    for cached in (words._known_chunk, words._tag, words._halves, words._word, words.fold):
        cached.cache_clear()
    return words.words_of({"text": subject, "lang": "pt"})


def works() -> dict[str, Callable[[str], object]]:
    """Return what is tried, by name: each pattern as patterns are used, and what uses them."""
    found: dict[str, Callable[[str], object]] = {
        "links()": links,
        "hashtags()": hashtags,
        "mentions()": mentions,
        "cashtags()": cashtags,
        "words_of()": words_anew,
        "whole_text()": lambda subject: whole_text({"text": subject}),
    }
    for name, pattern in patterns():
        if name not in ONLY_WHOLE:
            found[f"{name}, search"] = lambda subject, pattern=pattern: sum(
                1 for _ in pattern.finditer(subject)
            )
        found[f"{name}, fullmatch"] = pattern.fullmatch
    return found


def worst(work: Callable[[str], object], length: int) -> tuple[float, float, str]:
    """Return the largest ratio of the slowest texts, the seconds of the longer one, and which it was."""
    tried = []
    for repeated, letter, beginning in shapes():
        short, long = (text(repeated, letter, n, beginning, "!") for n in (length, 2 * length))
        tried.append(
            (seconds(work, long, 1), short, long, ascii(f"{beginning}{repeated}".replace("L", letter)))
        )
    found = (0.0, 0.0, "no text takes long enough to be measured")
    # What takes the square of the length is among the slowest.
    for once, short, long, subject in sorted(tried, reverse=True)[:SLOWEST]:
        if once > TOO_SHORT:
            took = seconds(work, long, ATTEMPTS)
            found = max(found, (took / seconds(work, short, ATTEMPTS), took, subject))
    return found


def main() -> int:
    """Print the slowest text of each pattern with its ratio; return 1 if one is the square."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--length", type=int, default=20_000)
    length = parser.parse_args().length
    failed = 0
    out = sys.stdout
    for name, work in works().items():
        times, took, subject = worst(work, length)
        failed += times > LINEAR
        out.write(f"{name:50} {times:5.2f} times, {1000 * took:6.1f} ms  {subject}\n")
        out.flush()
    out.write(f"{failed} above {LINEAR} times\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
