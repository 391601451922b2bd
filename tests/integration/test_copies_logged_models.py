"""Versions of models that MLflow 3's own client logged are copied with their bytes, and load there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, ModelVersionApi, or_raise
from tests.integration.copied import files_in
from tests.integration.stores import new_name
from tests.servers.mlflow_server import MlflowServer

LOG = """
import mlflow, mlflow.pyfunc

class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[str]:
        return model_input

mlflow.set_experiment(name)
with mlflow.start_run(run_name="trained") as run:
    mlflow.log_text("beside", "model/beside.txt")
    echo = {"python_model": Echo(), "pip_requirements": []}
    mlflow.pyfunc.log_model(name="model", registered_model_name=name, **echo)
mlflow.MlflowClient().set_registered_model_alias(name, "champion", "1")
print(json.dumps(run.info.run_id))
"""
PREDICT = """
import mlflow.pyfunc
print(json.dumps(list(mlflow.pyfunc.load_model(f"models:/{name}@champion").predict(["a"]))))
"""


@attrs.frozen
class Logged:
    """A version that MLflow's client logged, and an API of its server."""

    api: MlflowApi
    name: str
    run_id: str
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def logged(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    folder = tmp_path_factory.mktemp("logged")
    name = new_name()
    run_id: Any = mlflow_server.run_mlflow_client(LOG, name=name)
    api = mlopus.connect(mlflow_server.uri, cache_dir=folder / "cache", progress="off")
    return Logged(api, name, run_id, files_in(or_raise(api.get_model_artifact((name, "@champion")))))


def test_a_logged_model_is_copied_with_the_version_that_names_it(logged: Logged, tmp_path: Path) -> None:
    mine = mlopus.connect(str(tmp_path / "mine"), cache_dir=tmp_path / "cache", progress="off")

    copy = or_raise(logged.api.copy_model_version((logged.name, "@champion"), to=mine))

    assert "MLmodel" in logged.files
    assert files_in(or_raise(copy.get_artifact())) == logged.files
    assert (copy.path_in_run, copy.aliases) == (f"models/{logged.name}/1", ("champion",))
    assert or_raise(logged.api.plan.copy_model_version((logged.name, 1), to=mine)).is_empty


def test_a_run_with_a_logged_model_brings_both_to_mlflow_2_and_its_client_loads_it(
    logged: Logged, mlflow_2_server: MlflowServer, tmp_path: Path
) -> None:
    old = mlopus.connect(mlflow_2_server.uri, cache_dir=tmp_path / "cache", progress="off")

    copy = or_raise(logged.api.copy_run(logged.run_id, to=old))

    version = or_raise(old.get_model_version((logged.name, "@champion")))
    assert isinstance(version, ModelVersionApi)
    assert files_in(or_raise(version.get_artifact())) == logged.files
    assert or_raise(copy.get_artifact("model/beside.txt")).read_text() == "beside"
    assert mlflow_2_server.run_mlflow_client(PREDICT, name=logged.name) == ["a"]
    assert or_raise(logged.api.plan.copy_run(logged.run_id, to=old)).is_empty
