"""ZooKeeper, asked with its own four-letter word over TLS."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from opslib.run import endpoints, tls

if TYPE_CHECKING:
    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

_TIMEOUT = 5.0


def check(settings: Settings, report: Findings) -> None:
    """Report mode and latency of every member, and whether the ensemble has a leader."""
    context = tls.client_context("zookeeper_cert", "zookeeper_key")
    modes = []
    for server in endpoints.zookeeper(settings):
        started = time.monotonic()
        try:
            with tls.connect(server.host, server.port, context, _TIMEOUT) as connection:
                connection.sendall(b"srvr")
                answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode(errors="replace")
        except (OSError, tls.HandshakeRefusedError) as error:
            report.failed(f"{server}: {error}", "on that host: systemctl status zookeeper")
            continue
        mode = re.search(r"^Mode: (\w+)", answer, re.MULTILINE)
        if mode is None:
            said = (answer.strip().splitlines() or ["it closed the connection"])[0]
            report.failed(f"{server} does not serve: {said}", "see that most of the ensemble is running")
            continue
        modes.append(mode[1])
        latency = re.search(r"^Latency min/avg/max: \S+?/([\d.]+)/", answer, re.MULTILINE)
        took = (time.monotonic() - started) * 1000
        average = latency[1] if latency else "?"
        report.ok(f"{server} {mode[1]}, {average} ms on average, answered in {took:.0f} ms")
    if modes and not {"leader", "standalone"} & set(modes):
        report.failed("no member asked is the leader", "list every member in zookeeper.servers")
