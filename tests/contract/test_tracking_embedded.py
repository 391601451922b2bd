from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from mlopus.domain.keys import ModelKey, OwnKey, VersionKey
from mlopus.domain.records import Record
from mlopus.repositories.embedded import EmbeddedTracking
from mlopus.repositories.embedded.changing import ALWAYS
from mlopus.repositories.embedded.tracking import ORIGIN
from mlopus.repositories.sqlite.rows import Rows
from mlopus.result import Success
from mlopus.testing.contracts.tracking import TrackingContract
from mlopus.testing.contracts.tracking_case import TrackingCase


def embedded_case(folder: Path) -> TrackingCase:
    tracking = EmbeddedTracking(str(folder))

    def change(key: OwnKey, **fields: object) -> Record:
        def write(connection) -> Success[Record]:
            rows = Rows(connection, ORIGIN, "plain")
            record = attrs.evolve(rows.get(key).record, **fields)
            rows.put((record,), ALWAYS)
            return Success(record)

        return tracking._store.write(write).unwrap()

    def alias(name: str, alias: str, version: str) -> None:
        change(ModelKey(name), aliases=tracking.get(ModelKey(name)).unwrap().aliases | {alias: version})
        change(VersionKey(name, version), aliases=(alias,))

    return TrackingCase(
        tracking=tracking, delete=lambda key: change(key, lifecycle_stage="deleted") and None, alias=alias
    )


class TestEmbeddedTracking(TrackingContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> TrackingCase:
        return embedded_case(tmp_path / "store")
