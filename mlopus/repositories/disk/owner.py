"""Who made a temporary folder: a process, named so that others can tell when it has died."""

from __future__ import annotations

import functools
import hashlib
import os
import time

import attrs

_ABANDONED_AFTER_S = 24 * 3600
"""What another machine left is given up once nothing in it has changed for that long."""


@attrs.frozen
class Owner:
    """A process: the machine, boot and process namespace it lives in, its id, and when it started."""

    machine: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Owner:
        """This process."""
        pid = os.getpid()
        return cls(_machine(), pid, _started(pid) or "0")

    @classmethod
    def of_name(cls, name: str) -> Owner | None:
        """The owner that a name made by `new_name` tells; None for other names."""
        parts = name.split("-")
        if len(parts) < 4 or not parts[1].isdigit():  # noqa: PLR2004 (machine, pid, start, token)
            return None
        return cls(parts[0], int(parts[1]), parts[2])

    def new_name(self) -> str:
        """A name that no other writer chooses, and that tells this owner."""
        return f"{self.machine}-{self.pid}-{self.started}-{os.urandom(4).hex()}"

    def is_dead(self) -> bool:
        """Whether the process is certainly gone: it was of this machine, and no process is it now."""
        if self.machine != _machine():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return self._was_replaced()
        return self._was_replaced()

    def _was_replaced(self) -> bool:
        started = _started(self.pid)
        return started is not None and started != self.started


def is_abandoned(owner: Owner, path: str) -> bool:
    """Whether nobody will come back to a temporary file or folder."""
    if owner.machine == _machine():
        return owner.is_dead()
    return time.time() - last_change(path) > _ABANDONED_AFTER_S


def last_change(path: str) -> float:
    """When anything at or below a path was last changed."""
    latest = 0.0
    for folder, _, files in os.walk(path):
        for name in (".", *files):
            try:
                latest = max(latest, os.lstat(os.path.join(folder, name)).st_ctime)
            except FileNotFoundError:
                continue
    return latest or os.lstat(path).st_ctime


@functools.cache  # it cannot change while this process lives
def _machine() -> str:
    parts = [os.uname().nodename]
    for path in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        try:
            with open(path, encoding="utf-8") as file:
                parts.append(file.read().strip())
        except OSError:
            parts.append("")
    try:
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
    except OSError:
        parts.append("")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _started(pid: int) -> str | None:
    """When a process started, in ticks since boot; "0" for a zombie, None where the system tells nothing."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return "0" if fields[0] in "ZX" else fields[19]
