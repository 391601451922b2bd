"""Fixtures of the tests that run on every kind of store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.main_job import Job, do_main_job
from tests.integration.stores import KINDS, Store, open_store


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of each kind, with a cache of its own."""
    return open_store(request.param, request, tmp_path)


@pytest.fixture(scope="module", params=(*KINDS, "database"))
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The main job, done once on a store of each kind, and on a database that MLflow's package opens."""
    folder = tmp_path_factory.mktemp(f"job-{request.param}")
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)  # below which such a database keeps artifacts
        store = open_store(request.param, request, folder)
    return do_main_job(store.api, store.offline, store.folder)


@pytest.fixture
def fast_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder where waiting for the disk takes no time, which is the same to a process that is killed."""
    memory = Path("/dev/shm")  # noqa: S108 (the folder in it is new and its own)
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)
