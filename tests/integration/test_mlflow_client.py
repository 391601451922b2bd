"""Stores that MLflow's own package opens: what is loaded when, what is left alone, what is refused."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import mlopus
from mlopus import MlflowApi, Success, errors, or_raise
from tests.integration.main_job import write_model
from tests.integration.snapshots import tree_of
from tests.integration.without_mlflow import ROOT, run_without_mlflow


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database keeps artifacts below the current folder, unless it is told otherwise."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that is there already: making one takes MLflow a second."""
    folder = tmp_path_factory.mktemp("database")
    api_in(folder).ping().unwrap()
    return folder


def api_in(folder: Path, **settings: object) -> MlflowApi:
    return mlopus.connect(f"sqlite:///{folder}/mlflow.db", cache_dir=folder / "cache", **settings)


def run(
    code: str, folder: Path, warnings: str = "error", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a snippet in a folder; unless it says otherwise every warning is an error."""
    env = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "DO_NOT_TRACK": "true", **environment}
    done = subprocess.run(
        [sys.executable, "-W", warnings, "-c", code],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


NEW_STORE = """
import logging, os, sys
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
import mlopus
api = mlopus.connect("sqlite:///new/mlflow.db", cache_dir="cache")
assert "mlflow" not in sys.modules and "sqlalchemy" not in sys.modules
before = dict(os.environ)
exp = api.raising.get_or_create_exp("demo")
with api.raising.start_run(exp, "first") as run:
    run.log_metrics({"acc": 0.5})
import mlflow
assert mlflow.active_run() is None
assert dict(os.environ) == before
assert mlflow.tracking._tracking_service.utils._tracking_uri is None
print(run.repo)
"""


def test_a_new_database_is_made_in_silence_and_nothing_of_the_process_is_changed(tmp_path: Path) -> None:
    done = run(NEW_STORE, tmp_path)

    assert done.stderr == ""
    assert done.stdout.startswith(f"{tmp_path}/mlruns/1/")


OFFLINE = """
import sys
import mlopus
api = mlopus.connect("sqlite:///mlflow.db", cache_dir="cache", offline_mode=True)
print([run.name for run in api.find_runs().all().unwrap()], "mlflow" in sys.modules)
"""


def test_offline_the_cache_answers_and_the_package_is_not_loaded(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    folder.mkdir()
    api = mlopus.connect(f"sqlite:///{folder}/mlflow.db", cache_dir=folder / "cache")
    (folder / "mlflow.db").write_bytes((made / "mlflow.db").read_bytes())
    exp = or_raise(api.get_or_create_exp("kept"))
    or_raise(or_raise(api.start_run(exp, "kept")).cache_meta())
    (folder / "mlflow.db").unlink()

    assert run(OFFLINE, folder).stdout == "['kept'] False\n"
    assert not (folder / "mlflow.db").exists()


REFUSED = """
import sys
from pathlib import Path
import mlopus
try:
    mlopus.connect("sqlite:///mlflow.db")
except ValueError as error:
    print(error)
Path("mlruns/0").mkdir(parents=True)
Path("mlruns/0/meta.yaml").write_text("experiment_id: '0'")
failure = mlopus.connect("mlruns", cache_dir="cache").find_exps().all().failure()
print(type(failure).__name__, failure.hint)
offline = mlopus.connect("sqlite:///mlflow.db", cache_dir="cache", offline_mode=True)
print(type(offline.get_run("3f2a").failure()).__name__)
print(type(offline.evolve(offline_mode=False).get_run("3f2a").failure()).__name__)
"""


def test_without_the_package_its_extra_is_named(tmp_path: Path) -> None:
    said = run_without_mlflow(tmp_path, REFUSED).splitlines()

    assert "pip install 'mlopus[mlflow]'" in said[0]
    assert said[1].startswith("Unsupported Install mlopus with its extra `mlflow`")
    assert said[2:] == ["NotCached", "Unsupported"]


THEIRS = """
import json, mlflow
client = mlflow.MlflowClient("sqlite:///mlflow.db")
exp_id = client.get_experiment_by_name("shared").experiment_id
(ours,) = client.search_runs([exp_id])
version = client.get_model_version("shared", "1")
files = mlflow.artifacts.list_artifacts(artifact_uri=version.source, tracking_uri="sqlite:///mlflow.db")
theirs = client.create_run(exp_id, run_name="theirs")
client.log_param(theirs.info.run_id, "opt.lr", 0.25)
model = client.create_logged_model(exp_id, name="net", source_run_id=theirs.info.run_id)
open("net.txt", "w").write("their model")
client.log_model_artifact(model.model_id, "net.txt")
client.create_model_version("shared", f"models:/{model.model_id}", model_id=model.model_id)
client.set_terminated(theirs.info.run_id)
print(json.dumps([ours.data.params, ours.data.metrics, ours.info.status, len(files)]))
"""


def test_mlflow_reads_what_was_written_here_and_the_other_way_round(made: Path) -> None:
    api = api_in(made)
    with or_raise(api.start_run(or_raise(api.get_or_create_exp("shared")), "ours")) as ours:
        or_raise(ours.log_params({"opt": {"lr": 0.5}}))
        or_raise(ours.log_metrics({"acc": 0.75}))
        or_raise(api.get_or_create_model("shared"))
        or_raise(ours.log_model_version("shared", write_model(made / "model")))

    done = run(THEIRS, made, warnings="ignore", MLFLOW_TRACKING_URI="sqlite:///mlflow.db")
    assert json.loads(done.stdout.splitlines()[-1]) == [{"opt.lr": "0.5"}, {"acc": 0.75}, "FINISHED", 2]
    assert [run.name for run in or_raise(api.find_runs({"params.opt.lr": 0.25}).all())] == ["theirs"]
    second = or_raise(api.get_model_version(("shared", 2)))
    assert second.load_artifact(lambda folder: (folder / "net.txt").read_text()) == Success("their model")


def _start_runs(api: MlflowApi, exp_id: str, names: list[str]) -> None:
    for name in names:
        or_raise(api.start_run(exp_id, name))


def test_forked_processes_write_over_connections_of_their_own(made: Path) -> None:
    api = api_in(made)
    exp = or_raise(api.get_or_create_exp("forked"))
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=_start_runs, args=(api, exp.id, [f"{letter}{number}" for number in range(3)]))
        for letter in "ab"
    ]

    for child in children:
        child.start()
    _start_runs(api, exp.id, ["c0", "c1", "c2"])
    for child in children:
        child.join()

    assert [child.exitcode for child in children] == [0, 0]
    names = {run.name for run in or_raise(exp.find_runs().all())}
    assert names == {f"{letter}{number}" for letter in "abc" for number in range(3)}


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE customers (name TEXT)")
    database.close()
    before = path.read_bytes()

    failure = api_in(tmp_path).create_exp("e").failure()

    assert isinstance(failure, errors.Unsupported)
    assert "none of MLflow's" in (failure.hint or "")
    assert path.read_bytes() == before


def test_tables_of_another_version_are_not_brought_up_to_date(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes((made / "mlflow.db").read_bytes())
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '0123456789ab'")
    database.close()
    before = path.read_bytes()

    failure = api_in(tmp_path).find_exps().all().failure()

    assert isinstance(failure, errors.Unsupported)
    assert "0123456789ab" in (failure.hint or "")
    assert "mlflow db upgrade" in (failure.hint or "")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_unreadable_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)

    failure = api_in(tmp_path).get_run("3f2a").failure()

    assert isinstance(failure, errors.UnreadableCache)
    assert (tmp_path / "mlflow.db").read_bytes() == b"no database" * 100


@pytest.mark.parametrize("uri", ["mysql+pymysql://ada:secret@127.0.0.1:1/db", "sqlite+nothing:///mlflow.db"])
def test_a_database_without_a_driver_names_what_is_missing(uri: str, tmp_path: Path) -> None:
    failure = mlopus.connect(uri, cache_dir=tmp_path / "cache").ping().failure()

    assert isinstance(failure, errors.Unsupported)
    assert uri.partition(":")[0].partition("+")[2] in f"{failure} {failure.hint}"
    assert "secret" not in f"{failure!r} {failure.hint}"


def test_a_workspace_without_credentials_is_unauthorized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))

    with caplog.at_level(logging.INFO, "mlflow"):
        failure = mlopus.connect("databricks", cache_dir=tmp_path / "cache").ping().failure()

    assert isinstance(failure, errors.Unauthorized)
    assert "DATABRICKS_HOST" in (failure.hint or "")
    assert not caplog.records


class TestAFolderOfFiles:
    """An `mlruns` folder, which MLflow itself opens only where it is told to."""

    @pytest.fixture
    def mlruns(self, tmp_path: Path) -> Path:
        folder = tmp_path / "mlruns"
        (folder / "0").mkdir(parents=True)
        (folder / "0" / "meta.yaml").write_text(
            f"artifact_location: {(folder / '0').as_uri()}\ncreation_time: 1\nexperiment_id: '0'\n"
            "last_update_time: 1\nlifecycle_stage: active\nname: Default\n"
        )
        return folder

    def test_is_refused_with_the_ways_on_and_left_alone(
        self, mlruns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
        before = tree_of(mlruns)

        failure = mlopus.connect(mlruns, cache_dir=tmp_path / "cache").find_exps().all().failure()

        assert isinstance(failure, errors.Unsupported)
        assert "MLFLOW_ALLOW_FILE_STORE=true" in (failure.hint or "")
        assert "mlflow migrate-filestore" in (failure.hint or "")
        assert tree_of(mlruns) == before

    def test_is_read_and_written_where_mlflow_is_told_to(
        self, mlruns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        api = mlopus.connect("mlruns", cache_dir=tmp_path / "cache")

        exp = or_raise(api.get_exp_by_name("Default"))
        with or_raise(exp.start_run("first")) as run:
            or_raise(run.log_params({"lr": 0.5}))
        or_raise(run.cache_meta())

        assert (mlruns / "0" / run.id / "params" / "lr").read_text() == "0.5"
        assert or_raise(api.in_offline_mode.get_run(run.id)).params == {"lr": 0.5}
        assert sorted(os.listdir(tmp_path)) == ["cache", "mlruns"]
