"""Filter of the role `service`: other values for secrets in the text of a vault."""

from __future__ import annotations

import re

import yaml
from ansible.errors import AnsibleFilterError


def service_vault(text: str, values: dict[str, str]) -> str:
    """Return the decrypted *text* of a vault with other *values*, by name; an empty one takes the name out.

    All else stays as it is, comments too. :class:`AnsibleFilterError` if that would not come of it.
    """
    wanted = {**(yaml.safe_load(text) or {}), **values}
    for name, value in values.items():
        line = f'{name}: "{value}"\n' if value else ""
        # With the lines that go on with it, which are indented.
        own = re.compile(rf"^{re.escape(name)}[ ]*:.*\n?(?:[ \t]+\S.*\n?)*", re.MULTILINE)
        text = own.sub(line, text, count=1) if own.search(text) else text.rstrip("\n") + "\n" + line
    wanted = {name: value for name, value in wanted.items() if value or name not in values}
    try:
        came = yaml.safe_load(text) or {}
    except yaml.YAMLError:
        came = None
    if came != wanted:
        raise AnsibleFilterError(f"the vault does not have {', '.join(values)} as plain lines")
    return text


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, object]:
        """Return the filters by name."""
        return {"service_vault": service_vault}
