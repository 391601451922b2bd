"""The bytes of a file that is sent: those that were hashed, or not all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

import attrs

from mlopus.concurrency.crews import stop_if_told
from mlopus.domain.manifest import LocalFile
from mlopus.errors import StoreFailed
from mlopus.ports.meter import Meter
from mlopus.repositories.disk.adopting import stale_source


def verified(reader: BinaryIO, file: LocalFile, chunk_bytes: int) -> Iterator[bytes]:
    """Chunks of equal size but for the last, which comes only if all bytes are what was hashed.

    An empty file is one empty chunk. Whoever is left before the last chunk must not complete the upload.

    Raises:
        MlopusError: They are not (StalePlan), or cannot be read (StoreFailed).
    """
    digest = hashlib.sha256()
    left = file.size_bytes
    while True:
        stop_if_told()
        chunk = _read(reader, file, chunk_bytes)
        digest.update(chunk)
        left -= len(chunk)
        if left <= 0 or not chunk:
            break
        yield chunk
    if left != 0 or _read(reader, file, 1):
        raise stale_source(file.path, "another size")
    if digest.hexdigest() != file.sha256:
        raise stale_source(file.path, "another content")
    yield chunk


def _read(reader: BinaryIO, file: LocalFile, size_bytes: int) -> bytes:
    try:
        return reader.read(size_bytes)
    except OSError as error:
        reason = error.strerror or str(error)
        failed = StoreFailed(place="the source", action=f"reading {file.path!r}", reason=reason)
        raise failed from error


@attrs.define
class Sent:
    """How many bytes of one file a meter was told of, so that it can be told that they were for nothing."""

    meter: Meter
    size_bytes: int = 0

    def counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks, each counted when it is taken."""
        for chunk in chunks:
            self.add(len(chunk))
            yield chunk

    def add(self, size_bytes: int) -> None:
        """Bytes went to the store."""
        self.size_bytes += size_bytes
        self.meter.sent(size_bytes)

    def undo(self) -> None:
        """They are to go again, or not at all."""
        size_bytes, self.size_bytes = self.size_bytes, 0
        self.meter.sent(-size_bytes)
