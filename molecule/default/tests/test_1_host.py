"""What is on the host: users, files, units, ports, the firewall."""

from __future__ import annotations

import socket

import pytest

PARTITIONS = 6  # of tweets.raw
SERVICES = ["zookeeper", "kafka", "mongodb", "nifi"]


@pytest.mark.parametrize(
    "name",
    [
        *SERVICES,
        "opslib-sink@1",
        "opslib-rollup",
        "opslib-speed",
        "opslib-stats",
        "opslib-search",
        "opslib-wishes",
        "opslib-report.timer",
        "opslib-web",
        "nginx",
        "trendlake-firewall",
    ],
)
def test_runs_now_and_at_boot(host, name):
    unit = host.service(name)
    assert unit.is_running
    assert unit.is_enabled


def test_as_many_sinks_run_as_the_host_has_cores_and_there_are_partitions(host):
    sinks = min(int(host.check_output("nproc")), PARTITIONS)
    for number in range(1, sinks + 1):
        unit = host.service(f"opslib-sink@{number}")
        assert unit.is_running, number
        assert unit.is_enabled, number
    assert not host.service(f"opslib-sink@{sinks + 1}").is_running


def test_systemd_reads_every_line_of_every_unit(host):
    said = host.run("systemd-analyze verify /etc/systemd/system/*.service /etc/systemd/system/*.timer")
    ours = [line for line in said.stderr.splitlines() if "/etc/systemd/system/" in line]
    assert ours == []


def test_nothing_failed(host):
    assert host.run("systemctl --failed --no-legend --plain").stdout.strip() == ""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_own_user_without_a_shell(host, name):
    assert host.user(name).shell == "/usr/sbin/nologin"
    assert host.check_output("systemctl show -p User --value %s", name) == name


@pytest.mark.parametrize("name", [*SERVICES, "java", "opslib"])
def test_a_release_belongs_to_root_and_is_the_current_one(host, name):
    assert host.file(f"/opt/{name}/current").is_symlink
    assert host.run(f"find /opt/{name} ! -user root -print -quit").stdout == ""
    assert host.run(f"find /opt/{name} -perm -o=w ! -type l -print -quit").stdout == ""


@pytest.mark.parametrize("folder", ["/opt/opslib/current", "/opt/mongodb/tools", "/opt/kafka/tools"])
def test_python_is_called_by_its_whole_name_since_another_debian_has_another(host, folder):
    called = host.check_output("readlink %s/bin/python3", folder)
    assert called == host.check_output("readlink -f /usr/bin/python3")
    assert host.file(f"{folder}/lib/{called.rpartition('/')[2]}").is_directory
    assert f"nifi.python.command={called}\n" in host.file("/etc/nifi/nifi.properties").content_string


def test_system_folders_still_belong_to_root(host):
    for folder in ("/etc", "/usr", "/opt", "/var", "/usr/local/bin"):
        found = host.file(folder)
        assert (found.user, found.group, found.mode & 0o022) == ("root", "root", 0), folder


def test_keys_are_for_their_service_alone(host):
    found = host.run(
        "find /etc -name '*.key' -o -name 'key.pem' -o -name 'keystore.*' -o -path '*/credentials/*' -type f"
    ).stdout.split()
    assert found
    readable_by_all = [path for path in found if host.file(path).mode & 0o007]
    assert readable_by_all == []


def test_nothing_listens_to_the_network_beside_ssh_and_the_services(host):
    # With ZooKeeper's quorum and election: a single server is an ensemble of one.
    known = {22, 443, 2182, 2888, 3888, 9093, 27017, 8443}
    for line in host.check_output("ss -Hltn").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        # Linux lets nobody connect to the last, a multicast address: NiFi's management port.
        if not address.startswith(("127.", "[::1]", "[::ffff:127.", "[::ffff:224.0.0.1]")):
            assert int(port) in known, line


def test_the_firewall_lets_in_what_it_names_and_nothing_else(host, lake):
    socket.create_connection((lake.address, 9093), timeout=5).close()
    host.check_output("systemd-run --unit=stranger --collect python3 -m http.server 9999")
    try:
        assert (
            host.run(
                "sleep 1; python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 9999), 5)'"
            ).rc
            == 0
        )
        with pytest.raises(OSError, match="timed out"):
            socket.create_connection((lake.address, 9999), timeout=2)
    finally:
        host.run("systemctl stop stranger")
