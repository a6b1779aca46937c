"""Words a second: opslib's words of a tweet against wordcloud's process_text, in one run.

python tests/bench/words.py FILE LANG     FILE has a tweet a line
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from wordcloud import WordCloud

from opslib.words import count, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5


def best(work: Callable[[], object]) -> float:
    """Return the least processor time of some rounds, which is what other programs disturb least."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    """Print tweets and words a second of both, and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("lang")
    wanted = parser.parse_args()
    lines = wanted.file.read_text(encoding="utf-8").splitlines()
    tweets = [{"text": line, "lang": wanted.lang} for line in lines]
    words = sum(len(line.split()) for line in lines)
    started = time.process_time()
    count(map(words_of, tweets))
    first = time.process_time() - started  # reads the tables of the language
    ours = best(lambda: count(map(words_of, tweets)))
    cloud = WordCloud()
    # A text a call, as tweets come; and all tweets as one text, which counts words and not tweets.
    each = best(lambda: [cloud.process_text(line) for line in lines])
    whole = best(lambda: cloud.process_text("\n".join(lines)))
    out = sys.stdout.write
    out(f"{len(lines)} tweets, {words} words; processor time, best of {ROUNDS}\n")
    for name, seconds in (
        ("opslib, first round", first),
        ("opslib", ours),
        ("wordcloud, a tweet a call", each),
        ("wordcloud, all in one call", whole),
    ):
        rate = f"{len(lines) / seconds:9,.0f} tweets/s {words / seconds:11,.0f} words/s"
        out(f"{name:27} {rate}  {seconds / ours:6.2f} of opslib's time\n")


if __name__ == "__main__":
    main()
