"""One file in the making: written in order, hashed in the same pass."""

from __future__ import annotations

import hashlib
import os
import time

from mlopus.errors import MlopusError, StoreFailed
from mlopus.repositories.disk.files import disk_failed
from mlopus.result import Failure, Result, Success

_NS = 1_000_000_000


class OtherContentError(Exception):
    """What was written is not what was expected."""


class StagedFile:
    """A new file, which nobody else sees. It is completed or dropped, once."""

    def __init__(self, location: str, mode: int) -> None:
        self._location = location
        self._handle = os.open(location, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._failure: StoreFailed | None = None

    def write(self, chunk: bytes | memoryview) -> Result[None, MlopusError]:
        """Add bytes."""
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            self._failure = disk_failed(error, "writing", self._location)
            return Failure(self._failure)
        self._digest.update(chunk)
        self._size_bytes += len(chunk)
        return Success(None)

    def restart(self) -> Result[None, MlopusError]:
        """Begin again with an empty file."""
        try:
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
        except OSError as error:
            self._failure = disk_failed(error, "writing", self._location)
            return Failure(self._failure)
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        return Success(None)

    def expect(self, sha256: str) -> None:
        """Leave the block that makes the file, so that it is dropped, if its content is another."""
        if self._digest.hexdigest() != sha256:
            raise OtherContentError

    def complete(self) -> tuple[int, str]:
        """Close the file; answers its size and digest. A commit sees to it that the disk has it.

        Its modification time becomes whole seconds, which every way of moving a cache can keep.

        Raises:
            StoreFailed: The disk refused bytes, now or before.
        """
        if self._failure is not None:
            raise self._failure
        now_ns = int(time.time()) * _NS
        try:
            os.utime(self._handle, ns=(now_ns, now_ns))
        except OSError as error:
            raise disk_failed(error, "writing", self._location) from error
        os.close(self._handle)
        return self._size_bytes, self._digest.hexdigest()

    def drop(self) -> None:
        """Remove the file."""
        os.close(self._handle)
        os.unlink(self._location)
