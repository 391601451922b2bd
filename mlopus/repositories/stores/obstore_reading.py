"""Objects as files: read as they come, or sought in."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from mlopus.repositories.stores.ranges import RANGE_BYTES


class StreamReader(io.RawIOBase):
    """The bytes of an object in the order in which a store sends them.

    Args:
        chunks: What comes; raises errors of ours.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._chunk = memoryview(b"")

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what came next; 0 at the end."""
        view = memoryview(buffer).cast("B")
        given = self.read(len(view))
        view[: len(given)] = given
        return len(given)

    def read(self, size: int = -1) -> memoryview:  # pyright: ignore[reportIncompatibleMethodOverride] (a view is as good as bytes to who reads in chunks)
        """Up to so many bytes, without copying them; none at the end."""
        while not self._chunk:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._chunk = memoryview(chunk)
        size = len(self._chunk) if size < 0 else size
        given, self._chunk = self._chunk[:size], self._chunk[size:]
        return given


class ObjectFile(io.RawIOBase):
    """An object to be read and sought in.

    Args:
        fetch: Gives the bytes from one offset to another.
        size_bytes: How many there are.
    """

    def __init__(self, fetch: Callable[[int, int], memoryview], size_bytes: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position: from the start, from here or from the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}, before the first byte")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as there are bytes."""
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self._size_bytes)
        if self._position >= end:
            return 0
        got = self._fetch(self._position, end)
        view[: len(got)] = got
        self._position += len(got)
        return len(got)


def buffered(raw: io.RawIOBase) -> io.BufferedReader:
    """A file of an object, as people want one."""
    return io.BufferedReader(raw, buffer_size=RANGE_BYTES)
