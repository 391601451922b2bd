"""MLflow's own client reads back everything that mlopus wrote."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MetricPoint, RunApi, or_raise
from mlopus.handles import ModelVersionApi
from tests.integration.main_job import write_model
from tests.integration.snapshots import bytes_below
from tests.integration.snippets import LOAD_OFFLINE, SAVE_MODEL
from tests.integration.stores import new_name
from tests.servers.mlflow_server import MlflowServer

PARAMS = {
    "data": {"rows": 1200, "paths": ["a", "b"], "shuffled": True},
    "text": "3.0",
    "seed": None,
    "empty": {},
    "solver": "Größe; 'quoted' \"twice\"\nand a second line",
}
PARAM_TEXTS = {
    "data.rows": "1200",
    "data.paths": '["a", "b"]',
    "data.shuffled": "true",
    "text": '"3.0"',
    "seed": "null",
    "empty": "{}",
    "solver": "Größe; 'quoted' \"twice\"\nand a second line",
}
TAGS = {"team": {"name": "tour", "size": 4}, "since": datetime(2024, 4, 1, 9, tzinfo=UTC)}
TAG_TEXTS = {"team.name": "tour", "team.size": "4", "since": "2024-04-01T09:00:00.000000+00:00"}
STEPS = tuple(
    MetricPoint(value, step, datetime(2024, 4, 1, 9, 0, step, 250_000, tzinfo=UTC))
    for step, value in enumerate((0.5, 0.25, 0.1 + 0.2))
)
SPECIAL = {"nan": math.nan, "up": math.inf, "down": -math.inf, "tiny": 5e-324, "negative": -1.5}

READ_ALL = """
import hashlib, mlflow, pathlib
client = mlflow.MlflowClient()
run = client.get_run(run_id)
version = client.get_model_version(name, "1")
folder = pathlib.Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1"))
in_run = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="notes.txt"))
print(json.dumps({
    "name": run.info.run_name,
    "status": run.info.status,
    "start_time": run.info.start_time,
    "end_time": run.info.end_time,
    "params": run.data.params,
    "metrics": {key: repr(value) for key, value in run.data.metrics.items()},
    "tags": run.data.tags,
    "history": [[p.value, p.step, p.timestamp] for p in client.get_metric_history(run_id, "loss")],
    "experiment": client.get_experiment_by_name(name).tags,
    "model": client.get_registered_model(name).tags,
    "version": {"tags": version.tags, "run_id": version.run_id, "status": version.status},
    "bytes": {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*") if path.is_file()
    },
    "note": in_run.read_text(),
    "children": [found.info.run_id for found in client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'"
    )],
}))
"""


@attrs.frozen(kw_only=True)
class Written:
    """What mlopus wrote, and what MLflow's client made of it."""

    run: RunApi
    child_id: str
    version: ModelVersionApi
    source: Path
    seen: dict[str, Any]


