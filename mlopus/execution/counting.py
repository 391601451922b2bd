"""A meter that counts, and draws one progress bar for the bytes of a plan."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Literal, Self

_SMALLEST_SHOWN_BYTES = 8 * 1024 * 1024
"""Transfers below this are over before a bar could be read."""


class CountingMeter:
    """Counts requests and bytes from any thread; shows a bar while a block runs, if asked to.

    A bar is drawn on a terminal or in a notebook ("auto"), always ("on") or never ("off").
    """

    def __init__(
        self, title: str = "", total_bytes: int = 0, progress: Literal["auto", "on", "off"] = "off"
    ) -> None:
        self.requests = 0
        self.up_bytes = 0
        self.down_bytes = 0
        self.finished_files = 0
        self._lock = threading.Lock()
        self._title = title
        self._total_bytes = total_bytes
        self._shown = progress == "on" or (progress == "auto" and total_bytes >= _SMALLEST_SHOWN_BYTES)
        self._disable = None if progress == "auto" else False
        self._bar: Any = None

    def __enter__(self) -> Self:
        if self._shown:
            from tqdm.auto import tqdm  # noqa: PLC0415 (loaded only when a bar may be seen)

            self._bar = tqdm(
                total=self._total_bytes or None,
                desc=self._title,
                unit="B",
                unit_scale=True,
                unit_divisor=1024,
                disable=self._disable,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def requested(self, count: int = 1) -> None:
        """Count requests."""
        with self._lock:
            self.requests += count

    def sent(self, size_bytes: int) -> None:
        """Count bytes that went to a store; negative when a transfer starts anew."""
        with self._lock:
            self.up_bytes += size_bytes
            self._advance(size_bytes)

    def received(self, size_bytes: int) -> None:
        """Count bytes that came from a store; negative when a transfer starts anew."""
        with self._lock:
            self.down_bytes += size_bytes
            self._advance(size_bytes)

    def resumed(self, size_bytes: int) -> None:
        """Show bytes that were there already as done."""
        with self._lock:
            self._advance(size_bytes)

    def finished(self, path: str) -> None:  # noqa: ARG002 (the port names the file; a bar of bytes does not)
        """Count a file."""
        with self._lock:
            self.finished_files += 1

    def _advance(self, size_bytes: int) -> None:
        if self._bar is not None:
            self._bar.update(size_bytes)
