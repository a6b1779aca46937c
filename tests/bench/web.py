"""How many requests a second the page answers to fifty clients at once, and how long most of them wait.

    python tests/bench/web.py [--seconds 5] [--clients 50]

The page runs as `opslib web` on loopback over a real MongoDB with TLS, with a day of made-up tweets. Beside
what it is for stands a static file of the same server, asked for in the same run: what is below that is the
page's own work. Clients keep their connections, and each waits for its answer before it asks again.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import services
from certificates import Authority
from page import Page
from seeded import BRAZIL


async def client(host: str, port: int, request: bytes, until: float, times: list[float]) -> None:
    """Ask again and again until a moment, and note how long each answer took."""
    reader, writer = await asyncio.open_connection(host, port)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status not in (200, 304):
            raise RuntimeError(f"{status} for {request.splitlines()[0]!r}")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        if status == 200 and length:
            await reader.readexactly(length)
        times.append(time.perf_counter() - began)
    writer.close()


async def measured(url: str, request: bytes, clients: int, seconds: float) -> list[float]:
    """Return how long each answer took."""
    host, _, port = url.removeprefix("http://").partition(":")
    times: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client(host, int(port), request, until, times) for _ in range(clients)))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder, "certificates"))
        mongodb = services.mongodb(Path(folder, "mongodb"), authority.certificate("server"))
        mongodb.start()
        try:
            services.initiate(mongodb.port, authority.ca)
            Path(folder, "page").mkdir()
            servers = SimpleNamespace(mongodb=mongodb, authority=authority)
            page = Page(servers, Path(folder, "page"))  # type: ignore[arg-type]
            with page.serving("--port", "0") as page.url:
                bench(page, options.clients, options.seconds)
            page.close()
        finally:
            mongodb.stop()


def bench(page: Page, clients: int, seconds: float) -> None:
    session = page.session()
    cookies = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
    newest = session.get(f"{page.url}/api/clouds/newest?woeid={BRAZIL}", timeout=20).json()
    picture = newest["pictures"]["light"]
    tag = session.get(page.url + picture, timeout=20).headers["ETag"]
    wanted = {
        "a static file": ("/static/page.css", ""),
        "the newest cloud, first time": (picture, ""),
        "the newest cloud, kept by the browser": (picture, f"If-None-Match: {tag}\r\n"),
        "its JSON": (f"/api/clouds/newest?woeid={BRAZIL}", ""),
        "what is rising, as JSON": (f"/api/trending?woeid={BRAZIL}", ""),
        "the page Now": (f"/?place={BRAZIL}", ""),
    }
    sys.stdout.write(
        f"{'':40} {'requests/s':>10} {'of static':>9} {'median ms':>10} {'p95 ms':>8} {'KB':>6}\n"
    )
    host = page.url.removeprefix("http://")
    static = 0.0
    for name, (path, headers) in wanted.items():
        size = len(session.get(page.url + path, timeout=20).content) if "kept" not in name else 0
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookies}\r\n{headers}\r\n".encode()
        asyncio.run(measured(page.url, request, clients, min(1, seconds)))  # warm
        times = asyncio.run(measured(page.url, request, clients, seconds))
        rate = len(times) / seconds
        static = static or rate
        p95 = statistics.quantiles(times, n=20)[-1]
        sys.stdout.write(
            f"{name:40} {rate:10.0f} {rate / static:9.2f} {statistics.median(times) * 1e3:10.1f} "
            f"{p95 * 1e3:8.1f} {size / 1024:6.1f}\n"
        )


if __name__ == "__main__":
    main()
