"""What mlOpus 1.6.3 wrote to a server, by its own package, is read: all of it, values and bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, RunStatus, or_raise
from tests.integration.reading_back import texts_of_run
from tests.integration.snapshots import bytes_below
from tests.integration.stores import new_name
from tests.integration.written_once import written_once
from tests.servers.environment import PREDECESSOR, server_python
from tests.servers.mlflow_server import MlflowServer

pytestmark = pytest.mark.server

WRITE = """
import datetime, logging, mlflow, mlopus, os, pathlib
uri = os.environ["MLFLOW_TRACKING_URI"]
api = mlopus.mlflow.get_api(conf={"tracking_uri": uri, "cache_dir": folder + "/cache"})

def write(path):
    (path / "sub").mkdir(parents=True)
    (path / "weights.bin").write_bytes(bytes(range(256)))
    (path / "sub" / "Größe.txt").write_text("five")

mlflow.MlflowClient(uri).create_experiment(name, artifact_location=f"file://{folder}/exp")
exp = api.get_or_create_exp(name).set_tags({"team": {"name": "search", "size": 5}, "quoted": "it's"})
values = {
    "int": 5, "float": 0.5, "true": True, "none": None, "small": 1e-7, "big": 10**20,
    "text": "adam", "digits": "5", "words": "null", "quote": "it's", "double": 'say "hi"', "empty": "",
    "json": '{"a": 1}', "unicode": "Größe 漢😀", "list": [1, "a", None, 2.5], "tuple": (1, 2), "set": {1},
    "nothing": [], "members": [{"a": {"b": 1}}], "nested": {"deep": {"er": 1}},
    "when": datetime.datetime(2024, 4, 1, 11, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    "date": datetime.date(2024, 4, 1), "path": pathlib.Path("/a/b"), "nan": float("nan"), "inf": float("inf"),
}
run = api.start_run(exp, name="parent", tags={"stage": {"of": "test"}})
run.log_params(values).set_tags({"given": values})
run.log_metrics({"loss": 0.25, "by": {"set": {"train": 1, "unknown": float("nan"), "worst": float("inf")}}})
child = run.start_child(name="child").end_run(succeeded=False)
elsewhere = api.start_run(exp, name="elsewhere", repo=f"file://{folder}/repo")
elsewhere.log_artifact(write, path_in_run="data")
model = api.get_or_create_model(name).set_tags({"kind": {"of": ["a", 1]}})
version = run.log_model_version(model, write, path_in_run="model", tags={"score": {"test": 0.5}})
run.end_run()
print(json.dumps({
    "run_id": run.id, "child_id": child.id, "elsewhere_id": elsewhere.id, "version": version.version,
    "repo": str(elsewhere.repo),
}))
"""
"""Everything of a kind that its interface takes; its names of models hold no spaces."""

GIVEN: dict[str, Any] = {
    "int": 5,
    "float": 0.5,
    "true": True,
    "none": None,
    "small": 1e-7,
    "big": 10**20,
    "text": "adam",
    "digits": "5",
    "words": "null",
    "quote": "it's",
    "double": 'say "hi"',
    "empty": "",
    "json": '{"a": 1}',
    "unicode": "Größe 漢😀",
    "list": (1, "a", None, 2.5),
    "tuple": (1, 2),
    "set": (1,),
    "nothing": (),
    "members": ({"a": {"b": 1}},),
    "nested": {"deep": {"er": 1}},
    "when": datetime(2024, 4, 1, 9, tzinfo=UTC),
    "date": "2024-04-01",
    "path": "/a/b",
    "inf": math.inf,
}
"""What it was given, but for NaN, as values that are frozen."""
NO_OPERANDS = ("nested", "none", "big")
"""Null is also found where there is nothing, and queries take integers of 64 bits."""


@attrs.frozen(kw_only=True)
class Written:
    """What mlOpus 1.x wrote, and an API that reads as it did."""

    name: str
    folder: Path
    ids: dict[str, str]
    server: MlflowServer
    api: MlflowApi
    plain: MlflowApi

    def reader(self, mode: str) -> MlflowApi:
        """An API that has a server, or has none but what was cached."""
        return self.api if mode == "online" else self.api.in_offline_mode


@pytest.fixture(scope="module")
def written(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Written:
    def write() -> dict[str, str]:
        name, folder = new_name().replace(" ", "-"), str(mlflow_server.folder / "predecessor")
        predecessor = attrs.evolve(mlflow_server, python=server_python(PREDECESSOR))
        ids = predecessor.run_mlflow_client(WRITE, name=name, folder=folder)
        return {"name": name, "folder": folder, **ids}

    ids = written_once(mlflow_server, "predecessor", write)
    name, folder, own = ids["name"], Path(ids["folder"]), tmp_path_factory.mktemp("predecessor")
    api = mlopus.connect(
        mlflow_server.uri, cache_dir=own / "new", text_codec="mlopus-1", cache_local_artifacts=True
    )
    for run in ("run_id", "child_id", "elsewhere_id"):
        or_raise(api.cache_run_meta(ids[run]))
    or_raise(api.cache_model_artifact((name, 1)))
    or_raise(api.cache_run_artifact(ids["elsewhere_id"], "data"))
    plain = mlopus.connect(mlflow_server.uri, cache_dir=own / "plain")
    return Written(name=name, folder=folder, ids=ids, server=mlflow_server, api=api, plain=plain)


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without the one that equals nothing."""
    return {name: value for name, value in values.items() if name != "nan"}


def typed(value: object) -> object:
    """A value with the types of all that is in it: 1 is not True and not 1.0."""
    if isinstance(value, Mapping):
        return {name: typed(member) for name, member in value.items()}
    if isinstance(value, tuple):
        return tuple(map(typed, value))
    return type(value).__name__, value


MODES = pytest.mark.parametrize("mode", ["online", "offline"])


@MODES
@pytest.mark.parametrize("where", ["params", "tags"])
def test_values_are_those_that_were_given(written: Written, mode: str, where: str) -> None:
    run = or_raise(written.reader(mode).get_run(written.ids["run_id"]))
    values = run.params if where == "params" else run.tags["given"]

    assert typed(without_nan(values)) == typed(GIVEN)


@MODES
def test_a_value_that_is_no_number_is_read_as_such(written: Written, mode: str) -> None:
    run = or_raise(written.reader(mode).get_run(written.ids["run_id"]))

    assert math.isnan(run.params["nan"])


@MODES
def test_metrics_are_those_that_were_given(written: Written, mode: str) -> None:
    metrics = or_raise(written.reader(mode).get_run(written.ids["run_id"])).metrics

    assert (metrics["loss"], metrics["by"]["set"]["train"]) == (0.25, 1.0)
    assert (math.isnan(metrics["by"]["set"]["unknown"]), metrics["by"]["set"]["worst"]) == (True, math.inf)


@MODES
def test_the_experiment_the_model_and_the_version_have_their_tags(written: Written, mode: str) -> None:
    version = or_raise(written.reader(mode).get_model_version((written.name, 1)))

    assert version.run is not None
    assert version.run.exp.tags == {"team": {"name": "search", "size": 5}, "quoted": "it's"}
    assert version.model.tags == {"kind": {"of": ("a", 1)}}
    assert version.tags == {"score": {"test": 0.5}}


@MODES
def test_the_child_run_is_found(written: Written, mode: str) -> None:
    children = or_raise(written.reader(mode).find_child_runs(written.ids["run_id"]).all())

    told = [(child.id, child.name, child.status) for child in children]
    assert told == [(written.ids["child_id"], "child", RunStatus.FAILED)]


@MODES
@pytest.mark.parametrize("name", [name for name in GIVEN if name not in NO_OPERANDS])
def test_a_run_is_found_by_each_value(written: Written, mode: str, name: str) -> None:
    wanted = {"exp.name": written.name, f"tags.given.{name}": GIVEN[name], f"params.{name}": GIVEN[name]}

    found = or_raise(written.reader(mode).find_runs(wanted).all())

    assert [run.id for run in found] == [written.ids["run_id"]]


@MODES
def test_the_tag_that_names_another_root_is_honoured(written: Written, mode: str) -> None:
    run = or_raise(written.reader(mode).get_run(written.ids["elsewhere_id"]))

    assert run.repo == written.ids["repo"] == f"file://{written.folder}/repo"


@MODES
def test_files_under_another_root_are_had(written: Written, mode: str) -> None:
    data = or_raise(written.reader(mode).get_run_artifact(written.ids["elsewhere_id"], "data"))

    assert bytes_below(data) == bytes_below(written.folder / "repo" / "data")


@MODES
def test_the_version_leads_to_its_run_and_its_files(written: Written, mode: str) -> None:
    version = or_raise(written.reader(mode).get_model_version((written.name, "1")))
    files = bytes_below(or_raise(version.get_artifact()))

    assert (version.run and version.run.id, version.path_in_run) == (written.ids["run_id"], "model")
    assert files == bytes_below(written.folder / "repo" / "data")


def test_files_in_a_store_on_this_disk_are_used_in_place(written: Written) -> None:
    path = or_raise(written.plain.get_model_artifact((written.name, 1)))

    assert path == written.folder / "exp" / written.ids["run_id"] / "artifacts" / "model"


@pytest.mark.parametrize("codec", ["plain", "mlopus-1"])
def test_what_was_read_is_written_back_unchanged(written: Written, codec: str) -> None:
    api = written.plain if codec == "plain" else written.api
    before = texts_of_run(written.server.uri, written.ids["run_id"])
    run = or_raise(api.get_run(written.ids["run_id"]))

    or_raise(run.log_params(run.params))
    or_raise(run.set_tags(run.tags))

    assert texts_of_run(written.server.uri, written.ids["run_id"]) == before


def test_the_default_codec_reads_all_without_an_error(written: Written) -> None:
    run = or_raise(written.plain.get_run(written.ids["run_id"], refresh=True))

    assert {"int": 5, "text": '"adam"', "digits": "5", "quote": "\"it''s\""}.items() <= run.params.items()
