"""What the health checks of ZooKeeper, Kafka and NiFi share; each has it in its text."""

import os
import sys
import time
from pathlib import Path


def until(name, ask, seconds, silent):
    """Ask until the answer is good, and end the program: with what is *silent* and what was said last if not.

    *ask* returns whether the service called *name* is well, and what it said; ``OSError`` is no answer yet.
    """
    # Set by systemd: once the service itself has ended nobody will answer, and its next start need not wait.
    service = Path("/proc", os.environ.get("MAINPID", "none"))
    seen, said = False, "nothing came back"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if seen and not service.exists():
            sys.exit(f"{name} has ended: its last lines say why")
        seen = seen or service.exists()
        try:
            good, said = ask()
            if good:
                sys.exit(0)
        except OSError as error:
            said = error
        time.sleep(0.3)
    sys.exit(f"{silent}: {said}")
