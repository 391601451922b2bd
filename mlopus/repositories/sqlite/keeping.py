"""Pins and recorded placements in `<cache_dir>/journal.db`, which is never cleaned and never rebuilt."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final, Literal

import attrs

from mlopus.domain.manifest import ArtifactSubject
from mlopus.errors import MlopusError
from mlopus.plans.keeping import Pin, Placement
from mlopus.repositories.sqlite.attributes import stored_text
from mlopus.repositories.sqlite.database import Database
from mlopus.repositories.sqlite.schema import KEEPING_SCHEMA
from mlopus.result import Result, Success

FILE_NAME: Final = "journal.db"
REMEDY: Final = (
    "It holds pins, recorded placements and unsent writes, which are nowhere else: restore it from a backup, "
    "or move it away to go on without them. Nothing was changed in it."
)


def _database_of(keeping: SqliteKeeping) -> Database:
    path = Path(keeping.folder) / FILE_NAME
    return Database(path=path, schema=KEEPING_SCHEMA, is_durable=True, remedy=REMEDY)


def _absolute(folder: str) -> str:
    return os.path.abspath(folder)


@attrs.frozen
class SqliteKeeping:
    """Pins and placements of a cache folder. Nothing is made on disk before something is recorded.

    Example:
        >>> SqliteKeeping("/var/cache/mlopus").pins().unwrap()
        ()
    """

    folder: str = attrs.field(converter=_absolute)
    _database: Database = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_database_of, takes_self=True)
    )

    @property
    def is_writable(self) -> bool:
        """Whether anything can be recorded."""
        return self._database.is_writable

    def pins(self) -> Result[tuple[Pin, ...], MlopusError]:
        """All pins."""

        def look(connection: sqlite3.Connection) -> Result[tuple[Pin, ...], MlopusError]:
            rows = connection.execute("SELECT origin, kind, subject, path FROM pin")
            return Success(tuple(sorted(map(_pin_of, rows), key=lambda pin: pin.order)))

        return self._database.read(look, lambda: Success(()))

    def pin(self, pin: Pin) -> Result[None, MlopusError]:
        """Record a pin."""
        return self._executed("INSERT OR IGNORE INTO pin VALUES (?, ?, ?, ?)", [_row_of_pin(pin)])

    def unpin(self, pins: tuple[Pin, ...]) -> Result[None, MlopusError]:
        """Forget pins."""
        statement = "DELETE FROM pin WHERE origin = ? AND kind = ? AND subject = ? AND path = ?"
        return self._executed(statement, [_row_of_pin(pin) for pin in pins])

    def placements(self) -> Result[tuple[Placement, ...], MlopusError]:
        """All recorded placements."""

        def look(connection: sqlite3.Connection) -> Result[tuple[Placement, ...], MlopusError]:
            rows = connection.execute("SELECT target, tree_key, path FROM placement")
            return Success(tuple(sorted(map(_placement_of, rows), key=lambda placement: placement.order)))

        return self._database.read(look, lambda: Success(()))

    def record(self, placement: Placement) -> Result[None, MlopusError]:
        """Record a placement."""
        statement = "INSERT OR REPLACE INTO placement VALUES (?, ?, ?)"
        return self._executed(statement, [_row_of_placement(placement)])

    def forget(self, placements: tuple[Placement, ...]) -> Result[None, MlopusError]:
        """Forget placements."""
        statement = "DELETE FROM placement WHERE target = ? AND tree_key = ? AND path = ?"
        return self._executed(statement, [_row_of_placement(placement) for placement in placements])

    def close(self) -> None:
        """Close the connections of this process; the next use opens them anew."""
        self._database.close()

    def _executed(self, statement: str, rows: list[tuple[str | bytes, ...]]) -> Result[None, MlopusError]:
        def write(connection: sqlite3.Connection) -> Result[None, MlopusError]:
            connection.executemany(statement, rows)
            return Success(None)

        return self._database.write(write) if rows else Success(None)


def _row_of_pin(pin: Pin) -> tuple[str | bytes, ...]:
    return pin.origin_key, pin.subject.kind, stored_text(pin.subject.key), stored_text(pin.path)


def _pin_of(row: tuple[str, Literal["run", "logged model", "url"], str | bytes, str | bytes]) -> Pin:
    origin_key, kind, key, path = row
    subject = ArtifactSubject(kind=kind, key=_text(key))
    return Pin(origin_key=origin_key, subject=subject, path=_text(path))


def _row_of_placement(placement: Placement) -> tuple[str | bytes, ...]:
    return stored_text(placement.target), placement.tree_key, stored_text(placement.path)


def _placement_of(row: tuple[str | bytes, str, str | bytes]) -> Placement:
    target, tree_key, path = row
    return Placement(target=_text(target), tree_key=tree_key, path=_text(path))


def _text(stored: str | bytes) -> str:
    """A name as it was, also one that is no Unicode: disks have those."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")
