"""Listing and opening artifacts: online of the store, offline of what is cached; and what caches share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mlopus
from mlopus import ArtifactEntry, RunApi, errors, or_raise
from tests.integration.stores import Store

on_disk = pytest.mark.parametrize(
    "store", ["embedded", pytest.param("server", marks=pytest.mark.server)], indirect=True
)
ALL = ["data", "data/a.txt", "data/sub", "data/sub/b.txt", "data/sub/deep", "data/sub/deep/c.txt"]


@pytest.fixture
def run(store: Store) -> RunApi:
    """A run with a folder of three files, of which nothing is cached."""
    source = store.folder / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "sub" / "b.txt").write_text("bb")
    (source / "sub" / "deep" / "c.txt").write_text("ccc")
    run = or_raise(store.new_exp().start_run("r"))
    or_raise(run.log_artifact(source, "data", use_cache=False))
    return or_raise(run.cache_meta())


def paths(entries: tuple[ArtifactEntry, ...]) -> list[str]:
    return [entry.path for entry in entries]


def test_a_folder_lists_its_members_and_recursively_all_below(run: RunApi) -> None:
    assert paths(or_raise(run.list_artifacts())) == ["data"]
    assert paths(or_raise(run.list_artifacts("data"))) == ["data/a.txt", "data/sub"]
    assert paths(or_raise(run.list_artifacts(recursive=True))) == ALL


@pytest.mark.parametrize("recursive", [False, True])
def test_a_file_lists_as_itself(run: RunApi, recursive: bool) -> None:
    (entry,) = or_raise(run.list_artifacts("data/sub/b.txt", recursive))

    assert (entry.path, entry.name, entry.is_dir, entry.size_bytes) == ("data/sub/b.txt", "b.txt", False, 2)


def test_offline_what_is_cached_of_a_folder_is_listed_though_not_all_of_it_is(
    store: Store, run: RunApi
) -> None:
    or_raise(run.cache_artifact("data/sub/deep"))
    or_raise(run.cache_artifact("data/a.txt"))
    offline = store.offline

    assert paths(or_raise(offline.list_run_artifacts(run.id))) == ["data"]
    assert paths(or_raise(offline.list_run_artifacts(run.id, "data"))) == ["data/a.txt", "data/sub"]
    listed = or_raise(offline.list_run_artifacts(run.id, recursive=True))
    assert paths(listed) == [path for path in ALL if path != "data/sub/b.txt"]
    assert isinstance(offline.get_run_artifact(run.id, "data").failure(), errors.NotCached)


def test_offline_listing_what_was_never_cached_is_no_empty_answer(store: Store, run: RunApi) -> None:
    or_raise(run.cache_artifact("data/sub"))

    never = store.offline.list_run_artifacts(run.id, "other").failure()
    absent = store.offline.list_run_artifacts(run.id, "data/sub/other").failure()

    assert isinstance(never, errors.NotCached)
    assert type(absent) is errors.NotFound


def test_a_file_is_opened_from_the_cache_or_streamed_without_caching(store: Store, run: RunApi) -> None:
    for path, content in (("data/a.txt", b"a"), ("data/sub/b.txt", b"bb")):
        with or_raise(run.open_artifact(path)) as file:
            assert file.read() == content

    assert isinstance(store.offline.open_artifact(run.id, "data/a.txt").failure(), errors.NotCached)
    or_raise(run.cache_artifact("data/sub"))
    with or_raise(store.offline.open_artifact(run.id, "data/sub/b.txt")) as file:
        assert file.read() == b"bb"


def test_a_file_that_came_after_its_folder_was_cached_is_opened_from_the_store(run: RunApi) -> None:
    or_raise(run.cache_artifact("data"))
    later = Path(or_raise(run.api.repositories.workspace.temporary_path()))
    later.write_text("later")
    other = mlopus.MlflowApi(
        tracking=run.api.repositories.tracking,
        stores=run.api.repositories.stores,
        workspace=run.api.repositories.workspace,
        settings=mlopus.Settings(cache_dir=later.parent / "other cache"),
    )
    or_raise(other.log_run_artifact(run.id, later, "data/later.txt", use_cache=False))

    with or_raise(run.open_artifact("data/later.txt")) as file:
        assert file.read() == b"later"


@pytest.mark.parametrize("path", ["data/none", "data/sub"])
def test_what_is_no_file_is_named_as_it_was_asked_for(run: RunApi, path: str) -> None:
    failure = run.open_artifact(path).failure()

    assert isinstance(failure, errors.NotFound | errors.InvalidRequest)
    assert path in str(failure)


@on_disk
def test_two_runs_with_equal_files_use_the_disk_once(store: Store, run: RunApi) -> None:
    other = or_raise(run.exp.start_run("other"))
    or_raise(other.log_artifact(store.folder / "source" / "sub", "mine/sub", use_cache=False))
    or_raise(other.log_artifact(store.folder / "source" / "a.txt", "mine/extra.txt", use_cache=False))

    first, second = or_raise(run.cache_artifact("data")), or_raise(other.cache_artifact("mine"))

    shared = {
        (one.stat().st_ino, two.stat().st_ino)
        for one, two in (
            (first / "sub" / "b.txt", second / "sub" / "b.txt"),
            (first / "sub" / "deep" / "c.txt", second / "sub" / "deep" / "c.txt"),
            (first / "a.txt", second / "extra.txt"),
        )
    }
    assert all(one == two for one, two in shared)
    or_raise(run.clean_cached_artifact())
    assert (or_raise(store.offline.get_run_artifact(other.id, "mine")) / "sub" / "b.txt").read_text() == "bb"


def test_equal_folders_of_two_runs_are_one_tree(store: Store, run: RunApi) -> None:
    other = or_raise(run.exp.start_run("other"))
    or_raise(other.log_artifact(store.folder / "source", "data", use_cache=False))

    first, second = or_raise(run.cache_artifact("data")), or_raise(other.cache_artifact("data"))

    assert first == second
    assert os.path.samefile(first / "a.txt", second / "a.txt")
