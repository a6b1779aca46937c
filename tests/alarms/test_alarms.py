"""Each alarm of docs/alarms.md is caused on machines by its fault, and told at a webhook: once, and its end.

On a lake and a host that watches it: `molecule create -s alarms`, `molecule converge -s alarms`, `pytest
tests/alarms`. What such machines cannot have (a clock of their own, another member of MongoDB's set) an
exporter of the tests tells of.
"""

from __future__ import annotations

import datetime as dt
import functools
import time
from typing import TYPE_CHECKING

import pytest
import yaml
from caused import Alarm, Fault, cause
from chaos import ROOT, say, wait_until
from lake import FOLDER, Lake
from told import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not (FOLDER / "ssh_config").is_file(), reason="no machines: `molecule converge -s alarms`"
)
_IDLE_SECONDS = 600
# DiskFullSoon is to last for an hour; here it is told after ten minutes.
_LESS_SECONDS = 50 * 60


def faults_of(lake: Lake) -> list[Fault]:
    """Return what goes wrong, many at once where they do not hide each other.

    Of what the doctor finds, what follows from something else is not told beside it; hence their order.
    """
    backups = " ".join(BACKUPS)
    stop, start = "systemctl disable -q --now {}", "systemctl enable -q --now {}"
    speed, page = "opslib-speed", "opslib-web.socket opslib-web.service"
    kills = "for n in 1 2 3 4 5 6 7; do systemctl kill -s KILL opslib-wishes; sleep 15; done"
    grow = "while sleep 10; do head -c 100000 /dev/zero >> /srv/grows/more || exit; done"
    password = "/etc/opslib-backup/credentials/restic_password"
    broker = lake.broker()

    def run(command: str, unit: str = "") -> functools.partial[str]:
        return functools.partial(lake.run, command.replace("{}", unit))

    def x_says_no() -> None:
        # The credits are used up: it is asked again after a minute, then two, four, eight.
        lake.let_x_fail(by_route={"trends": {"402": 1}})
        why = "the credits at X are used up"
        wait_until("the doctor says why", lambda: why in lake.run("opslib doctor", check=False), 300)

    def x_answers() -> None:
        lake.let_x_fail()
        lake.restart_collecting()

    def sink_waits() -> None:
        lake.cut_from_mongodb("opslib-sink")
        lake.produce()

    faults = [
        # It is over before the others are to be found.
        Fault(
            lake.silence_doctor, run("systemctl start opslib-doctor.timer"), [Alarm("DoctorSilent", due=-890)]
        ),
        Fault(lake.promise_place, lake.take_back_place, [Alarm("NothingCollected")]),
        Fault(lake.spend, lake.give_back, [Alarm("BudgetEndsEarly")]),
        # Meanwhile it is why nothing comes.
        Fault(x_says_no, x_answers, [Alarm("NiFiComplains")], after=["NothingCollected"]),
        Fault(lake.fill_queue, lake.drop_queue, [Alarm("NiFiQueueFull", due=60)]),
        Fault(lake.spoil, bool, [Alarm("DeadLetters")]),
        Fault(lake.hold_rollups, run(start, "opslib-rollup"), [Alarm("RollupsOld")]),
        Fault(
            lake.lose_clouds, run(start, "opslib-report.timer"), [Alarm("CloudsOld")], after=["RollupsOld"]
        ),
        Fault(
            run(stop, speed), run(start, speed),
            [Alarm("SpeedBehind", due=300), Alarm("ServiceDown", {"job": "opslib-speed"})],
            after=["PartitionsOffline"],
        ),
        Fault(run(stop, page), run(start, page), [Alarm("PageDown")]),
        Fault(
            functools.partial(lake.shorten_certificate, 10), lake.restore_certificate,
            [Alarm("CertificateEnds")],
        ),
        # Cut off, they go on telling of when members were written to last as it was then.
        Fault(
            functools.partial(lake.cut_from_mongodb, "opslib-stats"),
            functools.partial(lake.let_to_mongodb, "opslib-stats"),
            [Alarm("MongoDBMemberDown"), Alarm("RecorderSilent")], after=["ReplicationLag"],
        ),
        Fault(
            sink_waits,
            functools.partial(lake.let_to_mongodb, "opslib-sink"),
            [Alarm("SinkWaits", {"target": "mongodb"}), Alarm("SinkBehind", due=300)], delay=390,
        ),
        Fault(
            run(f"cp -a {password} /root/; echo another > {password}; systemctl start {backups} || true"),
            run(f"cp -a /root/restic_password {password}; systemctl start {backups}"),
            [
                Alarm("BackupOld"),
                Alarm("BackupUnverified"),
                Alarm("UnitFailed", {"name": "opslib-backup.service"}),
            ],
            after=["QuorumLost"],  # one of ZooKeeper as well is to be had again
        ),
        Fault(
            functools.partial(lake.fill, "/srv/full", "size=20m", "head -c 19m /dev/zero > ballast"),
            functools.partial(lake.empty, "/srv/full"), [Alarm("DiskFull", {"mountpoint": "/srv/full"})],
        ),
        Fault(
            functools.partial(lake.fill, "/srv/many", "nr_inodes=100", "touch $(seq 97)"),
            functools.partial(lake.empty, "/srv/many"), [Alarm("InodesUsedUp", {"mountpoint": "/srv/many"})],
        ),
        Fault(
            functools.partial(
                lake.fill, "/srv/grows", "size=200m",
                f"head -c 120m /dev/zero > ballast; systemd-run -q --unit=verify-grows sh -c '{grow}'",
            ),
            run("systemctl stop verify-grows; umount /srv/grows; rmdir /srv/grows"),
            [Alarm("DiskFullSoon", {"mountpoint": "/srv/grows"}, shortened=_LESS_SECONDS)],
        ),
        Fault(
            run(f"systemd-run -q sh -c '{kills}'"), bool,
            [Alarm("UnitFlapping", {"name": "opslib-wishes.service"}, due=45)],
        ),
        Fault(
            functools.partial(lake.on_watch, "systemctl stop smtp"), lake.listen_for_mail,
            [Alarm("AlarmsNotTold", {"integration": "email"})], after=["DeadLetters", "PageDown"],
        ),
        Fault(
            functools.partial(lake.on_watch, "systemctl stop prometheus-node-exporter"),
            functools.partial(lake.on_watch, "systemctl start prometheus-node-exporter"),
            [Alarm("HostDown", {"host": lake.watch})],
        ),
        Fault(
            functools.partial(lake.add_topic, "verify-offline", [99], 99),
            functools.partial(lake.drop_topic, "verify-offline"), [Alarm("PartitionsOffline")],
        ),
        Fault(
            lake.take_controller, lake.give_controller, [Alarm("NoController")],
            # Without one, brokers that were started anew know of no topics, and nothing else is to be found.
            after=["PartitionsOffline", "NothingCollected"],
        ),
        Fault(
            run("systemctl stop zookeeper"), run("systemctl start zookeeper"),
            [Alarm("QuorumLost")], after=["NoController"],
        ),
        Fault(
            functools.partial(lake.add_topic, "verify-behind", [broker, 99], broker),
            functools.partial(lake.heal_topic, "verify-behind", broker),
            [Alarm("PartitionsUnderReplicated")], after=["QuorumLost"],
        ),
        Fault(lake.pretend, lake.pretend_no_longer, [Alarm("ClockWrong"), Alarm("ReplicationLag")]),
    ]  # fmt: skip
    budget = next(fault for fault in faults if fault.alarms[0].name == "BudgetEndsEarly")
    return [fault for fault in faults if fault is not budget or _budget_may_end_early()]


