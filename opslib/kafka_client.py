"""The clients of kafka-python, from here with one fault of it mended.

A connection that the other side resets while it is made, as a broker that goes or comes does, fails with
the operating system's own error (``ConnectionResetError``) and not with one of the library's. The loop that
keeps a client's view of the cluster up to date (``ClusterMetadata._refresh_loop`` of version 3.0.12) takes
the library's errors alone, and ends of any other without a word. The client goes on with the view that it
has: once another broker leads a partition, or the same one anew, it is refused for its old leader epoch and
reads nothing more, while its heartbeats go on and its group takes it for well.

So whatever a connection is lost to is made an error of the library, in the one place through which it comes.
"""

from __future__ import annotations

from typing import Any

from kafka import KafkaConsumer, KafkaProducer  # type: ignore[import-untyped]
from kafka.admin import KafkaAdminClient  # type: ignore[import-untyped]
from kafka.errors import KafkaConnectionError  # type: ignore[import-untyped]
from kafka.net.connection import KafkaConnection  # type: ignore[import-untyped]

__all__ = ["KafkaAdminClient", "KafkaConsumer", "KafkaProducer"]

_lost = KafkaConnection.connection_lost


def _connection_lost(self: Any, exc: BaseException | None) -> None:
    if isinstance(exc, OSError):
        told = KafkaConnectionError(str(exc))
        told.__cause__ = exc
        exc = told
    _lost(self, exc)


KafkaConnection.connection_lost = _connection_lost
