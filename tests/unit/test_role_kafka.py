"""What the role kafka makes of topics and access lists; with servers: integration/test_kafka_state.py."""

from __future__ import annotations

import pytest
import yaml
from kazoo.security import ACL, Id, Permissions

import roles

OWN = ("x509", "CN=kafka,O=Trendlake", "cdrwa")
KAFKA = "CN=kafka,O=Trendlake"
BITS = {
    letter: getattr(Permissions, name)
    for letter, name in zip("crwda", ("CREATE", "READ", "WRITE", "DELETE", "ADMIN"))
}


zookeeper_acl, kafka_state = (
    roles.module(f"kafka/library/{name}.py") for name in ("zookeeper_acl", "kafka_state")
)


@pytest.mark.parametrize(
    ("entries", "is_open"),
    [
        ([OWN], False),
        ([OWN, ("world", "anyone", "r")], False),  # as Kafka gives its nodes
        ([("world", "anyone", "r")], False),  # ZooKeeper's own, which nobody can change
        ([("world", "anyone", "cdrwa")], True),
        ([OWN, ("world", "anyone", "cr")], True),
        ([("x509", "CN=operator,O=Trendlake", "cdrwa")], True),
        ([("x509", "CN=kafka,O=Others", "cdrwa")], True),
        ([("ip", "10.0.0.1", "w")], True),
    ],
)
def test_a_node_is_open_if_another_than_kafka_may_change_it(
    entries: list[tuple[str, str, str]], is_open: bool
) -> None:
    acl = [ACL(sum(BITS[one] for one in allowed), Id(scheme, who)) for scheme, who, allowed in entries]
    assert zookeeper_acl.is_open(acl, KAFKA) is is_open


def test_each_entry_of_the_role_s_access_lists_is_one_that_kafka_knows() -> None:
    acls = yaml.safe_load((roles.ROLES / "kafka/defaults/main.yml").read_text())["kafka_acls"]
    for entry in kafka_state.wanted_acls(acls):
        made = kafka_state._acl(entry)
        pattern = made.resource_pattern
        end = "*" if pattern.pattern_type.name == "PREFIXED" else ""
        found = (pattern.resource_type.name, f"{pattern.resource_name}{end}", made.operation.name)
        assert (made.principal, *found) == (f"User:{entry[0]}", *entry[1:])


def test_every_topic_has_bounds_of_time_and_bytes_that_hold_within_a_segment() -> None:
    defaults = yaml.safe_load((roles.ROLES / "kafka/defaults/main.yml").read_text())
    most, others = defaults["kafka_tweets_gb"] * 2**30, 0
    for topic in roles.kafka_topics():
        config = topic["config"]
        if config.get("cleanup.policy") == "compact":
            continue  # as large as there are keys
        kept, segment = int(config["retention.bytes"]), int(config["segment.bytes"])
        # What is freed at once is a fraction of what is kept, in bytes and in time.
        assert 8 * segment <= kept
        assert 7 * int(config["segment.ms"]) <= int(config["retention.ms"])
        assert segment > int(config.get("max.message.bytes", "2097152"))
        if topic["name"] == "tweets.raw":
            assert most - topic["partitions"] < topic["partitions"] * kept <= most
            assert int(config["retention.ms"]) == defaults["kafka_tweets_days"] * 86_400_000
        else:
            others += topic["partitions"] * (kept + segment)
    told = yaml.safe_load((roles.ROLES / "kafka/meta/argument_specs.yml").read_text())
    text = " ".join(told["argument_specs"]["main"]["options"]["kafka_tweets_gb"]["description"])
    assert f"other topics have {others / 2**30:.1f} GiB at most" in text


def test_who_is_taken_off_the_list_loses_the_rights_and_strangers_keep_theirs() -> None:
    named = {"principal": "opslib-sink", "topics": ["tweets.raw"], "operations": ["READ"]}
    theirs = {
        name: (name, "TOPIC", "tweets.raw", "READ") for name in ("opslib-sink", "opslib-former", "grafana")
    }
    found = set(theirs.values())
    assert kafka_state.superfluous_acls([named], found) == {theirs["opslib-former"]}
    emptied = [named, {"principal": "grafana"}]
    assert kafka_state.superfluous_acls(emptied, found) == {theirs["opslib-former"], theirs["grafana"]}
    assert kafka_state.wanted_acls(emptied) == {theirs["opslib-sink"]}
