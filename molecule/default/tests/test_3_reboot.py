"""After a reboot everything is back without help. The last file, since the others would have to wait."""

from __future__ import annotations

import time

import using
from played import BOOT


def test_everything_is_back_after_a_reboot(host, lake):
    before = host.check_output(BOOT)
    host.run("systemctl --no-block reboot")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        time.sleep(3)
        try:
            said = host.run(f"{BOOT}; opslib doctor 2>&1")
        except RuntimeError:
            continue  # ssh is not up yet
        if said.rc == 0 and said.stdout.splitlines()[0] != before:
            break
    else:
        raise AssertionError(said.stdout + said.stderr)
    # The lake may be there before the last job of the boot is done.
    assert host.run("systemctl is-system-running --wait").stdout.strip() == "running"
    assert host.run("nft list table inet trendlake").rc == 0
    assert using.a_message_goes_through_kafka(lake)
    with using.mongodb(lake) as client:
        assert client.admin.command("ping")["ok"] == 1
    assert using.nifi(lake, "flow/status").json()["controllerStatus"]["runningCount"] > 0
