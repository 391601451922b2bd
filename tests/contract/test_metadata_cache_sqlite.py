from __future__ import annotations

from pathlib import Path

import pytest

from mlopus.domain.origin import Origin
from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache
from mlopus.testing.contracts.metadata_cache import MetadataCacheContract
from mlopus.testing.contracts.metadata_cache_case import EARLY, RECORDS, CacheCase
from mlopus.testing.contracts.metadata_cache_shown import MetadataCacheShownContract

HERE, THERE = Origin.of("http://127.0.0.1:5000"), Origin.of("http://127.0.0.1:5000", "other")


class TestSqliteMetadataCache(MetadataCacheContract, MetadataCacheShownContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> CacheCase:
        return CacheCase(
            cache=SqliteMetadataCache(str(tmp_path), HERE),
            other=SqliteMetadataCache(str(tmp_path), THERE),
            reopened=lambda: SqliteMetadataCache(str(tmp_path), HERE),
        )


class TestSqliteMetadataCacheReadByAnotherCodec(MetadataCacheContract):
    """The values in the tables were read by another codec than the search reads texts by."""

    @pytest.fixture
    def case(self, tmp_path: Path) -> CacheCase:
        first = SqliteMetadataCache(str(tmp_path), HERE, text_codec="mlopus-1")
        first.put(RECORDS, EARLY).unwrap()
        first.clear().unwrap()
        return CacheCase(
            cache=SqliteMetadataCache(str(tmp_path), HERE),
            other=SqliteMetadataCache(str(tmp_path), THERE),
        )
