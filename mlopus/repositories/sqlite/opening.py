"""Opening a database file: who it belongs to is checked first, and only then is anything changed."""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

import attrs

from mlopus.repositories.database_file import make_file
from mlopus.repositories.sqlite.connections import Opened
from mlopus.repositories.sqlite.mounts import is_network_mount
from mlopus.repositories.sqlite.schema import Schema

State: TypeAlias = Literal["empty", "older", "current"]

BUSY_TIMEOUT_S: Final = 60.0
_PAGE_BYTES: Final = 8192
"""A batch of runs touches most pages of the index of values: fewer pages are written sooner."""
_WRITER_CACHE_KIB: Final = 64 * 1024
_READER_CACHE_KIB: Final = 8 * 1024


class Absent(Exception):
    """There is nothing in the file yet."""


@attrs.frozen
class Unusable(Exception):
    """The file is not what it should be."""

    reason: str
    hint: str | None = None


def open_reader(path: Path, schema: Schema) -> Opened:
    """Open for reading; where nothing can be written beside the file, as a file that does not change.

    Raises:
        Absent: It is empty.
        Unusable: It is of another program, or of a newer mlopus.
    """
    try:
        connection = _connect(path, "mode=rw")
        try:
            inode = path.stat().st_ino
            state = _checked(connection, schema)
            if state == "older":
                connection = _migrated(connection, schema)
        except BaseException:
            connection.close()
            raise
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
            raise
        return _open_as_it_is(path, schema)
    if state == "empty":
        connection.close()
        raise Absent
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
    return Opened(connection, inode)


def _open_as_it_is(path: Path, schema: Schema) -> Opened:
    """Open where nothing can be written. It is not kept: others may write, and would not be seen.

    A file with a log or a journal beside it is not taken to be whole as it is.
    """
    beside = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-journal"))
    is_whole = not any(log.exists() and log.stat().st_size for log in beside)
    connection = _connect(path, "mode=ro&immutable=1" if is_whole else "mode=ro")
    try:
        state = _checked(connection, schema)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK":
            raise
        reason = "its writer died while writing it, and the journal beside it cannot be rolled back here"
        raise Unusable(reason, "Open it once where it can be written.") from error
    except BaseException:
        connection.close()
        raise
    if state == "current":
        return Opened(connection, None)
    connection.close()
    if state == "empty":
        raise Absent
    raise Unusable("it was made by an older mlopus", "Open it once where it can be written.")


def open_writer(path: Path, schema: Schema, *, wal: bool, is_durable: bool) -> Opened:
    """Open for writing, and make or migrate the tables first.

    Raises:
        Unusable: It is of another program, or of a newer mlopus.
    """
    make_file(path)
    connection = _connect(path, "mode=rw")
    try:
        state = _checked(connection, schema)
        if state == "empty":
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            if wal and not is_network_mount(path.parent):
                connection.execute("PRAGMA journal_mode = WAL")
        if state != "current":
            _migrated(connection, schema)
        connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        return Opened(connection, path.stat().st_ino)
    except BaseException:
        connection.close()
        raise


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.create_function("has_match", 3, _has_match, deterministic=True)
    return connection


def _has_match(pattern: str, flags: int, text: str | None) -> bool:
    """Whether Python's `re` finds the pattern, as the predicate does."""
    return text is not None and _compiled(pattern, flags).search(text) is not None


@lru_cache(maxsize=64)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    return re.compile(pattern, flags)


def _checked(connection: sqlite3.Connection, schema: Schema) -> State:
    """Whose database it is, in one picture: another process may just be making it."""
    connection.execute("BEGIN")
    try:
        return _state(connection, schema)
    finally:
        if connection.in_transaction:  # a disk that fails ends it
            connection.execute("ROLLBACK")


def _state(connection: sqlite3.Connection, schema: Schema) -> State:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    version = schema.version_of(connection)
    is_empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    if is_empty and application_id == 0 and version == 0:
        return "empty"
    if application_id != schema.application_id:
        raise Unusable("it is a database of another program", "Move it away, or use another folder.")
    if schema.is_shared and version == 0:
        return "empty"
    if version > schema.version:
        reason = f"it was written by a newer mlopus (format {version}, this one knows {schema.version})"
        raise Unusable(reason, "Upgrade mlopus, or use another folder.")
    return "current" if version == schema.version else "older"


def _migrated(connection: sqlite3.Connection, schema: Schema) -> sqlite3.Connection:
    """Migrate, unless another process has done it while this one waited for its turn."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _state(connection, schema) != "current":
            schema.migrate(connection)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return connection
