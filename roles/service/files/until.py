"""What the health checks of ZooKeeper, Kafka and NiFi share; each has it in its text."""

import os
import sys
import time
from pathlib import Path

# A start that waits for nothing but its timers uses less than this share of a processor.
_BUSY = 0.05
# And what it logs is not work: only this many bytes are.
_MOVED = 1024 * 1024


def _work(process):
    """Return what a process has done so far: seconds of a processor, and bytes read and written."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        lines = (process / "io").read_text().split("\n")
    except OSError:
        return 0.0, 0
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds, sum(
        int(line.split()[1]) for line in lines if line.startswith(("read_bytes", "write_bytes"))
    )


def until(name, ask, seconds, silent):
    """Ask until the answer is good, and end the program: with what is *silent* and what was said last if not.

    *ask* returns whether the service called *name* is well, and what it said; ``OSError`` is no answer yet.
    A service that is at work, as one that recovers its log on a slow disk, gets the time it takes: it is
    given up after *seconds* in which it used next to no processor and moved no data.
    """
    # Set by systemd: once the service itself has ended nobody will answer, and its next start need not wait.
    service = Path("/proc", os.environ.get("MAINPID", "none"))
    seen, said = False, "nothing came back"
    looked, (busy, moved) = time.monotonic(), _work(service)
    while time.monotonic() < looked + seconds:
        if seen and not service.exists():
            sys.exit(f"{name} has ended: its last lines say why")
        seen = seen or service.exists()
        try:
            good, said = ask()
            if good:
                sys.exit(0)
        except OSError as error:
            said = error
        now_busy, now_moved = _work(service)
        if now_moved - moved > _MOVED or now_busy - busy > _BUSY * seconds:
            looked, busy, moved = time.monotonic(), now_busy, now_moved
        time.sleep(0.3)
    sys.exit(f"{silent}: {said}")
