"""The clock port."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; tests hold their own."""

    def now(self) -> datetime:
        """The time in UTC, aware. Never earlier than an answer given before by this clock."""
        ...
