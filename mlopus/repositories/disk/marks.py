"""When trees were last used: the modification time of a tree's folder, which every process sees at once.

It costs one system call, needs no database, and moves along with the tree. An eviction that finds
another mark than its plan saw leaves the tree alone.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta

NOTED_FOR_S = 60.0
"""How long a process takes the mark that it made itself for recent enough."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US = 1000


def mark(folder: str) -> bool:
    """Note that a tree is used now; answers whether it is there. Where nothing can be written, nothing is.

    The kernel's own "now" is coarse: the time is given, where the folder is ours.
    """
    now_ns = time.time_ns()
    try:
        os.utime(folder, ns=(now_ns, now_ns))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        return _marked_by_another(folder)
    except OSError:
        return os.path.isdir(folder)
    return True


def _marked_by_another(folder: str) -> bool:
    """As `mark`, for a folder of another user that this one may write: the kernel gives the time."""
    try:
        os.utime(folder)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return os.path.isdir(folder)
    return True


def marked_at(folder: str) -> datetime | None:
    """When a tree was last used; None if it is not there."""
    try:
        return _EPOCH + timedelta(microseconds=os.stat(folder).st_mtime_ns // _NS_PER_US)
    except (FileNotFoundError, NotADirectoryError):
        return None


class RecentMarks:
    """Trees that this process has marked lately, so that hits in a loop write nothing."""

    def __init__(self) -> None:
        self._marked: dict[str, float] = {}
        self._lock = threading.Lock()

    def is_due(self, tree_key: str) -> bool:
        """Whether a tree's mark may be too old to be relied on."""
        marked = self._marked.get(tree_key)
        return marked is None or time.monotonic() - marked > NOTED_FOR_S

    def add(self, tree_key: str) -> None:
        """Remember that a tree was marked now; what is no longer recent is forgotten."""
        now = time.monotonic()
        with self._lock:
            if len(self._marked) >= _MOST_REMEMBERED:
                fresh = {key: at for key, at in self._marked.items() if now - at <= NOTED_FOR_S}
                self._marked = fresh if len(fresh) < _MOST_REMEMBERED else {}
            self._marked[tree_key] = now

    def __reduce__(self) -> tuple[type[RecentMarks], tuple[()]]:
        return RecentMarks, ()


_MOST_REMEMBERED = 10_000
