"""How bytes pass between stores, caches and folders: trees that are read, trees that are written."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

import attrs

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


@attrs.frozen(kw_only=True)
class Kept:
    """The first bytes of a file, as a writer left them that stopped.

    Attributes:
        size_bytes: How many, at least one.
        validator: What the store said of the content that they are of.
        is_own: They were written through the same sink, not by another writer before.
    """

    size_bytes: int
    validator: str
    is_own: bool = False


class FileSink(Protocol):
    """Where one file's bytes go, in order; hashed on the way. It begins empty."""

    @property
    def kept(self) -> Kept | None:
        """What is left of an earlier try at this file; no part of it unless `resume` takes it."""
        ...

    def resume(self, size_bytes: int) -> Result[None, MlopusError]:
        """Begin with so many of the kept bytes, hashed anew. Once, and before anything is written.

        Only for a transfer that is known to go on in the same content, right after them.
        """
        ...

    def identify(self, validator: str) -> Result[None, MlopusError]:
        """Say of which content the bytes are, before the first that is written, and after a restart.

        Then they are kept for the next writer if this one stops; otherwise they are not.
        """
        ...

    @property
    def sha256(self) -> str:
        """The digest of all bytes so far, the resumed ones too."""
        ...

    def write(self, chunk: bytes | memoryview) -> Result[None, MlopusError]:
        """Add bytes, which stay as they are until the file is complete. StoreFailed if they are refused."""
        ...

    def restart(self) -> Result[None, MlopusError]:
        """Drop what was written, after a transfer that begins anew."""
        ...


class TreeSink(Protocol):
    """A tree that is written file by file. Thread-safe for different paths."""

    def create(self, path: str) -> AbstractContextManager[FileSink]:
        """A new file. Leaving the block without an exception completes it.

        Else it is dropped, or kept for whoever makes it next: if its content is identified, and the
        exception does not say that the bytes are wrong (Damaged, Conflict) or the disk refused them.

        Raises:
            MlopusError: The file cannot be made or completed (StoreFailed, IllegalPath).
        """
        ...
