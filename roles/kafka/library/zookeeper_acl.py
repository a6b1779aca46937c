#!/usr/bin/python3
"""Close ZooKeeper's tree: whatever others than Kafka may change in it becomes Kafka's alone."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: zookeeper_acl
short_description: Close ZooKeeper's tree to all but Kafka
description:
  - Looks at the access list of every node. Kafka gives its own nodes lists, but not the root, from which
    anybody with a certificate of the lake can delete what is below it, nor what others or earlier versions
    made.
  - What others may read because Kafka says so stays readable. Two runs of ZooKeeper's tool if nothing is to
    be changed.
options:
  java: {type: path, required: true, description: The java program.}
  libs: {type: path, required: true, description: Folder with Kafka's jars.}
  servers: {type: list, elements: str, required: true, description: "The ensemble, each as host:port."}
  config: {type: path, required: true, description: Properties file with the settings of Kafka's TLS to it.}
  principal: {type: str, required: true, description: "Subject of Kafka's certificate: CN=kafka,O=Trendlake."}
"""

EXAMPLES = "# See roles/kafka/tasks/main.yml."

RETURN = """
closed: {description: Nodes that were closed or would be., returned: always, type: list, elements: str}
"""

# Kafka's own shell for ZooKeeper, which takes the settings of TLS from a file.
_SHELL = "org.apache.zookeeper.ZooKeeperMainWithTlsSupportForKafka"
# What `version` prints: the end of the answer before it.
_END = re.compile(r"^ZooKeeper CLI version.*$", re.MULTILINE)
_ENTRY = re.compile(r"^'(\w+),'(.*)\n: (\w*)$", re.MULTILINE)
_PATH = re.compile(r"^/\S*$", re.MULTILINE)


def entries(answer: str) -> set[tuple[str, str, str]]:
    """Return the access list that ``getAcl`` printed: scheme, identity and permissions of each entry.

    It writes the commas of a certificate's subject as a URL does.
    """
    return {(scheme, unquote(identity), allowed) for scheme, identity, allowed in _ENTRY.findall(answer)}


def is_open(acl: set[tuple[str, str, str]], principal: str) -> bool:
    """Tell whether somebody else than *principal* may do more than read."""
    return any(identity != principal and set(allowed) - {"r"} for _, identity, allowed in acl)


class Shell:
    """ZooKeeper's command line, as Kafka."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module

    def ask(self, commands: list[str]) -> list[str]:
        """Return what each of *commands* printed."""
        wanted = self._module.params
        command = [wanted["java"], "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        command += ["-cp", wanted["libs"] + "/*", _SHELL, "-server", ",".join(wanted["servers"])]
        command += ["-zk-tls-config-file", wanted["config"]]
        # The session is there before the first command: what comes without one waits for it.
        typed = "".join(f"{line}\nversion\n" for line in commands) + "quit\n"
        code, out, err = self._module.run_command(command, data=typed)
        answers = _END.split(out)[: len(commands)]
        if len(_END.findall(out)) < len(commands):
            self._module.fail_json(msg=f"ZooKeeper's shell ended with {code}: {(err or out).strip()[-600:]}")
        return answers

    def paths(self) -> list[str]:
        """Return every node's path."""
        (answer,) = self.ask(["ls -R /"])
        return _PATH.findall(answer)

    def open_paths(self, paths: list[str]) -> list[str]:
        """Return those of *paths* that others than Kafka may change."""
        answers = self.ask([f"getAcl {path}" for path in paths])
        principal = self._module.params["principal"]
        return [path for path, answer in zip(paths, answers) if is_open(entries(answer), principal)]


def main() -> None:
    """Run the module."""
    spec: dict[str, Any] = {
        "java": {"type": "path", "required": True},
        "libs": {"type": "path", "required": True},
        "servers": {"type": "list", "elements": "str", "required": True},
        "config": {"type": "path", "required": True},
        "principal": {"type": "str", "required": True},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    shell = Shell(module)
    paths = shell.paths()
    found = shell.open_paths(paths)
    if found and not module.check_mode:
        # auth: whoever says it, by the subject of its certificate.
        shell.ask([f"setAcl {path} auth::cdrwa" for path in found])
        left = shell.open_paths(found)
        if left:
            module.fail_json(msg=f"others may still change {', '.join(left)} in ZooKeeper", closed=[])
    module.exit_json(changed=bool(found), closed=found)


if __name__ == "__main__":
    main()