BACKUPS = ("opslib-backup", "opslib-backup-verify")
ALARMS = [
    rule["alert"]
    for group in yaml.safe_load((ROOT / "roles/monitoring/files/rules.yml").read_text())["groups"]
    for rule in group["rules"]
    if rule["alert"] != "DeadMansSwitch"  # it has a test of its own
]


def _budget_may_end_early() -> bool:
    return dt.datetime.now(dt.timezone.utc).hour < 19


@pytest.fixture(scope="module")
def lake() -> Lake:
    return Lake()


@pytest.fixture(scope="module")
def webhook(lake: Lake) -> Iterator[Webhook]:
    lake.listen_for_mail()
    lake.shorten("DiskFullSoon", "1h", f"{3600 - _LESS_SECONDS}s")
    webhook = Webhook()
    webhook.listen()
    for unit in BACKUPS:
        lake.run(f"systemctl start {unit}", seconds=600)
    lake.settle(900)
    yield webhook
    webhook.close()


@pytest.fixture(scope="module")
def alarms(lake: Lake, webhook: Webhook) -> dict[str, Alarm]:
    """Return what was told of each alarm, once all were caused."""
    lake.hide_from_doctor("verify-", True)
    faults = faults_of(lake)
    found = {alarm.name: alarm for fault in faults for alarm in fault.alarms}
    try:
        cause(faults, webhook)
    finally:
        for alarm in found.values():
            if alarm.fires:
                say(f"| {alarm.name} | {alarm.seconds:.0f} s |")
        lake.lift_budget()
        lake.hide_from_doctor("verify-", False)
    lake.settle(900)
    return found


def test_an_idle_green_lake_raises_none(lake: Lake, webhook: Webhook) -> None:
    before = len(webhook.told)
    time.sleep(_IDLE_SECONDS)
    assert webhook.told[before:] == []
    assert lake.firing() == {"DeadMansSwitch"}
    assert len(webhook.lives) >= 2


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_is_told_and_so_is_its_end(alarms: dict[str, Alarm], alarm: str) -> None:
    if alarm == "BudgetEndsEarly" and alarm not in alarms:
        pytest.skip("it is told before 20:00 UTC alone")
    fires, ends = alarms[alarm].fires, alarms[alarm].ends
    assert fires, "it was not told"
    assert ends, "its end was not told"
    assert fires.summary.endswith(".")


@pytest.mark.usefixtures("alarms")
def test_nothing_is_told_twice(webhook: Webhook) -> None:
    assert webhook.repeated() == []


def test_the_same_comes_by_mail(lake: Lake, webhook: Webhook) -> None:
    told = {one.alarm for one in webhook.told if one.status == "firing"}
    mails = lake.mails()
    assert "FIRING" in mails
    assert "RESOLVED" in mails
    assert any(name in mails for name in told)


def test_a_host_that_is_away_is_told_alone(lake: Lake, webhook: Webhook) -> None:
    before = len(webhook.told)
    lake.run("systemctl stop nginx")
    try:
        down = Alarm("HostDown", {"host": lake.name})
        cause([Fault(bool, functools.partial(lake.run, "systemctl start nginx"), [down])], webhook)
    finally:
        lake.run("systemctl start nginx")
    assert {one.alarm for one in webhook.told[before:]} == {"HostDown"}


def test_the_dead_mans_switch_is_let_go_when_prometheus_stops(lake: Lake, webhook: Webhook) -> None:
    lake.on_watch("systemctl stop prometheus")
    try:
        time.sleep(360)  # what Alertmanager was told last holds for some minutes
        before = len(webhook.lives)
        time.sleep(420)
        assert len(webhook.lives) == before
    finally:
        lake.on_watch("systemctl start prometheus")
    deadline = time.monotonic() + 300
    while len(webhook.lives) == before and time.monotonic() < deadline:
        time.sleep(1)
    assert len(webhook.lives) > before
