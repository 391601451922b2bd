"""A meter that counts, and tells of it while a plan is executed."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from mlopus.execution.progress import Progress, ProgressTold, Teller, teller_of


class CountingMeter:
    """Counts requests and bytes from any thread; tells of them while a block runs, if asked to.

    A bar is drawn on a terminal or in a notebook ("auto"), always ("on") or never ("off"); a function
    is called with `Progress` values, one at a time. What it raises ends the transfer.
    """

    def __init__(self, title: str = "", total_bytes: int = 0, progress: ProgressTold = "off") -> None:
        self.requests = 0
        self.up_bytes = 0
        self.down_bytes = 0
        self.resumed_bytes = 0
        self.finished_files = 0
        self._lock = threading.Lock()
        self._title = title
        self._total_bytes = total_bytes
        self._progress: ProgressTold = progress
        self._teller: Teller | None = None

    def __enter__(self) -> Self:
        self._teller = teller_of(self._progress, self._now())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            teller, self._teller = self._teller, None
        if teller is not None:
            teller.end(self._now(is_over=True))

    def requested(self, count: int = 1) -> None:
        """Count requests."""
        with self._lock:
            self.requests += count
            self._tell()

    def sent(self, size_bytes: int) -> None:
        """Count bytes that went to a store; negative when a transfer starts anew."""
        with self._lock:
            self.up_bytes += size_bytes
            self._tell()

    def received(self, size_bytes: int) -> None:
        """Count bytes that came from a store; negative when a transfer starts anew."""
        with self._lock:
            self.down_bytes += size_bytes
            self._tell()

    def resumed(self, size_bytes: int) -> None:
        """Count bytes that were there already; negative when a transfer starts anew after all."""
        with self._lock:
            self.resumed_bytes += size_bytes
            self._tell()

    def finished(self, path: str) -> None:  # noqa: ARG002 (the port names the file; here they are counted)
        """Count a file."""
        with self._lock:
            self.finished_files += 1
            self._tell()

    def _tell(self) -> None:
        teller = self._teller
        if teller is None:
            return
        try:
            teller.tell(self._now)
        except BaseException:
            self._teller = None  # what it raised ends the transfer, and is not asked for again
            raise

    def _now(self, *, is_over: bool = False) -> Progress:
        return Progress(
            title=self._title,
            total_bytes=self._total_bytes,
            up_bytes=self.up_bytes,
            down_bytes=self.down_bytes,
            resumed_bytes=self.resumed_bytes,
            finished_files=self.finished_files,
            requests=self.requests,
            is_over=is_over,
        )
