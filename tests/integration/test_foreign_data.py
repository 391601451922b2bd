"""Whatever MLflow wrote by its own client is read without an error and written back unchanged."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
import httpx
import pytest

import mlopus
from mlopus import MlflowApi, Result, RunStatus, or_raise
from mlopus.domain.entities import Entity
from mlopus.errors import MlopusError
from tests.integration.foreign_data import NAME_PART, TEXTS, Foreign, written_to
from tests.integration.reading_back import tags_of, texts_of_run
from tests.servers.mlflow_server import MlflowServer

pytestmark = pytest.mark.server
RUNS = [
    *("odd", "running", "killed", "failed", "scheduled", "deleted", "no start", "of nobody", "nameless tag"),
    *("noted", "artifacts_repo", "parent", "nested", "autologged", "in a deleted experiment"),
]
TAKING_WRITES = [label for label in RUNS if "deleted" not in label]


@attrs.frozen(kw_only=True)
class Read:
    """What was written to a server, and an API that has read and cached it all once."""

    foreign: Foreign
    api: MlflowApi

    def run_id(self, label: str) -> str:
        """The id of a run."""
        return self.foreign.runs[label]


def read_from(server: MlflowServer, factory: pytest.TempPathFactory) -> Read:
    foreign = written_to(server)
    api = mlopus.connect(server.uri, cache_dir=factory.mktemp("foreign") / "cache")
    foreign.read_all(api)
    return Read(foreign=foreign, api=api)


@pytest.fixture(scope="module")
def on_3(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Read:
    return read_from(mlflow_server, tmp_path_factory)


@pytest.fixture(scope="module")
def on_2(mlflow_2_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Read:
    return read_from(mlflow_2_server, tmp_path_factory)


@pytest.fixture(params=["on_3", "on_2"])
def read(request: pytest.FixtureRequest) -> Read:
    found: Read = request.getfixturevalue(request.param)
    return found


def same_online_and_offline(api: MlflowApi, get: Callable[[MlflowApi], Result[Entity, MlopusError]]) -> bool:
    return or_raise(get(api)) == or_raise(get(api.in_offline_mode))


# Reading


@pytest.mark.parametrize("label", RUNS)
def test_a_run_reads_the_same_online_and_offline(read: Read, label: str) -> None:
    assert same_online_and_offline(read.api, lambda api: api.get_run(read.run_id(label)))


@pytest.mark.parametrize("number", [0, 1])
def test_an_experiment_reads_the_same_online_and_offline(read: Read, number: int) -> None:
    assert same_online_and_offline(read.api, lambda api: api.get_exp(read.foreign.exp_ids[number]))


def test_an_experiment_is_got_by_an_odd_name(read: Read) -> None:
    exp = or_raise(read.api.get_exp_by_name(read.foreign.name + NAME_PART))

    assert exp.id == read.foreign.exp_ids[0]


@pytest.mark.parametrize("number", [0, 1])
def test_a_model_reads_the_same_online_and_offline(read: Read, number: int) -> None:
    assert same_online_and_offline(read.api, lambda api: api.get_model(read.foreign.models[number]))


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_version_reads_the_same_online_and_offline(read: Read, number: int) -> None:
    version = (read.foreign.model, number)

    assert same_online_and_offline(read.api, lambda api: api.get_model_version(version))


def test_names_of_models_that_only_old_servers_take_are_read(on_2: Read) -> None:
    slashed, with_colon = on_2.foreign.models[2:]

    found = [or_raise(on_2.api.get_model_version((name, 1))).model.name for name in (slashed, with_colon)]

    assert found == [slashed, with_colon]


def test_a_version_has_its_aliases_tags_and_description(read: Read) -> None:
    version = or_raise(read.api.get_model_version((read.foreign.model, 1)))

    assert (version.description, version.tags["json"]) == ("v1", '{"a": [1]}')
    assert {"0", "champion"} <= set(version.aliases)


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_version_whose_run_is_gone_has_none(read: Read, mode: str) -> None:
    api = read.api if mode == "online" else read.api.in_offline_mode

    assert or_raise(api.get_model_version((read.foreign.model, 2))).run is None


def test_the_states_of_runs_are_those_that_mlflow_knows(read: Read) -> None:
    runs = {label: or_raise(read.api.get_run(read.run_id(label))) for label in RUNS}

    assert {label: runs[label].status for label in ("running", "killed", "failed", "scheduled")} == {
        "running": RunStatus.RUNNING,
        "killed": RunStatus.KILLED,
        "failed": RunStatus.FAILED,
        "scheduled": RunStatus.SCHEDULED,
    }
    deleted = {label for label, run in runs.items() if run.lifecycle_stage == "deleted"}
    assert deleted == {"deleted", "in a deleted experiment"}
    assert runs["in a deleted experiment"].exp.lifecycle_stage == "deleted"


def test_metrics_at_the_limits_are_read(read: Read) -> None:
    metrics = or_raise(read.api.get_run(read.run_id("odd"))).metrics

    assert math.isnan(metrics["nan"])
    assert (metrics["up"], metrics["down"], metrics["tiny"]) == (math.inf, -math.inf, 5e-324)


def test_what_autologging_wrote_is_read(read: Read) -> None:
    run = or_raise(read.api.get_run(read.run_id("autologged")))

    assert {"fit_intercept", "positive"} <= set(run.params)
    assert run.tags["estimator_name"] == "LinearRegression"


def test_an_empty_tag_names_no_root_of_artifacts(read: Read) -> None:
    run = or_raise(read.api.get_run(read.run_id("artifacts_repo")))

    assert run.repo == "not a url"
    assert run.artifact_uri.startswith("mlflow-artifacts:/")


# Searching


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_all_runs_are_found(read: Read, mode: str) -> None:
    api = read.api if mode == "online" else read.api.in_offline_mode

    found = or_raise(api.find_runs({"exp.id": {"$in": read.foreign.exp_ids}}, view="all").all())

    assert {run.id for run in found} == set(read.foreign.runs.values())


def test_runs_are_found_as_they_are_got(read: Read) -> None:
    found = or_raise(read.api.find_runs({"exp.id": read.foreign.exp_ids[0]}, view="all").all())

    assert [run for run in found if run != or_raise(read.api.get_run(run.id))] == []


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_all_models_and_versions_are_found(read: Read, mode: str) -> None:
    api = read.api if mode == "online" else read.api.in_offline_mode
    mine = {"$in": read.foreign.models}

    models = or_raise(api.find_models({"name": mine}).all())
    versions = or_raise(api.find_model_versions({"model.name": mine}).all())

    assert {model.name for model in models} == set(read.foreign.models)
    assert {(one.model.name, one.version) for one in versions} == set(read.foreign.versions)


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_experiments_are_found_by_odd_names(read: Read, mode: str) -> None:
    api = read.api if mode == "online" else read.api.in_offline_mode

    found = or_raise(api.find_exps({"name": read.foreign.name + NAME_PART}).all())

    assert [exp.id for exp in found] == read.foreign.exp_ids[:1]


def test_everything_found_is_a_row_for_pandas(read: Read) -> None:
    mine = {"exp.id": {"$in": read.foreign.exp_ids}}
    searches: list[Any] = [
        read.api.find_exps({"id": {"$in": read.foreign.exp_ids}}, view="all"),
        read.api.find_runs(mine, view="all"),
        read.api.find_models({"name": {"$in": read.foreign.models}}),
        read.api.find_model_versions({"model.name": {"$in": read.foreign.models}}),
    ]

    rows = [len(search.to_pandas()) for search in searches]

    foreign = read.foreign
    assert rows == [2, len(foreign.runs), len(foreign.models), len(foreign.versions)]


# Writing back


@pytest.mark.parametrize("label", TAKING_WRITES)
def test_a_runs_params_and_tags_are_written_back_unchanged(read: Read, label: str) -> None:
    run_id = read.run_id(label)
    before = texts_of_run(read.foreign.uri, run_id)
    run = or_raise(read.api.get_run(run_id))

    or_raise(run.log_params(run.params))
    or_raise(run.set_tags(run.tags))

    assert texts_of_run(read.foreign.uri, run_id) == before


def test_the_odd_run_holds_every_text(read: Read) -> None:
    texts = texts_of_run(read.foreign.uri, read.run_id("odd"))

    assert [texts.params[f"text{number}"] for number in range(len(TEXTS))] == list(TEXTS)
    assert [texts.tags[f"text.{number}"] for number in range(len(TEXTS))] == list(TEXTS)


def test_an_experiments_tags_are_written_back_unchanged(read: Read) -> None:
    exp_id = read.foreign.exp_ids[0]
    before = tags_of(read.foreign.uri, "experiment", experiment_id=exp_id)
    exp = or_raise(read.api.get_exp(exp_id))

    or_raise(exp.set_tags(exp.tags))

    assert tags_of(read.foreign.uri, "experiment", experiment_id=exp_id) == before


def test_a_models_tags_are_written_back_unchanged(read: Read) -> None:
    name = read.foreign.model
    before = tags_of(read.foreign.uri, "registered_model", name=name)
    model = or_raise(read.api.get_model(name))

    or_raise(model.set_tags(model.tags))

    assert tags_of(read.foreign.uri, "registered_model", name=name) == before


def test_a_versions_tags_are_written_back_unchanged(read: Read) -> None:
    named = {"name": read.foreign.model, "version": "1"}
    before = tags_of(read.foreign.uri, "model_version", **named)
    version = or_raise(read.api.get_model_version((read.foreign.model, 1)))

    or_raise(version.set_tags(version.tags))

    assert tags_of(read.foreign.uri, "model_version", **named) == before


def test_datasets_that_a_run_was_given_stay(read: Read) -> None:
    query = {"run_id": read.run_id("parent")}
    run = or_raise(read.api.get_run(query["run_id"]))
    or_raise(run.set_tags(run.tags))

    answer = httpx.get(f"{read.foreign.uri}/api/2.0/mlflow/runs/get", params=query).json()

    assert [given["tags"][0]["value"] for given in answer["run"]["inputs"]["dataset_inputs"]] == ["training"]
