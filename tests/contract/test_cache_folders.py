from __future__ import annotations

from pathlib import Path

import pytest

from mlopus.domain.origin import Origin
from mlopus.repositories.disk.cache_folders import DiskCacheFolders
from mlopus.repositories.memory.cache_folders import MemoryCacheFolders
from mlopus.testing.contracts.cache_folders import CacheFoldersContract, FoldersCase

SERVER = Origin.of("http://127.0.0.1:5000")


class TestDiskCacheFolders(CacheFoldersContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> FoldersCase:
        root = tmp_path.resolve()
        (root / "taken").mkdir()
        (root / "taken" / "notes.txt").write_text("mine")
        (root / "file").write_bytes(b"")  # no folder can be made below a file, not even by root
        return FoldersCase(
            folders=DiskCacheFolders(SERVER),
            reopened=lambda: DiskCacheFolders(SERVER),
            vacant=str(root / "new" / "cache"),
            taken=str(root / "taken"),
            read_only=str(root / "file" / "cache"),
        )


class TestMemoryCacheFolders(CacheFoldersContract):
    @pytest.fixture
    def case(self) -> FoldersCase:
        folders = MemoryCacheFolders(
            others={"/data/taken": ("notes.txt",)}, read_only=frozenset({"/data/read-only"})
        )
        return FoldersCase(
            folders=folders,
            reopened=lambda: folders,
            vacant="/data/new/cache",
            taken="/data/taken",
            read_only="/data/read-only",
        )
