"""A connection to NiFi by client certificate, and the rights that people and programs get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nipyapi
import urllib3

from opslib.settings import credential

if TYPE_CHECKING:
    from opslib.settings import Settings

# NiFi answers within seconds, or a minute where it first starts a process for a new kind of processor.
ANSWER_SECONDS = 180


class FlowError(Exception):
    """NiFi cannot be asked, refuses, or did not reach the state asked for; the text says which."""


def connect(settings: Settings) -> None:
    """Point nipyapi at the NiFi of *settings*, as the holder of the credentials ``nifi_cert``, ``nifi_key``.

    nipyapi keeps its connection in a module: one a process.
    """
    config = nipyapi.config.nifi_config
    config.host = settings.nifi.url.rstrip("/") + "/nifi-api"
    config.verify_ssl = True
    config.ssl_ca_cert = str(credential("ca"))
    config.cert_file = str(credential("nifi_cert"))
    config.key_file = str(credential("nifi_key"))
    try:
        asking = nipyapi.nifi.FlowApi()
        _bound(asking.api_client)
        asking.get_about_info()
    except nipyapi.nifi.rest.ApiException as refused:
        raise FlowError(f"{settings.nifi.url} refused: {refused.status} {refused.body}") from refused
    except urllib3.exceptions.HTTPError as unreachable:
        raise FlowError(f"{settings.nifi.url} cannot be reached: {unreachable}") from unreachable


def _bound(client: Any) -> None:
    """Let each request of *client* take :data:`ANSWER_SECONDS` at most: nipyapi waits for ever."""
    ask = client.rest_client.request

    def request(*args: Any, **options: Any) -> Any:
        return ask(*args, **{**options, "_request_timeout": ANSWER_SECONDS})

    client.rest_client.request = request


# What somebody may do: (resource, action); {root} is the id of the root process group.
_ADMINISTER = [
    *(
        (resource, action)
        for resource in ("/tenants", "/policies", "/controller")
        for action in ("read", "write")
    ),
    ("/flow", "read"),
    ("/system", "read"),
    *((f"/{kind}/process-groups/{{root}}", "read") for kind in ("data", "provenance-data")),
    ("/data/process-groups/{root}", "write"),
    *(("/process-groups/{root}", action) for action in ("read", "write")),
    *(("/operation/process-groups/{root}", action) for action in ("write",)),
    ("/provenance", "read"),
    *(("/parameter-contexts", action) for action in ("read", "write")),
]
_WATCH = [("/flow", "read"), ("/system", "read"), ("/process-groups/{root}", "read")]
RIGHTS = {"opslib-flow": _ADMINISTER, "operator": _ADMINISTER, "opslib-doctor": _WATCH}


def grant(root: str, *, dry_run: bool) -> list[str]:
    """Give each user of :data:`RIGHTS` what stands there; return what was missing.

    On its first start NiFi has no policies for the root group, not even for its administrator.
    """
    users = {user.component.identity: user for user in nipyapi.security.list_service_users("nifi")}
    changed = []
    for identity, user in users.items():
        name = identity.split(",")[0].removeprefix("CN=")
        for template, action in RIGHTS.get(name, []):
            resource = template.format(root=root)
            if _has(user, resource, action):
                continue
            changed.append(f"{name} may {action} {template.format(root='root')}")
            if not dry_run:
                _allow(user, resource, action)
    return changed


def _has(user: Any, resource: str, action: str) -> bool:
    return any(
        policy.component.resource == resource and policy.component.action == action
        for policy in user.component.access_policies or []
    )


def _allow(user: Any, resource: str, action: str) -> None:
    kind, _, rest = resource.strip("/").partition("/")
    found = nipyapi.security.get_access_policy_for_resource(f"/{kind}" + (f"/{rest}" if rest else ""), action)
    if found is None or found.component.resource != resource:
        found = nipyapi.nifi.PoliciesApi().create_access_policy(
            body=nipyapi.nifi.AccessPolicyEntity(
                revision=nipyapi.nifi.RevisionDTO(version=0),
                component=nipyapi.nifi.AccessPolicyDTO(
                    resource=resource, action=action, users=[], user_groups=[]
                ),
            )
        )
    nipyapi.security.add_user_to_access_policy(user, found, refresh=True, strict=False)
