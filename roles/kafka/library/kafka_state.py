#!/usr/bin/python
"""Bring topics and access lists of a Kafka cluster to what was asked for, over one connection."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

try:
    from kafka.admin import (
        ACL,
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ConfigResource,
        ConfigResourceType,
        KafkaAdminClient,
        ResourcePattern,
        ResourcePatternFilter,
        ResourceType,
    )
    from kafka.errors import KafkaError
except ImportError as problem:
    KafkaAdminClient, _missing = None, problem

DOCUMENTATION = """
module: kafka_state
short_description: Topics and access lists of a Kafka cluster
description:
  - Topics that were not asked for are left alone. A principal that is named in I(acls) may do afterwards
    what is said there and nothing else; one that is named without I(operations), nothing.
  - A job of the lake (opslib-*) that is not named is one that it no longer has, and may do nothing.
options:
  bootstrap_servers: {type: list, elements: str, required: true, description: Brokers.}
  tls: {type: path, required: true, description: "Folder with ca.pem, cert.pem and key.pem of a super user."}
  topics: {type: list, elements: dict, required: true, description: "Each with name, partitions, config."}
  replicas: {type: int, required: true, description: Replication factor of new topics.}
  acls:
    type: list
    elements: dict
    required: true
    description: Each with principal, operations, and topics, groups or cluster; NAME-* is all that begin so.
"""

EXAMPLES = """
- kafka_state:
    bootstrap_servers: [127.0.0.1:9093]
    tls: /etc/kafka/tls
    replicas: 1
    topics: [{name: tweets.raw, partitions: 6, config: {}}]
    acls: [{principal: nifi, topics: [tweets.raw], operations: [WRITE]}]
  vars:
    ansible_python_interpreter: /opt/kafka/tools/bin/python
"""

RETURN = """
differences:
  description: What was changed, or in check mode would be.
  returned: always
  type: list
  elements: str
"""

# (principal, kind of resource, its name, operation), as Kafka calls them; a name that ends in * is the
# beginning of others.
Permission = tuple[str, str, str, str]

# What principals of the lake's own jobs begin with.
_LAKES_OWN = "opslib-"


class StateError(Exception):
    """Kafka refused something."""


def wanted_acls(acls: list[dict]) -> set[Permission]:
    """Return the permissions asked for."""
    wanted = set()
    for acl in acls:
        resources = [("TOPIC", name) for name in acl.get("topics", [])]
        resources += [("GROUP", name) for name in acl.get("groups", [])]
        resources += [("CLUSTER", "kafka-cluster")] if acl.get("cluster") else []
        operations = acl.get("operations", [])
        wanted |= {(acl["principal"], *resource, op) for resource in resources for op in operations}
    return wanted


def superfluous_acls(acls: list[dict], found: set[Permission]) -> set[Permission]:
    """Return which of the permissions *found* are to be taken away; those of strangers are not."""
    named = {acl["principal"] for acl in acls}
    return {
        entry for entry in found - wanted_acls(acls) if entry[0] in named or entry[0].startswith(_LAKES_OWN)
    }


def topic_changes(wanted: list[dict], found: dict[str, tuple[int, dict[str, str]]]) -> dict[str, dict]:
    """Return what is to be done for topics: ``created``, ``grown`` and ``set``, each by the topic's name."""
    changes: dict[str, dict] = {"created": {}, "grown": {}, "set": {}}
    for topic in wanted:
        name, partitions = topic["name"], int(topic["partitions"])
        config = {key: str(value) for key, value in topic.get("config", {}).items()}
        if name not in found:
            changes["created"][name] = (partitions, config)
            continue
        has_partitions, has_config = found[name]
        if has_partitions < partitions:
            changes["grown"][name] = partitions
        differing = {key: value for key, value in sorted(config.items()) if has_config.get(key) != value}
        if differing:
            changes["set"][name] = differing
    return changes


