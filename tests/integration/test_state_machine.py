"""Whatever is done to an API, in whatever order: repositories of every kind answer as plain dicts predict."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, Settings, Success
from mlopus.domain.manifest import ArtifactSubject
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.memory.artifact_cache import MemoryArtifactCache
from mlopus.repositories.memory.artifact_store import MemoryArtifactStore, modes
from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache
from mlopus.repositories.memory.tracking import MemoryTracking
from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache
from mlopus.testing.state_machine import OpenApi, run_state_machine

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
QUIET = Settings(progress="off")
STEPS = 40


class Opened:
    """Keeps what is in memory of each folder, and opens what is on disk anew.

    Earlier ones are kept too: a path that a cache in memory gave lasts as long as that cache.
    """

    def __init__(
        self, make: Callable[[str], MlflowApi], again: Callable[[MlflowApi, str], MlflowApi]
    ) -> None:
        self._make, self._again = make, again
        self._held: dict[str, list[MlflowApi]] = {}

    def __call__(self, folder: str) -> MlflowApi:
        held = self._held.setdefault(folder, [])
        held.append(self._again(held[-1], folder) if held else self._make(folder))
        return held[-1]


def in_memory(folder: str, **mode: bool) -> MlflowApi:
    return MlflowApi(
        tracking=MemoryTracking(),
        cache=MemoryMetadataCache(),
        artifacts=MemoryArtifactCache(),
        stores=MemoryArtifactStore(**mode),
        workspace=LocalWorkspace(f"{folder}/workspace"),
        settings=QUIET,
    )


def pickled(api: MlflowApi, _: str) -> MlflowApi:
    again: MlflowApi = pickle.loads(pickle.dumps(api))  # noqa: S301 (our own bytes)
    return again


def on_disk(api: MlflowApi, folder: str) -> MlflowApi:
    """The same stores, and the caches of a folder."""
    origin = api.repositories.tracking.origin
    return MlflowApi(
        tracking=api.repositories.tracking,
        stores=api.repositories.stores,
        cache=SqliteMetadataCache(f"{folder}/cache", origin),
        artifacts=DiskArtifactCache(f"{folder}/cache", origin),
        workspace=LocalWorkspace(f"{folder}/cache/temp"),
        settings=attrs.evolve(QUIET, cache_dir=f"{folder}/cache"),  # where its journal is
    )


def embedded(folder: str) -> MlflowApi:
    return mlopus.connect(
        f"{folder}/store", cache_dir=f"{folder}/cache", cache_local_artifacts=True, progress="off"
    )


def test_in_memory() -> None:
    steps = run_state_machine(Opened(in_memory, pickled), examples=25, steps=STEPS)

    assert steps > 600


@pytest.mark.parametrize("mode", list(modes()), ids=str)
def test_with_a_store_that_tells_little_of_its_files(mode: dict[str, bool]) -> None:
    stores = Opened(lambda folder: in_memory(folder, **mode), pickled)

    assert run_state_machine(stores, examples=5, steps=STEPS) > 100


def test_with_caches_on_disk() -> None:
    stores = Opened(lambda folder: on_disk(in_memory(folder), folder), on_disk)

    assert run_state_machine(stores, examples=15, steps=STEPS) > 350


def test_with_an_embedded_store() -> None:
    assert run_state_machine(embedded, examples=15, steps=STEPS) > 350


WITH_A_JOURNAL: dict[str, OpenApi] = {
    "memory": Opened(lambda _: mlopus.testing.in_memory(), lambda api, _: api.evolve()),
    "disk": Opened(lambda folder: on_disk(in_memory(folder), folder), on_disk),
    "embedded": embedded,
}


@pytest.mark.parametrize("kind", WITH_A_JOURNAL)
def test_what_is_written_offline_is_shown_at_once_and_on_the_server_after_a_flush(kind: str) -> None:
    assert run_state_machine(WITH_A_JOURNAL[kind], examples=12, steps=30, journal=True) > 250


@attrs.frozen(kw_only=True)
class NeverForgets(MemoryArtifactCache):
    """Keeps the entries that it should withdraw."""

    def withdraw(self, subject: ArtifactSubject, path: str) -> Any:  # noqa: ARG002 (what is wrong with it)
        return Success(())


@attrs.frozen
class NoTags(MemoryMetadataCache):
    """Loses the tags of runs."""

    def put(self, records: Any, taken_at: Any) -> Any:
        without = (
            attrs.evolve(record, tags=record.tags.delete("team")) if "team" in record.tags else record
            for record in records
        )
        return super().put(tuple(without), taken_at)


@pytest.mark.parametrize("fault", [{"artifacts": NeverForgets}, {"cache": NoTags}], ids=str)
def test_a_fault_of_a_repository_is_found(fault: dict[str, Any]) -> None:
    def faulty(folder: str) -> MlflowApi:
        sound = in_memory(folder).repositories
        made = {name: make() for name, make in fault.items()}
        parts = {"cache": sound.cache, "artifacts": sound.artifacts} | made
        return MlflowApi(
            tracking=sound.tracking, stores=sound.stores, workspace=sound.workspace, settings=QUIET, **parts
        )

    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine(Opened(faulty, lambda api, _: api), examples=1000, steps=STEPS, shrinks=False)


@pytest.mark.slow
@pytest.mark.parametrize("journal", [False, True], ids=["plain", "journal"])
@pytest.mark.parametrize("which", ["mlflow_server", "mlflow_2_server"])
def test_with_a_real_server(which: str, journal: bool, request: pytest.FixtureRequest) -> None:
    uri = request.getfixturevalue(which).uri

    def served(folder: str) -> MlflowApi:
        return mlopus.connect(uri, cache_dir=f"{folder}/cache", progress="off")

    run_state_machine(served, examples=10, steps=30, journal=journal)


@pytest.mark.slow
@pytest.mark.parametrize("open_api", [Opened(in_memory, pickled), embedded], ids=["memory", "embedded"])
def test_for_long(open_api: OpenApi) -> None:
    run_state_machine(open_api, examples=300, steps=60)
