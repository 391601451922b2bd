"""What is removed while a search goes on is left out of it, and fails nothing."""

from __future__ import annotations

from typing import Any

import pytest

import mlopus
from mlopus import Failure, MlflowApi, Result, or_raise
from mlopus.domain.keys import EntityKey, ExperimentKey, ModelKey, RunKey
from mlopus.domain.records import Record
from mlopus.errors import MlopusError, NotFound
from mlopus.repositories.memory.tracking import MemoryTracking


class Losing(MemoryTracking):
    """A tracking store in memory where some entities are gone once they were found."""

    gone: set[EntityKey]
    asked: list[EntityKey]

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        self.asked.append(key)
        if key in self.gone:
            return Failure(NotFound(kind="entity", key=str(key), place="memory"))
        return super().get(key)


@pytest.fixture
def losing() -> Losing:
    tracking = Losing()
    object.__setattr__(tracking, "gone", set())
    object.__setattr__(tracking, "asked", [])
    return tracking


@pytest.fixture
def api(losing: Losing) -> MlflowApi:
    """Two experiments of a run each, and two models of a version each, of these runs."""
    here = mlopus.testing.in_memory().repositories
    api = MlflowApi(
        tracking=losing,
        cache=here.cache,
        artifacts=here.artifacts,
        stores=here.stores,
        workspace=here.workspace,
    )
    for name in ("first", "second"):
        run = or_raise(or_raise(api.create_exp(name)).start_run(name))
        or_raise(run.log_model_version(or_raise(api.create_model(name)), lambda path: path.write_text("w")))
    return api


def versions(api: MlflowApi, query: Any = None, sorting: Any = None) -> list[mlopus.ModelVersionApi]:
    return or_raise(api.find_model_versions(query, sorting).all())


@pytest.mark.parametrize("query", [None, {"model.name": {"$ne": "x"}}, {"model.description": None}])
@pytest.mark.parametrize("sorting", [None, [("model.description", 1), ("version", -1)]])
def test_versions_go_with_their_model(api: MlflowApi, losing: Losing, query: Any, sorting: Any) -> None:
    losing.gone.add(ModelKey("first"))

    assert [version.model.name for version in versions(api, query, sorting)] == ["second"]


@pytest.mark.parametrize("condition", [{}, {"exp.description": None}])
def test_runs_go_with_their_experiment(api: MlflowApi, losing: Losing, condition: dict[str, Any]) -> None:
    exps = or_raise(api.find_exps().all())
    losing.gone.update(ExperimentKey(exp.id) for exp in exps if exp.name == "first")

    found = api.find_runs({"exp.id": {"$in": [exp.id for exp in exps]}, **condition})

    assert [run.name for run in or_raise(found.all())] == ["second"]


def test_what_is_left_is_cached_and_counted(api: MlflowApi, losing: Losing) -> None:
    losing.gone.add(ModelKey("first"))

    assert api.find_model_versions().cache().unwrap() == 1


@pytest.mark.parametrize("what", ["run", "experiment"])
def test_a_version_outlives_its_run(api: MlflowApi, losing: Losing, what: str) -> None:
    run = or_raise(api.find_runs({"name": "first"}).all())[0]
    losing.gone.add(RunKey(run.id) if what == "run" else ExperimentKey(run.exp.id))

    found = {version.model.name: version.run for version in versions(api)}

    assert found["first"] is None
    assert found["second"] is not None


@pytest.mark.parametrize("what", ["run", "experiment"])
def test_what_is_gone_is_asked_for_once(api: MlflowApi, losing: Losing, what: str) -> None:
    run = or_raise(api.find_runs({"name": "first"}).all())[0]
    losing.gone.add(RunKey(run.id) if what == "run" else ExperimentKey(run.exp.id))
    losing.asked.clear()

    versions(api.evolve(cache_metadata_on_read="all"))

    assert losing.asked.count(RunKey(run.id)) == 1
