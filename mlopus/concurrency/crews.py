"""Doing the same to many things on a few threads, until one fails or the user has had enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, ParamSpec, Protocol, TypeVar

from mlopus.errors import MlopusError
from mlopus.result import Failure, Result, Success

T = TypeVar("T")
U = TypeVar("U")
P = ParamSpec("P")

LONGEST_STOP_S: Final = 0.5
"""How long Ctrl-C waits for threads; one that still hears nothing from a socket is left behind."""

_LOOKS_UP_EVERY_S: Final = 0.1
"""How often whoever waits sees to signals: one that another thread got does not wake it."""


class WorkStoppedError(BaseException):
    """Leaves work that nobody wants any more."""


def stop_if_told() -> None:
    """Called between two chunks of long work: leaves it once its crew is to stop.

    Raises:
        WorkStoppedError: Another piece of work has failed, or the user pressed Ctrl-C.
    """
    crew = _crews.mine
    if crew is not None and crew.is_stopped:
        raise WorkStoppedError


def as_own_crew(work: Callable[P, U]) -> Callable[P, U]:
    """The same work, to be done on other threads for the crew of this one: it stops when they do."""
    crew = _crews.mine

    def joined(*args: P.args, **kwargs: P.kwargs) -> U:
        before, _crews.mine = _crews.mine, crew
        try:
            return work(*args, **kwargs)
        finally:
            _crews.mine = before

    return joined


def for_each(
    work: Callable[[T], Result[U, MlopusError]], items: Iterable[T], workers: int
) -> Result[tuple[U, ...], MlopusError]:
    """All outcomes, in the order of the items, or the first Failure.

    After a failure nothing new is begun, and what is under way ends at its next `stop_if_told`. So it is
    on Ctrl-C, which waits no longer than `LONGEST_STOP_S`: threads that are left behind hold up neither
    the caller nor the end of the interpreter. Threads take one item at a time, so a long list costs no
    more than its outcomes.

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
    threads = [threading.Thread(target=crew.run, name=f"mlopus-{n}", daemon=True) for n in range(workers)]
    try:
        for thread in threads:
            crew.count_in()
            thread.start()
        crew.wait_for()
    except BaseException:
        crew.stop()
        crew.wait_for(LONGEST_STOP_S)
        raise
    return crew.outcome()


class _Stoppable(Protocol):
    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is to be done."""
        ...


class _Crews(threading.local):
    """The crew that each thread works for."""

    mine: _Stoppable | None = None


_crews = _Crews()


class _Crew(Generic[T, U]):
    """What the threads of one call share."""

    def __init__(self, work: Callable[[T], Result[U, MlopusError]], items: Iterable[T]) -> None:
        self._work = work
        self._items: Iterator[tuple[int, T]] = enumerate(items)
        self._done: dict[int, U] = {}
        self._lock = threading.Lock()
        self._ended = threading.Semaphore(0)
        self._running = 0
        self._failure: MlopusError | None = None
        self._raised: BaseException | None = None
        self._is_stopped = False
        self._outer = _crews.mine

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is to be done, here or by the crew that this one works for."""
        return self._is_stopped or (self._outer is not None and self._outer.is_stopped)

    def run(self) -> None:
        """Take items until there are none, or one has failed."""
        before, _crews.mine = _crews.mine, self
        try:
            while (taken := self._next()) is not None:
                index, item = taken
                self._note(index, self._work(item))
        except BaseException as error:  # noqa: BLE001 (raised again for the caller, by `outcome`)
            self._stop_because(error)
        finally:
            _crews.mine = before
            self._ended.release()

    def count_in(self) -> None:
        """One thread more is to be waited for."""
        self._running += 1

    def wait_for(self, seconds: float | None = None) -> None:
        """Wait for the threads to end, so long in all at most."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._running:
            if self._ended.acquire(timeout=_LOOKS_UP_EVERY_S):
                self._running -= 1
            elif deadline is not None and time.monotonic() > deadline:
                return

    def _next(self) -> tuple[int, T] | None:
        with self._lock:
            if self.is_stopped:
                return None
            try:
                return next(self._items, None)
            except BaseException:
                self._is_stopped = True  # at once: what has raised cannot be asked again
                raise

    def _note(self, index: int, result: Result[U, MlopusError]) -> None:
        with self._lock:
            if isinstance(result, Failure):
                self._failure = self._failure or result.failure()
                self._is_stopped = True
            else:
                self._done[index] = result.unwrap()

    def _stop_because(self, error: BaseException) -> None:
        """Remember the first thing that was raised; that others stopped after it says nothing."""
        with self._lock:
            self._is_stopped = True
            if self._raised is None or isinstance(self._raised, WorkStoppedError):
                self._raised = error

    def stop(self) -> None:
        """Let no thread take another item."""
        with self._lock:
            self._is_stopped = True

    def outcome(self) -> Result[tuple[U, ...], MlopusError]:
        """What came of it.

        Raises:
            BaseException: What the work raised; WorkStoppedError if not all of it was done.
        """
        if self._raised is not None and not isinstance(self._raised, WorkStoppedError):
            raise self._raised
        if self._failure is not None:
            return Failure(self._failure)
        if self.is_stopped:
            raise WorkStoppedError
        return Success(tuple(self._done[index] for index in sorted(self._done)))
