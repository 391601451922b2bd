"""A clock that tells what it was told."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class MemoryClock:
    """Stands still until it is set or advanced; never goes back.

    Example:
        >>> clock = MemoryClock(datetime(2026, 1, 1, tzinfo=UTC))
        >>> clock.advance(90)
        >>> clock.now().isoformat()
        '2026-01-01T00:01:30+00:00'
    """

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time in UTC."""
        return self._now

    def set(self, moment: datetime) -> None:
        """Make it that time; aware, and not before what was told already."""
        with self._lock:
            if moment < self._now:
                raise ValueError(f"a clock does not go back, from {self._now} to {moment}")
            self._now = moment.astimezone(UTC)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.set(self._now + timedelta(seconds=seconds))

    def sleep(self, seconds: float) -> None:
        """Let the time pass, at once."""
        self.advance(max(0.0, seconds))

    def __reduce__(self) -> tuple[type[MemoryClock], tuple[datetime]]:
        return MemoryClock, (self._now,)
