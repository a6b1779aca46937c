"""What Kafka's topics take, on all brokers, as the brokers say it."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from kafka.admin import ConfigResource  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]

from opslib.disk.parts import DAY, Part, Saving, Told, Unknown
from opslib.run import lag
from opslib.run.failures import said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MILLISECONDS = 1000
_OURS = "__"  # what the names of Kafka's own topics begin with


def look(admin: Any, days: float | None) -> Iterator[Told]:
    """Yield each topic, and what its retention would free at *days*, or at half of what it is.

    Raises ``KafkaError``.
    """
    on = _sizes(admin)
    names = [name for name in sorted(on) if not name.startswith(_OURS)]
    counts = lag.partition_counts(admin, names) if names else {}
    held = lag.bounds(admin, counts) if names else {}
    messages: Counter[str] = Counter()
    for (topic, _), (begin, end) in held.items():
        messages[topic] += end - begin
    configs = _configs(admin, names)
    for name in sorted(on):
        total, config = sum(on[name].values()), configs.get(name, {})
        bounds = [key for key in ("retention.ms", "retention.bytes") if _bound(config, key) is not None]
        bound = f"kafka_topics: {', '.join(bounds)}" if bounds else ""
        entries = messages[name] if name in counts else None
        yield Part("kafka", name, total, entries=entries, bound=bound, on=on[name])
        kept = _bound(config, "retention.ms")
        if kept is not None and messages[name]:
            to = kept / _MILLISECONDS / DAY / 2 if days is None else days
            yield from _saving(admin, name, kept / _MILLISECONDS / DAY, to, counts[name], held, total)


def _saving(
    admin: Any, name: str, kept: float, to: float, partitions: int, held: lag.Bounds, total: int
) -> Iterator[Told]:
    since = int((time.time() - to * DAY) * _MILLISECONDS)
    setting = f"kafka_topics: retention.ms of {name}"
    try:
        first = lag.first_since(admin, {name: partitions}, since)
    except KafkaError as error:  # to look for a moment a broker unpacks a batch, which may be too large
        yield Unknown(setting, said(error))
        return
    mine = {partition: bounds for partition, bounds in held.items() if partition[0] == name}
    older = sum(max(0, min(first.get(one, end), end) - begin) for one, (begin, end) in mine.items())
    messages = sum(end - begin for begin, end in mine.values())
    yield Saving(setting, kept, None, to, int(total * older / messages))


def _sizes(admin: Any) -> Mapping[str, dict[str, int]]:
    """Return by topic what it takes on each broker, replicas that are being moved included."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for answer in admin.describe_log_dirs():
        for folder in answer["log_dirs"]:
            for topic in folder["topics"]:
                size = sum(one["partition_size"] for one in topic["partitions"])
                found[topic["name"]][str(answer["broker"])] += size
    return {name: dict(sizes) for name, sizes in found.items()}


def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    """Return what retention each topic has, the broker's defaults included."""
    if not names:
        return {}
    wanted = {"cleanup.policy": None, "retention.ms": None, "retention.bytes": None}
    found = admin.describe_configs([ConfigResource("TOPIC", name, wanted) for name in names], False, "all")
    topics = found.get("topic", found)
    return {
        name: {
            key: str(value["value"] if isinstance(value, dict) else value)
            for key, value in topics[name].items()
        }
        for name in names
    }


def _bound(config: Mapping[str, str], key: str) -> int | None:
    """Return a bound that the topic has; -1 is none, and what is compacted knows none."""
    if "delete" not in config.get("cleanup.policy", "delete"):
        return None
    value = int(config.get(key, "-1"))
    return value if value >= 0 else None
