#!/usr/bin/python
"""Close ZooKeeper's tree: whatever others than Kafka may change in it becomes Kafka's alone."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

try:
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException, NoNodeError
    from kazoo.handlers.threading import KazooTimeoutError
    from kazoo.security import Permissions, make_acl
except ImportError as problem:
    KazooClient, _missing = None, problem

if TYPE_CHECKING:
    from collections.abc import Iterable

DOCUMENTATION = """
module: zookeeper_acl
short_description: Close ZooKeeper's tree to all but Kafka
description:
  - Looks at the access list of every node. Kafka gives its own nodes lists, but not the root, from which
    anybody with a certificate of the lake can delete what is below it, nor what others or earlier versions
    made.
  - What others may read because Kafka says so stays readable.
options:
  servers: {type: list, elements: str, required: true, description: "The ensemble, each as host:port."}
  tls: {type: path, required: true, description: "Folder with ca.pem, cert.pem and key.pem of Kafka."}
  principal: {type: str, required: true, description: "Subject of Kafka's certificate: CN=kafka,O=Trendlake."}
"""

EXAMPLES = "# See roles/kafka/tasks/main.yml."

RETURN = """
closed: {description: Nodes that were closed or would be., returned: always, type: list, elements: str}
"""

# How many questions are asked before the answer to the first is waited for.
_AT_ONCE = 200


def is_open(acl: Iterable[Any], principal: str) -> bool:
    """Tell whether somebody else than *principal* may do more than read."""
    return any(entry.id.id != principal and entry.perms & ~Permissions.READ for entry in acl)


class Tree:
    """ZooKeeper's nodes, as Kafka sees them."""

    def __init__(self, client: Any, principal: str) -> None:
        self._client, self._principal = client, principal

    def paths(self) -> list[str]:
        """Return every node's path, parents before children."""
        found, level = ["/"], ["/"]
        while level:
            children = self._answers(self._client.get_children_async, level)
            level = [
                f"{path.rstrip('/')}/{name}" for path, names in children.items() for name in sorted(names)
            ]
            found += level
        return found

    def open_paths(self, paths: list[str]) -> list[str]:
        """Return those of *paths* that others than Kafka may change."""
        lists = self._answers(self._client.get_acls_async, paths)
        return [path for path, (acl, _) in lists.items() if is_open(acl, self._principal)]

    def close(self, paths: list[str]) -> None:
        """Make *paths* Kafka's alone."""
        # auth: whoever says it, by the subject of its certificate.
        self._answers(lambda path: self._client.set_acls_async(path, [make_acl("auth", "", all=True)]), paths)

    def _answers(self, ask: Any, paths: list[str]) -> dict[str, Any]:
        """Return what is answered for each of *paths* that is still there."""
        answers = {}
        for begin in range(0, len(paths), _AT_ONCE):
            asked = [(path, ask(path)) for path in paths[begin : begin + _AT_ONCE]]
            for path, answer in asked:
                with contextlib.suppress(NoNodeError):  # Kafka's sessions come and go
                    answers[path] = answer.get(timeout=60)
        return answers


def main() -> None:
    """Run the module."""
    spec: dict[str, Any] = {
        "servers": {"type": "list", "elements": "str", "required": True},
        "tls": {"type": "path", "required": True},
        "principal": {"type": "str", "required": True},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    if KazooClient is None:
        module.fail_json(msg=f"not the interpreter of /opt/kafka/tools: {_missing}")
    wanted, folder = module.params, module.params["tls"]
    client = KazooClient(
        ",".join(wanted["servers"]),
        use_ssl=True,
        verify_certs=True,
        check_hostname=True,
        ca=f"{folder}/ca.pem",
        certfile=f"{folder}/cert.pem",
        keyfile=f"{folder}/key.pem",
    )
    try:
        client.start(timeout=60)
        tree = Tree(client, wanted["principal"])
        found = tree.open_paths(tree.paths())
        left = found
        if found and not module.check_mode:
            tree.close(found)
            left = tree.open_paths(found)
    except (KazooException, KazooTimeoutError) as problem:
        said = f"{type(problem).__name__} {problem}".strip()
        module.fail_json(msg=f"ZooKeeper on {', '.join(wanted['servers'])}: {said}", closed=[])
    finally:
        client.stop()
        client.close()
    if left and not module.check_mode:
        module.fail_json(msg=f"others may still change {', '.join(left)} in ZooKeeper", closed=[])
    module.exit_json(changed=bool(found), closed=found)


if __name__ == "__main__":
    main()
