"""One file in the making: written in order, hashed in the same pass."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable

from mlopus.errors import MlopusError, StoreFailed
from mlopus.ports.streams import Kept
from mlopus.repositories.disk.digesting import Digest
from mlopus.repositories.disk.files import CHUNK_BYTES, disk_failed
from mlopus.repositories.disk.leftovers import Left
from mlopus.result import Failure, Result, Success

_NS = 1_000_000_000
_WRITABLE = 0o200


class OtherContentError(Exception):
    """What was written is not what was expected."""


class StagedFile:
    """A new file, which nobody else sees. It is completed, dropped, or left as it is, once.

    Args:
        location: Where it is made; at most what is `left` is there yet.
        mode: The mode of the file, before the umask.
        left: What an earlier try left of it.
        note: Remembers of which content the bytes are that follow.
        is_own: What is left was written in the same staging.
    """

    def __init__(
        self,
        location: str,
        mode: int,
        *,
        left: Left | None = None,
        note: Callable[[str], None] | None = None,
        is_own: bool = False,
    ) -> None:
        self._location = location
        self._mode = mode
        self._left = left
        self._note = note
        self._is_own = is_own
        self._handle: int | None = None
        self._digest = Digest()
        self._size_bytes = 0
        self._failure: StoreFailed | None = None
        self._is_stopped = False
        self._lock = threading.Lock()
        self.validator: str | None = None
        """What the bytes are known to be of; None if nobody could go on with them."""

    @property
    def kept(self) -> Kept | None:
        """What is left of an earlier try."""
        left = self._left
        if left is None:
            return None
        return Kept(size_bytes=left.size_bytes, validator=left.validator, is_own=self._is_own)

    @property
    def sha256(self) -> str:
        """The digest of all bytes so far."""
        return self._digest.hexdigest()

    @property
    def size_bytes(self) -> int:
        """How many bytes there are so far."""
        return self._size_bytes

    def resume(self, size_bytes: int) -> Result[None, MlopusError]:
        """Begin with what is left."""
        assert self._left is not None, "there is nothing to resume"  # noqa: S101 (a caller's mistake)
        return self._doing("going on with", lambda: self._resume(size_bytes))

    def identify(self, validator: str) -> Result[None, MlopusError]:
        """Remember of which content the bytes are."""

        def work() -> None:
            self._opened()
            if self._note is not None:
                self._note(validator)
                self.validator = validator

        return self._doing("noting what is fetched for", work)

    def write(self, chunk: bytes | memoryview) -> Result[None, MlopusError]:
        """Add bytes."""

        def work() -> None:
            handle = self._opened()
            self._digest.update(chunk)
            _write_all(handle, chunk)
            self._size_bytes += len(chunk)

        return self._doing("writing", work)

    def restart(self) -> Result[None, MlopusError]:
        """Begin again with an empty file."""

        def work() -> None:
            handle = self._opened()
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            self._digest.close()
            self._digest = Digest()
            self._size_bytes = 0

        return self._doing("writing", work)

    def expect(self, sha256: str) -> None:
        """Leave the block that makes the file, so that it is dropped, if its content is another."""
        if self.sha256 != sha256:
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

        def work() -> None:
            os.utime(self._opened(), ns=(now_ns, now_ns))
            self._close()

        sha256 = self.sha256
        done = self._doing("writing", work)
        if isinstance(done, Failure):
            raise done.failure()
        return self._size_bytes, sha256

    def leave(self) -> bool:
        """Close the file and leave it to the next try, if somebody could go on with it."""
        with self._lock:
            self._close()
        return self.validator is not None and self._size_bytes > 0 and self._failure is None

    def drop(self) -> None:
        """Remove the file."""
        with self._lock:
            self._close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._location)

    def stop(self) -> None:
        """Refuse everything from now on, whichever thread asks for it."""
        with self._lock:
            self._is_stopped = True
            self._close()

    def _doing(self, action: str, work: Callable[[], None]) -> Result[None, MlopusError]:
        with self._lock:
            if self._is_stopped:
                return Failure(
                    StoreFailed(place=self._location, action=action, reason="the transfer was stopped")
                )
            try:
                work()
            except OSError as error:
                self._failure = disk_failed(error, action, self._location)
                return Failure(self._failure)
        return Success(None)

    def _opened(self) -> int:
        if self._handle is None:
            if self._left is not None and self._left.location == self._location:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._location)
            self._handle = os.open(self._location, os.O_RDWR | os.O_CREAT | os.O_EXCL, self._mode)
        return self._handle

    def _close(self) -> None:
        self._digest.close()
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _resume(self, size_bytes: int) -> None:
        left = self._left
        assert left is not None  # noqa: S101 (`resume` has seen it)
        found = os.lstat(left.location)
        is_shared = found.st_nlink > 1  # with a committed tree, which never changes
        if is_shared:
            reading = os.open(left.location, os.O_RDONLY)
            writing = self._opened()
        else:
            if left.location != self._location:
                os.rename(left.location, self._location)
            os.chmod(self._location, found.st_mode | _WRITABLE)
            reading = writing = self._handle = os.open(self._location, os.O_RDWR)
            os.fchmod(writing, stat.S_IMODE(found.st_mode))
            os.ftruncate(writing, size_bytes)
        try:
            while self._size_bytes < size_bytes:
                chunk = os.read(reading, min(CHUNK_BYTES, size_bytes - self._size_bytes))
                if not chunk:
                    raise OSError("what was left of it has become shorter")
                self._digest.update(chunk)
                self._size_bytes += len(chunk)
                if is_shared:
                    _write_all(writing, chunk)
        finally:
            if is_shared:
                os.close(reading)


def _write_all(handle: int, chunk: bytes | memoryview) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(handle, rest) :]
