"""Who caches an artifact of an entity that was found finds that entity offline, at no further request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, ModelVersionApi, RunApi, or_raise
from mlopus.errors import NotCached
from tests.integration.reference_world import PATH, write_files
from tests.integration.stores import new_name

Act = Callable[[RunApi, Path], Any]


@attrs.frozen(kw_only=True)
class Found:
    """A run and a version of it as a search finds them, of which nothing is cached."""

    api: MlflowApi
    run: RunApi
    version: ModelVersionApi

    @property
    def offline(self) -> MlflowApi:
        """The same API, offline."""
        return self.api.in_offline_mode


@pytest.fixture
def found(tmp_path: Path) -> Found:
    return found_in(tmp_path)


def found_in(folder: Path, **settings: Any) -> Found:
    """What is found by an API that had no part in making it."""
    maker = mlopus.connect(folder / "tracking", cache_dir=folder / "maker")
    run = or_raise(or_raise(maker.create_exp(new_name())).start_run("r"))
    or_raise(or_raise(maker.create_model("ranker")).log_version(run, write_files(folder / "source"), PATH))
    api = mlopus.connect(
        folder / "tracking", cache_dir=folder / "cache", cache_local_artifacts=True, **settings
    )
    version = next(iter(api.find_model_versions({"model.name": "ranker"})))
    found = Found(api=api, run=or_raise(api.find_runs().all())[0], version=version)
    assert isinstance(found.offline.get_run(run.id).failure(), NotCached)
    return found


ACTS: dict[str, Act] = {
    "cache": lambda run, _: run.cache_artifact(PATH),
    "get": lambda run, _: run.get_artifact(PATH),
    "place": lambda run, folder: run.place_artifact(folder / "placed", PATH),
    "publish": lambda run, folder: run.log_artifact(write_files(folder / "mine"), "mine", use_cache=True),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_a_run_whose_artifact_was_cached_is_found_offline(found: Found, tmp_path: Path, act: Act) -> None:
    or_raise(act(found.run, tmp_path))

    again = or_raise(found.offline.get_run(found.run.id))
    assert (again, again.exp, [run.id for run in found.offline.find_runs()]) == (
        found.run,
        found.run.exp,
        [found.run.id],
    )


def test_a_version_whose_artifact_was_cached_is_found_offline(found: Found) -> None:
    or_raise(found.version.cache_artifact())

    again = or_raise(found.offline.get_model_version(("ranker", 1)))
    assert (again, again.model, again.run) == (found.version, found.version.model, found.run)


def test_a_version_that_is_published_from_what_was_found_is_found_offline(
    found: Found, tmp_path: Path
) -> None:
    source = write_files(tmp_path / "mine")
    made = or_raise(found.version.model.log_version(found.run, source, "mine", use_cache=True))

    again = or_raise(found.offline.get_model_version(made))
    assert (again.version, again.model.name, again.run) == ("2", "ranker", found.run)


def test_a_row_that_is_newer_than_what_was_found_stays(found: Found) -> None:
    or_raise(found.api.set_tags_on_run(found.run.id, {"state": "changed"}))
    or_raise(found.api.get_run(found.run.id))

    or_raise(found.run.cache_artifact(PATH))

    assert or_raise(found.offline.get_run(found.run.id)).tags["state"] == "changed"


def test_reading_keeps_nothing_where_it_should_not(tmp_path: Path) -> None:
    found = found_in(tmp_path, cache_metadata_on_read="none")

    or_raise(found.run.get_artifact(PATH))
    assert isinstance(found.offline.get_run(found.run.id).failure(), NotCached)
    or_raise(found.run.cache_artifact(PATH))
    assert or_raise(found.offline.get_run(found.run.id)) == found.run


def test_a_run_started_in_an_experiment_that_was_found_is_found_offline(found: Found) -> None:
    exp = or_raise(found.api.find_exps({"id": found.run.exp.id}).all())[0]
    assert isinstance(found.offline.get_exp(exp.id).failure(), NotCached)

    run = or_raise(exp.start_run("later"))

    assert or_raise(found.offline.get_run(run.id)).exp.name == exp.name
