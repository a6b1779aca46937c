"""From the command to the picture, in one run with a peer. Not part of the test runs.

    .venv/bin/python tests/bench/cloud.py file FILE LANG      FILE has a tweet a line
    .venv/bin/python tests/bench/cloud.py layouts FOLDER [--output FOLDER]
    .venv/bin/python tests/bench/cloud.py places FOLDER
    .venv/bin/python tests/bench/cloud.py lake FOLDER [--count 1000000]

`file`: `opslib cloud --input` against wordcloud on the same tweets.

`layouts`: the 200 words of each language's tweets laid out by opslib, by wordcloud as `--colors-from` has it
do that, and by wordcloud alone with its own font. How many words are drawn, the part of the picture that
letters cover, the smallest letters, and seconds of processor time; with `--output` the pictures.

`places`: which part of the words of two successive clouds stands within its own width of where it stood, for
1,200 tweets that move on by a few or by many, with the cloud before as a hint and without.

`lake`: a month of tweets in a real MongoDB, with their roll-ups and a snapshot of 50 topics each quarter of
an hour; then `opslib report` for its last hour, its last day, and all of it. Beside it: how long the question
to MongoDB took, the same question to the tweets themselves, and what wordcloud takes to draw the same counts.
FOLDER has files named LANG.txt with a tweet a line; each text of the lake is made of the halves of two.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT / "tests/integration"))

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEER = """
import json, sys
from wordcloud import WordCloud
text = "\\n".join(json.loads(line)["text"] for line in open(sys.argv[1], encoding="utf-8"))
WordCloud(width=1600, height=900, random_state=1).generate(text).to_file(sys.argv[2])
"""
COUNTS = """
import json, sys
from wordcloud import WordCloud
found = json.load(open(sys.argv[1], encoding="utf-8"))["words"]
words = {word["word"]: word["tweets"] for word in found}
WordCloud(width=1600, height=900, random_state=1).generate_from_frequencies(words).to_file(sys.argv[2])
"""
ROUNDS = 3
BRAZIL = 23424768
END = dt.datetime(2026, 4, 1, tzinfo=dt.timezone.utc)
DAYS = 31
TOPICS = [f"#tema{number}" for number in range(50)]
SPANS = {"hour": 1, "day": 24, "month": 24 * DAYS}
AT_ONCE = 2000


def say(text: str) -> None:
    """Print one line of figures."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def best(command: list[str], environment: dict[str, str] | None = None) -> float:
    """Return the least wall time of some runs of *command*."""
    return least(
        lambda: subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
    )


def least(act: Callable[[], Any]) -> float:
    """Return the least time of some calls of *act*."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        act()
        times.append(time.perf_counter() - started)
    return min(times)


def from_file(wanted: argparse.Namespace) -> None:
    """Print the seconds of both, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        tweets = Path(folder, "tweets.ndjson")
        with tweets.open("w", encoding="utf-8") as out:
            for number, line in enumerate(wanted.file.read_text(encoding="utf-8").splitlines()):
                out.write(json.dumps({"id": str(number), "text": line, "lang": wanted.lang}) + "\n")
        ours = [sys.executable, "-m", "opslib", "cloud", "--input", str(tweets), "--lang", wanted.lang]
        peer = best([sys.executable, "-c", PEER, str(tweets), str(Path(folder, "peer.png"))])
        say(f"wordcloud PNG      {peer:6.2f} s")
        for kind in ("png", "svg"):
            seconds = best([*ours, "--output", str(Path(folder, f"cloud.{kind}"))])
            say(f"opslib cloud {kind}   {seconds:6.2f} s  {seconds / peer:5.2f} of wordcloud's")


LAYOUT_SIZE = (1528, 740)  # what a picture of 1600 x 900 has for its words
WINDOW = 1200


def words_in(lines: list[str], lang: str) -> dict[str, int]:
    """Return the 200 most frequent words of some tweets."""
    from opslib.words import count, words_of

    counts = count(words_of({"text": line, "lang": lang}) for line in lines)
    return dict(list(counts.items())[:200])


def covered(layout: Any) -> float:
    """Return the part of a layout that letters cover."""
    from opslib.cloud.fonts import picture

    ink = 0
    for item in layout.placed:
        letters = picture(item.word, item.size, "black", upright=item.upright).getchannel("A")
        ink += sum(letters.histogram()[128:])
    return ink / (layout.width * layout.height)


