"""Which entities are asked for with one that is wanted."""

from __future__ import annotations

import pytest

import mlopus
from mlopus.domain.keys import EntityKey, ExperimentKey, ModelKey, RunKey, VersionKey
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError, NotFound
from mlopus.execution.fetching import with_parents
from mlopus.result import Failure, Result, Success

WANTED = VersionKey("ranker", "1")
MODEL, RUN, EXP = (
    ModelRecord(name="ranker"),
    RunRecord(id="3f2a", exp_id="7"),
    ExperimentRecord(id="7", name="e"),
)


class Store:
    """Holds a version with a source, and its parents."""

    def __init__(self, source: str) -> None:
        version = VersionRecord(name="ranker", version="1", source=source, run_id="3f2a")
        self.held: dict[EntityKey, Record] = {
            WANTED: version,
            ModelKey("ranker"): MODEL,
            RunKey("3f2a"): RUN,
            ExperimentKey("7"): EXP,
        }
        self.asked: list[EntityKey] = []

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        self.asked.append(key)
        if key not in self.held:
            return Failure(NotFound(kind="entity", key=str(key), place="here"))
        return Success(self.held[key])


@pytest.mark.parametrize(
    "source",
    ["mlflow-artifacts:/7/3f2a/artifacts/model", "s3://b/7/3f2a/artifacts", "models:/m-01", "runs:/3f2a/m"],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_a_version_and_its_three_parents_are_asked_for_once_each(source: str, at_once: bool) -> None:
    store = Store(source)

    found = with_parents(WANTED, store.get, at_once=at_once).unwrap()

    assert found == (store.held[WANTED], MODEL, RUN, EXP)
    assert len(store.asked) == 4


def test_a_folder_that_only_looks_like_an_experiment_does_no_harm() -> None:
    store = Store("s3://bucket/2024/3f2a/artifacts/model")

    found = with_parents(WANTED, store.get, at_once=True).unwrap()

    assert found[-1] == EXP
    assert ExperimentKey("2024") in store.asked


@pytest.mark.parametrize("verb", ["get_run_artifact", "cache_run_artifact"])
def test_the_experiment_of_a_cached_artifact_is_cached_though_it_was_seen_just_now(verb: str) -> None:
    api = mlopus.testing.in_memory()
    run = api.start_run(api.create_exp("demo").unwrap()).unwrap()
    run.log_artifact(lambda path: path.touch(), "a", use_cache=False).unwrap()
    api.get_run(run.id).unwrap()
    api.repositories.cache.clear().unwrap()

    getattr(api, verb)(run.id, "a").unwrap()

    assert api.in_offline_mode.get_run(run.id).unwrap().exp.name == "demo"
