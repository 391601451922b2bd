"""Bytes on their way from one store to another: a few files at a time, and never a whole tree.

A file is held between the two while it passes: in memory if it is small, else in a file without a
name, which is gone with the process however that ends. An upload may so be repeated without asking
the source again, and only bytes that came whole are sent.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import threading
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from mlopus.domain.manifest import LocalFile, RemoteFile
from mlopus.domain.paths import join_url
from mlopus.errors import MlopusError, NotFound, StoreFailed
from mlopus.execution.hashing import HashingSink
from mlopus.plans.copy_steps import CopiedFile, TreeCopy
from mlopus.plans.steps import UploadFile, UploadFiles
from mlopus.ports.artifact_store import ArtifactStore
from mlopus.ports.streams import FileSink
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_IN_MEMORY_BYTES: Final = 1024 * 1024
"""A larger file passes through the disk."""
_BATCH_BYTES: Final = 64 * 1024 * 1024
_BATCH_FILES: Final = 64


def stream_tree(
    source: ArtifactStore, target: ArtifactStore, tree: TreeCopy, repo: str
) -> Result[int, MlopusError]:
    """Bring a tree from store to store; answers its bytes.

    Args:
        source: Where `tree.source_url` is.
        target: Where `repo` is.
        tree: What to bring.
        repo: The artifact root of the run that takes it.
    """
    moved = 0
    url = join_url(repo, tree.path)
    for files in _batches(tree.files) if tree.files else iter(((),)):
        with _Passing() as passing:
            fetched = source.fetch(tree.source_url, tuple(one.file for one in files), passing)
            if isinstance(fetched, Failure):
                return fetched
            uploads = tuple(UploadFile(file=passing.seen(one.file), reason=one.reason) for one in files)
            step = UploadFiles(
                store_url=url,
                files=uploads,
                kept=(),
                left=(),
                empty_folders=tree.empty_folders,
                is_file=tree.is_file,
                move=False,
                binds="",
            )
            sent = target.upload(step, passing)
            if isinstance(sent, Failure):
                return sent
            moved += sum(upload.file.size_bytes for upload in uploads)
    return Success(moved)


def _batches(files: tuple[CopiedFile, ...]) -> Iterator[tuple[CopiedFile, ...]]:
    """Files in groups of not too many, and of not too many bytes; a larger file goes alone."""
    batch: list[CopiedFile] = []
    size_bytes = 0
    for one in files:
        own_bytes = one.file.size_bytes if one.file.size_bytes is not None else _BATCH_BYTES
        if batch and (len(batch) == _BATCH_FILES or size_bytes + own_bytes > _BATCH_BYTES):
            yield tuple(batch)
            batch, size_bytes = [], 0
        batch.append(one)
        size_bytes += own_bytes
    yield tuple(batch)


class _Held(HashingSink):
    """The bytes of one file, hashed as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 (closed by `_Passing`)

    def write(self, chunk: bytes | memoryview) -> Result[None, MlopusError]:
        """Add bytes."""
        try:
            self.file.write(chunk)
        except OSError as error:
            reason = error.strerror or str(error)
            return Failure(StoreFailed(place="the temporary folder", action="copying", reason=reason))
        return super().write(chunk)

    def restart(self) -> Result[None, MlopusError]:
        """Drop what was written."""
        self.file.seek(0)
        self.file.truncate()
        return super().restart()


class _Passing:
    """Files between two stores: a tree that is written by one and then read by the other."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for held in self._held.values():
            held.file.close()

    @contextlib.contextmanager
    def create(self, path: str) -> Generator[FileSink]:
        """A new file in place of one that did not come whole."""
        held = _Held()
        try:
            yield held
        except BaseException:
            held.file.close()
            raise
        with self._lock:
            self._held[path] = held

    def seen(self, file: RemoteFile) -> LocalFile:
        """A file as it came."""
        held = self._held[file.path]
        return LocalFile(path=file.path, size_bytes=held.size_bytes, mtime_ns=0, sha256=held.sha256)

    def open(self, path: str) -> Result[BinaryIO, MlopusError]:
        """A file, from its beginning; one reader at a time."""
        held = self._held.get(path)
        if held is None:
            return Failure(NotFound(kind="file", key=path, place="what is being copied"))
        return Success(io.BufferedReader(_Reading(held)))

    def local_path(self, path: str) -> str | None:  # noqa: ARG002 (a file that passes has no name)
        """None."""
        return None


class _Reading(io.RawIOBase):
    """Reads a held file from its beginning; closing it leaves the file."""

    def __init__(self, held: _Held) -> None:
        super().__init__()
        self._held = held
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._held.size_bytes}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._held.file.seek(self._position)
        count = self._held.file.readinto(buffer)
        self._position += count
        return count
