"""Settings that say whence artifacts come and where they pass: each tried on a store on this disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mlopus
from mlopus import MlflowApi, RunApi, errors, or_raise
from tests.integration.stores import Store

pytestmark = pytest.mark.parametrize(
    "store", ["embedded", pytest.param("server", marks=pytest.mark.server)], indirect=True
)


@pytest.fixture
def run(store: Store) -> RunApi:
    """A run whose artifacts are in a folder of this machine, whatever the server keeps by itself."""
    repo = (store.folder / "repo").as_uri()
    run = or_raise(store.new_exp().start_run("r", repo=repo))
    or_raise(run.log_artifact(lambda path: path.write_text("first"), "notes.txt"))
    return or_raise(run.cache_meta())


def change(store: Store) -> None:
    """Let somebody else change what is in the store."""
    (store.folder / "repo" / "notes.txt").write_text("other")


def evolved(store: Store, **settings: Any) -> MlflowApi:
    return store.api.evolve(**settings)


def test_files_on_this_disk_are_used_where_they_are(store: Store, run: RunApi) -> None:
    assert or_raise(run.get_artifact("notes.txt")) == store.folder / "repo" / "notes.txt"
    assert isinstance(store.offline.get_run_artifact(run.id, "notes.txt").failure(), errors.NotCached)


@pytest.mark.parametrize("verb", ["get", "load", "place"])
def test_files_on_this_disk_go_through_the_cache_if_asked_to(store: Store, run: RunApi, verb: str) -> None:
    api = evolved(store, cache_local_artifacts=True)
    match verb:
        case "get":
            found = or_raise(api.get_run_artifact(run.id, "notes.txt"))
        case "load":
            found = or_raise(api.load_run_artifact(run.id, Path.resolve, "notes.txt"))
        case _:
            found = or_raise(api.place_run_artifact(run.id, store.folder / "placed", "notes.txt")).resolve()

    assert store.folder / "cache" / "trees" in found.parents
    assert or_raise(store.offline.get_run_artifact(run.id, "notes.txt")) == found


def test_a_hit_is_compared_with_the_store_if_asked_to(store: Store, run: RunApi) -> None:
    kept = or_raise(run.cache_artifact("notes.txt"))
    change(store)

    old = evolved(store, cache_local_artifacts=True).get_run_artifact(run.id, "notes.txt")
    new = evolved(store, cache_local_artifacts=True, always_pull_artifacts=True).get_run_artifact(
        run.id, "notes.txt"
    )

    assert or_raise(old) == kept
    assert (or_raise(old).read_text(), or_raise(new).read_text()) == ("first", "other")


def test_a_store_apart_from_the_server_is_pulled_from_offline_if_asked_to(
    store: Store, run: RunApi, socket_events: list[str]
) -> None:
    api = mlopus.connect(
        cache_dir=store.folder / "cache", offline_mode=True, pull_artifacts_in_offline_mode=True,
        allow_local_artifacts=True,
    )  # fmt: skip
    socket_events.clear()

    assert or_raise(api.get_run_artifact(run.id, "notes.txt")).read_text() == "first"
    assert [entry.path for entry in or_raise(api.list_run_artifacts(run.id))] == ["notes.txt"]
    with or_raise(api.open_artifact(run.id, "notes.txt")) as file:
        assert file.read() == b"first"
    or_raise(api.cache_run_artifact(run.id, "notes.txt"))
    assert or_raise(store.offline.get_run_artifact(run.id, "notes.txt")).read_text() == "first"
    assert socket_events == []


def test_paths_of_this_machine_are_opened_only_if_allowed(store: Store, run: RunApi) -> None:
    api = evolved(store, allow_local_artifacts=False)

    for failure in (
        api.get_run_artifact(run.id, "notes.txt").failure(),
        api.list_run_artifacts(run.id).failure(),
        api.open_artifact(run.id, "notes.txt").failure(),
        api.log_run_artifact(run.id, lambda path: path.write_text("x"), "more.txt").failure(),
    ):
        assert isinstance(failure, errors.IllegalPath)
        assert "allow_local_artifacts=True" in (failure.hint or "")
    assert not (store.folder / "repo" / "more.txt").exists()


def test_callbacks_write_where_they_are_told_to(store: Store, run: RunApi) -> None:
    temporary, given = store.folder / "scratch", list[Path]()
    api = evolved(store, temp_artifacts_dir=temporary)

    def write(path: Path) -> None:
        given.append(path)
        path.write_text("made")

    or_raise(api.log_run_artifact(run.id, write, "made.txt"))

    assert temporary in given[0].parents
    assert not given[0].exists()
    with or_raise(run.open_artifact("made.txt")) as file:
        assert file.read() == b"made"


def test_an_exception_of_a_callback_is_the_callers_own_and_nothing_is_published(run: RunApi) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run.log_artifact(fail, "half.txt")
    with pytest.raises(ZeroDivisionError):
        run.load_artifact(lambda _: 1 / 0, "notes.txt")

    assert [entry.path for entry in or_raise(run.list_artifacts())] == ["notes.txt"]
