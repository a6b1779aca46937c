"""Changes without loss: more hosts, another one, fewer, a bad setting, and runs that are interrupted.

Those marked short come first and stand alone.
"""

from __future__ import annotations

import random
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from machines import MEMBERS, ROOT, Lake, nothing_lost

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = [1, 3, 4]
# The right to change ZooKeeper's members, a certificate that is there for as long as that takes.
RIGHT = "/etc/zookeeper/members-tls"


def moments(first: int, last: int) -> Iterator[tuple[int, signal.Signals]]:
    """Draw in each fifth of the lines that a playbook says when a run ends, and how."""
    chance, step = random.Random(f"16 {first}"), (last - first) // 5  # noqa: S311 - no secret
    for begin in range(first, first + 5 * step, step):
        yield begin + chance.randrange(step), chance.choice([signal.SIGINT, signal.SIGKILL])


def moments_of_growth() -> Iterator[tuple[str, int, signal.Signals]]:
    """Draw as many while the members of each service change: a play, how far in it, and how it ends."""
    chance = random.Random("16 growth")  # noqa: S311 - no secret
    # A play that was ended has less to say the next time.
    for play, lines in (
        ("[The ensemble]", 500), ("[The ensemble]", 200), ("[The brokers]", 400),
        ("[The replica set]", 400), ("[The replica set]", 150),
    ):  # fmt: skip
        yield play, chance.randrange(10, lines), chance.choice([signal.SIGINT, signal.SIGKILL])


@pytest.fixture(scope="module")
def lake() -> Lake:
    return Lake()


@pytest.mark.short
def test_1_one_host_becomes_three_while_it_is_written_to(lake: Lake) -> None:
    lake.play("site.yml", [1])
    writers = lake.writers([1])
    with writers.going_on():
        lake.play("ansible/member.yml", [1, 2, 3], "--skip-tags", "site")
    lake.whole([1, 2, 3])
    nothing_lost(writers)


@pytest.mark.short
def test_2_a_new_host_takes_the_place_of_a_dead_one_and_a_run_is_interrupted(lake: Lake) -> None:
    dead = lake.addresses[1]
    subprocess.run([ROOT / "bin/machine", "down", lake.names[1]], check=True, timeout=120)
    writers = lake.writers([1, 3])
    replace = ("ansible/member.yml", HOSTS, "--skip-tags", "site")
    with writers.going_on():
        assert lake.interrupted(1, signal.SIGKILL, *replace, after="get their vote", member_retire=dead)
        lake.play(*replace, member_retire=dead)
    lake.whole(HOSTS)
    nothing_lost(writers)
    ids = [lake.host(number).check_output("grep broker.id= /etc/kafka/server.properties") for number in HOSTS]
    assert sorted(ids) == ["broker.id=1", "broker.id=2", "broker.id=3"]


def test_3_site_yml_brings_the_rest_over_and_nobody_is_retired_by_an_oversight(lake: Lake) -> None:
    # As a run leaves it that is ended while it changes members.
    lake.host(3).check_output(f"mkdir -p {RIGHT} && touch {RIGHT}/key.pem")
    writers = lake.writers(HOSTS)
    with writers.going_on():
        lake.play("site.yml", HOSTS)
    assert not lake.host(3).file(RIGHT).exists
    lake.whole(HOSTS)
    nothing_lost(writers)
    before = [lake.started(number) for number in HOSTS]
    for playbook, told in (
        ("site.yml", "ansible/member.yml"),
        ("ansible/member.yml", f"member_retire={lake.addresses[3]}"),
    ):
        code, said = lake.played(playbook, [1, 3], beside=(4,))
        assert code != 0
        assert told in said
    assert [lake.started(number) for number in HOSTS] == before


def test_4_a_list_in_another_order_changes_nothing(lake: Lake) -> None:
    before = [lake.started(number) for number in HOSTS]
    said = lake.play("site.yml", [4, 1, 3])
    assert re.findall(r"changed=(\d+)", said) == ["0"] * 4, said[-3000:]
    assert [lake.started(number) for number in HOSTS] == before


