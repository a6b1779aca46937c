"""The role mongodb's module on real servers: members that come, and runs that are killed meanwhile."""

from __future__ import annotations

import contextlib
import multiprocessing
from typing import TYPE_CHECKING, Any, Callable

import pytest
import services
from certificates import Authority
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

import roles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

mongodb_state = roles.module("mongodb/library/mongodb_state.py")

# Enough that copying it is a while.
DOCUMENTS = [{"_id": number, "text": f"{number} " * 200} for number in range(20_000)]


def bring_about(wanted: dict[str, Any]) -> None:
    """Do what the module does; in a process of its own, so that it can be killed."""
    mongodb_state.State(wanted, check_mode=False).bring_about()


class Members:
    """A replica set of one with data, and two blank servers."""

    def __init__(self, servers: list[services.Service], ca: Path) -> None:
        self.ca = ca
        self.hosts = [f"127.0.0.1:{server.port}" for server in servers]
        user, password = services.ADMIN
        self.client: MongoClient[dict[str, Any]] = MongoClient(
            self.hosts[0],
            replicaSet="trendlake",
            tls=True,
            tlsCAFile=str(ca),
            username=user,
            password=password,
            w="majority",
        )
        self.wanted = {
            "port": servers[0].port,
            "ca_file": str(ca),
            "replica_set": "trendlake",
            "address": self.hosts[0],
            "members": self.hosts,
            "change_members": True,
            "key": (servers[0].folder / "keyfile").read_text(),
            "oplog_mb": 990,
            "admin_name": user,
            "admin_password": password,
            "database": "trendlake",
            "users": [],
            "passwords": {},
            "timeout": 60,
        }

    def votes(self) -> dict[str, int]:
        members = self.client.admin.command("replSetGetConfig")["config"]["members"]
        return {one["host"]: one["votes"] for one in members}

    def has_data(self, host: str) -> bool:
        members = self.client.admin.command("replSetGetStatus")["members"]
        return any(one["name"] == host and one["stateStr"] == "SECONDARY" for one in members)

    def killed(self, when: Callable[[], bool]) -> None:
        """Start the module, and kill it as soon as *when* says so; a busy machine may see that too late."""
        run = multiprocessing.get_context("spawn").Process(target=bring_about, args=(self.wanted,))
        run.start()

        def is_time() -> bool:
            if not run.is_alive():
                assert run.exitcode == 0
                return True
            # Members may choose whom they follow when one more has a vote.
            with contextlib.suppress(PyMongoError):
                return when()
            return False

        services.wait_until("the moment", is_time, 120)
        run.kill()
        run.join()


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    authority = Authority(tmp_path / "certificates")
    certificate = authority.certificate("server")
    servers = [services.mongodb(tmp_path / f"mongodb-{number}", certificate) for number in range(3)]
    try:
        for server in servers:
            server.start()
        services.initiate(servers[0].port, certificate.ca)
        found = Members(servers, certificate.ca)
        found.client.trendlake.tweets.insert_many(DOCUMENTS)
        yield found
        found.client.close()
    finally:
        for server in servers:
            server.stop()


MOMENTS: dict[str, Callable[[Members], bool]] = {
    "the first is a member": lambda members: members.hosts[1] in members.votes(),
    "the first has the data": lambda members: members.has_data(members.hosts[1]),
    "the second is a member": lambda members: members.hosts[2] in members.votes(),
    "the first has its vote": lambda members: bool(members.votes().get(members.hosts[1])),
}


@pytest.mark.parametrize(
    "moment",
    [pytest.param(moment, marks=pytest.mark.long if moment.endswith("member") else ()) for moment in MOMENTS],
)
def test_killed_while_members_come_the_next_run_completes_it(members: Members, moment: str) -> None:
    members.killed(lambda: MOMENTS[moment](members))
    # What is there neither makes nor breaks a majority.
    members.client.trendlake.tweets.insert_one({"_id": "between"})
    bring_about(members.wanted)
    assert members.votes() == dict.fromkeys(members.hosts, 1)
    everywhere = members.client.trendlake.get_collection("tweets", write_concern=WriteConcern(w=3))
    everywhere.insert_one({"_id": "after"})
    for host in members.hosts:
        port = int(host.rpartition(":")[2])
        with services.mongodb_client(port, members.ca) as client:
            assert client.trendlake.tweets.count_documents({}) == len(DOCUMENTS) + 2
    assert mongodb_state.State(members.wanted, check_mode=False).bring_about() == []


def refused_logins(client: MongoClient[dict[str, Any]]) -> int:
    return sum("Authentication failed" in line for line in client.admin.command("getLog", "global")["log"])


def test_a_member_that_is_behind_gets_the_administrators_new_password_later(members: Members) -> None:
    bring_about(members.wanted)
    behind = services.mongodb_client(int(members.hosts[2].rpartition(":")[2]), members.ca)
    before = refused_logins(behind)
    # What others write comes there no more.
    behind.admin.command("fsync", lock=True)
    members.wanted["admin_password"] = "another"
    run = multiprocessing.get_context("spawn").Process(target=bring_about, args=(members.wanted,))
    run.start()
    services.wait_until("it is asked too early", lambda: refused_logins(behind) > before, 120)
    assert run.is_alive()
    behind.admin.command("fsyncUnlock")
    run.join(120)
    assert run.exitcode == 0
    behind.close()
    assert mongodb_state.State(members.wanted, check_mode=False).bring_about() == []
