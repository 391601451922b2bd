from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlopus.repositories.memory.keeping import MemoryKeeping
from mlopus.repositories.sqlite.keeping import SqliteKeeping
from mlopus.testing.contracts.keeping import KeepingCase, KeepingContract


class TestMemoryKeeping(KeepingContract):
    @pytest.fixture
    def kept(self) -> KeepingCase:
        keeping = MemoryKeeping()
        return KeepingCase(
            keeping=keeping, reopen=lambda: keeping, read_only=MemoryKeeping(is_writable=False)
        )


class TestSqliteKeeping(KeepingContract):
    @pytest.fixture
    def kept(self, tmp_path) -> Iterator[KeepingCase]:
        (tmp_path / "file").write_bytes(b"")  # no folder can be made below a file, not even by root
        folder = str(tmp_path / "cache")
        opened = [SqliteKeeping(folder), SqliteKeeping(folder)]
        read_only = SqliteKeeping(str(tmp_path / "file" / "cache"))
        yield KeepingCase(keeping=opened[0], reopen=lambda: opened[1], read_only=read_only)
        for keeping in opened:
            keeping.close()
