"""Where the bytes of a version are, for every kind of source that a server takes; online and offline."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import attrs
import pytest
from immutabledict import immutabledict

import mlopus
from mlopus import MlflowApi, Success, errors, or_raise
from mlopus.plans.changes import RegisterVersion
from mlopus.repositories.mlflow import MlflowTracking
from tests.integration.snapshots import bytes_below
from tests.integration.stores import new_name
from tests.integration.written_once import written_once
from tests.servers.fixtures import StartProxy
from tests.servers.mlflow_server import MlflowServer

pytestmark = pytest.mark.server

REGISTER = """
import os
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
import hashlib, mlflow, mlflow.pyfunc, pathlib

class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[str]:
        return model_input

def below(uri):
    root = pathlib.Path(mlflow.artifacts.download_artifacts(uri))
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "registered_model_meta")
    hashed = ((path, hashlib.sha256(path.read_bytes())) for path in files)
    return {path.relative_to(root).as_posix(): digest.hexdigest() for path, digest in hashed}

is_3 = mlflow.__version__.startswith("3")
client = mlflow.MlflowClient()
mlflow.set_experiment(name)
with mlflow.start_run() as run:
    mlflow.log_text("hello", "notes/hello.txt")
    echo = {"name" if is_3 else "artifact_path": "model", "python_model": Echo(), "pip_requirements": []}
    info = mlflow.pyfunc.log_model(registered_model_name=name, **echo)
    if is_3:  # beside the model, whose files are elsewhere
        mlflow.log_text("beside", "model/beside.txt")
run_id, root = run.info.run_id, run.info.artifact_uri
model_id = info.model_id if is_3 else None
versions, refused = {"logged as a version": "1"}, []

def register(label, source, **options):
    try:
        versions[label] = client.create_model_version(name, source, **options).version
    except Exception:
        refused.append(label)

register("a model of a run", f"runs:/{run_id}/model", run_id=run_id)
register("a model of a run, without its id", f"runs:/{run_id}/model")
register("a file of a model of a run", f"runs:/{run_id}/model/MLmodel", run_id=run_id)
register("a folder of a run", f"runs:/{run_id}/notes", run_id=run_id)
register("a file of a run", f"runs:/{run_id}/notes/hello.txt", run_id=run_id)
register("a URI in a run", f"{root}/notes", run_id=run_id)
register("a URI in a run, without its id", f"{root}/notes")
register("another version", f"models:/{name}/1")
register("a version of a run's folder", f"models:/{name}/{versions['a folder of a run']}")
client.set_registered_model_alias(name, "champion", "1")
register("an alias", f"models:/{name}@champion")
register("a bucket", "s3://bucket/model")
versions["registered by MLflow"] = mlflow.register_model(f"runs:/{run_id}/model", name).version
if is_3:
    register("a logged model", f"models:/{model_id}", run_id=run_id, model_id=model_id)
print(json.dumps({
    "run_id": run_id, "model_id": model_id, "versions": versions, "refused": refused,
    "model": below(f"models:/{name}/1"), "notes": below(f"runs:/{run_id}/notes"),
}))
"""
MODEL = {
    "logged as a version",
    "a model of a run",
    "a model of a run, without its id",
    "another version",
    "an alias",
    "registered by MLflow",
    "a logged model",
}
NOTES = {
    "a folder of a run",
    "a URI in a run",
    "a URI in a run, without its id",
    "a version of a run's folder",
}
MODEL_FILE, NOTES_FILE = "a file of a model of a run", "a file of a run"
REFUSED_BY_3 = {"a model of a run, without its id", "a URI in a run, without its id"}
REFUSED_BY_2 = {"an alias"}
ONLY_IN_3 = {"a logged model"}
ALL = {*MODEL, *NOTES, MODEL_FILE, NOTES_FILE}
ROWS = [
    *(("on_3", label) for label in sorted(ALL - REFUSED_BY_3)),
    *(("on_2", label) for label in sorted(ALL - REFUSED_BY_2 - ONLY_IN_3)),
]


@attrs.frozen(kw_only=True)
class Registered:
    """What MLflow's client registered, and what it downloads from there."""

    uri: str
    name: str
    run_id: str
    model_id: str | None
    versions: dict[str, str]
    refused: list[str]
    model: dict[str, str]
    notes: dict[str, str]

    def version(self, label: str) -> tuple[str, str]:
        """The name and number of the version with that kind of source."""
        return self.name, self.versions[label]

    def expected(self, label: str) -> dict[str, str]:
        """The files that are to be had, by path; a file itself has the path ""."""
        if label == MODEL_FILE:
            return {"": self.model["MLmodel"]}
        if label == NOTES_FILE:
            return {"": self.notes["hello.txt"]}
        return self.model if label in MODEL else self.notes


