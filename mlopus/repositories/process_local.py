"""A resource that belongs to one process: opened on first use, and anew after a fork or unpickling."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class _Slot(Generic[T]):
    """What one process has open. Its lock is of that process too: a fork may copy a held lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: tuple[T] | None = None
        self.finalizer: weakref.finalize[..., Any] | None = None


class PerProcess(Generic[T]):
    """Holds a resource that every thread of a process shares and no other process may touch.

    A forked child opens its own, and neither uses nor closes what it inherited. Pickling keeps the
    two functions only, so they must be picklable where the holder is to be pickled. What is open is
    closed when the holder is garbage, at the end of the interpreter at the latest.

    Two holders are equal only if they are the same, so keep one out of the equality of the value
    that carries it.

    Args:
        open: Makes the resource. What it raises passes through `get`, and nothing is kept.
        close: Gives the resource back.

    Example:
        >>> numbers = PerProcess(lambda: [1])
        >>> numbers.get() is numbers.get()
        True
    """

    def __init__(self, open: Callable[[], T], close: Callable[[T], None] | None = None) -> None:  # noqa: A002 (says it)
        self._open = open
        self._close = close
        self._slots: dict[int, _Slot[T]] = {}

    def get(self) -> T:
        """The resource of this process, opened by the first caller while others wait."""
        slot = self._slot()
        held = slot.held
        if held is not None:
            return held[0]
        with slot.lock:
            if slot.held is None:
                value = self._open()
                if self._close is not None:
                    slot.finalizer = weakref.finalize(self, _close_here, os.getpid(), self._close, value)
                slot.held = (value,)
            return slot.held[0]

    def close(self) -> None:
        """Close what this process has open, if anything; the next `get` opens anew."""
        slot = self._slot()
        with slot.lock:
            finalizer, slot.finalizer, slot.held = slot.finalizer, None, None
        if finalizer is not None:
            finalizer()

    def _slot(self) -> _Slot[T]:
        return self._slots.setdefault(os.getpid(), _Slot())

    def __reduce__(self) -> tuple[Any, ...]:
        return PerProcess, (self._open, self._close)


def _close_here(pid: int, close: Callable[[T], None], value: T) -> None:
    """Close in the process that opened: a forked child ends without touching its parent's resource."""
    if os.getpid() == pid:
        close(value)
