"""One file as a stream: from what is cached, else from its store, and what is said where it is in neither."""

from __future__ import annotations

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, RunApi, or_raise
from mlopus.errors import NotCached, NotFound


@attrs.frozen
class Opened:
    api: MlflowApi
    run: RunApi


@pytest.fixture
def opened() -> Opened:
    """A run whose folder `m` was cached with the file `x`, and published with `y` from elsewhere since."""
    api = mlopus.testing.in_memory()
    held, other = api.repositories, mlopus.testing.in_memory().repositories
    elsewhere = MlflowApi(
        tracking=held.tracking,
        stores=held.stores,
        cache=other.cache,
        artifacts=other.artifacts,
        workspace=other.workspace,
    )
    run = or_raise(api.start_run(or_raise(api.create_exp("demo"))))
    or_raise(run.log_artifact(lambda path: path.write_text("one"), "m/x"))
    or_raise(run.cache_artifact("m"))
    or_raise(elsewhere.log_run_artifact(run.id, lambda path: path.write_text("two"), "m/y", use_cache=False))
    return Opened(api, run)


def test_a_file_that_a_cached_folder_lacks_comes_from_the_store(opened: Opened) -> None:
    with or_raise(opened.run.open_artifact("m/y")) as file:
        assert file.read() == b"two"


def test_offline_it_is_not_in_what_is_cached(opened: Opened) -> None:
    error = opened.api.in_offline_mode.open_artifact(opened.run.id, "m/y").failure()

    assert type(error) is NotFound
    assert (error.key, error.place) == (f"m/y of run {opened.run.id}", "what is cached of it")


def test_offline_a_file_that_nobody_cached_was_never_cached(opened: Opened) -> None:
    error = opened.api.in_offline_mode.open_artifact(opened.run.id, "n").failure()

    assert isinstance(error, NotCached)
    assert (error.kind, error.key) == ("artifact", f"n of run {opened.run.id}")


def test_a_folder_is_no_file(opened: Opened) -> None:
    error = opened.run.open_artifact("m").failure()

    assert isinstance(error, NotFound)
    assert (error.kind, error.key) == ("artifact", "m")
    assert "get_run_artifact" in (error.hint or "")