def test_5_a_bad_setting_takes_one_broker_down_and_the_next_run_goes_on(lake: Lake) -> None:
    before = [lake.started(number)["kafka"] for number in HOSTS]
    writers = lake.writers(HOSTS)
    with writers.going_on():
        code, said = lake.played(
            "site.yml", HOSTS, "--tags", "kafka", kafka_properties={"num.io.threads": "many"}
        )
        assert code != 0
        assert "did not come back" in said
        assert "num.io.threads" in said
        running = [lake.host(number).service("kafka").is_running for number in HOSTS]
        after = [lake.started(number)["kafka"] for number in HOSTS]
        assert sum(was == now for was, now in zip(before, after)) == 2
        writers.more()
        lake.play("site.yml", HOSTS, "--tags", "kafka", kafka_properties={"num.io.threads": "9"})
    assert running.count(True) >= 2
    lake.whole(HOSTS)
    nothing_lost(writers)
    now = [lake.started(number)["kafka"] for number in HOSTS]
    assert all(was != one for was, one in zip(before, now))


def test_6_what_an_interrupted_run_left_pending_is_restarted_by_the_next_one(lake: Lake) -> None:
    lake.host(3).check_output("echo '# touched' >> /etc/zookeeper/logback.xml")
    before = [lake.started(number)["zookeeper"] for number in HOSTS]
    said = lake.play("ansible/roll.yml", HOSTS)
    assert "changed since its start: /etc/zookeeper/logback.xml" in said
    after = [lake.started(number)["zookeeper"] for number in HOSTS]
    assert [was == now for was, now in zip(before, after)] == [True, False, True]


def test_7_a_roll_that_is_interrupted_again_and_again_is_completed_by_the_next_run(lake: Lake) -> None:
    before = [lake.started(number)["kafka"] for number in HOSTS]
    writers = lake.writers(HOSTS)
    with writers.going_on():
        # The lines in which one host after another has its turn.
        for moment, how in moments(34, 64):
            for number in HOSTS:
                lake.host(number).check_output("echo '# touched' >> /etc/kafka/log4j.properties")
            assert lake.interrupted(moment, how, "ansible/roll.yml", HOSTS, "--tags", "kafka")
        lake.play("ansible/roll.yml", HOSTS, "--tags", "kafka")
    lake.whole(HOSTS)
    nothing_lost(writers)
    assert all(was != lake.started(number)["kafka"] for was, number in zip(before, HOSTS))
    assert "kafka: nothing is pending" in lake.play("ansible/roll.yml", HOSTS, "--tags", "kafka")


def test_8_three_hosts_become_one(lake: Lake) -> None:
    gone = ",".join(lake.addresses[number - 1] for number in HOSTS[1:])
    lake.hand_over(1)
    writers = lake.writers(HOSTS)
    with writers.going_on():
        code, said = lake.played("ansible/member.yml", [1], member_retire=gone)
        assert code != 0
        assert "runs Kafka" in said
        lake.play("ansible/member.yml", [1], beside=(*HOSTS[1:],), member_retire=gone)
    lake.whole([1])
    nothing_lost(writers)
    for number in HOSTS[1:]:
        for service in MEMBERS:
            assert not lake.host(number).service(service).is_running
            assert not lake.host(number).service(service).is_enabled


def test_9_growth_that_is_interrupted_again_and_again_is_completed_by_the_next_run(lake: Lake) -> None:
    code, said = lake.played("ansible/member.yml", HOSTS)
    assert code != 0
    assert "was a member before" in said
    away = ",".join(lake.names[number - 1] for number in HOSTS[1:])
    lake.play("ansible/remove.yml", [1], "--limit", away, beside=(*HOSTS[1:],), remove="yes")
    writers = lake.writers([1])
    with writers.going_on():
        ended = [
            lake.interrupted(moment, how, "ansible/member.yml", HOSTS, "--skip-tags", "site", after=play)
            for play, moment, how in moments_of_growth()
        ]
        lake.play("ansible/member.yml", HOSTS, "--skip-tags", "site")
    assert ended == [True] * 5
    assert not any(lake.host(number).file(RIGHT).exists for number in HOSTS)
    lake.whole(HOSTS)
    nothing_lost(writers)
