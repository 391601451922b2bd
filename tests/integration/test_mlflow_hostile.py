"""A server that names another host or this disk: credentials stay home, and local files stay unread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mlopus
from mlopus import MlflowApi
from mlopus.errors import IllegalPath, MlopusError, UnreadableReply
from tests.integration.mlflow_answers import failure
from tests.servers.fixtures import StartLoopback
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer, SeenRequest

SECRETS = {"token": "tok-12345", "headers": {"X-Key": "hunter22"}, "workspace": "team"}
TOLD_HOME_ONLY = {"authorization", "x-key", "x-mlflow-workspace", "cookie"}
LISTING = Answer.of_json({"files": [{"path": "a.txt", "is_dir": False, "file_size": 5}]})


def naming(artifact_uri: str) -> Any:
    """A server with one run, whose artifacts are where it says."""

    def reply(request: SeenRequest) -> Answer:
        if request.path.endswith("/artifacts"):
            return LISTING
        info = {"run_id": "r1", "experiment_id": "1", "status": "FINISHED", "artifact_uri": artifact_uri}
        return Answer.of_json({"run": {"info": info}, "experiment": {"experiment_id": "1", "name": "e"}})

    return reply


def holding(request: SeenRequest) -> Answer:
    """A server that holds one file, `a.txt`."""
    return LISTING if request.path.endswith("/artifacts") else Answer(body=b"hello")


def connected(uri: str, tmp_path: Path, **settings: Any) -> MlflowApi:
    return mlopus.connect(uri, cache_dir=tmp_path / "cache", backoff_s=0.0, **SECRETS, **settings)


def remotely(server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> MlflowApi:
    """The server under a name of another machine, by a proxy of that name."""
    for name in ("no_proxy", "NO_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.uri)
    return connected("http://mlflow.example", tmp_path, **settings)


def told(server: Loopback) -> set[str]:
    return {name for request in server.requests for name in request.headers} & TOLD_HOME_ONLY


def test_another_host_that_artifacts_are_on_is_asked_without_credentials(
    loopback: StartLoopback, tmp_path: Path
) -> None:
    other = loopback(holding)
    server = loopback(naming(other.uri.replace("http://", "mlflow-artifacts://") + "/1/r1/artifacts"))
    path = connected(server.uri, tmp_path).get_run_artifact("r1").unwrap()
    assert (path / "a.txt").read_bytes() == b"hello"
    assert (told(other), told(server)) == (set(), {"authorization", "x-key", "x-mlflow-workspace"})


def test_an_upload_to_another_host_takes_no_credentials_along(
    loopback: StartLoopback, tmp_path: Path
) -> None:
    other = loopback(Answer.of_json({}))
    server = loopback(naming(other.uri.replace("http://", "mlflow-artifacts://") + "/1/r1/artifacts"))
    (tmp_path / "a.txt").write_text("hello")
    connected(server.uri, tmp_path).log_run_artifact("r1", tmp_path / "a.txt", "a.txt", use_cache=False)
    assert [request.method for request in other.requests if request.body == b"hello"] == ["PUT"]
    assert told(other) == set()


def test_a_download_that_is_redirected_elsewhere_takes_no_credentials_along(
    loopback: StartLoopback, tmp_path: Path
) -> None:
    other = loopback(Answer(body=b"hello"))
    at_home = naming("mlflow-artifacts:/1/r1/artifacts")

    def redirecting(request: SeenRequest) -> Answer:
        if "/mlflow-artifacts/artifacts/" in request.path:
            return Answer(status=302, headers=(("Location", f"{other.uri}/signed?key=1"),))
        return at_home(request)

    path = connected(loopback(redirecting).uri, tmp_path).get_run_artifact("r1").unwrap()
    assert ((path / "a.txt").read_bytes(), told(other)) == (b"hello", set())


@pytest.mark.parametrize("write", [False, True])
def test_a_redirect_of_metadata_to_another_host_is_refused(
    loopback: StartLoopback, tmp_path: Path, write: bool
) -> None:
    other = loopback(Answer.of_json({}))
    server = loopback(Answer(status=307, headers=(("Location", other.uri),)))
    api = connected(server.uri, tmp_path)
    error = failure(api.create_exp("e") if write else api.get_run("r1"))
    assert (type(error), other.requests) == (UnreadableReply, ())


@pytest.mark.parametrize("prefix", ["file://", ""])
def test_local_files_that_a_remote_server_names_are_not_read(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prefix: str
) -> None:
    (tmp_path / "secret").write_text("hunter2")
    api = remotely(loopback(naming(f"{prefix}{tmp_path}")), tmp_path, monkeypatch)
    error = failure(api.get_run_artifact("r1", "secret"))
    assert isinstance(error, MlopusError)
    assert "allow_local_artifacts=True" in (error.hint or "")


def test_local_files_that_a_remote_server_names_are_read_where_the_user_says_so(
    loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shared").write_text("data")
    server = loopback(naming(f"file://{tmp_path}"))
    api = remotely(server, tmp_path, monkeypatch, allow_local_artifacts=True)
    assert api.load_run_artifact("r1", Path.read_text, "shared").unwrap() == "data"


HOSTILE = {
    "up": ["../../etc/passwd"],
    "up once": [".."],
    "absolute": ["/etc/passwd"],
    "a drive": ["C:/x"],
    "a drive, backslash": ["C:\\x"],
    "another machine": ["\\\\host\\share"],
    "another machine, slashes": ["//host/share"],
    "backslashes": ["a\\..\\b"],
    "a NUL": ["a\0b"],
    "a device": ["NUL"],
    "a device with an extension": ["aux.json"],
    "two cases": ["Model", "model"],
    "two forms of Unicode": ["caf\u00e9", "cafe\u0301"],
    "a file and a folder": ["x", "x/y"],
    "listed twice": ["x", "x"],
}


@pytest.mark.parametrize("names", HOSTILE.values(), ids=HOSTILE)
def test_a_listing_with_hostile_names_is_refused_before_anything_is_fetched_or_written(
    loopback: StartLoopback, tmp_path: Path, names: list[str]
) -> None:
    files = [{"path": name, "is_dir": False, "file_size": 5} for name in ("fine", *names)]
    body = json.dumps({"files": files}).encode()
    at_home = naming("mlflow-artifacts:/1/r1/artifacts")
    server = loopback(
        lambda request: Answer(body=body) if request.path.endswith("artifacts") else at_home(request)
    )
    api = connected(server.uri, tmp_path)
    assert isinstance(failure(api.get_run_artifact("r1")), IllegalPath)
    assert isinstance(failure(api.list_run_artifacts("r1", recursive=True)), IllegalPath)
    assert not any("/artifacts/" in request.path for request in server.requests)
    assert not (tmp_path / "cache" / "trees").exists()
