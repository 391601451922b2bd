"""The files of a folder on this disk, as a tree to be read."""

from __future__ import annotations

import os
from typing import BinaryIO

import attrs

from mlopus.domain.paths import relative_path
from mlopus.errors import MlopusError
from mlopus.repositories.disk.files import below, disk_failed, missing
from mlopus.result import Failure, Result, Success


@attrs.frozen
class FolderSource:
    """A folder, or a single file of path "". A path that leads out of it is not in it."""

    root: str

    def open(self, path: str) -> Result[BinaryIO, MlopusError]:
        """A file, to be closed by the caller."""
        checked = relative_path(path)
        if isinstance(checked, Failure):
            return checked
        try:
            return Success(open(below(self.root, path), "rb"))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return Failure(missing(path, self.root))
        except OSError as error:
            return Failure(disk_failed(error, f"reading {path!r}", self.root))

    def local_path(self, path: str) -> str | None:
        """The absolute path of a file or folder; None if there is none."""
        if isinstance(relative_path(path), Failure):
            return None
        found = os.path.abspath(below(self.root, path))
        return found if os.path.lexists(found) else None
