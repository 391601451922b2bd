from __future__ import annotations

import os

import attrs
import pytest

from mlopus.domain.origin import Origin
from mlopus.plans.steps import StageFiles
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.memory.artifact_cache import MemoryArtifactCache
from mlopus.repositories.memory.workspace import MemoryWorkspace
from mlopus.testing.contracts.artifact_cache import ArtifactCacheContract, CacheCase
from mlopus.testing.contracts.cache_care import CacheCareContract
from mlopus.testing.contracts.copying import CopyingContract
from mlopus.testing.contracts.staging import StagingContract
from mlopus.testing.contracts.trees import MODEL, Tally, commit_of

SERVER = Origin.of("http://127.0.0.1:5000")


def disk_case(folder: str) -> CacheCase:
    cache = DiskArtifactCache(folder, SERVER)

    def tamper(key: str, path: str, content: bytes | None) -> None:
        location = cache.tree(key).unwrap().local_path(path)
        os.unlink(location)
        if content is not None:
            with open(location, "wb") as file:
                file.write(content)

    return CacheCase(cache=cache, reopen=lambda: DiskArtifactCache(folder, SERVER), tamper=tamper)


def memory_case(*, is_writable: bool = True) -> CacheCase:
    cache = MemoryArtifactCache(is_writable=is_writable)

    def tamper(key: str, path: str, content: bytes | None) -> None:
        held = cache.held.trees[key]
        contents = {name: held for name, held in held.contents.items() if name != path}
        if content is not None:
            contents[path] = content
        cache.held.trees[key] = attrs.evolve(held, contents=contents)

    return CacheCase(cache=cache, reopen=lambda: attrs.evolve(cache), tamper=tamper)


class TestDiskCache(ArtifactCacheContract, StagingContract, CopyingContract, CacheCareContract):
    @pytest.fixture
    def case(self, tmp_path) -> CacheCase:
        return disk_case(str(tmp_path / "cache"))

    @pytest.fixture
    def read_only(self, tmp_path) -> CacheCase:
        (tmp_path / "file").write_bytes(b"")  # no folder can be made below a file, not even by root
        return disk_case(str(tmp_path / "file" / "cache"))


class TestMemoryCache(ArtifactCacheContract, StagingContract, CopyingContract, CacheCareContract):
    @pytest.fixture
    def case(self) -> CacheCase:
        return memory_case()

    @pytest.fixture
    def read_only(self) -> CacheCase:
        return memory_case(is_writable=False)

    @pytest.mark.parametrize("ladder", ["move", "move and link"])
    def test_files_in_memory_can_be_moved_into_it(self, case, ladder) -> None:
        workspace = MemoryWorkspace()
        for path, content in MODEL.items():
            workspace.files.write(f"/source/{path}", content)
        facts = workspace.source_facts("/source").unwrap()
        staging = case.cache.stage().unwrap()
        step = StageFiles(staged="staged", files=facts.files, ladder=ladder)
        staging.adopt(step, workspace.source("/source"), Tally()).unwrap()

        committed = staging.commit(commit_of(contents=MODEL)).unwrap()

        assert case.contents(committed.tree_key) == MODEL
        left = None if ladder == "move" else MODEL["MLmodel"]
        assert workspace.files.read("/source/MLmodel") == left
