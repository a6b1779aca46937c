#!/usr/bin/python
"""Bring a replica set, its members, roles and users to the state that is wanted, in one connection."""

from __future__ import annotations

import contextlib
import functools
import time
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

try:
    from pymongo import MongoClient
    from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, ServerSelectionTimeoutError
except ImportError as problem:
    MongoClient, _missing = None, problem

DOCUMENTATION = r"""
---
module: mongodb_state
short_description: Bring a replica set, its members, roles and users to the state that is wanted
description:
  - Makes the replica set where no member of it is in one, changes members if it is told to, bounds the
    replication logs, sets the administrator's password, and makes roles and users with exactly the privileges
    and passwords given.
  - Whether a password is the right one is found by logging in with it, so nothing is changed without need.
  - A forgotten or replaced administrator's password is no obstacle, because the key of the set
    opens the set as well.
  - A user that is not named goes, with its role, if it has a role of its own name, as all have that this
    module made. Others are left alone.
options:
  port: {description: Port of the server on this host., type: int, required: true}
  ca_file: {description: Certificate of the servers' authority., type: path, required: true}
  replica_set: {description: Name of the set., type: str, required: true}
  address: {description: This host's member as host:port., type: str, required: true}
  members: {description: All members as host:port., type: list, elements: str, required: true}
  change_members: {description: Whether members may be added and removed., type: bool, default: false}
  key: {description: Key of the set., type: str, required: true}
  oplog_mb: {description: Bound of the replication log., type: int, required: true}
  admin_name: {description: Account of the administrator., type: str, required: true}
  admin_password: {description: Its password., type: str, required: true}
  database: {description: Database of the privileges., type: str, required: true}
  users:
    description: Accounts, each with name, password_from, roles, and privileges on collections or the cluster.
    type: list
    elements: dict
    required: true
  passwords: {description: Passwords by the name that password_from gives., type: dict, required: true}
  timeout: {description: Seconds to wait for an election or an answer., type: int, default: 60}
"""
EXAMPLES = "# See roles/mongodb/tasks/accounts.yml."
RETURN = r"""
changes: {description: What was changed, or would be., type: list, elements: str, returned: always}
"""

AUTHENTICATION_FAILED = 18
NOT_INITIALISED = 94
# A change of the configuration waits for the one before it: 109 in progress, 308 not yet committed.
RECONFIGURATION_BUSY = (109, 308)
MEBIBYTE = 1024 * 1024
# A set has at most this many voters; further members hold the data and stand by.
VOTERS = 7


class StateError(Exception):
    """Something that a person has to see to, in one line."""