def registered_on(server: MlflowServer) -> Registered:
    def register() -> dict[str, Any]:
        name = new_name()
        return {"name": name, **server.run_mlflow_client(REGISTER, name=name)}

    return Registered(uri=server.uri, **written_once(server, "registered", register))


@pytest.fixture(scope="module")
def on_3(mlflow_server: MlflowServer) -> Registered:
    return registered_on(mlflow_server)


@pytest.fixture(scope="module")
def on_2(mlflow_2_server: MlflowServer) -> Registered:
    return registered_on(mlflow_2_server)


def files_at(path: Path) -> dict[str, str]:
    """The files of an artifact by their sha256; a file itself has the path ""."""
    return {"": hashlib.sha256(path.read_bytes()).hexdigest()} if path.is_file() else bytes_below(path)


def connected(registered: Registered, tmp_path: Path) -> MlflowApi:
    return mlopus.connect(registered.uri, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize(("server", "label"), ROWS)
def test_a_versions_files_are_those_that_mlflow_downloads_online_and_then_offline(
    request: pytest.FixtureRequest, tmp_path: Path, server: str, label: str
) -> None:
    registered: Registered = request.getfixturevalue(server)
    api, version = connected(registered, tmp_path), registered.version(label)

    cached = or_raise(api.cache_model_artifact(version))
    offline = or_raise(api.in_offline_mode.get_model_artifact(version))

    assert (files_at(cached), files_at(offline)) == (registered.expected(label),) * 2


@pytest.mark.parametrize(("server", "refused"), [("on_3", REFUSED_BY_3), ("on_2", REFUSED_BY_2)])
def test_a_server_takes_every_other_kind_of_source(
    request: pytest.FixtureRequest, server: str, refused: set[str]
) -> None:
    registered: Registered = request.getfixturevalue(server)

    assert set(registered.refused) == refused


@pytest.mark.parametrize("mode", ["online", "offline"])
@pytest.mark.parametrize("label", ["a model of a run", "a logged model", "another version"])
def test_the_files_of_a_logged_model_are_listed_whatever_names_it(
    on_3: Registered, tmp_path: Path, label: str, mode: str
) -> None:
    api, version = connected(on_3, tmp_path), on_3.version(label)
    or_raise(api.cache_model_artifact(version))
    asked = api if mode == "online" else api.in_offline_mode

    listed = or_raise(asked.list_model_artifact(version, recursive=True))

    assert {entry.path for entry in listed} == set(on_3.model)


@pytest.mark.parametrize(
    ("server", "label"), [("on_3", "a model of a run"), ("on_2", "a model of a run, without its id")]
)
def test_a_hit_on_a_path_of_a_run_asks_for_the_version_alone(
    request: pytest.FixtureRequest, counting_proxy: StartProxy, tmp_path: Path, server: str, label: str
) -> None:
    registered: Registered = request.getfixturevalue(server)
    proxy, version = counting_proxy(registered.uri), registered.version(label)
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path / "cache")
    or_raise(api.get_model_artifact(version))
    before = len(proxy.requests)

    or_raise(api.get_model_artifact(version))

    assert [seen.call for seen in proxy.requests[before:]] == ["GET /api/2.0/mlflow/model-versions/get"]


def test_a_run_that_was_cached_whole_answers_for_its_versions_offline(
    on_2: Registered, tmp_path: Path
) -> None:
    api, version = connected(on_2, tmp_path), on_2.version("a folder of a run")
    or_raise(api.cache_model_version_meta(version))
    or_raise(api.cache_run_artifact(on_2.run_id))

    offline = or_raise(api.in_offline_mode.get_model_artifact(version))

    assert bytes_below(offline) == on_2.notes


