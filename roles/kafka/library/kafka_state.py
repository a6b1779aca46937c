#!/usr/bin/python3
"""Bring topics and access lists to what was asked for, with Kafka's own tools."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: kafka_state
short_description: Topics and access lists of a Kafka cluster
description:
  - Asks what there is with two runs of Kafka's tools, and runs them again only for what differs.
  - Topics that were not asked for are left alone. A principal that is named in I(acls) may do afterwards
    what is said there and nothing else; one that is named without I(operations), nothing.
  - A job of the lake (opslib-*) that is not named is one that it no longer has, and may do nothing.
options:
  java: {type: path, required: true, description: The java program.}
  libs: {type: path, required: true, description: Folder with Kafka's jars.}
  bootstrap_servers: {type: list, elements: str, required: true, description: Brokers.}
  command_config: {type: path, required: true, description: Properties file of the tools.}
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
    java: /opt/java/current/bin/java
    libs: /opt/kafka/current/libs
    bootstrap_servers: [127.0.0.1:9093]
    command_config: /etc/kafka/client.properties
    replicas: 1
    topics: [{name: tweets.raw, partitions: 6, config: {}}]
    acls: [{principal: nifi, topics: [tweets.raw], operations: [WRITE]}]
"""

RETURN = """
differences:
  description: What was changed, or in check mode would be.
  returned: always
  type: list
  elements: str
"""


# What a name ends in that is the beginning of others.
_BEGINNING = "-*"
# What principals of the lake's own jobs begin with.
_LAKES_OWN = "opslib-"
_TOPICS = "org.apache.kafka.tools.TopicCommand"


