"""Sending one file as an object: in one request, or in parts that become an object at the very end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Final

import attrs

from mlopus.domain.manifest import LocalFile
from mlopus.errors import MlopusError, StoreFailed
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.adopting import changed_since, stale_source
from mlopus.repositories.stores.obstore_buckets import Bucket
from mlopus.repositories.stores.obstore_reading import InFlight
from mlopus.result import Failure, Result, Success

PART_BYTES: Final = 8 * 1024 * 1024
PARTS_AT_ONCE: Final = 3
_MOST_PARTS: Final = 9_500


@attrs.frozen(kw_only=True)
class Sending:
    """What the sendings of one upload share.

    Attributes:
        bucket: Where the files go.
        source: Where they are.
        meter: Told of requests and bytes.
        room: Bounds the bytes that are in memory.
    """

    bucket: Bucket
    source: TreeSource
    meter: Meter
    room: InFlight

    def send(self, file: LocalFile, key: str) -> Result[str | None, MlopusError]:
        """Send a file over any object that is there; answers what the store says of it.

        Fails with:
            StalePlan: The file is no longer what was hashed; the object that was there is there still.
        """
        local = self.source.local_path(file.path)
        found = None if local is None else changed_since(local, file)
        if local is not None and found is not None:
            return Failure(stale_source(local, found))
        opened = self.source.open(file.path)
        if isinstance(opened, Failure):
            return opened
        sent = _Sent(self.meter)
        part_bytes = max(PART_BYTES, -(-file.size_bytes // _MOST_PARTS))
        held_bytes = min(file.size_bytes, part_bytes * (PARTS_AT_ONCE + 2))
        self.room.take(held_bytes, wait=True)
        try:
            with opened.unwrap() as reader:
                told = self._sent(verified(reader, file, part_bytes, sent), file, key, part_bytes)
        except BaseException:
            sent.undo()
            raise
        finally:
            self.room.give(held_bytes)
        self.meter.finished(file.path)
        return Success(told)

    def _sent(self, content: Iterator[bytes], file: LocalFile, key: str, part_bytes: int) -> str | None:
        if file.size_bytes <= part_bytes:
            whole = b"".join(content)
            self.meter.requested()
            return self.bucket.put(key, whole, use_multipart=False)
        self.meter.requested(2 + -(-file.size_bytes // part_bytes))  # begun, its parts, completed
        return self.bucket.put(key, content, chunk_size=part_bytes, max_concurrency=PARTS_AT_ONCE)


class _Sent:
    """The bytes of one file, and what the meter was told of them."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._size_bytes = 0

    def sent(self, size_bytes: int) -> None:
        self._size_bytes += size_bytes
        self._meter.sent(size_bytes)

    def undo(self) -> None:
        self._meter.sent(-self._size_bytes)


def verified(reader: BinaryIO, file: LocalFile, chunk_bytes: int, sent: _Sent) -> Iterator[bytes]:
    """The bytes of a file; the last piece only if all of them are what was hashed.

    Raises:
        MlopusError: They are not (StalePlan), or cannot be read. An upload in parts is given up by it.
    """
    digest = hashlib.sha256()
    left = file.size_bytes
    while True:
        chunk = _read(reader, file, chunk_bytes)
        digest.update(chunk)
        left -= len(chunk)
        if left <= 0 or not chunk:
            break
        yield chunk
        sent.sent(len(chunk))
    if left != 0 or digest.hexdigest() != file.sha256 or _read(reader, file, 1):
        raise stale_source(file.path, "another content")
    yield chunk
    sent.sent(len(chunk))


def _read(reader: BinaryIO, file: LocalFile, size_bytes: int) -> bytes:
    try:
        return reader.read(size_bytes)
    except OSError as error:
        reason = error.strerror or str(error)
        failed = StoreFailed(place="the source", action=f"reading {file.path!r}", reason=reason)
        raise failed from error
