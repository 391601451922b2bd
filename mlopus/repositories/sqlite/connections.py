"""Open connections to one database, kept for the next use, and closed before a fork.

SQLite's locks do not survive a fork: a child that opens a database while its parent has it open
may take a lock for held that is not. So whoever forks waits for connections in use and closes the
idle ones; parent and child open anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias

import attrs

Role: TypeAlias = Literal["read", "write"]

_FORK_PATIENCE_S: Final = 10.0


@attrs.frozen
class Opened:
    """A connection, and the file it is to; without `inode` it is closed after its first use."""

    connection: sqlite3.Connection
    inode: int | None


class Connections:
    """The connections of one process to one database; at most one that writes is in use."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._free = threading.Condition()
        self._in_use = 0
        self._idle: dict[Role, list[Opened]] = {"read": [], "write": []}
        _all.add(self)

    @contextmanager
    def reading(self, inode: int | None, make: Callable[[], Opened]) -> Generator[sqlite3.Connection]:
        """A connection of the caller's own for a while, to the file of that inode."""
        with self._taken("read", inode, make) as connection:
            yield connection

    @contextmanager
    def writing(self, inode: int | None, make: Callable[[], Opened]) -> Generator[sqlite3.Connection]:
        """The connection that writes; others wait for it."""
        with self._turn, self._taken("write", inode, make) as connection:
            yield connection

    @contextmanager
    def _taken(
        self, role: Role, inode: int | None, make: Callable[[], Opened]
    ) -> Generator[sqlite3.Connection]:
        with self._free:
            self._in_use += 1
        try:
            opened = self._idle_one(role, inode) or make()
            try:
                yield opened.connection
            except BaseException:
                opened.connection.close()
                raise
            if opened.inode is None:
                opened.connection.close()
            else:
                with self._free:
                    self._idle[role].append(opened)
        finally:
            with self._free:
                self._in_use -= 1
                self._free.notify_all()

    def _idle_one(self, role: Role, inode: int | None) -> Opened | None:
        """One that is idle. Those to a file that was removed or replaced since are closed."""
        with self._free:
            held = self._idle[role]
            while held:
                opened = held.pop()
                if opened.inode == inode:
                    return opened
                opened.connection.close()
        return None

    def close(self) -> None:
        """Close what is idle."""
        with self._free:
            for held in self._idle.values():
                while held:
                    held.pop().connection.close()

    def hold(self) -> None:
        """Wait until nothing is in use, close what is idle, and let nobody open before `release`."""
        self._free.acquire()
        self._free.wait_for(lambda: self._in_use == 0, _FORK_PATIENCE_S)
        self.close()

    def release(self) -> None:
        """Let others go on after `hold`."""
        self._free.release()


_all: weakref.WeakSet[Connections] = weakref.WeakSet()
_held: list[Connections] = []
_forking = threading.Lock()


def _before_fork() -> None:
    _forking.acquire()
    for connections in list(_all):
        connections.hold()
        _held.append(connections)


def _after_fork() -> None:
    while _held:
        _held.pop().release()
    _forking.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
