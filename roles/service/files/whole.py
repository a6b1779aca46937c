"""What the looks at a cluster share; each has it in its text.

Without arguments they print one line of JSON and end with 0: whether the cluster is ``whole``, what of it is
``left`` (a number that falls as it recovers), what was ``said``, and whether this host ``leads`` it. With
``--wait SECONDS`` they wait until it is whole, and end with 1 after so long without progress.
"""

import json
import sys
import time


def main(look):
    """Look once, or wait. *look* returns ``(left, said, leads)``; ``OSError`` is no answer."""

    def seen():
        try:
            left, said, leads = look()
        except OSError as error:
            left, said, leads = 1_000_000, f"no answer: {error}", False
        return {"whole": left == 0, "left": left, "said": said, "leads": leads}

    if sys.argv[1:2] != ["--wait"]:
        sys.stdout.write(json.dumps(seen()) + "\n")
        return
    patience, last = float(sys.argv[2]), seen()
    best, since = last["left"], time.monotonic()
    # Twice in a row: what has just come back may still be taken for what it was before.
    calm = int(last["whole"])
    while calm < 2:
        if time.monotonic() > since + patience:
            sys.exit(f"not whole, and no progress for {patience:.0f} s: {last['said']}")
        time.sleep(1)
        last = seen()
        calm = calm + 1 if last["whole"] else 0
        if last["left"] < best:
            best, since = last["left"], time.monotonic()
    sys.stdout.write(json.dumps(last) + "\n")
