"""The turns of ``PublishToKafka``: a FlowFile leaves when all in-sync replicas have every message of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Callable

from opslib.message import key_of
from opslib.x.board import tls_options
from opslib.x.turns import SPENT_BY_FOLLOWS, Turn, objects_in

if TYPE_CHECKING:
    from opslib.x.turns import FlowFile

# What the statistics are told on each message: the budget as it was when it was collected.
_HEADERS = "x.budget."
_CONFIRMED_SECONDS = 60
_DELIVERED_SECONDS = 50
_CLOSED_SECONDS = 5


def connect(servers: str, tls_directory: str) -> Any:
    """Return a producer; *tls_directory* holds cert.pem, key.pem and ca.pem, empty for one without TLS."""
    from opslib.kafka_client import KafkaProducer

    return KafkaProducer(
        bootstrap_servers=servers.split(","),
        acks="all",
        enable_idempotence=True,
        # Less than what is waited for: nothing is left behind that a producer could not be closed for.
        delivery_timeout_ms=_DELIVERED_SECONDS * 1000,
        # Brokers that are away are tried again soon; a processor that waits cannot be stopped.
        bootstrap_timeout_ms=5_000,
        compression_type="zstd",
        linger_ms=20,
        batch_size=262144,
        max_request_size=2097152,
        **tls_options(tls_directory),
    )


class PublishTurns:
    """Publishes to *topic* with the producer that *connecting* returns, once there is something to send."""

    def __init__(self, connecting: Callable[[], Any], topic: str) -> None:
        self._connecting = connecting
        self._topic = topic
        self._producer: Any = None

    def turn(self, flowfile: FlowFile) -> Turn:
        """Publish each line of *flowfile*, and wait until the brokers have confirmed every one."""
        content = flowfile.content()
        lines = [line for line in content.split(b"\n") if line]
        headers = [
            (name, value.encode())
            for name, value in flowfile.attributes().items()
            if name.startswith(_HEADERS)
        ]
        # A list as long as there are follows: once is enough.
        fewer = [(name, value) for name, value in headers if name != SPENT_BY_FOLLOWS]
        try:
            if self._producer is None:
                self._producer = self._connecting()
            sent = [
                self._producer.send(
                    self._topic, line, key=key_of(message), headers=headers if number == 0 else fewer
                )
                for number, (line, message) in enumerate(zip(lines, objects_in(content)))
            ]
            self._producer.flush(_CONFIRMED_SECONDS)
            for future in sent:
                future.get(timeout=10)
        except Exception as error:
            self.close()
            said = f"{len(lines)} messages for {self._topic} are not confirmed: {error!r}"
            return Turn("failure", errors=[said])
        return Turn("success", attributes={"kafka.topic": self._topic, "kafka.count": str(len(lines))})

    def close(self) -> None:
        """Let go of the connections: the next turn has new ones, whatever becomes of these."""
        producer, self._producer = self._producer, None
        if producer is not None:
            # It raises for what it still has in hand, which comes again with its FlowFile.
            with contextlib.suppress(Exception):
                producer.close(timeout=_CLOSED_SECONDS)
