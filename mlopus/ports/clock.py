"""The clock port."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits; tests hold their own."""

    def now(self) -> datetime:
        """The time in UTC, aware. Never earlier than an answer given before by this clock."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return once at least so much time has passed; at once for 0 or less."""
        ...
