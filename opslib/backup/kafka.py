"""Kafka in a backup: topics, access lists and the positions of groups, and the messages that it still has.

A new Kafka counts each partition's messages from 0. So a position is no number to write back: the message
that a group stood at has another one. :class:`Positions` knows which, from the offsets that were saved.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

import bson
from kafka import TopicPartition  # type: ignore[import-untyped]
from kafka.admin import (  # type: ignore[import-untyped]
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import (  # type: ignore[import-untyped]
    AuthorizationError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaConfigurationError,
    KafkaError,
    KafkaTimeoutError,
    NoError,
    NotCoordinatorError,
)
from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

from opslib import message
from opslib.backup.archive import Segment
from opslib.backup.restic import BackupError
from opslib.dlq.letters import REPLAYED
from opslib.kafka_client import KafkaAdminClient, KafkaProducer
from opslib.reading import Reader as Consumer
from opslib.reading import Unreadable
from opslib.run import lag
from opslib.run.failures import said
from opslib.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from opslib.backup.archive import Reader, Writer
    from opslib.settings import Settings

    Partition = tuple[str, int]

SETTINGS = "kafka/settings"
MESSAGES = "kafka/messages"
_TWEETS = "tweets.raw"
_POLL_MILLISECONDS = 1000
_SILENT_SECONDS = 60
_ANSWER_SECONDS = 60
_AGAIN_SECONDS = 1
_BOOTSTRAP_MILLISECONDS = 10_000
_MEGABYTE = 1024 * 1024
_AT_ONCE = 2000


@contextmanager
def client(settings: Settings, kind: Callable[..., Any], **options: Any) -> Iterator[Any]:
    """Give a client of Kafka; errors end the command in one line."""
    made = None
    try:
        made = kind(
            **settings.kafka.client_options(), bootstrap_timeout_ms=_BOOTSTRAP_MILLISECONDS, **options
        )
        yield made
    except (KafkaConfigurationError, AuthorizationError) as error:
        raise SettingsError(
            f"Kafka refuses this client: {said(error)}; check its certificate and ACLs"
        ) from error
    except KafkaError as error:
        raise BackupError(f"Kafka: {said(error)}") from error
    finally:
        if made is not None:
            made.close()


# -- topics, access lists and groups -----------------------------------------------------------------------


def save_settings(settings: Settings, writer: Writer) -> None:
    """Write how topics are made, the access lists, and how far each group is."""
    with client(settings, KafkaAdminClient) as admin, writer.stream(SETTINGS) as stream:
        names = [name for name in admin.list_topics() if not name.startswith("__")]
        configs = _configs(admin, names)
        for topic in sorted(admin.describe_topics(names), key=lambda one: str(one["name"])):
            name = topic["name"]
            stream.write(
                bson.encode({"topic": name, "partitions": len(topic["partitions"]), "config": configs[name]})
            )
        for acl in _acls(admin):
            stream.write(bson.encode({"acl": acl}))
        for group in sorted(one["group_id"] for one in admin.list_groups()):
            places = [[*partition, place] for partition, place in sorted(lag.committed(admin, group).items())]
            stream.write(bson.encode({"group": group, "positions": places}))


def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    found = admin.describe_configs([ConfigResource("TOPIC", name) for name in names])
    return {name: _values(found, name) for name in names}


def _values(found: Any, name: str) -> dict[str, str]:
    """Return what was set for a topic, of the answer for all of them."""
    values = found.get("topic", found.get("TOPIC", found))[name]
    return {key: str(value["value"] if isinstance(value, dict) else value) for key, value in values.items()}


def _acls(admin: Any) -> list[dict[str, str]]:
    everything = ACLFilter(
        principal=None,
        host=None,
        operation=ACLOperation.ANY,
        permission_type=ACLPermissionType.ANY,
        resource_pattern=ResourcePatternFilter(ResourceType.ANY, None, _pattern("ANY")),
    )
    try:
        found, _ = admin.describe_acls(everything)
    except KafkaError as error:
        if type(error).__name__ == "SecurityDisabledError":
            return []
        raise
    return sorted(
        (
            {
                "principal": acl.principal,
                "host": acl.host,
                "operation": acl.operation.name,
                "permission": acl.permission_type.name,
                "resource": acl.resource_pattern.resource_type.name,
                "name": acl.resource_pattern.resource_name,
                "pattern": acl.resource_pattern.pattern_type.name,
            }
            for acl in found
        ),
        key=lambda one: sorted(one.items()),
    )


def _pattern(name: str) -> Any:
    from kafka.admin import ACLResourcePatternType

    return ACLResourcePatternType[name]


def restore_settings(admin: Any, found: list[dict[str, Any]]) -> None:
    """Make topics and access lists that are not there; what is there stays as the inventory has it."""
    there = set(admin.list_topics())
    missing = {
        one["topic"]: {
            "num_partitions": one["partitions"], "replication_factor": -1, "configs": one["config"],
        }
        for one in found
        if "topic" in one and one["topic"] not in there
    }  # fmt: skip
    if missing:
        admin.create_topics(missing)
        admin.wait_for_topics(list(missing))
    acls = [one["acl"] for one in found if "acl" in one]
    known = _acls(admin)
    new = [acl for acl in acls if acl not in known]
    if new:
        admin.create_acls([_acl(acl) for acl in new])


def _acl(told: Mapping[str, str]) -> Any:
    return ACL(
        principal=told["principal"],
        host=told["host"],
        operation=ACLOperation[told["operation"]],
        permission_type=ACLPermissionType[told["permission"]],
        resource_pattern=ResourcePattern(
            ResourceType[told["resource"]], told["name"], _pattern(told["pattern"])
        ),
    )


def busy(admin: Any, found: list[dict[str, Any]]) -> list[str]:
    """Return the groups that somebody is in: they cannot be set back."""
    groups = [one["group"] for one in found if "group" in one]
    told = _answered(lambda: admin.describe_groups(groups)) if groups else {}
    return sorted(name for name, group in told.items() if group["members"])


def _answered(ask: Callable[[], Any]) -> Any:
    """Return what *ask* does: a new Kafka makes the topic of positions when it is first asked for one."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            return ask()
        except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError):
            if time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN_SECONDS)


