from __future__ import annotations

import attrs
import pytest

from mlopus.domain.keys import ModelKey, OwnKey, VersionKey
from mlopus.repositories.memory.tracking import MemoryTracking
from mlopus.testing.contracts.tracking import TrackingContract
from mlopus.testing.contracts.tracking_case import TrackingCase


class TestMemoryTracking(TrackingContract):
    @pytest.fixture
    def case(self) -> TrackingCase:
        tracking = MemoryTracking()
        records = tracking._tables.records

        def delete(key: OwnKey) -> None:
            records[key] = attrs.evolve(records[key], lifecycle_stage="deleted")

        def alias(name: str, alias: str, version: str) -> None:
            model, registered = ModelKey(name), VersionKey(name, version)
            records[model] = attrs.evolve(records[model], aliases=records[model].aliases | {alias: version})
            records[registered] = attrs.evolve(records[registered], aliases=(alias,))

        return TrackingCase(tracking=tracking, delete=delete, alias=alias)
