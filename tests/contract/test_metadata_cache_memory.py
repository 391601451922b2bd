from __future__ import annotations

import pytest

from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache
from mlopus.testing.contracts.metadata_cache import MetadataCacheContract
from mlopus.testing.contracts.metadata_cache_case import CacheCase
from mlopus.testing.contracts.metadata_cache_shown import MetadataCacheShownContract


class TestMemoryMetadataCache(MetadataCacheContract, MetadataCacheShownContract):
    @pytest.fixture
    def case(self) -> CacheCase:
        return CacheCase(cache=MemoryMetadataCache(), other=MemoryMetadataCache())
