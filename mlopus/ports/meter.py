"""Counting what repositories do, for receipts and progress."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Told by repositories as they work, from any thread."""

    def requested(self, count: int = 1) -> None:
        """That many requests were sent over a network, retries included."""
        ...

    def sent(self, size_bytes: int) -> None:
        """Bytes of artifacts went to a store."""
        ...

    def received(self, size_bytes: int) -> None:
        """Bytes of artifacts came from a store."""
        ...

    def resumed(self, size_bytes: int) -> None:
        """Bytes were there already, of a transfer that stopped before this call."""
        ...

    def finished(self, path: str) -> None:
        """One file was transferred, staged or placed."""
        ...


class NoMeter:
    """Counts nothing."""

    def requested(self, count: int = 1) -> None:
        """Not counted."""

    def sent(self, size_bytes: int) -> None:
        """Not counted."""

    def received(self, size_bytes: int) -> None:
        """Not counted."""

    def resumed(self, size_bytes: int) -> None:
        """Not counted."""

    def finished(self, path: str) -> None:
        """Not counted."""
