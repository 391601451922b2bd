"""Large files in ranges that come in parallel, ahead of the reader, within a bound of memory."""

from __future__ import annotations

import collections
import io
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Final

RANGE_BYTES: Final = 6 * 1024 * 1024
IN_FLIGHT_BYTES: Final = 64 * 1024 * 1024
RANGES_AT_ONCE: Final = 4


class InFlight:
    """How many bytes the transfers of one call hold in memory, kept under a limit."""

    def __init__(self, limit_bytes: int = IN_FLIGHT_BYTES) -> None:
        self._free_bytes = limit_bytes
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()

    def take(self, size_bytes: int, *, wait: bool) -> bool:
        """Take room for so many bytes; False if there is none now and it is not waited for."""
        size_bytes = min(size_bytes, self._limit_bytes)
        with self._changed:
            while self._free_bytes < size_bytes:
                if not wait:
                    return False
                self._changed.wait()
            self._free_bytes -= size_bytes
        return True

    def give(self, size_bytes: int) -> None:
        """Give room back."""
        with self._changed:
            self._free_bytes += min(size_bytes, self._limit_bytes)
            self._changed.notify_all()


class RangesReader(io.RawIOBase):
    """The bytes of an object from an offset to its end, ranges fetched ahead in parallel.

    A reader waits for room only while it holds none, so of many readers one always goes on.

    Args:
        fetch: Gives the bytes from one offset to another; called on the pool's threads.
        start: The first byte that is read.
        size_bytes: Where the object ends.
        first: The first range, which is there already.
        room_held: The room that was taken for it.
        pool: Runs the requests.
        room: Of all readers of one call.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], memoryview],
        *,
        start: int,
        size_bytes: int,
        first: memoryview,
        room_held: int,
        pool: Executor,
        room: InFlight,
    ) -> None:
        super().__init__()
        self._fetch = fetch
        self._size_bytes = size_bytes
        self._pool = pool
        self._room = room
        self._ahead: collections.deque[tuple[Future[memoryview], int]] = collections.deque()
        self._chunk = first
        self._held_bytes = room_held
        self._asked_to = start + len(first)
        self._look_ahead(wait=False)

    def read(self, size: int = -1) -> memoryview:  # pyright: ignore[reportIncompatibleMethodOverride] (a view is as good as bytes to who reads in chunks)
        """Up to so many bytes, without copying them; none at the end."""
        if not self._chunk:
            self._next()
        size = len(self._chunk) if size < 0 else size
        given, self._chunk = self._chunk[:size], self._chunk[size:]
        return given

    def close(self) -> None:
        """Wait for what is under way, and give all room back."""
        while self._ahead:
            future, size_bytes = self._ahead.popleft()
            if not future.cancel():
                future.exception()
            self._room.give(size_bytes)
        self._room.give(self._held_bytes)
        self._held_bytes, self._chunk = 0, memoryview(b"")
        super().close()

    def _next(self) -> None:
        self._room.give(self._held_bytes)
        self._held_bytes = 0
        self._look_ahead(wait=True)
        if not self._ahead:
            return
        future, size_bytes = self._ahead.popleft()
        self._held_bytes = size_bytes
        self._chunk = future.result()

    def _look_ahead(self, *, wait: bool) -> None:
        while self._asked_to < self._size_bytes and len(self._ahead) < RANGES_AT_ONCE:
            begin, end = self._asked_to, min(self._asked_to + RANGE_BYTES, self._size_bytes)
            if not self._room.take(end - begin, wait=wait and not self._ahead):
                return
            self._ahead.append((self._pool.submit(self._fetch, begin, end), end - begin))
            self._asked_to = end