def alone(counts: dict[str, int], path: Path | None) -> str:
    """Return the figures of wordcloud as it comes."""
    from PIL import ImageChops
    from wordcloud import WordCloud

    began = time.process_time()
    width, height = LAYOUT_SIZE
    cloud = WordCloud(width=width, height=height, random_state=1, background_color="white")
    cloud.generate_from_frequencies(counts)
    seconds = time.process_time() - began
    image = cloud.to_image()
    if path:
        image.save(path)
    red, green, blue = image.split()
    ink = sum(ImageChops.darker(ImageChops.darker(red, green), blue).histogram()[:128])
    smallest = min(size for _, size, *_ in cloud.layout_)
    share = ink / (width * height)
    return f"{len(cloud.layout_):4} words  ink {share:.3f}  least letters {smallest:3}  {seconds:5.1f} s"


def layouts(wanted: argparse.Namespace) -> None:
    """Print the figures of the three."""
    from opslib.cloud.draw import Head, png
    from opslib.cloud.layout import place
    from opslib.cloud.look import Look

    for path in sorted(wanted.folder.glob("??.txt")):
        counts = words_in(path.read_text(encoding="utf-8").splitlines(), path.stem)
        for name, look in (("opslib", None), ("wordcloud", Look())):
            began = time.process_time()
            layout = place(counts, *LAYOUT_SIZE, 1, look=look)
            seconds = time.process_time() - began
            least = min(item.size for item in layout.placed)
            say(
                f"{path.stem} {name:16} {len(layout.placed):4} words  ink {covered(layout):.3f}"
                f"  least letters {least:3}  {seconds:5.1f} s"
            )
            if wanted.output:
                image = png(layout, Head(name, path.stem), 1600, 900)
                (wanted.output / f"layout-{path.stem}-{name}.png").write_bytes(image)
        shown = wanted.output and wanted.output / f"layout-{path.stem}-alone.png"
        say(f"{path.stem} wordcloud alone  {alone(counts, shown)}")


def stayed(before: Any, after: Any) -> float:
    """Return which part of the words of both stands within its own width of where it stood."""
    from opslib.cloud.fonts import box

    kept = common = 0
    for item in after.placed:
        old, new = before.spots.get(item.word), after.spots[item.word]
        if old is None:
            continue
        common += 1
        left, _, right, _ = box(item.word, item.size)
        across, along = (old.x - new.x) * after.width, (old.y - new.y) * after.height
        kept += (across**2 + along**2) ** 0.5 <= right - left
    return kept / common


