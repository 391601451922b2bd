"""mlopus reads what MLflow's own client wrote: runs, files, and the models that MLflow 3 keeps apart."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

import mlopus
from mlopus import MlflowApi, RunStatus, errors, or_raise
from tests.integration.snapshots import bytes_below
from tests.integration.snippets import LOAD_OFFLINE
from tests.integration.stores import new_name
from tests.servers.mlflow_server import MlflowServer

WRITE = """
import mlflow, mlflow.sklearn, sklearn.linear_model, hashlib, pathlib
client = mlflow.MlflowClient()
mlflow.set_experiment(name)
with mlflow.start_run(run_name="by mlflow", tags={"team.name": "a", "team": "both"}) as run:
    mlflow.log_params({"depth": 3, "rate": 0.1, "flag": True, "text": "Größe", "path/with/slash": "1e3"})
    mlflow.log_metric("loss", 0.5, step=1, timestamp=1711962000000)
    mlflow.log_metric("loss", 0.25, step=2, timestamp=1711962001000)
    mlflow.log_metrics({"worst": float("inf"), "unknown": float("nan")})
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_text("", "notes/empty.txt")
    model = sklearn.linear_model.LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    mlflow.sklearn.log_model(
        model, name="line", registered_model_name=name, serialization_format="cloudpickle"
    )
    with mlflow.start_run(nested=True, run_name="nested") as child:
        pass
client.set_registered_model_alias(name, "champion", "1")
client.set_registered_model_alias(name, "moving", "1")
client.delete_experiment(client.create_experiment(name + " deleted"))
client.set_model_version_tag(name, "1", "accuracy.train", "0.5")
client.update_model_version(name, "1", "a line")
version = client.get_model_version(name, "1")
folder = pathlib.Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1"))
print(json.dumps({
    "run_id": run.info.run_id,
    "child_id": child.info.run_id,
    "experiment_id": run.info.experiment_id,
    "start_time": run.info.start_time,
    "source": version.source,
    "bytes": {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*") if path.is_file() and path.name != "registered_model_meta"
    },
}))
"""


@attrs.frozen(kw_only=True)
class ByMlflow:
    """What MLflow's client wrote, and an API with a cache of its own that has read it all once."""

    name: str
    wrote: dict[str, Any]
    api: MlflowApi

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return str(self.wrote["run_id"])


