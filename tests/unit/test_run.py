"""What services share: the errors of servers in one line, waiting, trying again, watched threads."""

from __future__ import annotations

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from opslib.run.failures import said

TOPOLOGY = ", Timeout: 5.0s, Topology Description: <TopologyDescription id: 6, servers: [<a>]>"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ServerSelectionTimeoutError(
                "db:27017: [Errno 111] Connection refused (configured timeouts: socketTimeoutMS: 20000.0ms, "
                f"connectTimeoutMS: 20000.0ms){TOPOLOGY}"
            ),
            "db:27017: [Errno 111] Connection refused",
        ),
        (
            OperationFailure(
                "not authorized on trendlake to execute command { find: 'tweets', lsid: { id: 1 } }",
                13,
                {"ok": 0.0, "code": 13},
            ),
            "not authorized on trendlake",
        ),
        (OperationFailure("bad auth", 18, {"ok": 0.0, "code": 18}), "bad auth"),
        (PyMongoError("one\ntwo"), "one"),
        (AutoReconnect(), "AutoReconnect"),
        (PyMongoError("x" * 1000), "x" * 300),
        (KafkaConnectionError(), "KafkaConnectionError"),
        (KafkaTimeoutError("Failed to update metadata"), "KafkaTimeoutError: Failed to update metadata"),
    ],
)
def test_an_error_of_a_server_is_said_in_one_line_without_what_only_its_client_needs(
    error: Exception, line: str
) -> None:
    assert said(error) == line
