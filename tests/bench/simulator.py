"""How many tweets a second the local X API carries, by stream and by search.

    python tests/bench/simulator.py [--seconds 20] [--rate 2000] [--rules 50] [--generate]

The server runs in a process of its own and replays a file of made-up tweets at the rate asked for; with
``--generate`` it makes them up itself while it serves, which costs more than serving them does. One reader
takes the stream and counts what comes; then one reader takes everything by search, a page of 100 at a time.
Beside the search stands how often a plain HTTP server of Python's library (``http.server``) gives the same
reader the same bytes in the same run, so that the figures of two machines can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from opslib.simulate.generator import Generator

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
# The stream is asked by the older names.
STREAM_FIELDS = {
    "tweet.fields": "author_id,conversation_id,created_at,entities,lang,public_metrics,referenced_tweets",
    "expansions": "author_id",
}
FIELDS = {
    "post.fields": "author_id,conversation_id,created_at,entities,lang,public_metrics,referenced_posts",
    "expansions": "author_id",
}
# Together they match all that is made up.
TOPICS = (
    *("#Brasileirão", "#NovelaDasNove", "#CaféDaManhã", "#ChuvaEmSP", "#Carnaval", "#FestaJunina", "#Enem"),
    *("#CozinhaDoChef", "#RockNoParque", "#SextouNoTrabalho", "#FimDeSemanaNaPraia", "#CiênciaBR"),
    *("#MúsicaNova", "#SérieDoMomento", "#FilaDoBanco", "#DiaDasMães"),
    "rt",
    "semana OR feriado OR dormir OR filme OR cachorro OR luz OR tomate",
)


def write_tweets(path: Path, number: int) -> None:
    """Write texts to replay."""
    source = Generator(1, 1, datetime.now(timezone.utc), timedelta(0))
    path.write_text("\n".join(source.tweet(place).data["text"].replace("\n", " ") for place in range(number)))


@contextmanager
def local_x(rate: float, tweets: Path | None) -> Iterator[tuple[str, int]]:
    """Run the local X API; yield its address and process id."""
    command = [sys.executable, "-m", "opslib", "x", "simulate", "--port", "0", "--no-limits"]
    command += ["--keep", "1000000"]
    if tweets is None:
        command += ["--backlog", "0", "--rate", str(rate)]
    else:
        command += ["--tweets", str(tweets), "--replay", str(rate)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield process.stderr.readline().split()[-1], process.pid
        finally:
            process.terminate()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def session() -> requests.Session:
    made = requests.Session()
    made.headers["Authorization"] = "Bearer any"
    return made


def by_stream(url: str, pid: int, seconds: float, rules: int) -> dict[str, Any]:
    """Read the stream for that long."""
    client = session()
    values = [*TOPICS, *(f'"regra {number}"' for number in range(len(TOPICS), rules))]
    added = client.post(
        f"{url}/2/tweets/search/stream/rules", json={"add": [{"value": v} for v in values]}, timeout=30
    )
    assert added.json()["meta"]["summary"]["invalid"] == 0, added.text
    posts = size = 0
    with client.get(
        f"{url}/2/tweets/search/stream", params=STREAM_FIELDS, stream=True, timeout=30
    ) as response:
        parts = response.iter_content(None)
        next(parts)
        begin, used = time.monotonic(), cpu_seconds(pid)
        last: list[float] = []
        pending = b""
        for part in parts:
            *lines, pending = (pending + part).split(b"\r\n")
            lines = [line for line in lines if line]
            posts += len(lines)
            size += len(part)
            if lines:
                # How old the newest post is when it is here.
                last.append(time.time() - _written(lines[-1]))
            if time.monotonic() - begin >= seconds:
                break
        taken = time.monotonic() - begin
        used = cpu_seconds(pid) - used
    last.sort()
    return {
        "posts_per_second": round(posts / taken),
        "megabytes_per_second": round(size / taken / 1e6, 2),
        "server_cpu": round(used / taken, 2),
        "age_ms_p50": round(last[len(last) // 2] * 1000),
        "age_ms_p99": round(last[int(len(last) * 0.99)] * 1000),
    }


def _written(line: bytes) -> float:
    """Return when the post of that line was written, in seconds since 1970: its id tells."""
    return ((int(json.loads(line)["data"]["id"]) >> 22) + 1288834974657) / 1000


def by_search(url: str, seconds: float) -> dict[str, Any]:
    """Take page after page for that long."""
    client = session()
    posts = pages = 0
    token: str | None = None
    body = b""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        parameters = {
            "query": " OR ".join(TOPICS),
            "max_results": 100,
            **FIELDS,
            **({"next_token": token} if token else {}),
        }
        answer = client.get(f"{url}/2/tweets/search/recent", params=parameters, timeout=30)
        found = answer.json()
        posts += found["meta"]["result_count"]
        pages += 1
        body = max(body, answer.content, key=len)
        token = found["meta"].get("next_token")
    taken = time.monotonic() - begin
    return {
        "posts_per_second": round(posts / taken),
        "pages_per_second": round(pages / taken, 1),
        "peer_pages_per_second": round(peer(body, min(seconds, 5)), 1),
    }


def peer(body: bytes, seconds: float) -> float:
    """Return how often a second a plain server gives the same reader *body*."""

    class Plain(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Plain)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client, pages, begin = session(), 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        client.get(f"http://127.0.0.1:{server.server_port}/", timeout=30).json()
        pages += 1
    taken = time.monotonic() - begin
    client.close()
    server.shutdown()
    return pages / taken


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20, help="how long each is measured (20)")
    parser.add_argument("--rate", type=float, default=2000, help="made-up tweets a second (2000)")
    parser.add_argument("--rules", type=int, default=50, help="rules of the stream (50)")
    parser.add_argument("--generate", action="store_true", help="make the tweets up while they are served")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tweets = None if given.generate else Path(folder) / "tweets.txt"
        if tweets is not None:
            # Enough for both readers, and for what is written before the first is there.
            write_tweets(tweets, int(given.rate * (2 * given.seconds + 10)))
        measure(given, tweets)


def measure(given: argparse.Namespace, tweets: Path | None) -> None:
    """Run the server, and read from it in both ways."""
    with local_x(given.rate, tweets) as (url, pid):
        stream = by_stream(url, pid, given.seconds, given.rules)
        print(json.dumps({"rate": given.rate, "rules": given.rules, "stream": stream}), flush=True)  # noqa: T201
        print(json.dumps({"search": by_search(url, given.seconds)}))  # noqa: T201


if __name__ == "__main__":
    main()
