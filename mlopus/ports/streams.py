"""How bytes pass between stores, caches and folders: trees that are read, trees that are written."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from mlopus.errors import MlopusError
from mlopus.result import Result


class TreeSource(Protocol):
    """Files that can be read by their path in a tree. Thread-safe."""

    def open(self, path: str) -> Result[BinaryIO, MlopusError]:
        """A binary file, to be closed by the caller. NotFound if it is gone."""
        ...

    def local_path(self, path: str) -> str | None:
        """The file or folder's own path on this disk; None where it has none, or is not there."""
        ...


class FileSink(Protocol):
    """Where one file's bytes go, in order; hashed on the way."""

    def write(self, chunk: bytes | memoryview) -> Result[None, MlopusError]:
        """Add bytes. StoreFailed if the disk refuses them."""
        ...

    def restart(self) -> Result[None, MlopusError]:
        """Drop what was written, after a transfer that begins anew."""
        ...


class TreeSink(Protocol):
    """A tree that is written file by file. Thread-safe for different paths."""

    def create(self, path: str) -> AbstractContextManager[FileSink]:
        """A new file. Leaving the block without an exception completes it, else it is dropped.

        Raises:
            MlopusError: The file cannot be made or completed (StoreFailed, IllegalPath).
        """
        ...
