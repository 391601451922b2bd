from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlopus.repositories import system_clock
from mlopus.repositories.memory.clock import MemoryClock
from mlopus.repositories.system_clock import SystemClock
from mlopus.testing.contracts.clock import ClockContract


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()

    def test_it_does_not_go_back_when_the_system_does(self, monkeypatch) -> None:
        clock = SystemClock()
        before = clock.now()

        class SetBack(datetime):
            @classmethod
            def now(cls, tz=None) -> datetime:
                return datetime(1999, 1, 1, tzinfo=tz)

        monkeypatch.setattr(system_clock, "datetime", SetBack)

        assert clock.now() == before


class TestMemoryClock(ClockContract):
    @pytest.fixture
    def clock(self) -> MemoryClock:
        return MemoryClock()

    def test_it_tells_what_it_was_set_to(self, clock: MemoryClock) -> None:
        moment = datetime(2030, 1, 1, tzinfo=UTC)

        clock.set(moment)

        assert clock.now() == moment

    def test_it_cannot_be_set_back(self, clock: MemoryClock) -> None:
        with pytest.raises(ValueError, match="does not go back"):
            clock.set(datetime(1999, 1, 1, tzinfo=UTC))
