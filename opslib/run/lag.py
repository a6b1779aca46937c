"""How far consumer groups are behind, asked of Kafka."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.admin import OffsetSpec  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Partition = tuple[str, int]  # topic and number
    # By partition: the first offset that it still has, and the one behind its last message.
    Bounds = dict[Partition, tuple[int, int]]


def partition_counts(admin: Any, topics: Iterable[str]) -> dict[str, int]:
    """Return the *topics* with the number of their partitions, as Kafka has it now."""
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(list(topics))}


def committed(admin: Any, group: str) -> dict[Partition, int]:
    """Return the offsets that *group* has committed."""
    found = admin.list_group_offsets({group: None})[group]
    return {tuple(partition): place.offset for partition, place in found.items() if place.offset >= 0}


def bounds(admin: Any, topics: Mapping[str, int]) -> Bounds:
    """Return what the *topics*, given with the number of their partitions, hold."""
    partitions = _partitions(topics)
    begins = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    return {tuple(partition): (begins[partition].offset, ends[partition].offset) for partition in partitions}


def first_since(admin: Any, topics: Mapping[str, int], milliseconds: int) -> dict[Partition, int]:
    """Return the first offset that came at Unix time *milliseconds* or later, where there is one."""
    found = admin.list_partition_offsets(dict.fromkeys(_partitions(topics), milliseconds))
    return {tuple(partition): place.offset for partition, place in found.items() if place.offset >= 0}


def waiting(done: Mapping[Partition, int], held: Bounds) -> dict[str, int]:
    """Return by topic how many messages lie between what a group has *done* and the end of what is *held*.

    A group that never committed anything in a topic does not read it, and has no figure there.
    """
    topics = {topic for topic, _ in done}
    lag: Counter[str] = Counter()
    for partition, (begin, end) in held.items():
        if partition[0] in topics:
            lag[partition[0]] += max(0, end - max(done.get(partition, 0), begin))
    return dict(lag)


def lost(done: Mapping[Partition, int], held: Bounds) -> int:
    """Return how many messages retention took before a group that has *done* so much came to them."""
    return sum(max(0, begin - done[partition]) for partition, (begin, _) in held.items() if partition in done)


def _partitions(topics: Mapping[str, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
