"""Making the file of a SQLite database, with the mode that the umask gives: SQLite's own shuts groups out.

SQLite's locks are the process's, and end for all its connections as soon as it closes any handle to the
file. Another process could then remove the log that they still write. So a database that may be in use is
never opened but by SQLite.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

_NO_LINKS: Final = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def make_file(path: Path) -> None:
    """Make an empty file unless there is one; files that SQLite puts beside it take its mode.

    Where it may not be made nothing is done, and SQLite tells of it.

    Raises:
        OSError: The disk refuses it.
    """
    if path.exists():
        return
    made = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    try:
        _make(made)
        try:
            os.link(made, path)
        finally:
            os.unlink(made)
    except FileExistsError:
        return  # another process was first
    except PermissionError:
        _make_in_place(path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _make_in_place(path)


def _make_in_place(path: Path) -> None:
    """The same on a disk without hard links."""
    try:
        _make(path)
    except (FileExistsError, PermissionError):
        return  # another process was first, or SQLite tells of it


def _make(path: Path) -> None:
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o666))
