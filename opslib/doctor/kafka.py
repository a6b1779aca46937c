"""Kafka: its brokers, topics and replicas, and how far the sink is behind."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError  # type: ignore[import-untyped]

from opslib import message
from opslib.kafka_client import KafkaAdminClient
from opslib.run import endpoints, lag, tls
from opslib.run.failures import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opslib.doctor.findings import Findings
    from opslib.settings import Settings

TOPICS = (message.TWEETS, message.TRENDS, message.DEAD_LETTERS)
_TIMEOUT_MILLISECONDS = 8_000
_BEHIND_SECONDS = 300


class UnreachableError(Exception):
    """No broker answers; says why of each."""


@contextlib.contextmanager
def connected(settings: Settings) -> Iterator[Any]:
    """Give an admin client; raise :class:`UnreachableError` if no broker answers."""
    _probe(settings)
    try:
        admin = KafkaAdminClient(
            **settings.kafka.client_options(),
            client_id="opslib-doctor",
            bootstrap_timeout_ms=_TIMEOUT_MILLISECONDS,
            request_timeout_ms=_TIMEOUT_MILLISECONDS,
        )
    except KafkaError as error:
        raise UnreachableError(said(error)) from error
    try:
        yield admin
    finally:
        admin.close()


def _probe(settings: Settings) -> None:
    """Raise with the reasons if no broker can be reached: kafka-python keeps them to itself."""
    secure = settings.kafka.security_protocol == "SSL"
    context = tls.client_context("kafka_cert", "kafka_key") if secure else None
    reasons = []
    for server in endpoints.kafka(settings):
        reason = tls.refusal(server.host, server.port, context, timeout=3)
        if reason is None:
            return
        reasons.append(f"{server}: {reason}")
    raise UnreachableError("; ".join(reasons))


def check(settings: Settings, report: Findings) -> None:
    """Report brokers, missing topics, partitions without a leader and replicas that are behind."""
    try:
        with connected(settings) as admin:
            brokers = admin.describe_cluster()["brokers"]
            topics = {topic["name"]: topic for topic in admin.describe_topics()}
    except (UnreachableError, KafkaError) as error:
        report.failed(said(error), "on its hosts: systemctl status kafka")
        return
    names = ", ".join(f"{b['host']}:{b['port']}" for b in brokers)
    report.ok(f"{len(brokers)} broker{'s' if len(brokers) > 1 else ''}: {names}")
    missing = [name for name in TOPICS if name not in topics]
    if missing:
        report.failed(f"missing topics: {', '.join(missing)}", "run ansible-playbook site.yml")
    _check_replicas(topics, report)


def _check_replicas(topics: dict[str, Any], report: Findings) -> None:
    behind, leaderless, total = [], [], 0
    for name, topic in topics.items():
        for partition in topic["partitions"]:
            total += 1
            title = f"{name}-{partition['partition_index']}"
            if partition["leader_id"] < 0:
                leaderless.append(title)
            elif len(partition["isr_nodes"]) < len(partition["replica_nodes"]):
                behind.append(title)
    if leaderless:
        report.failed(f"without a leader: {_some(leaderless)}", "start the brokers that hold them")
    if behind:
        report.failed(f"under-replicated: {_some(behind)}", "see that every broker is running")
    if not leaderless and not behind:
        report.ok(f"{total} partitions, all replicas in sync")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def check_sink(settings: Settings, report: Findings) -> None:
    """Report how many messages wait for the sink, and whether any has waited for too long."""
    check_group(
        settings,
        report,
        settings.sink.group_id,
        [message.TWEETS, message.TRENDS],
        "journalctl -u 'opslib-sink@*'; start more instances if it is merely slow",
    )


def _fresh(admin: Any, counts: dict[str, int]) -> dict[Any, int] | None:
    """Return the first message of each partition that is younger than the limit; what lies below is older.

    ``None`` if the broker cannot say: to look for a moment it unpacks a batch, for which it may have no room.
    Once that batch is older than the limit itself it is not looked into any more.
    """
    try:
        return lag.first_since(admin, counts, int((time.time() - _BEHIND_SECONDS) * 1000))
    except KafkaError:
        return None


def check_group(settings: Settings, report: Findings, group: str, topics: list[str], advice: str) -> None:
    """Report how many messages of *topics* wait for *group*, and whether any has waited for too long."""
    try:
        with connected(settings) as admin:
            counts = lag.partition_counts(admin, topics)
            done, held = lag.committed(admin, group), lag.bounds(admin, counts)
            fresh = _fresh(admin, counts)
    except (UnreachableError, KafkaError) as error:
        report.failed(f"Kafka does not say how far {group} is: {said(error)}", "see the check kafka")
        return
    # A group that never committed reads everything that there is.
    everything = {**dict.fromkeys(held, 0), **done}
    messages = sum(lag.waiting(everything, held).values())
    if fresh is None and messages:
        report.skipped(f"{messages} messages wait for {group}; since when, Kafka cannot say for some minutes")
        return
    late_ends = {p: (begin, min(end, (fresh or {}).get(p, end))) for p, (begin, end) in held.items()}
    late = sum(lag.waiting(everything, late_ends).values())
    gone = lag.lost(done, held)
    if gone:
        report.failed(
            f"{gone} messages left Kafka before {group} read them: it was away for longer than they are kept",
            advice,
        )
    if late:
        report.failed(
            f"{late} of {messages} waiting messages are older than {_BEHIND_SECONDS // 60} minutes", advice
        )
    else:
        report.ok(f"{group} is up to date, {messages} messages wait")