def _set(admin: Any, group: str, places: dict[Any, Any]) -> list[Any]:
    return list(_answered(lambda: admin.alter_group_offsets(group, places)).values())


def restore_positions(admin: Any, found: list[dict[str, Any]], positions: Positions | Kept) -> dict[str, int]:
    """Set each group to the message it stood at, and return how many partitions that were, by group."""
    done = {}
    for one in found:
        if "group" not in one:
            continue
        places = {
            TopicPartition(topic, number): OffsetAndMetadata(int(place), "", -1)
            for topic, number, offset in one["positions"]
            if (place := positions.of((topic, number), offset)) is not None
        }
        if places:
            answers = _set(admin, one["group"], places)
            refused = {answer.__name__ for answer in answers if answer is not NoError}
            if refused:
                raise BackupError(
                    f"the group {one['group']} cannot be set back: {', '.join(sorted(refused))}"
                )
        done[one["group"]] = len(places)
    return done


# -- messages -----------------------------------------------------------------------------------------------


class Positions:
    """Which offset a message of the Kafka of before has in this one."""

    def __init__(self) -> None:
        self._offsets: dict[Partition, list[int]] = {}  # of the saved messages, rising
        self._base: dict[Partition, int] = {}

    def add(self, partition: Partition, offset: int) -> None:
        """Take note of the next saved message of a partition."""
        self._offsets.setdefault(partition, []).append(offset)

    def begin(self, partition: Partition, offset: int) -> None:
        """Say at which offset the first of them is in this Kafka."""
        self._base[partition] = offset
        self._offsets.setdefault(partition, [])

    def of(self, partition: Partition, offset: int) -> int | None:
        """Return where the message *offset* is, or the first behind it; ``None`` where nothing was saved."""
        if partition not in self._base:
            return None
        return self._base[partition] + bisect_left(self._offsets[partition], offset)


class Kept:
    """The positions where Kafka was left as it is: those that it still has."""

    def __init__(self, held: lag.Bounds) -> None:
        self._held = held

    def of(self, partition: Partition, offset: int) -> int | None:
        """Return the offset itself, if the partition reaches so far, or the first that is left."""
        if partition not in self._held:
            return None
        begin, end = self._held[partition]
        return min(max(begin, offset), end)


def save_messages(settings: Settings, writer: Writer, told: Callable[[int], None]) -> None:
    """Write all messages of the topics of the setting ``backup.topics`` that stand in them now."""
    left_out = 0
    with (
        client(
            settings,
            Consumer,
            enable_auto_commit=False,
            max_partition_fetch_bytes=8 * _MEGABYTE,
            fetch_max_bytes=16 * _MEGABYTE,
            metrics_enabled=False,
        ) as consumer,
        writer.stream(MESSAGES) as stream,
    ):
        for topic in settings.backup.topics:
            for number in sorted(consumer.partitions_for_topic(topic) or ()):
                for record in _records(consumer, TopicPartition(topic, number)):
                    if isinstance(record.value, Unreadable):
                        left_out += 1
                        continue
                    told(stream.write(_encoded(record)))
    writer.about(unreadable=left_out)