class Cluster:
    """What there is in Kafka, and how it is changed."""

    def __init__(self, admin: Any) -> None:
        self._admin = admin

    def topics(self) -> dict[str, tuple[int, dict[str, str]]]:
        """Return the number of partitions and the settings of its own of each topic."""
        topics = {one["name"]: len(one["partitions"]) for one in self._admin.describe_topics()}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        settings = self._admin.describe_configs(asked)["topic"] if asked else {}
        return {
            name: (number, {key: one["value"] for key, one in settings[name].items()})
            for name, number in topics.items()
        }

    def acls(self) -> set[Permission]:
        """Return what is allowed from any host."""
        anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
        found, _ = self._admin.describe_acls(
            ACLFilter(None, "*", ACLOperation.ANY, ACLPermissionType.ALLOW, anything)
        )
        return {
            (
                one.principal[len("User:") :],
                one.resource_pattern.resource_type.name,
                one.resource_pattern.resource_name
                + ("*" if one.resource_pattern.pattern_type == ACLResourcePatternType.PREFIXED else ""),
                one.operation.name,
            )
            for one in found
            if one.principal.startswith("User:")
        }

    def change_topics(self, changes: dict[str, dict], replicas: int) -> None:
        """Carry out :func:`topic_changes`."""
        if changes["created"]:
            created = {
                name: {"num_partitions": partitions, "replication_factor": replicas, "configs": config}
                for name, (partitions, config) in changes["created"].items()
            }
            self._admin.create_topics(created)
        if changes["grown"]:
            self._admin.create_partitions(changes["grown"])
        if changes["set"]:
            asked = [
                ConfigResource(ConfigResourceType.TOPIC, name, config)
                for name, config in changes["set"].items()
            ]
            said = self._admin.alter_configs(asked)["topic"]
            refused = [f"{name}: {told}" for name, told in said.items() if told != "OK"]
            if refused:
                raise StateError("settings of topics were refused: " + "; ".join(refused))

    def allow(self, entries: list[Permission]) -> None:
        """Add *entries* to the access lists."""
        refused = self._admin.create_acls([_acl(entry) for entry in entries])["failed"]
        if refused:
            raise StateError(f"entries of access lists were refused: {refused[0].__name__}")

    def take_away(self, entries: list[Permission]) -> None:
        """Remove *entries* from the access lists."""
        exactly = [
            ACLFilter(one.principal, one.host, one.operation, one.permission_type, one.resource_pattern)
            for one in map(_acl, entries)
        ]
        for _, _, error in self._admin.delete_acls(exactly):
            if error.errno:
                raise StateError(f"an entry of the access lists stays: {error.__name__}")


def _acl(entry: Permission) -> Any:
    principal, kind, name, operation = entry
    pattern = ACLResourcePatternType.LITERAL
    if name.endswith("-*"):
        name, pattern = name[:-1], ACLResourcePatternType.PREFIXED
    return ACL(
        f"User:{principal}", "*", ACLOperation[operation], ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType[kind], name, pattern),
    )  # fmt: skip


def told(changes: dict[str, dict]) -> list[str]:
    """Return a line for each change of a topic."""
    lines = [f"topic {name} created" for name in changes["created"]]
    lines += [
        f"topic {name} grown to {partitions} partitions" for name, partitions in changes["grown"].items()
    ]
    for name, config in changes["set"].items():
        lines.append(f"topic {name} set to {','.join(f'{key}={value}' for key, value in config.items())}")
    return lines


def bring_about(cluster: Cluster, wanted: dict[str, Any], check_mode: bool) -> list[str]:
    """Change what differs, unless in check mode; return a line for each difference."""
    topics = topic_changes(wanted["topics"], cluster.topics())
    found = cluster.acls()
    missing = sorted(wanted_acls(wanted["acls"]) - found)
    superfluous = sorted(superfluous_acls(wanted["acls"], found))
    if not check_mode:
        cluster.change_topics(topics, wanted["replicas"])
        if missing:
            cluster.allow(missing)
        if superfluous:
            cluster.take_away(superfluous)
    lines = told(topics)
    lines += ["access list add: " + " ".join(entry) for entry in missing]
    return lines + ["access list remove: " + " ".join(entry) for entry in superfluous]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "bootstrap_servers": {"type": "list", "elements": "str", "required": True},
            "tls": {"type": "path", "required": True},
            "topics": {"type": "list", "elements": "dict", "required": True},
            "replicas": {"type": "int", "required": True},
            "acls": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    if KafkaAdminClient is None:
        module.fail_json(msg=f"not the interpreter of /opt/kafka/tools: {_missing}")
    wanted, folder = module.params, module.params["tls"]
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=wanted["bootstrap_servers"],
            security_protocol="SSL",
            ssl_cafile=f"{folder}/ca.pem",
            ssl_certfile=f"{folder}/cert.pem",
            ssl_keyfile=f"{folder}/key.pem",
            request_timeout_ms=60_000,
        )
        differences = bring_about(Cluster(admin), wanted, module.check_mode)
        admin.close()
    except (KafkaError, StateError, OSError) as problem:
        asked = ", ".join(wanted["bootstrap_servers"])
        module.fail_json(msg=f"Kafka on {asked}: {type(problem).__name__}: {problem}", differences=[])
    module.exit_json(changed=bool(differences), differences=differences)


if __name__ == "__main__":
    main()
