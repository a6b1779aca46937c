"""What takes how much, and what somebody who helps is given, on a machine where everything is."""

from __future__ import annotations

import json
import shlex

PLANTED = "uma frase que ninguem mais disse assim"


def test_everything_on_the_machine_is_measured_and_bounded(host):
    said = host.run("opslib disk --json")
    assert said.rc == 0, said.stdout + said.stderr
    told = json.loads(said.stdout)
    assert told["unknown"] == []
    parts = {(one["component"], one["name"]): one for one in told["parts"]}
    for one in (
        ("mongodb", "tweets"), ("mongodb", "audit"), ("mongodb", "oplog.rs"), ("kafka", "tweets.raw"),
        ("nifi", "content"), ("search", "index"), ("logs", "journal"), ("programs", "opslib"),
    ):  # fmt: skip
        assert parts[one]["bytes"] > 0
    assert parts["kafka", "tweets.raw"]["bound"] == "kafka_topics: retention.ms, retention.bytes"
    assert any(one["setting"] == "store.clouds_days" for one in told["savings"])
    assert told["disks"][0]["path"] == "/var/lib"


def test_who_helps_gets_no_secret_and_no_tweet(host, lake):
    token = lake.secrets["mongodb_keyfile"]
    line = f"Authorization: Bearer {token} {{'text': '{PLANTED}'}}"
    # A unit that failed stays among those that systemd knows.
    host.run("systemd-run --unit=opslib-planted --wait sh -c %s", f"echo {shlex.quote(line)}; exit 1")
    try:
        said = host.run("cd /root && opslib support --output /root/support.tar.gz --format json")
        assert said.rc == 0, said.stderr
        told = json.loads(said.stdout)
        assert told["missing"] == {}
        assert {"doctor.json", "disk.json", "journal/opslib-planted.service.txt"} <= set(told["holds"])
        assert sum(name.startswith("metrics/") for name in told["holds"]) > 4
        assert host.check_output("stat -c %a /root/support.tar.gz") == "600"
        held = host.check_output("tar -xzOf /root/support.tar.gz")
    finally:
        host.run("systemctl reset-failed opslib-planted; rm -f /root/support.tar.gz")
    for name, value in lake.secrets.items():
        assert not value or str(value) not in held, name
    assert PLANTED not in held
    assert "trendlake_sink_" in held