@pytest.fixture(scope="module")
def by_mlflow(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> ByMlflow:
    name = new_name()
    wrote = mlflow_server.run_mlflow_client(WRITE, name=name)
    api = mlopus.connect(mlflow_server.uri, cache_dir=tmp_path_factory.mktemp("reader") / "cache")
    or_raise(api.cache_model_version_meta((name, "@champion")))
    or_raise(api.cache_model_artifact((name, 1)))
    or_raise(api.cache_run_artifact(str(wrote["run_id"]), "notes"))
    return ByMlflow(name=name, wrote=wrote, api=api)


def test_a_runs_params_are_read_as_values(by_mlflow: ByMlflow) -> None:
    run = or_raise(by_mlflow.api.get_run(by_mlflow.run_id))

    assert run.params == {
        "depth": 3,
        "rate": 0.1,
        "flag": "True",
        "text": "Größe",
        "path/with/slash": "1e3",
    }


def test_a_runs_metrics_are_read_infinities_and_nan_included(by_mlflow: ByMlflow) -> None:
    metrics = or_raise(by_mlflow.api.get_run(by_mlflow.run_id)).metrics

    assert (metrics["loss"], metrics["worst"]) == (0.25, math.inf)
    assert math.isnan(float(str(metrics["unknown"])))


def test_tags_where_one_key_is_the_start_of_another_are_both_read(by_mlflow: ByMlflow) -> None:
    tags = or_raise(by_mlflow.api.get_run(by_mlflow.run_id)).tags

    assert (tags["team"], tags["team.name"]) == ("both", "a")


def test_a_run_has_its_name_status_experiment_and_times(by_mlflow: ByMlflow) -> None:
    run = or_raise(by_mlflow.api.get_run(by_mlflow.run_id))

    assert (run.name, run.status, run.exp.name) == ("by mlflow", RunStatus.FINISHED, by_mlflow.name)
    assert run.start_time == datetime.fromtimestamp(by_mlflow.wrote["start_time"] / 1000, UTC)


def test_a_metrics_history_is_read_in_order(by_mlflow: ByMlflow) -> None:
    history = or_raise(by_mlflow.api.metric_history(by_mlflow.run_id, "loss"))

    first = datetime(2024, 4, 1, 9, tzinfo=UTC)
    assert history == (
        mlopus.MetricPoint(0.5, 1, first),
        mlopus.MetricPoint(0.25, 2, first.replace(second=1)),
    )


def test_child_runs_are_found(by_mlflow: ByMlflow) -> None:
    children = or_raise(by_mlflow.api.find_child_runs(by_mlflow.run_id).all())

    assert [child.id for child in children] == [by_mlflow.wrote["child_id"]]


def test_a_runs_files_are_listed_and_cached_byte_for_byte(by_mlflow: ByMlflow) -> None:
    notes = or_raise(by_mlflow.api.get_run_artifact(by_mlflow.run_id, "notes"))

    assert {path.name: path.read_text() for path in notes.iterdir()} == {
        "hello.txt": "hello",
        "empty.txt": "",
    }


def test_mlflow_keeps_a_logged_model_outside_the_run(by_mlflow: ByMlflow) -> None:
    version = or_raise(by_mlflow.api.get_model_version((by_mlflow.name, 1)))

    assert version.source == by_mlflow.wrote["source"]
    assert version.source.startswith("models:/m-")
    assert version.path_in_run is None


def test_a_version_has_its_run_tags_aliases_and_description(by_mlflow: ByMlflow) -> None:
    version = or_raise(by_mlflow.api.get_model_version((by_mlflow.name, 1)))

    assert version.run is not None
    assert version.run.id == by_mlflow.run_id
    assert version.tags == {"accuracy": {"train": 0.5}}
    assert (version.aliases, version.description) == (("champion", "moving"), "a line")
    assert version.model.aliases == {"champion": "1", "moving": "1"}


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_version_is_got_by_its_alias(by_mlflow: ByMlflow, mode: str) -> None:
    api = by_mlflow.api if mode == "online" else by_mlflow.api.in_offline_mode

    version = or_raise(api.get_model_version(f"models:/{by_mlflow.name}@champion"))

    assert version.version == "1"


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_logged_models_files_are_those_that_mlflow_downloads(by_mlflow: ByMlflow, mode: str) -> None:
    api = by_mlflow.api if mode == "online" else by_mlflow.api.in_offline_mode

    artifact = or_raise(api.get_model_artifact((by_mlflow.name, "@champion")))

    assert bytes_below(artifact) == by_mlflow.wrote["bytes"]


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_logged_models_files_are_listed(by_mlflow: ByMlflow, mode: str) -> None:
    api = by_mlflow.api if mode == "online" else by_mlflow.api.in_offline_mode

    listed = or_raise(api.list_model_artifact((by_mlflow.name, 1), recursive=True))

    assert {entry.path for entry in listed if not entry.is_dir} == set(by_mlflow.wrote["bytes"])


def test_offline_a_query_finds_the_version(by_mlflow: ByMlflow) -> None:
    query = {"model.name": by_mlflow.name, "aliases": "champion", "tags.accuracy.train": {"$gte": 0.5}}

    found = or_raise(by_mlflow.api.in_offline_mode.find_model_versions(query).all())

    assert [version.version for version in found] == ["1"]


def test_online_a_query_finds_the_version_by_its_alias(by_mlflow: ByMlflow) -> None:
    query = {"model.name": by_mlflow.name, "aliases": "champion"}

    found = or_raise(by_mlflow.api.find_model_versions(query).all())

    assert [version.version for version in found] == ["1"]


def test_the_name_of_a_deleted_experiment_is_taken_until_it_is_restored(by_mlflow: ByMlflow) -> None:
    failures = [
        by_mlflow.api.get_or_create_exp(f"{by_mlflow.name} deleted").failure(),
        by_mlflow.api.create_exp(f"{by_mlflow.name} deleted").failure(),
    ]

    assert all(isinstance(failure, errors.Conflict) for failure in failures)
    assert all("restore_exp" in (failure.hint or "") for failure in failures)


def test_an_unknown_alias_is_not_found(by_mlflow: ByMlflow) -> None:
    failure = by_mlflow.api.get_model_version((by_mlflow.name, "@nobody")).failure()

    assert isinstance(failure, errors.NotFound)
    assert "nobody" in str(failure)


def test_a_logged_model_that_was_placed_offline_loads_offline(
    by_mlflow: ByMlflow, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    offline = by_mlflow.api.in_offline_mode
    placed = or_raise(offline.place_model_artifact((by_mlflow.name, 1), tmp_path / "placed", link=False))

    (predicted,) = mlflow_server.run_mlflow_client(
        LOAD_OFFLINE, uris=[], folders=[str(placed)], points=[[2.0]]
    )

    assert predicted == [pytest.approx(5.0)]


def test_a_moved_alias_is_not_served_from_the_cache(
    by_mlflow: ByMlflow, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    api = mlopus.connect(mlflow_server.uri, cache_dir=tmp_path / "cache")
    or_raise(api.get_model_artifact((by_mlflow.name, "@moving")))
    notes = f"{or_raise(api.get_run(by_mlflow.run_id)).repo}/notes"
    with httpx.Client(base_url=f"{mlflow_server.uri}/api/2.0/mlflow") as client:
        version = {"name": by_mlflow.name, "source": notes, "run_id": by_mlflow.run_id}
        client.post("/model-versions/create", json=version).raise_for_status()
        alias = {"name": by_mlflow.name, "alias": "moving", "version": "2"}
        client.post("/registered-models/alias", json=alias).raise_for_status()

    artifact = or_raise(api.get_model_artifact((by_mlflow.name, "@moving")))

    assert (artifact / "hello.txt").read_text() == "hello"