class State:
    """The replica set as it is, and how to change it."""

    def __init__(self, params: dict[str, Any], check_mode: bool) -> None:
        self.wanted = params
        self.check_mode = check_mode
        self.changes: list[str] = []
        self.local = f"127.0.0.1:{params['port']}"
        self.others = [member for member in params["members"] if member != params["address"]]

    def connect(self, *hosts: str, seconds: int | None = None, **options: Any) -> MongoClient:
        """Return a client of *hosts*; it connects when it is first used."""
        return MongoClient(
            list(hosts),
            tls=True,
            tlsCAFile=self.wanted["ca_file"],
            serverSelectionTimeoutMS=(seconds or self.wanted["timeout"]) * 1000,
            **options,
        )

    def change(self, what: str, do: Callable[[], Any]) -> None:
        """Note a change, and make it unless this is check mode."""
        self.changes.append(what)
        if not self.check_mode:
            do()

    def bring_about(self) -> list[str]:
        """Do what is to be done and return what was changed."""
        seeds = self.seeds()
        if not seeds:
            self.change(f"made the replica set {self.wanted['replica_set']}", self.initiate)
            seeds = [self.local]
        if self.check_mode and self.changes:
            # Of a set that is yet to be made there is nothing to compare.
            return self.changes
        admin = self.administrator(seeds)
        if admin is not None:
            self.settle_members(admin)
            self.bound_oplogs(admin)
            for user in self.wanted["users"]:
                self.settle_role(admin, user)
                self.settle_user(admin, seeds, user)
            self.drop_former(admin)
        return self.changes

    # -- the set ------------------------------------------------------------------------------------------

    def hello(self, host: str) -> dict[str, Any] | None:
        """Return what the mongod at *host* says of itself, ``None`` if it does not answer."""
        try:
            with self.connect(host, seconds=5, directConnection=True) as client:
                return dict(client.admin.command("hello"))
        except (AutoReconnect, ServerSelectionTimeoutError):
            return None

    def seeds(self) -> list[str]:
        """Return the members that are in a set already, none if it is yet to be made."""
        answers = {host: self.hello(host) for host in [self.local, *self.others]}
        inside = []
        for host, answer in answers.items():
            name, wanted = (answer or {}).get("setName"), self.wanted["replica_set"]
            if name not in (None, wanted):
                raise StateError(f"{host} is in the replica set {name}, mongodb_replica_set says {wanted}")
            if name:
                inside.append(host)
        silent = [host for host, answer in answers.items() if answer is None]
        if silent and not inside:
            # One of them may hold the set, and a second one must never be made beside it.
            raise StateError(
                f"no answer from mongod at {', '.join(silent)}: all members must run when the set is made"
            )
        return inside

    def initiate(self) -> None:
        """Make the set, with all of its members at once: an interrupted run leaves none or the whole."""
        hosts = [self.wanted["address"], *self.others]
        members: list[dict[str, Any]] = [{"_id": number, "host": host} for number, host in enumerate(hosts)]
        for member in members[VOTERS:]:
            member.update(votes=0, priority=0)
        config = {"_id": self.wanted["replica_set"], "members": members}
        client = self.as_member(self.local, directConnection=True)
        client.admin.command("replSetInitiate", config)
        self.wait_for(
            lambda: any(
                (self.hello(host) or {}).get("isWritablePrimary") for host in [self.local, *hosts[1:]]
            ),
            "the first election",
        )

    def wait_for(self, done: Callable[[], Any], what: str) -> Any:
        """Wait until *done* returns something, and return that."""
        deadline = time.monotonic() + self.wanted["timeout"]
        while not (found := done()):
            if time.monotonic() > deadline:
                raise StateError(f"{what} took longer than {self.wanted['timeout']} s")
            time.sleep(0.2)
        return found

    def as_member(self, *hosts: str, **options: Any) -> MongoClient:
        """Return a client that identifies itself with the key, as the members do among themselves."""
        return self.connect(
            *hosts,
            username="__system",
            password="".join(self.wanted["key"].split()),
            authSource="local",
            authMechanism="SCRAM-SHA-256",
            **options,
        )

    def settle_members(self, admin: MongoClient) -> None:
        """Add the members that are missing and remove those that are to go, if that is what is asked for.

        A new one has no vote while it copies the data, so that it can neither make nor break a majority.
        """
        known = {member["host"] for member in self.config(admin)["members"]}
        new = [host for host in self.wanted["members"] if host not in known]
        gone = sorted(known - set(self.wanted["members"]))
        if (new or gone) and not self.wanted["change_members"]:
            raise StateError(
                f"the replica set has {', '.join(sorted(known))}, and is to have "
                f"{', '.join(self.wanted['members'])}: members are changed by ansible/member.yml"
            )
        for host in new:
            if self.hello(host) is None:
                raise StateError(f"no answer from mongod at {host}, which is to be added to the replica set")
            self.change(f"added {host} to the replica set", lambda host=host: self.add_member(admin, host))
        for host in gone:
            self.change(f"removed {host} from the replica set", lambda host=host: self.remove(admin, host))
        if self.wanted["change_members"]:
            # Those too that a run before left without.
            for host in self.without_vote(admin):
                self.change(f"gave {host} its vote", lambda host=host: self.give_vote(admin, host))

    def config(self, admin: MongoClient) -> dict[str, Any]:
        """Return the set's configuration."""
        found: dict[str, Any] = admin.admin.command("replSetGetConfig")["config"]
        return found

    def reconfigure(self, admin: MongoClient, what: str, edit: Callable[[dict[str, Any]], bool]) -> None:
        """Change the configuration as *edit* does, which says whether it changed anything."""

        def reconfigured() -> bool:
            config = self.config(admin)
            if not edit(config):
                return True
            config["version"] += 1
            try:
                admin.admin.command("replSetReconfig", config)
            except OperationFailure as refusal:
                if refusal.code not in RECONFIGURATION_BUSY:
                    raise
                return False
            except AutoReconnect:
                # Another member has become the primary; what of this came through is seen at the next look.
                return False
            return True

        self.wait_for(reconfigured, what)

    def add_member(self, admin: MongoClient, host: str) -> None:
        """Add one member without a vote, and wait until it has copied the data."""

        def edit(config: dict[str, Any]) -> bool:
            if any(each["host"] == host for each in config["members"]):
                return False
            number = max(each["_id"] for each in config["members"]) + 1
            config["members"].append({"_id": number, "host": host, "votes": 0, "priority": 0})
            return True

        self.reconfigure(admin, f"adding {host}", edit)
        self.wait_for_copy(host)

    def without_vote(self, admin: MongoClient) -> list[str]:
        """Return the members that are yet to get a vote, as far as there are votes to give."""
        members = self.config(admin)["members"]
        voters = [each["host"] for each in members if each["votes"]]
        waiting = [host for host in self.wanted["members"] if host not in voters]
        if self.check_mode:
            # Those that are to be added are no members yet.
            waiting = [host for host in waiting if host in {each["host"] for each in members}]
        return waiting[: max(0, VOTERS - len(voters))]

    def wait_for_copy(self, host: str) -> None:
        """Wait until a member has copied the data, as long as that goes on."""
        copied, deadline = -1, time.monotonic() + self.wanted["timeout"]
        while not (self.hello(host) or {}).get("secondary"):
            now = self.copied(host)
            if now != copied:
                copied, deadline = now, time.monotonic() + self.wanted["timeout"]
            if time.monotonic() > deadline:
                waited = f"nothing for {self.wanted['timeout']} s"
                raise StateError(f"{host} copied {copied} bytes and then {waited}")
            time.sleep(0.5)

    def copied(self, host: str) -> int:
        """Return how many bytes a new member has copied; what it cannot say is -1."""
        try:
            with self.as_member(host, seconds=5, directConnection=True) as client:
                status = client.admin.command("replSetGetStatus", initialSync=1)
        except PyMongoError:
            return -1
        return int(status.get("initialSyncStatus", {}).get("approxTotalBytesCopied", -1))

    def give_vote(self, admin: MongoClient, host: str) -> None:
        """Give a member its vote, once it has the data."""
        self.wait_for_copy(host)

        def edit(config: dict[str, Any]) -> bool:
            (member,) = (each for each in config["members"] if each["host"] == host)
            if member["votes"]:
                return False
            member.update(votes=1, priority=1)
            return True

        self.reconfigure(admin, f"giving {host} its vote", edit)

    def remove(self, admin: MongoClient, host: str) -> None:
        """Take a member out of the set; a primary hands over first."""
        if (admin.admin.command("hello").get("primary")) == host:
            with contextlib.suppress(AutoReconnect):
                admin.admin.command("replSetStepDown", 120, secondaryCatchUpPeriodSecs=60)

        def edit(config: dict[str, Any]) -> bool:
            left = [each for each in config["members"] if each["host"] != host]
            changed, config["members"] = len(left) < len(config["members"]), left
            return changed

        self.reconfigure(admin, f"removing {host}", edit)

    def bound_oplogs(self, admin: MongoClient) -> None:
        """Give each member's replication log its bound; mongod.conf counts at the first start alone."""
        wanted = self.wanted["oplog_mb"]
        for member in admin.admin.command("replSetGetConfig")["config"]["members"]:
            host = member["host"]
            if member["arbiterOnly"] or self.hello(host) is None:
                continue
            with self.on_member(host) as client:
                if client["local"].command("collStats", "oplog.rs")["maxSize"] != wanted * MEBIBYTE:
                    self.change(
                        f"bound the replication log of {host} to {wanted} MB",
                        lambda client=client: client.admin.command(
                            "replSetResizeOplog", 1, size=float(wanted)
                        ),
                    )

    def on_member(self, host: str) -> MongoClient:
        """Return the administrator's client of one member.

        The account, or its new password, may be yet to come there, since a majority is enough to set it.
        """
        name, password = self.wanted["admin_name"], self.wanted["admin_password"]

        def logged_in() -> MongoClient | None:
            answer = self.hello(host) or {}
            if not (answer.get("isWritablePrimary") or answer.get("secondary")):
                return None
            return self.logs_in([host], name, password, directConnection=True)

        return self.wait_for(logged_in, f"the account {name} on {host}")

    # -- accounts -----------------------------------------------------------------------------------------

    def logs_in(self, seeds: list[str], name: str, password: str, **where: Any) -> MongoClient | None:
        """Return a client with this account, ``None`` if the password is not the account's."""
        client = self.connect(*seeds, **(where or self.topology()), username=name, password=password)
        try:
            client.admin.command("ping")
        except OperationFailure as refusal:
            client.close()
            if refusal.code != AUTHENTICATION_FAILED:
                raise
            return None
        return client

    def topology(self) -> dict[str, Any]:
        """Return how to find the primary."""
        return {"replicaSet": self.wanted["replica_set"]}

    def administrator(self, seeds: list[str]) -> MongoClient | None:
        """Return the administrator's client; make the account, or set its password, if it does not log in."""
        name, password = self.wanted["admin_name"], self.wanted["admin_password"]
        client = self.logs_in(seeds, name, password)
        if client is not None:
            return client

        def settle() -> None:
            with self.as_member(*seeds, **self.topology()) as member:
                there = member.admin.command("usersInfo", {"user": name, "db": "admin"})["users"]
                verb = "updateUser" if there else "createUser"
                member.admin.command(verb, name, pwd=password, roles=["root"], mechanisms=["SCRAM-SHA-256"])

        self.change(f"set the password of {name}", settle)
        # In check mode the rest cannot be looked at without it.
        return None if self.check_mode else self.logs_in(seeds, name, password)

    def settle_role(self, admin: MongoClient, user: dict[str, Any]) -> None:
        """Give the user's own role exactly its privileges."""
        name = user["name"]
        wanted = [
            {"resource": resource, "actions": privilege["actions"]}
            for privilege in user["privileges"]
            for resource in resources(privilege, self.wanted["database"])
        ]
        found = admin.admin.command("rolesInfo", {"role": name, "db": "admin"}, showPrivileges=True)["roles"]
        if not found:
            create = functools.partial(admin.admin.command, "createRole", name, privileges=wanted, roles=[])
            self.change(f"made the role {name}", create)
        elif granted(found[0]["privileges"]) != granted(wanted) or found[0]["roles"]:
            update = functools.partial(admin.admin.command, "updateRole", name, privileges=wanted, roles=[])
            self.change(f"set the privileges of the role {name}", update)

    def settle_user(self, admin: MongoClient, seeds: list[str], user: dict[str, Any]) -> None:
        """Give the user exactly its roles and its password."""
        name, password = user["name"], self.wanted["passwords"][user["password_from"]]
        roles = sorted([name, *user["roles"]])
        found = admin.admin.command("usersInfo", {"user": name, "db": "admin"})["users"]
        update = functools.partial(admin.admin.command, "updateUser", name)
        if not found:
            create = functools.partial(admin.admin.command, "createUser", name, mechanisms=["SCRAM-SHA-256"])
            self.change(f"made the user {name}", lambda: create(pwd=password, roles=roles))
            return
        held = sorted((role["role"], role["db"]) for role in found[0]["roles"])
        if held != [(role, "admin") for role in roles]:
            self.change(f"set the roles of {name}", lambda: update(roles=roles))
        client = self.logs_in(seeds, name, password)
        if client is not None:
            client.close()
            return
        self.change(f"set the password of {name}", lambda: update(pwd=password))

    def drop_former(self, admin: MongoClient) -> None:
        """Take away the users that are no longer named, each with its own role."""
        named = {self.wanted["admin_name"], *(user["name"] for user in self.wanted["users"])}
        users = admin.admin.command("usersInfo", 1)["users"]
        # Those that are built in are not among them.
        roles = {role["role"] for role in admin.admin.command("rolesInfo", 1)["roles"]}
        for name in former(users, roles - named):
            self.change(
                f"took away the user {name} and its role",
                lambda name=name: [admin.admin.command(verb, name) for verb in ("dropUser", "dropRole")],
            )


