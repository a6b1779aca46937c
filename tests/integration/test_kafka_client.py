"""Clients of a broker that goes, resets who calls it, and comes again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import services

from opslib.reading import Reader

if TYPE_CHECKING:
    import pytest
    from conftest import Lake

TOPIC = "reset"


def test_a_reader_that_was_reset_still_learns_what_becomes_of_the_cluster(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.admin.create_topics({TOPIC: {"num_partitions": 1, "replication_factor": 1}})
    with closing(Reader(TOPIC, metadata_max_age_ms=500, **lake.servers.operator)) as reader:

        def sees(partitions: int) -> bool:
            reader.poll(timeout_ms=200)
            return len(reader.partitions_for_topic(TOPIC) or ()) == partitions

        services.wait_until("the reader sees the topic", lambda: sees(1), 60)

        # As the system tells it of a connection that a broker took and reset: it does so for a moment only.
        resets: list[Any] = []

        async def reset(*who: Any, **_: Any) -> None:
            resets.append(who)
            raise ConnectionResetError(104, "Connection reset by peer")

        with monkeypatch.context() as patched:
            patched.setattr(reader._fetcher._manager, "_build_transport", reset)
            with lake.kafka_away():
                services.wait_until("the reader was reset", lambda: sees(0) or len(resets) > 2, 60)
        lake.admin.create_partitions({TOPIC: 2})
        services.wait_until("the reader sees another partition", lambda: sees(2), 60)
    lake.admin.delete_topics([TOPIC])