@pytest.fixture(scope="module")
def written(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder, name = tmp_path_factory.mktemp("written-by-mlopus"), new_name()
    api = mlopus.connect(mlflow_server.uri, cache_dir=folder / "cache")
    exp = or_raise(or_raise(api.create_exp(name, {"area": {"id": 7}})).set_tags({"more": [1, 2]}))
    run = or_raise(exp.start_run("r1", tags=TAGS))
    child = or_raise(run.start_child("r1.1"))
    run = or_raise(run.log_params(PARAMS))
    run = or_raise(run.log_metric_points({"loss": STEPS}))
    run = or_raise(run.log_metrics(SPECIAL))
    or_raise(run.log_artifact(lambda path: path.write_text("hello\n"), "notes.txt"))
    source = write_model(folder / "model")
    model = or_raise(api.create_model(name, {"kind": "line"}))
    version = or_raise(run.log_model_version(model, source, tags={"accuracy": {"train": 0.5}}))
    version = or_raise(version.set_tags({"checked": True}))
    run = or_raise(run.end_run())
    seen = mlflow_server.run_mlflow_client(READ_ALL, run_id=run.id, name=name)
    return Written(run=run, child_id=child.id, version=version, source=source, seen=seen)


def test_params_are_flat_keys_with_the_plain_codecs_texts(written: Written) -> None:
    assert written.seen["params"] == PARAM_TEXTS


def test_tags_are_flat_keys_with_the_plain_codecs_texts(written: Written) -> None:
    tags = written.seen["tags"]

    assert {key: tags[key] for key in TAG_TEXTS} == TAG_TEXTS


def test_metrics_are_the_same_floats_nan_and_infinities_included(written: Written) -> None:
    largest = 1.7976931348623157e308  # as which MLflow's SQL store keeps an infinity

    assert written.seen["metrics"] == {
        "loss": repr(0.1 + 0.2),
        "nan": "nan",
        "up": repr(largest),
        "down": repr(-largest),
        "tiny": "5e-324",
        "negative": "-1.5",
    }


def test_a_metrics_history_has_every_point(written: Written) -> None:
    expected = [[point.value, point.step, _milliseconds(point.timestamp)] for point in STEPS]

    assert written.seen["history"] == expected


def test_the_run_has_its_name_status_and_times(written: Written) -> None:
    run, seen = written.run, written.seen

    assert (seen["name"], seen["status"]) == ("r1", "FINISHED")
    assert seen["start_time"] == _milliseconds(run.start_time)
    assert seen["end_time"] == _milliseconds(run.end_time)


def test_a_child_run_is_found_by_mlflows_tag(written: Written) -> None:
    assert written.seen["children"] == [written.child_id]


def test_an_experiments_tags_are_read(written: Written) -> None:
    tags = written.seen["experiment"]

    assert (tags["area.id"], tags["more"]) == ("7", "[1, 2]")


def test_a_models_tags_are_read(written: Written) -> None:
    assert written.seen["model"]["kind"] == "line"


def test_a_version_is_ready_with_its_run_and_tags(written: Written) -> None:
    seen = written.seen["version"]

    assert (seen["run_id"], seen["status"]) == (written.run.id, "READY")
    assert (seen["tags"]["accuracy.train"], seen["tags"]["checked"]) == ("0.5", "true")


def test_a_versions_artifact_downloads_byte_for_byte(written: Written) -> None:
    assert written.seen["bytes"] == bytes_below(written.source)


def test_a_runs_artifact_downloads_byte_for_byte(written: Written) -> None:
    assert written.seen["note"] == "hello\n"


POINTS = [[2.0], [10.0]]


@attrs.frozen(kw_only=True)
class Loaded:
    """What a model that MLflow saved and mlopus published predicted before, and predicts after."""

    before: list[float]
    by_uri: list[float]
    placed: list[float]
    cached: list[float]


@pytest.fixture(scope="module")
def loaded(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder, name = tmp_path_factory.mktemp("sklearn"), new_name()
    source = folder / "model"
    before = mlflow_server.run_mlflow_client(SAVE_MODEL, folder=str(source), points=POINTS)
    api = mlopus.connect(mlflow_server.uri, cache_dir=folder / "cache")
    run = or_raise(or_raise(api.create_exp(name)).start_run())
    version = or_raise(or_raise(api.create_model(name)).log_version(run, source))
    or_raise(version.cache_artifact())
    offline = api.in_offline_mode
    # MLflow 3 refuses files that are links to outside of the folder it loads
    placed = or_raise(offline.place_model_artifact(version, folder / "placed", link=False))
    cached = or_raise(offline.get_model_artifact(version))
    by_uri, by_placed, by_cached = mlflow_server.run_mlflow_client(
        LOAD_OFFLINE, uris=[f"models:/{name}/1"], folders=[str(placed), str(cached)], points=POINTS
    )
    return Loaded(before=before, by_uri=by_uri, placed=by_placed, cached=by_cached)


def test_a_published_model_loads_by_its_models_uri_and_predicts_the_same(loaded: Loaded) -> None:
    assert loaded.by_uri == loaded.before


def test_a_model_that_was_placed_offline_loads_offline_and_predicts_the_same(loaded: Loaded) -> None:
    assert loaded.placed == loaded.before


def test_a_model_loads_offline_from_the_cache_and_predicts_the_same(loaded: Loaded) -> None:
    assert loaded.cached == loaded.before


def _milliseconds(moment: datetime | None) -> int:
    assert moment is not None
    return round(moment.timestamp() * 1000)
