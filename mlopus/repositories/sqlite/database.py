"""A SQLite database that belongs to mlopus: opened when needed, migrated when older, never overwritten.

Reading creates nothing. A database of a newer mlopus, of another program or with damage is an
`UnreadableCache` that says what to do. Where nothing can be written it is read as it is.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import attrs

from mlopus.errors import MlopusError, StoreFailed, TimedOut, UnreadableCache
from mlopus.repositories.process_local import PerProcess
from mlopus.repositories.sqlite.connections import Connections
from mlopus.repositories.sqlite.opening import BUSY_TIMEOUT_S, Absent, Unusable, open_reader, open_writer
from mlopus.repositories.sqlite.schema import Schema
from mlopus.result import Failure, Result, Success

T = TypeVar("T")

_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")
_DISK: Final = (
    "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_NOLFS",
)  # fmt: skip


def _connections() -> PerProcess[Connections]:
    return PerProcess(Connections, Connections.close)


@attrs.frozen(kw_only=True)
class Database:
    """One database file. Thread-safe; picklable; each process has connections of its own.

    Attributes:
        path: Absolute.
        schema: What it holds.
        wal: Whether to make it with a write-ahead log, where the disk is of this machine.
        is_durable: Whether what was written survives a power failure; a crash it survives anyhow.
        remedy: What to do when it is damaged.
    """

    path: Path
    schema: Schema
    wal: bool = True
    is_durable: bool = False
    remedy: str
    _connections: PerProcess[Connections] = attrs.field(
        init=False, eq=False, repr=False, factory=_connections
    )

    @property
    def is_writable(self) -> bool:
        """Whether the file, or the folder where it would be made, may be written."""
        if os.path.exists(self.path) and not os.access(self.path, os.W_OK):
            return False
        folder = next(folder for folder in self.path.parents if os.path.exists(folder))
        return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)

    def read(
        self,
        use: Callable[[sqlite3.Connection], Result[T, MlopusError]],
        absent: Callable[[], Result[T, MlopusError]],
    ) -> Result[T, MlopusError]:
        """Read one consistent picture, or answer `absent()` where there is no database yet."""
        try:
            inode = self._inode()
            if inode is None:
                return absent()
            with self._connections.get().reading(
                inode, lambda: open_reader(self.path, self.schema)
            ) as connection:
                connection.execute("BEGIN")
                try:
                    return use(connection)
                finally:
                    if connection.in_transaction:  # a disk that fails ends it
                        connection.execute("ROLLBACK")
        except Absent:
            return absent()
        except OSError as error:
            return Failure(self.unreadable(error.strerror or str(error)))
        except (sqlite3.Error, Unusable) as error:
            return Failure(self._translated(error, "reading"))

    def write(self, use: Callable[[sqlite3.Connection], Result[T, MlopusError]]) -> Result[T, MlopusError]:
        """Make changes: all of them if `use` succeeds, none otherwise. Writers take turns."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._connections.get().writing(
                self._inode(),
                lambda: open_writer(self.path, self.schema, wal=self.wal, is_durable=self.is_durable),
            ) as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    result = use(connection)
                    if isinstance(result, Success):
                        connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                return result
        except OSError as error:
            return Failure(StoreFailed(place=str(self.path), action="making its folder", reason=str(error)))
        except (sqlite3.Error, Unusable) as error:
            return Failure(self._translated(error, "writing"))

    def unreadable(self, reason: str) -> UnreadableCache:
        """The error for content that is not what mlopus writes."""
        return UnreadableCache(path=str(self.path), reason=reason, hint=self.remedy)

    def close(self) -> None:
        """Close what this process has open; the next use opens anew."""
        self._connections.get().close()

    def _inode(self) -> int | None:
        try:
            return self.path.stat().st_ino
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _translated(self, error: sqlite3.Error | Unusable, action: str) -> MlopusError:
        """The error in our words; what no disk and no other process can cause is a bug, and raised."""
        if isinstance(error, Unusable):
            return UnreadableCache(path=str(self.path), reason=error.reason, hint=error.hint or self.remedy)
        name: str = getattr(error, "sqlite_errorname", "")
        if name.startswith(_DAMAGED):
            return self.unreadable(str(error))
        if name.startswith(_BUSY):
            hint = "Another process has been writing to it for long; try again."
            return TimedOut(place=str(self.path), request=action, timeout_s=BUSY_TIMEOUT_S, hint=hint)
        if name.startswith(_DISK):
            return StoreFailed(place=str(self.path), action=action, reason=str(error))
        raise error
