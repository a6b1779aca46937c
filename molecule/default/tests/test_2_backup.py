"""The deployed lake's backup: made by its unit, with rights to read alone, and whole when it is verified."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import testinfra

if TYPE_CHECKING:
    from conftest import Lake
    from testinfra.host import Host

REPOSITORY = "/srv/lake"  # on the machine that outlives the lake


@pytest.fixture(scope="module")
def made(host: Host) -> dict[str, Any]:
    host.run_expect([0], "systemctl start opslib-backup")
    newest: dict[str, Any] = json.loads(host.check_output("opslib backup list --format json"))[-1]
    return newest


def test_the_unit_saves_all_parts_of_the_host(made: dict[str, Any]) -> None:
    assert made["whole"]
    assert made["parts"] == [
        "positions", "nifi", "mongodb", "log", "kafka", "zookeeper", "opslib", "web",
    ]  # fmt: skip


def test_it_comes_back_whole_into_a_mongodb_of_its_own(host: Host, made: dict[str, Any]) -> None:
    host.run_expect([0], "systemctl start opslib-backup-verify")
    told = host.check_output("cat /var/lib/opslib/backup/trendlake_backup.prom")
    assert "trendlake_backup_last_verification_failed 0.0" in told
    assert (
        json.loads(host.check_output("cat /var/lib/opslib/backup/status.json"))["verified_run"] == made["run"]
    )


@pytest.mark.usefixtures("made")
def test_what_is_there_is_not_overwritten(host: Host) -> None:
    refused = host.run("opslib backup restore nifi")
    assert refused.rc == 2
    assert "nothing was changed: there is /var/lib/nifi/conf/flow.json.gz" in refused.stderr


@pytest.mark.usefixtures("made")
def test_nobody_else_opens_backups_and_what_is_saved_holds_no_secret_in_plain(host: Host, lake: Lake) -> None:
    with host.sudo("opslib-sink"):
        assert host.run("ls /etc/opslib-backup/credentials").rc != 0
    store = testinfra.get_host(f"ssh://{lake.name}-store", ssh_config=str(lake.folder / "ssh_config"))
    assert store.run(f"test -f {REPOSITORY}/config").rc == 0
    assert store.run(f"grep -rqF {lake.secrets['mongodb_sink_password']} {REPOSITORY}").rc == 1


def test_its_account_writes_nowhere_else(host: Host) -> None:
    kept = "mongodb nifi kafka opslib-web zookeeper"
    tries = " && ".join(f"! touch /var/lib/{name}/x" for name in kept.split())
    # As the unit has it, but for the command.
    unit = host.check_output(
        "systemctl show -p CapabilityBoundingSet -p ProtectSystem -p PrivateDevices opslib-backup"
    )
    assert "CapabilityBoundingSet=cap_dac_read_search\n" in unit + "\n"
    assert "ProtectSystem=strict" in unit
    host.run_expect([0], f"runuser -u opslib-backup -- sh -c '{tries}'")