class Tools:
    """Kafka's command line tools against one cluster."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module

    def run(self, tool: str, *arguments: str) -> str:
        """Run the tool's main class; its complaint is the module's failure."""
        wanted = self._module.params
        # The tools run for a second: a compiler that thinks less starts them sooner.
        command = [wanted["java"], "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        command += ["-Dlog4j.configuration=file:/etc/kafka/log4j.properties", "-Dlog4j.rootLogger=ERROR"]
        command += ["-cp", wanted["libs"] + "/*", tool, "--command-config", wanted["command_config"]]
        command += ["--bootstrap-server", ",".join(wanted["bootstrap_servers"]), *arguments]
        code, out, err = self._module.run_command(command)
        if code != 0:
            self._module.fail_json(msg=f"{tool} {' '.join(arguments)} failed: {(err or out).strip()[-600:]}")
        return out

    def topics(self) -> dict[str, tuple[int, dict[str, str]]]:
        """Return partitions and settings of each topic."""
        found = {}
        for line in self.run(_TOPICS, "--describe").splitlines():
            fields = dict(re.findall(r"(\w+): *([^\t]*)", line))
            if "PartitionCount" in fields:
                settings = [
                    pair.split("=", 1) for pair in fields.get("Configs", "").split(",") if "=" in pair
                ]
                found[fields["Topic"]] = (int(fields["PartitionCount"]), dict(settings))
        return found

    def acls(self) -> set[tuple[str, str, str, str]]:
        """Return (principal, kind of resource, its name, operation) of each permission."""
        found, kind, name = set(), "", ""
        for line in self.run("kafka.admin.AclCommand", "--list").splitlines():
            resource = re.search(r"resourceType=(\w+), name=([^,]+), patternType=(LITERAL|PREFIXED)", line)
            if resource:
                kind, name = resource.group(1), resource.group(2)
                name += "*" if resource.group(3) == "PREFIXED" else ""
            entry = re.search(r"principal=User:([^,]+), host=\*, operation=(\w+), permissionType=ALLOW", line)
            if entry:
                found.add((entry.group(1), kind, name, entry.group(2)))
        return found


def wanted_acls(acls: list[dict]) -> set[tuple[str, str, str, str]]:
    """Return the permissions asked for in the shape of :meth:`Tools.acls`."""
    wanted = set()
    for acl in acls:
        resources = [("TOPIC", name) for name in acl.get("topics", [])]
        resources += [("GROUP", name) for name in acl.get("groups", [])]
        resources += [("CLUSTER", "kafka-cluster")] if acl.get("cluster") else []
        operations = acl.get("operations", [])
        wanted |= {(acl["principal"], *resource, op) for resource in resources for op in operations}
    return wanted


def superfluous_acls(
    acls: list[dict], found: set[tuple[str, str, str, str]]
) -> set[tuple[str, str, str, str]]:
    """Return which of the permissions *found* are to be taken away; those of strangers are not."""
    named = {acl["principal"] for acl in acls}
    return {
        entry for entry in found - wanted_acls(acls) if entry[0] in named or entry[0].startswith(_LAKES_OWN)
    }


def acl_commands(entries: set[tuple[str, str, str, str]]) -> list[list[str]]:
    """Return few runs of AclCommand that name *entries*: each costs a start of Java.

    A run gives all of its principals all of its operations on all of its resources.
    """
    operations: dict[tuple[str, str, str], list[str]] = {}
    for principal, kind, name, operation in sorted(entries):
        operations.setdefault((principal, kind, name), []).append(operation)
    resources: dict[tuple[str, tuple[str, ...], bool], list[tuple[str, str]]] = {}
    for (principal, kind, name), may in operations.items():
        resources.setdefault((principal, tuple(may), name.endswith(_BEGINNING)), []).append((kind, name))
    principals: dict[tuple[tuple[str, ...], bool, tuple[tuple[str, str], ...]], list[str]] = {}
    for (principal, may, beginning), named in resources.items():
        principals.setdefault((may, beginning, tuple(named)), []).append(principal)
    commands = []
    for (may, beginning, named), who in principals.items():
        command = [argument for name in who for argument in ("--allow-principal", f"User:{name}")]
        for operation in may:
            command += ["--operation", operation.title().replace("_", "")]
        if beginning:
            command += ["--resource-pattern-type", "prefixed"]
        for kind, name in named:
            told = name[:-1] if beginning else name
            command += ["--cluster"] if kind == "CLUSTER" else [f"--{kind.lower()}", told]
        commands.append(command)
    return commands


def topic_changes(wanted: list[dict], found: dict, replicas: int) -> list[tuple[str, str, list[str]]]:
    """Return what was decided, the tool and its arguments for each topic that differs."""
    changes = []
    for topic in wanted:
        name, partitions = topic["name"], int(topic["partitions"])
        config = {key: str(value) for key, value in topic.get("config", {}).items()}
        if name not in found:
            arguments = ["--create", "--topic", name, "--partitions", str(partitions)]
            arguments += ["--replication-factor", str(replicas)]
            for pair in sorted(config.items()):
                arguments += ["--config", "=".join(pair)]
            changes.append((f"topic {name} created", _TOPICS, arguments))
            continue
        has_partitions, has_config = found[name]
        if has_partitions < partitions:
            arguments = ["--alter", "--topic", name, "--partitions", str(partitions)]
            changes.append((f"topic {name} grown to {partitions} partitions", _TOPICS, arguments))
        differing = {key: value for key, value in config.items() if has_config.get(key) != value}
        if differing:
            settings = ",".join(f"{key}={value}" for key, value in sorted(differing.items()))
            arguments = ["--alter", "--entity-type", "topics", "--entity-name", name]
            arguments += ["--add-config", settings]
            changes.append((f"topic {name} set to {settings}", "kafka.admin.ConfigCommand", arguments))
    return changes


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "java": {"type": "path", "required": True},
            "libs": {"type": "path", "required": True},
            "bootstrap_servers": {"type": "list", "elements": "str", "required": True},
            "command_config": {"type": "path", "required": True},
            "topics": {"type": "list", "elements": "dict", "required": True},
            "replicas": {"type": "int", "required": True},
            "acls": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    tools = Tools(module)
    # Most of a tool's time is Java's start, and nothing that is done here depends on another part of it.
    pool = ThreadPoolExecutor(max_workers=2)
    topics, acls = pool.submit(tools.topics), pool.submit(tools.acls)
    changes = topic_changes(module.params["topics"], topics.result(), module.params["replicas"])
    wanted, found = wanted_acls(module.params["acls"]), acls.result()
    superfluous = superfluous_acls(module.params["acls"], found)
    for action, entries in (("--add", wanted - found), ("--remove", superfluous)):
        for arguments in acl_commands(entries):
            force = ["--force"] if action == "--remove" else []
            said = f"access list {action.strip('-')}: {' '.join(arguments)}"
            changes.append((said, "kafka.admin.AclCommand", [action, *force, *arguments]))
    if not module.check_mode:
        for run in [pool.submit(tools.run, tool, *arguments) for _, tool, arguments in changes]:
            run.result()
    module.exit_json(changed=bool(changes), differences=[change[0] for change in changes])


if __name__ == "__main__":
    main()
