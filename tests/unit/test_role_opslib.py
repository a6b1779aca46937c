"""What the roles mongodb and opslib compute: credentials, settings as TOML, privileges."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from click.testing import CliRunner

import roles
from opslib.cli.settings import command

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

JOBS = [
    {"name": "store", "account": "opslib-store", "secrets": {"mongodb_password": "mongodb_store_password"}},
    {
        "name": "sink",
        "account": "opslib-sink",
        "secrets": {"mongodb_password": "mongodb_sink_password"},
        "certificate_for": ["kafka"],
    },
]


filters = roles.module("opslib/filter_plugins/opslib.py")


def test_settings_become_toml_that_reads_back() -> None:
    settings = {
        "kafka": {"bootstrap_servers": ["a:9093", "b:9093"], "security_protocol": "SSL"},
        "cloud": {"hours": 1.5, "title": 'São "Paulo"\n', "on": True},
        "nested": {"deeper": {"x": 1}, "y": 2},
        "words": {"hidden": {"#São João": "why", 'a "b"': "why", "": "", "\u00a0.": "x"}},
    }
    assert tomllib.loads(filters.to_toml(settings)) == settings


def test_a_job_gets_its_own_password_and_key_and_no_other() -> None:
    files = filters.opslib_credentials(JOBS, "/tls")
    assert files["store"] == {
        "ca": {"link": "/tls/opslib-sink/ca.pem"},
        "mongodb_password": {"variable": "mongodb_store_password"},
        "mongodb_username": {"content": "opslib-store"},
    }
    assert files["sink"]["kafka_key"] == {"link": "/tls/opslib-sink/key.pem"}
    assert files["sink"]["mongodb_password"] == {"variable": "mongodb_sink_password"}


@pytest.mark.skipif(os.geteuid() != 0, reason="credentials belong to root")
def test_credentials_are_kept_and_strays_removed(tmp_path: Path) -> None:
    module = roles.module("opslib/library/opslib_credentials.py")
    jobs = {"sink": {"ca": {"link": "/tls/ca.pem"}, "mongodb_password": {"variable": "v"}}}

    def settle(secret: str, *, check_mode: bool = False) -> list[str]:
        credentials = module.Credentials(str(tmp_path / "credentials"), check_mode)
        credentials.settle(jobs, {"v": secret})
        return [Path(change).name for change in credentials.changes]

    assert settle("one", check_mode=True)
    assert not (tmp_path / "credentials").exists()
    assert settle("one")
    password = tmp_path / "credentials/sink/mongodb_password"
    assert password.read_text() == "one"
    assert password.stat().st_mode & 0o777 == 0o600
    assert settle("one") == []
    assert settle("two") == ["mongodb_password"]
    password.chmod(0o644)
    password.with_name("stray").touch()
    (tmp_path / "credentials/gone").mkdir()
    assert settle("two") == ["gone", "stray", "mongodb_password"]
    assert settle("two") == []


def test_privileges_compare_whatever_their_order() -> None:
    granted = roles.module("mongodb/library/mongodb_state.py").granted
    tweets = {"db": "trendlake", "collection": "tweets"}
    split = [{"resource": tweets, "actions": ["insert"]}, {"resource": tweets, "actions": ["find"]}]
    assert granted(split) == granted([{"resource": tweets, "actions": ["find", "insert"]}])
    assert granted(split) != granted([{"resource": tweets, "actions": ["find"]}])


def test_a_privilege_is_of_collections_or_of_the_cluster() -> None:
    resources = roles.module("mongodb/library/mongodb_state.py").resources
    assert resources({"collections": ["a", "b"], "cluster": False}, "d") == [
        {"db": "d", "collection": "a"},
        {"db": "d", "collection": "b"},
    ]
    assert resources({"collections": [], "cluster": True}, "d") == [{"cluster": True}]


def test_each_sink_has_a_port_for_its_metrics() -> None:
    assert filters.metrics_listeners({"sink": 9310, "stats": 9330}, 2) == {
        "opslib_metrics_ports.stats": 9330,
        "opslib_metrics_ports.sink + 1": 9311,
        "opslib_metrics_ports.sink + 2": 9312,
    }
    assert filters.metrics_listeners({}, 2) == {}


@pytest.mark.parametrize(
    ("cores", "partitions", "hosts", "ports", "sinks"),
    [
        (1, 6, 1, {}, 1),
        (2, 6, 1, {"sink": 9310, "speed": 9320}, 2),
        (16, 6, 1, {"sink": 9310, "speed": 9320}, 6),
        (16, 6, 3, {"sink": 9310, "speed": 9320}, 2),
        (16, 7, 3, {}, 3),  # one of them has a partition more
        (4, 1, 3, {}, 1),
        (64, 60, 1, {"sink": 9310, "speed": 9320, "web": 9305}, 9),
        (64, 60, 1, {"speed": 9320}, 60),
    ],
)
def test_a_host_runs_as_many_sinks_as_it_has_cores_and_can_feed(
    cores: int, partitions: int, hosts: int, ports: dict[str, int], sinks: int
) -> None:
    assert filters.sink_instances(cores, partitions, hosts, ports) == sinks


@pytest.mark.parametrize(
    ("period", "minutes"),
    [("60 min", 60), ("1 min", 1), ("30 sec", 0.5), ("2 hours", 120), ("1d", 1440), ("90 SECS", 1.5)],
)
def test_periods_of_nifi_are_minutes_for_the_doctor(period: str, minutes: float) -> None:
    assert filters.minutes(period) == pytest.approx(minutes)


@pytest.mark.parametrize("period", ["", "min", "1 moon", "-1 min"])
def test_what_is_no_period_of_nifi_is_said(period: str) -> None:
    with pytest.raises(AnsibleFilterError, match="is no period such as 60 min"):
        filters.minutes(period)


def test_settings_check_tells_what_is_wrong(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.toml", tmp_path / "wrong.toml"
    right.write_text("[sink]\nbatch_size = 10\n")
    wrong.write_text("[sink]\nbatch_sise = 10\n")
    assert CliRunner().invoke(command, ["--check", str(right)]).exit_code == 0
    refused = CliRunner().invoke(command, ["--check", str(wrong)])
    assert refused.exit_code == 2
    assert "sink.batch_sise" in refused.output


def test_settings_show_names_of_credentials_and_nothing_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("mongodb_password").write_text("not to be seen")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for form in ("text", "json"):
        shown = CliRunner().invoke(command, ["--format", form]).output
        assert "mongodb_password" in shown
        assert "not to be seen" not in shown


def test_an_account_that_is_no_longer_named_goes_if_the_role_made_it() -> None:
    former = roles.module("mongodb/library/mongodb_state.py").former
    users = [
        {"user": name, "roles": [{"role": role, "db": "admin"}]}
        for name, role in (("opslib-former", "opslib-former"), ("root", "root"), ("grafana", "opslib-web"))
    ]
    # Roles that are there and not of an account that is named; those that are built in are never among them.
    assert former(users, {"opslib-former"}) == ["opslib-former"]
    assert former(users, set()) == []