def former(users: list[dict[str, Any]], roles: set[str]) -> list[str]:
    """Return which of *users* have a role of their own name that is one of *roles*."""
    return sorted(
        user["user"]
        for user in users
        if user["user"] in roles and {"role": user["user"], "db": "admin"} in user["roles"]
    )


def resources(privilege: dict[str, Any], database: str) -> list[dict[str, Any]]:
    """Return what a privilege is for, as MongoDB names it."""
    where = privilege.get("database") or database
    of_collections = [{"db": where, "collection": collection} for collection in privilege["collections"]]
    return [*of_collections, *([{"cluster": True}] if privilege["cluster"] else [])]


def granted(privileges: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Return privileges as a set: the server merges and orders them as it likes."""
    return {
        (each["resource"].get("db", "*cluster"), each["resource"].get("collection", ""), action)
        for each in privileges
        for action in each["actions"]
    }


def arguments() -> dict[str, Any]:
    """Return what the module takes."""
    text = {"type": "str", "required": True}
    secret = {**text, "no_log": True}
    privilege = {
        "collections": {"type": "list", "elements": "str", "default": []},
        "cluster": {"type": "bool", "default": False},
        # Another one than that of the lake.
        "database": {"type": "str"},
        "actions": {"type": "list", "elements": "str", "required": True},
    }
    user = {
        "name": text,
        "password_from": text,
        "roles": {"type": "list", "elements": "str", "default": []},
        "privileges": {"type": "list", "elements": "dict", "options": privilege, "default": []},
    }
    return {
        "port": {"type": "int", "required": True},
        "ca_file": {"type": "path", "required": True},
        "replica_set": text,
        "address": text,
        "members": {"type": "list", "elements": "str", "required": True},
        "change_members": {"type": "bool", "default": False},
        "key": secret,
        "oplog_mb": {"type": "int", "required": True},
        "admin_name": text,
        "admin_password": secret,
        "database": text,
        "users": {"type": "list", "elements": "dict", "options": user, "required": True},
        "passwords": {"type": "dict", "required": True, "no_log": True},
        "timeout": {"type": "int", "default": 60},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=arguments(), supports_check_mode=True)
    if MongoClient is None:
        module.fail_json(msg=f"not the interpreter of /opt/mongodb/tools: {_missing}")
    state = State(module.params, module.check_mode)
    try:
        state.bring_about()
    except StateError as problem:
        module.fail_json(msg=str(problem), changes=state.changes)
    except PyMongoError as problem:
        module.fail_json(msg=f"MongoDB on {module.params['address']}: {problem}", changes=state.changes)
    module.exit_json(changed=bool(state.changes), changes=state.changes)


if __name__ == "__main__":
    main()
