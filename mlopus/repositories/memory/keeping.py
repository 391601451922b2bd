"""Pins and recorded placements in memory."""

from __future__ import annotations

import threading
from typing import Any

from mlopus.errors import MlopusError, StoreFailed
from mlopus.plans.keeping import Pin, Placement
from mlopus.result import Failure, Result, Success


class MemoryKeeping:
    """Pins and placements of one cache.

    Args:
        is_writable: Whether anything can be recorded.
    """

    def __init__(self, *, is_writable: bool = True) -> None:
        self.is_writable = is_writable
        self._pins: set[Pin] = set()
        self._placements: dict[tuple[str, str], Placement] = {}
        self._lock = threading.Lock()

    def pins(self) -> Result[tuple[Pin, ...], MlopusError]:
        """All pins."""
        with self._lock:
            return Success(tuple(sorted(self._pins, key=lambda pin: pin.order)))

    def pin(self, pin: Pin) -> Result[None, MlopusError]:
        """Record a pin."""
        if not self.is_writable:
            return _read_only("pinning")
        with self._lock:
            self._pins.add(pin)
        return Success(None)

    def unpin(self, pins: tuple[Pin, ...]) -> Result[None, MlopusError]:
        """Forget pins."""
        if not self.is_writable:
            return _read_only("unpinning")
        with self._lock:
            self._pins.difference_update(pins)
        return Success(None)

    def placements(self) -> Result[tuple[Placement, ...], MlopusError]:
        """All recorded placements."""
        with self._lock:
            return Success(tuple(self._placements[order] for order in sorted(self._placements)))

    def record(self, placement: Placement) -> Result[None, MlopusError]:
        """Record a placement."""
        if not self.is_writable:
            return _read_only("recording a placement")
        with self._lock:
            self._placements[placement.order] = placement
        return Success(None)

    def forget(self, placements: tuple[Placement, ...]) -> Result[None, MlopusError]:
        """Forget placements."""
        if not self.is_writable:
            return _read_only("forgetting placements")
        with self._lock:
            for placement in placements:
                if self._placements.get(placement.order) == placement:
                    del self._placements[placement.order]
        return Success(None)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {"writable": self.is_writable, "pins": set(self._pins), "held": dict(self._placements)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.is_writable, self._pins, self._placements = state["writable"], state["pins"], state["held"]
        self._lock = threading.Lock()


def _read_only(action: str) -> Failure[MlopusError]:
    return Failure(StoreFailed(place="the cache in memory", action=action, reason="it is read-only"))
