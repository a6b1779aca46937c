"""How far consumer groups are behind, asked of Kafka."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.admin import OffsetSpec  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opslib.stats.minutes import Partition


def committed(admin: Any, group: str) -> dict[Partition, int]:
    """Return the offsets that *group* has committed."""
    found = admin.list_group_offsets({group: None})[group]
    return {tuple(partition): place.offset for partition, place in found.items() if place.offset >= 0}


def lags(admin: Any, groups: Iterable[str], topics: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Return the messages that wait, by group and topic; *topics* have the number of their partitions.

    A group that never committed anything in a topic does not read it, and has no figure there.
    """
    partitions = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    begins = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    return {
        group: waiting(
            committed(admin, group),
            {
                tuple(partition): (begins[partition].offset, ends[partition].offset)
                for partition in partitions
            },
        )
        for group in groups
    }


def waiting(done: Mapping[Partition, int], bounds: Mapping[Partition, tuple[int, int]]) -> dict[str, int]:
    """Return by topic how many messages lie between what is *done* and the end.

    *bounds* are the first offset that a partition still has and the one behind its last message.
    """
    topics = {topic for topic, _ in done}
    lag: Counter[str] = Counter()
    for partition, (begin, end) in bounds.items():
        if partition[0] in topics:
            lag[partition[0]] += max(0, end - max(done.get(partition, 0), begin))
    return dict(lag)
