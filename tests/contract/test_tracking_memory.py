from __future__ import annotations

import pytest

from mlopus.repositories.memory.tracking import MemoryTracking
from mlopus.testing.contracts.tracking import TrackingContract
from mlopus.testing.contracts.tracking_case import TrackingCase


class TestMemoryTracking(TrackingContract):
    @pytest.fixture
    def case(self) -> TrackingCase:
        return TrackingCase(tracking=MemoryTracking())
