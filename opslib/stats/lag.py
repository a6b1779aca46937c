"""How far consumer groups are behind, asked of Kafka."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.admin import OffsetSpec  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opslib.stats.minutes import Partition

    # By partition: the first offset that it still has, and the one behind its last message.
    Bounds = dict[Partition, tuple[int, int]]


def committed(admin: Any, group: str) -> dict[Partition, int]:
    """Return the offsets that *group* has committed."""
    found = admin.list_group_offsets({group: None})[group]
    return {tuple(partition): place.offset for partition, place in found.items() if place.offset >= 0}


def bounds(admin: Any, topics: Mapping[str, int]) -> Bounds:
    """Return what the *topics*, given with the number of their partitions, hold."""
    partitions = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
    begins = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    return {tuple(partition): (begins[partition].offset, ends[partition].offset) for partition in partitions}


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
