"""From the command to the picture: `opslib cloud --input` against wordcloud on the same tweets, in one run.

python tests/bench/cloud.py FILE LANG     FILE has a tweet a line
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEER = """
import json, sys
from wordcloud import WordCloud
text = "\\n".join(json.loads(line)["text"] for line in open(sys.argv[1], encoding="utf-8"))
WordCloud(width=1600, height=900, random_state=1).generate(text).to_file(sys.argv[2])
"""
ROUNDS = 3


def best(command: list[str]) -> float:
    """Return the least wall time of some runs of *command*."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print the seconds of both, and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("lang")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tweets = Path(folder, "tweets.ndjson")
        with tweets.open("w", encoding="utf-8") as out:
            for number, line in enumerate(wanted.file.read_text(encoding="utf-8").splitlines()):
                out.write(json.dumps({"id": str(number), "text": line, "lang": wanted.lang}) + "\n")
        ours = [sys.executable, "-m", "opslib", "cloud", "--input", str(tweets), "--lang", wanted.lang]
        peer = best([sys.executable, "-c", PEER, str(tweets), str(Path(folder, "peer.png"))])
        sys.stdout.write(f"wordcloud PNG      {peer:6.2f} s\n")
        for kind in ("png", "svg"):
            seconds = best([*ours, "--output", str(Path(folder, f"cloud.{kind}"))])
            sys.stdout.write(
                f"opslib cloud {kind}   {seconds:6.2f} s  {seconds / peer:5.2f} of wordcloud's\n"
            )


if __name__ == "__main__":
    main()