def newest_collected(settings: Settings, since: datetime, told: Callable[[int], None]) -> dict[str, int]:
    """Return the newest tweet of each query among those that came to Kafka since a moment.

    They were paid for, whatever a state of before that moment says.
    """
    newest: dict[str, int] = {}
    with client(settings, KafkaAdminClient) as admin:
        firsts = lag.first_since(
            admin, lag.partition_counts(admin, [_TWEETS]), round(since.timestamp() * 1000)
        )
    with client(settings, Consumer, enable_auto_commit=False, metrics_enabled=False) as consumer:
        for partition, first in firsts.items():
            for record in _records(consumer, TopicPartition(*partition), first):
                told(1)
                try:
                    tweet = message.decode_tweet(record.value)
                except message.BadMessage:
                    continue
                for topic in tweet.get("collected_for", ()):
                    query = topic.get("query") or ""
                    newest[query] = max(int(tweet["id"]), newest.get(query, 0))
    newest.pop("", None)
    return newest


def _records(consumer: Any, partition: TopicPartition, begin: int | None = None) -> Iterator[Any]:
    consumer.assign([partition])
    if begin is None:
        begin = consumer.beginning_offsets([partition])[partition]
    end = consumer.end_offsets([partition])[partition]
    consumer.seek(partition, begin)
    silent_since = time.monotonic()
    while consumer.position(partition) < end:
        found = consumer.poll(timeout_ms=_POLL_MILLISECONDS)
        if found:
            silent_since = time.monotonic()
        elif time.monotonic() - silent_since > _SILENT_SECONDS:
            raise KafkaTimeoutError(f"no answer about {partition.topic} for {_SILENT_SECONDS} s")
        for record in found.get(partition, ()):
            if record.offset < end:
                yield record


def _encoded(record: Any) -> bytes:
    return bson.encode(
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "at": record.timestamp,
            "key": record.key,
            "value": record.value,
            "headers": [[name, value] for name, value in record.headers or ()],
        }
    )


def messages(archive: Reader) -> Iterator[dict[str, Any]]:
    """Yield the messages that *archive* has."""
    for one in archive:
        if isinstance(one, Segment) and one.name == MESSAGES:
            yield from bson.decode_all(one.data)


def held(admin: Any, topics: Mapping[str, int]) -> list[str]:
    """Return the topics that hold messages: what a restore would write behind."""
    return sorted({topic for (topic, _), (begin, end) in lag.bounds(admin, topics).items() if end > begin})


def empty(admin: Any, topics: Mapping[str, int]) -> None:
    """Delete all messages of *topics*."""
    ends = {
        TopicPartition(*one): end for one, (begin, end) in lag.bounds(admin, topics).items() if end > begin
    }
    if ends:
        admin.delete_records(ends)


def restore_messages(
    settings: Settings, archive: Reader, topics: Mapping[str, int], told: Callable[[int], None]
) -> Positions:
    """Send the messages to the partitions they were in, with their moments, and return where they are now."""
    positions = Positions()
    with client(settings, KafkaAdminClient) as admin:
        for partition, (_, end) in lag.bounds(admin, topics).items():
            positions.begin(partition, end)
    with client(
        settings,
        KafkaProducer,
        acks="all",
        enable_idempotence=True,
        max_request_size=4 * _MEGABYTE,
        linger_ms=20,
        compression_type="zstd",
    ) as producer:
        sent: list[Any] = []
        for one in messages(archive):
            partition = (one["topic"], int(one["partition"]))
            if one["topic"] not in topics or one["partition"] >= topics[one["topic"]]:
                raise BackupError(f"Kafka has no partition {one['partition']} of {one['topic']}")
            positions.add(partition, int(one["offset"]))
            sent.append(
                producer.send(
                    one["topic"],
                    key=one["key"],
                    value=one["value"],
                    partition=partition[1],
                    timestamp_ms=int(one["at"]),
                    headers=[_header(one["topic"], name, value, positions) for name, value in one["headers"]],
                )
            )
            if len(sent) >= _AT_ONCE:
                _settle(producer, sent, told)
                sent = []
        _settle(producer, sent, told)
    return positions


def _header(topic: str, name: str, value: bytes, positions: Positions) -> tuple[str, bytes]:
    """Return a header; a mark of what was sent again names the letter where it is now."""
    if topic == message.DEAD_LETTERS and name == REPLAYED:
        number, _, offset = value.decode().partition(":")
        place = positions.of((topic, int(number)), int(offset))
        return name, f"{number}:{place}".encode()
    return name, value


def _settle(producer: Any, sent: list[Any], told: Callable[[int], None]) -> None:
    producer.flush()
    for future in sent:
        future.get(_ANSWER_SECONDS)
    told(len(sent))