def test_a_run_that_was_cached_whole_does_not_stand_for_the_model_it_logged(
    on_3: Registered, tmp_path: Path
) -> None:
    api, version = connected(on_3, tmp_path), on_3.version("a model of a run")
    or_raise(api.cache_model_version_meta(version))
    or_raise(api.cache_run_artifact(on_3.run_id))

    offline = api.in_offline_mode.get_model_artifact(version)
    online = or_raise(api.get_model_artifact(version))

    assert isinstance(offline.failure(), errors.NotCached)
    assert bytes_below(online) == on_3.model


def test_a_cleaned_version_of_a_logged_model_is_gone_offline(on_3: Registered, tmp_path: Path) -> None:
    api, version = connected(on_3, tmp_path), on_3.version("a model of a run")
    or_raise(api.cache_model_artifact(version))

    or_raise(api.clean_cached_model_artifact(version))

    failure = api.in_offline_mode.get_model_artifact(version).failure()
    assert isinstance(failure, errors.NotCached)
    assert "cache_model_artifact" in (failure.hint or "")


@pytest.mark.parametrize("server", ["on_3", "on_2"])
def test_a_version_without_a_run_keeps_its_source_and_has_no_run(
    request: pytest.FixtureRequest, tmp_path: Path, server: str
) -> None:
    registered: Registered = request.getfixturevalue(server)
    api, version = connected(registered, tmp_path), registered.version("a bucket")

    seen = [
        or_raise(api.cache_model_version_meta(version)),
        or_raise(api.in_offline_mode.get_model_version(version)),
        or_raise(api.find_model_versions({"source": "s3://bucket/model", "model.name": version[0]}).first()),
    ]

    told = [(one.run, one.source, one.path_in_run) for one in seen if one is not None]
    assert told == [(None, "s3://bucket/model", None)] * 3


def test_bytes_of_a_version_registered_by_a_runs_uri_are_not_changed_by_a_publish(
    on_2: Registered, tmp_path: Path
) -> None:
    failure = (
        connected(on_2, tmp_path)
        .log_run_artifact(on_2.run_id, lambda path: path.write_text("other"), "notes/hello.txt")
        .failure()
    )

    assert isinstance(failure, errors.PathInUse)


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_run_names_the_models_that_it_logged(on_3: Registered, tmp_path: Path, mode: str) -> None:
    api = connected(on_3, tmp_path)
    or_raise(api.cache_run_meta(on_3.run_id))

    run = or_raise((api if mode == "online" else api.in_offline_mode).get_run(on_3.run_id))

    assert run.logged_model_ids == (on_3.model_id,)


def test_a_run_of_mlflow_2_has_no_logged_models(on_2: Registered, tmp_path: Path) -> None:
    assert or_raise(connected(on_2, tmp_path).get_run(on_2.run_id)).logged_model_ids == ()


# Registering


def registrations(requests: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [seen.json() for seen in requests if seen.path.endswith("/model-versions/create")]


def test_a_version_is_registered_with_the_id_of_its_run(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    proxy = counting_proxy(mlflow_server.uri)
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path / "cache")
    run = or_raise(or_raise(api.create_exp(new_name())).start_run())
    model = or_raise(api.create_model(new_name()))

    or_raise(model.log_version(run, lambda path: path.write_text("v1")))

    assert [sent["run_id"] for sent in registrations(proxy.requests)] == [run.id]


def test_a_version_of_a_logged_model_is_registered_with_the_ids_of_model_and_run(
    on_3: Registered, counting_proxy: StartProxy
) -> None:
    proxy = counting_proxy(on_3.uri)
    register = RegisterVersion(
        model_name=on_3.name,
        source=f"models:/{on_3.model_id}",
        run_id=on_3.run_id,
        tags=immutabledict(),
        operation_id=new_name(),
    )

    sent = MlflowTracking(uri=proxy.uri).send(register)

    assert isinstance(sent, Success)
    bodies = [(body["run_id"], body["model_id"]) for body in registrations(proxy.requests)]
    assert bodies == [(on_3.run_id, on_3.model_id)]