def places(wanted: argparse.Namespace) -> None:
    """Print how many words keep their places."""
    from opslib.cloud.layout import place

    for path in sorted(wanted.folder.glob("??.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for step in (4, 200):
            clouds = [words_in(lines[step * n : step * n + WINDOW], path.stem) for n in range(3)]
            shares = {}
            for hinted in (True, False):
                before, found = place(clouds[0], *LAYOUT_SIZE, 1), []
                for counts in clouds[1:]:
                    after = place(counts, *LAYOUT_SIZE, 1, before=before.spots if hinted else None)
                    found.append(stayed(before, after))
                    before = after
                shares[hinted] = sum(found) / len(found)
            say(
                f"{path.stem} {step:4} tweets on  {shares[True]:.2f} stay, without a hint {shares[False]:.2f}"
            )


def tweets(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Yield *count* documents, spread over the month, each about one of the topics."""
    from opslib.message import tweet_document
    from opslib.store.documents import complete

    texts = {
        path.stem: path.read_text(encoding="utf-8").splitlines() for path in sorted(folder.glob("??.txt"))
    }
    chance = random.Random(1)  # noqa: S311 - not a secret
    begin = END - dt.timedelta(days=DAYS)
    for number in range(count):
        lang = chance.choice(list(texts))
        one, two = chance.choice(texts[lang]).split(), chance.choice(texts[lang]).split()
        # Some topics are talked about much more than others.
        topic = TOPICS[min(int(chance.expovariate(0.08)), len(TOPICS) - 1)]
        at = begin + dt.timedelta(days=DAYS) * number / count
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        yield complete(
            tweet_document(
                {
                    "id": str(1_800_000_000_000_000_000 + number * 4_194_304),
                    "text": " ".join([*one[: len(one) // 2], *two[len(two) // 2 :], topic]),
                    "lang": lang,
                    "author_id": str(chance.randrange(100_000)),
                    "created_at": stamp,
                    "collected_at": stamp,
                    "collected_for": [{"name": topic, "woeid": BRAZIL}],
                }
            )
        )


def fill(database: Any, folder: Path, count: int) -> None:
    """Put the month into *database*, and count its roll-ups."""
    from rich.progress import track

    from opslib import message
    from opslib.message import trend_document
    from opslib.store import rollups
    from opslib.store.collections import initialise

    initialise(database)
    batch: list[dict[str, Any]] = []
    for document in track(tweets(folder, count), "tweets", total=count):
        batch.append(document)
        if len(batch) == AT_ONCE:
            database.tweets.insert_many(batch, ordered=False)
            batch = []
    if batch:
        database.tweets.insert_many(batch, ordered=False)
    trends = [{"trend_name": name, "tweet_count": 10_000 - 100 * n} for n, name in enumerate(TOPICS)]
    moments = [END - dt.timedelta(minutes=15 * n) for n in range(DAYS * 24 * 4)]
    sent = [message.trends_message(BRAZIL, "Brazil", trends, moment) for moment in moments]
    database.trends.insert_many([trend_document(one) for one in sent])
    began = time.monotonic()
    minutes = [END - dt.timedelta(minutes=n + 1) for n in range(DAYS * 1440)]
    for first in track(range(0, len(minutes), 1440), "roll-ups"):
        rollups.mark(database["rollup_marks"], minutes[first : first + 1440])
        rollups.refresh(database, settle=dt.timedelta(0))
    seconds = time.monotonic() - began
    say(f"all roll-ups of {count} tweets  {seconds:6.1f} s  {count / seconds:6.0f} tweets/s")
    for name in ("tweets", "word_counts"):
        stats = database.command("collStats", name)
        say(f"{name}  {stats['size'] / 2**20:6.0f} MB, {stats['storageSize'] / 2**20:.0f} MB on disk")


def from_lake(wanted: argparse.Namespace) -> None:
    """Print how long the commands take, and their questions."""
    import services
    from certificates import Authority

    with tempfile.TemporaryDirectory(prefix="trendlake-bench-") as name:
        folder = Path(name)
        authority = Authority(folder / "certificates")
        server = services.mongodb(folder / "mongodb", authority.certificate("server"))
        # The tests' 0.25 GB is for lakes of some thousand tweets.
        server.command[server.command.index("--wiredTigerCacheSizeGB") + 1] = "1"
        server.start()
        try:
            services.initiate(server.port, authority.ca)
            database = services.mongodb_client(server.port, authority.ca)["lake"]
            fill(database, wanted.folder, wanted.count)
            credentials = folder / "credentials"
            credentials.mkdir()
            (credentials / "ca").write_text(authority.ca.read_text())
            for key, value in zip(("mongodb_username", "mongodb_password"), services.ADMIN):
                (credentials / key).write_text(value)
            environment = services.environment(
                CREDENTIALS_DIRECTORY=str(credentials),
                OPSLIB_MONGODB__URI=f"mongodb://127.0.0.1:{server.port}/?replicaSet=trendlake&tls=true",
                OPSLIB_MONGODB__DATABASE="lake",
            )
            for span, hours in SPANS.items():
                ask(database, environment, folder, span, hours)
        finally:
            server.stop()


def ask(database: Any, environment: dict[str, str], folder: Path, name: str, hours: int) -> None:
    """Print how long one span takes."""
    from opslib.cloud.counts import Selection, from_database
    from opslib.cloud.kept import timed
    from opslib.cloud.report import over_span
    from opslib.store.reads import Place

    since, picture, told = END - dt.timedelta(hours=hours), folder / f"{name}.png", folder / f"{name}.json"
    command = [sys.executable, "-m", "opslib", "report", "--place", "Brazil", "--output", str(picture)]
    command += ["--since", since.isoformat(), "--until", END.isoformat()]
    seconds = best(command, environment)
    with told.open("w", encoding="utf-8") as out:
        subprocess.run([*command, "--format", "json"], check=True, stdout=out, env=environment)
    found = json.loads(told.read_text(encoding="utf-8"))
    query = least(lambda: over_span(timed(database), Place(BRAZIL, "Brazil", "UTC"), since, END))
    began = time.perf_counter()
    from_database(database, Selection(END, hours, woeid=BRAZIL))
    direct = time.perf_counter() - began
    peer = best([sys.executable, "-c", COUNTS, str(told), str(folder / "peer.png")])
    say(
        f"{name:6} {found['tweets']:8} tweets  picture {seconds:6.2f} s (wordcloud, of the counts"
        f" {peer:.2f} s)  question {query:6.3f} s (to the tweets {direct:.2f} s)"
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(required=True)
    one = kinds.add_parser("file")
    one.add_argument("file", type=Path)
    one.add_argument("lang")
    one.set_defaults(run=from_file)
    laid = kinds.add_parser("layouts")
    laid.add_argument("folder", type=Path)
    laid.add_argument("--output", type=Path)
    laid.set_defaults(run=layouts)
    kept = kinds.add_parser("places")
    kept.add_argument("folder", type=Path)
    kept.set_defaults(run=places)
    lake = kinds.add_parser("lake")
    lake.add_argument("folder", type=Path)
    lake.add_argument("--count", type=int, default=1_000_000)
    lake.set_defaults(run=from_lake)
    wanted = parser.parse_args()
    wanted.run(wanted)


if __name__ == "__main__":
    main()
