"""A cache on a real disk, for the tests of what it does there."""

from __future__ import annotations

from pathlib import Path

from mlopus.domain.origin import Origin
from mlopus.plans.outcomes import Committed
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.testing.contracts.artifact_cache import CacheCase
from mlopus.testing.contracts.trees import MODEL

SERVER = Origin.of("http://127.0.0.1:5000")


def opened(folder: Path, origin: Origin = SERVER, *, write_protect: bool = True) -> DiskArtifactCache:
    return DiskArtifactCache(str(folder), origin, write_protect=write_protect)


def committed(cache: DiskArtifactCache, path: str = "model", contents=MODEL) -> Committed:
    case = CacheCase(cache=cache, reopen=lambda: cache, tamper=lambda *_: None)
    return case.commit(path, contents)


def file_of(cache: DiskArtifactCache, key: str, path: str) -> Path:
    return Path(cache.tree(key).unwrap().local_path(path))
