"""The clock of this machine."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class SystemClock:
    """Tells the system's time, and never an earlier one than before where the system's is set back.

    Example:
        >>> clock = SystemClock()
        >>> clock.now() <= clock.now()
        True
    """

    def __init__(self) -> None:
        self._latest = datetime.fromtimestamp(0, UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time in UTC."""
        with self._lock:
            self._latest = max(self._latest, datetime.now(UTC))
            return self._latest

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))

    def __reduce__(self) -> tuple[type[SystemClock], tuple[()]]:
        return SystemClock, ()
