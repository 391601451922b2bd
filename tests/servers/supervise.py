"""A script: runs a server for as long as somebody holds a shared lock on a file.

The kernel frees the locks of a process that dies, so no server outlives those who use it, however
suddenly they end. Start it in a session of its own: it ends its whole process group.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_S = 10.0
INTERVAL_S = 0.2


def main(users: Path, announcement: Path, command: list[str]) -> None:
    """Wait until the command or its users are gone, then end the group: politely, after a while by force.

    The announcement goes first: from then on a user starts a server of its own, and its lock is
    granted only when this process has ended.
    """
    if os.getpgrp() != os.getpid():
        sys.exit("must lead its own process group: start it in a new session")
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the one below reaches this process too
    with users.open() as lock:
        while server.poll() is None and not is_free(lock.fileno()):
            time.sleep(INTERVAL_S)
        announcement.unlink(missing_ok=True)
        os.killpg(os.getpgrp(), signal.SIGTERM)
        try:
            server.wait(GRACE_S)
        finally:
            os.killpg(os.getpgrp(), signal.SIGKILL)


def is_free(lock: int) -> bool:
    """Take the lock if nobody else holds it, and tell."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
