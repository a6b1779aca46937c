"""What the role kafka makes of access lists: ZooKeeper's and Kafka's, as their tools print them."""

from __future__ import annotations

import re

import pytest
import yaml

import roles

OWN = "'x509,'CN=kafka%2CO=Trendlake\n: cdrwa\n"
KAFKA = "CN=kafka,O=Trendlake"


zookeeper_acl, kafka_state = (
    roles.module(f"kafka/library/{name}.py") for name in ("zookeeper_acl", "kafka_state")
)


@pytest.mark.parametrize(
    ("printed", "is_open"),
    [
        (OWN, False),
        (OWN + "'world,'anyone\n: r\n", False),  # as Kafka gives its nodes
        ("'world,'anyone\n: r\n", False),  # ZooKeeper's own, which nobody can change
        ("'world,'anyone\n: cdrwa\n", True),
        (OWN + "'world,'anyone\n: cr\n", True),
        ("'x509,'CN=operator%2CO=Trendlake\n: cdrwa\n", True),
        ("'x509,'CN=kafka%2CO=Others\n: cdrwa\n", True),
        ("'ip,'10.0.0.1\n: w\n", True),
    ],
)
def test_a_node_is_open_if_another_than_kafka_may_change_it(printed: str, is_open: bool) -> None:
    found = zookeeper_acl.entries(f"\nWATCHER::\n\n{printed}")
    assert found
    assert zookeeper_acl.is_open(found, KAFKA) is is_open


GROUPS = {"principal": "a", "groups": ["sink", "search-*"], "operations": ["READ"]}
LISTED = """Current ACLs for resource `ResourcePattern(resourceType=GROUP, name=sink, patternType=LITERAL)`:
 \t(principal=User:a, host=*, operation=READ, permissionType=ALLOW)

Current ACLs for resource `ResourcePattern(resourceType=GROUP, name=search-, patternType=PREFIXED)`:
 \t(principal=User:a, host=*, operation=READ, permissionType=ALLOW)
"""


def test_a_name_that_is_the_beginning_of_others_is_given_and_found_as_one() -> None:
    wanted = kafka_state.wanted_acls([GROUPS])

    class Tools(kafka_state.Tools):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

        def run(self, *_: str) -> str:
            return LISTED

    assert Tools().acls() == wanted
    told = [" ".join(command) for command in kafka_state.acl_commands(wanted)]
    head = "--allow-principal User:a --operation Read"
    assert sorted(told) == [
        f"{head} --group sink",
        f"{head} --resource-pattern-type prefixed --group search-",
    ]


def named(command: list[str]) -> set[tuple[str, str, str, str]]:
    """Return what a run of AclCommand gives: to each principal each operation on each resource."""
    told = list(zip(command, [*command[1:], ""]))
    values = {option: [value for name, value in told if name == option] for option in command}
    end = "*" if "prefixed" in command else ""
    resources = [("TOPIC", f"{name}{end}") for name in values.get("--topic", [])]
    resources += [("GROUP", f"{name}{end}") for name in values.get("--group", [])]
    resources += [("CLUSTER", "kafka-cluster")] if "--cluster" in command else []
    operations = [re.sub(r"(?<!^)(?=[A-Z])", "_", one).upper() for one in values["--operation"]]
    principals = [one.removeprefix("User:") for one in values["--allow-principal"]]
    return {(who, *what, may) for who in principals for what in resources for may in operations}


def test_few_runs_name_each_entry_of_the_access_lists_and_no_other() -> None:
    acls = yaml.safe_load((roles.ROLES / "kafka/defaults/main.yml").read_text())["kafka_acls"]
    wanted = kafka_state.wanted_acls(acls)
    commands = kafka_state.acl_commands(wanted)
    assert set().union(*map(named, commands)) == wanted
    assert len(commands) < len(acls)


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
