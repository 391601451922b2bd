from __future__ import annotations

from pathlib import Path

import pytest

from mlopus.repositories.embedded import EmbeddedTracking
from mlopus.testing.contracts.tracking import TrackingContract
from mlopus.testing.contracts.tracking_case import TrackingCase


class TestEmbeddedTracking(TrackingContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> TrackingCase:
        return TrackingCase(tracking=EmbeddedTracking(str(tmp_path / "store")))
