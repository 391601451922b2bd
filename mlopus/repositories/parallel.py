"""Doing the same to many things on a few threads, until one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from mlopus.errors import MlopusError
from mlopus.result import Failure, Result, Success

T = TypeVar("T")
U = TypeVar("U")


def for_each(
    work: Callable[[T], Result[U, MlopusError]], items: Iterable[T], workers: int
) -> Result[tuple[U, ...], MlopusError]:
    """All outcomes, in the order of the items, or the first Failure.

    After a failure, and on Ctrl-C, nothing new is begun; what is under way is waited for. Threads
    take one item at a time, so a long list costs no more than its outcomes.

    Args:
        work: Called once an item, from any of the threads.
        items: Read by one thread at a time.
        workers: Threads, at least 1; with 1 the caller's own thread does it all.

    Example:
        >>> for_each(lambda item: Success(item * 2), [1, 2, 3], workers=2)
        <Success: (2, 4, 6)>
    """
    crew = _Crew(work, items)
    if workers <= 1:
        crew.run()
        return crew.outcome()
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(crew.run) for _ in range(workers)]
        try:
            for thread in running:
                thread.result()
        finally:
            crew.stop()
    return crew.outcome()


class _Crew(Generic[T, U]):
    """What the threads of one call share."""

    def __init__(self, work: Callable[[T], Result[U, MlopusError]], items: Iterable[T]) -> None:
        self._work = work
        self._items: Iterator[tuple[int, T]] = enumerate(items)
        self._done: dict[int, U] = {}
        self._lock = threading.Lock()
        self._stopped = False
        self._failure: MlopusError | None = None

    def run(self) -> None:
        """Take items until there are none, or one has failed."""
        try:
            while (taken := self._next()) is not None:
                index, item = taken
                self._note(index, self._work(item))
        finally:
            self.stop()

    def _next(self) -> tuple[int, T] | None:
        with self._lock:
            return None if self._stopped else next(self._items, None)

    def _note(self, index: int, result: Result[U, MlopusError]) -> None:
        with self._lock:
            if isinstance(result, Failure):
                self._stopped, self._failure = True, self._failure or result.failure()
            else:
                self._done[index] = result.unwrap()

    def stop(self) -> None:
        """Let no thread take another item."""
        with self._lock:
            self._stopped = True

    def outcome(self) -> Result[tuple[U, ...], MlopusError]:
        """What came of it."""
        if self._failure is not None:
            return Failure(self._failure)
        return Success(tuple(self._done[index] for index in sorted(self._done)))
