"""The keeping port: what a cache must not lose, recorded so that it survives everything but the disk."""

from __future__ import annotations

from typing import Protocol

from mlopus.errors import MlopusError
from mlopus.plans.keeping import HeldTree, Pin, Placement
from mlopus.result import Result


class Keeping(Protocol):
    """Pins and recorded placements of a whole cache, of every origin. Thread-safe; picklable.

    What cannot be read fails, and is never taken for nothing: then nothing may be evicted.
    """

    @property
    def is_writable(self) -> bool:
        """Whether anything can be recorded."""
        ...

    def pins(self) -> Result[tuple[Pin, ...], MlopusError]:
        """All pins, sorted by origin, subject and path."""
        ...

    def pin(self, pin: Pin) -> Result[None, MlopusError]:
        """Record a pin; one that is there already stays. On return it survives a power failure."""
        ...

    def unpin(self, pins: tuple[Pin, ...]) -> Result[None, MlopusError]:
        """Forget pins: all of them or none. Those that are not there are no error."""
        ...

    def placements(self) -> Result[tuple[Placement, ...], MlopusError]:
        """All recorded placements, sorted by target and tree."""
        ...

    def record(self, placement: Placement) -> Result[None, MlopusError]:
        """Record a placement, beside those of other trees at its target, which may still show them."""
        ...

    def forget(self, placements: tuple[Placement, ...]) -> Result[None, MlopusError]:
        """Forget placements. Those that are not there, or are of another path, are no error and stay."""
        ...


class HoldsTrees(Protocol):
    """Whoever needs trees of the cache for some time: a journal of unsent writes, say."""

    def held_trees(self) -> Result[tuple[HeldTree, ...], MlopusError]:
        """The trees it needs now, sorted by key. What cannot be read fails, and nothing is evicted."""
        ...
