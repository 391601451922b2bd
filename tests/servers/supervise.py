"""A script: runs a command, and ends it with all its children when stdin ends.

The test session holds the other end of stdin, so nothing outlives it, however suddenly it dies.
Start it in a session of its own: it ends its whole process group.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

GRACE_S = 10.0


def main(command: list[str]) -> None:
    """Wait until the command or stdin ends, then end the group: politely, and after a while by force."""
    if os.getpgrp() != os.getpid():
        sys.exit("must lead its own process group: start it in a new session")
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the signal below reaches this process too
    while child.poll() is None and not stdin_has_ended(wait_s=0.2):
        continue
    os.killpg(os.getpgrp(), signal.SIGTERM)
    try:
        child.wait(GRACE_S)
    finally:
        os.killpg(os.getpgrp(), signal.SIGKILL)


def stdin_has_ended(*, wait_s: float) -> bool:
    """Tell whether the other end of stdin is closed."""
    readable, _, _ = select.select([0], [], [], wait_s)
    return bool(readable) and not os.read(0, 1)


if __name__ == "__main__":
    main(sys.argv[1:])
