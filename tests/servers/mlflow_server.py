"""Real MLflow servers, and MLflow's own client to compare with."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from immutabledict import immutabledict

from tests.servers.environment import MLFLOW_3, MLFLOW_3_S3, Mlflow, server_python
from tests.servers.shared import shared_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CLIENT_LIMIT_S = 120.0
NOTHING: Mapping[str, str] = immutabledict()
USERNAME = "admin"
PASSWORD = "correct horse battery"  # noqa: S105  (of a server that lives as long as a test session)
_AUTH_CONFIG = """[mlflow]
default_permission = READ
database_uri = sqlite:///basic_auth.db
admin_username = admin
auth_cache_ttl_seconds = 60
"""

# Run by the client's Python: the snippet and its arguments come on stdin, as JSON.
_CLIENT = """
import json, sys
given = json.load(sys.stdin)
exec(compile(given["code"], "<snippet>", "exec"), {"__name__": "__main__", "json": json, **given["args"]})
"""


@attrs.frozen(kw_only=True)
class MlflowServer:
    """A running MLflow server with an SQLite store, its artifacts behind the default proxy."""

    uri: str
    version: str
    python: Path
    folder: Path
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)

    def run_mlflow_client(self, code: str, **json_args: Any) -> Any:
        """Run a snippet where MLflow is installed, aimed at this server.

        The arguments are the snippet's global names, and `json` is imported. What it prints last
        must be one line of JSON.
        """
        done = subprocess.run(
            [str(self.python), "-c", _CLIENT],
            input=json.dumps({"code": textwrap.dedent(code), "args": json_args}),
            env=_environment(self._client_settings()),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=CLIENT_LIMIT_S,
            check=False,
        )
        if done.returncode != 0:
            message = f"the MLflow client's snippet failed\n{done.stdout}{done.stderr}"
            raise AssertionError(message)
        return json.loads(done.stdout.splitlines()[-1])

    def _client_settings(self) -> dict[str, str]:
        settings = {"MLFLOW_TRACKING_URI": self.uri}
        if self.username is not None and self.password is not None:
            settings["MLFLOW_TRACKING_USERNAME"] = self.username
            settings["MLFLOW_TRACKING_PASSWORD"] = self.password
        return settings


@contextlib.contextmanager
def running_server(folder: Path, mlflow: Mlflow = MLFLOW_3) -> Generator[MlflowServer]:
    """Share the server that keeps everything in the folder."""
    with _running(folder, mlflow) as server:
        yield server


@contextlib.contextmanager
def running_auth_server(folder: Path) -> Generator[MlflowServer]:
    """Share a server that refuses whoever does not name its user and password.

    It remembers for a minute that they were right: to check them takes it 70 ms of processor a request.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "auth.ini"
    config.write_text(_AUTH_CONFIG)
    settings = {
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests",
    }
    with _running(folder, MLFLOW_3, options=("--app-name", "basic-auth"), settings=settings) as server:
        yield attrs.evolve(server, username=USERNAME, password=PASSWORD)


@contextlib.contextmanager
def running_direct_server(folder: Path, artifact_root: str) -> Generator[MlflowServer]:
    """Share a server whose clients reach the artifacts by themselves: it names them and serves none."""
    options = ("--default-artifact-root", artifact_root, "--no-serve-artifacts")
    with _running(folder, MLFLOW_3, options=options) as server:
        yield server


@contextlib.contextmanager
def running_workers_server(folder: Path, workers: int = 4) -> Generator[MlflowServer]:
    """Share a server of several processes, as `mlflow server` starts them by itself."""
    with _running(folder, MLFLOW_3, options=("--workers", str(workers))) as server:
        yield server


@contextlib.contextmanager
def running_workspaces_server(folder: Path) -> Generator[MlflowServer]:
    """Share a server that keeps workspaces apart."""
    with _running(folder, MLFLOW_3, options=("--enable-workspaces",)) as server:
        yield server


@contextlib.contextmanager
def running_server_on_s3(
    folder: Path, destination: str, variables: Mapping[str, str]
) -> Generator[MlflowServer]:
    """Share a server that keeps its artifacts at an S3 URL, which it reaches as the variables say."""
    options = ("--artifacts-destination", destination)
    with _running(folder, MLFLOW_3_S3, options=options, settings=variables) as server:
        yield server


@contextlib.contextmanager
def _running(
    folder: Path, mlflow: Mlflow, *, options: tuple[str, ...] = (), settings: Mapping[str, str] = NOTHING
) -> Generator[MlflowServer]:
    python = server_python(mlflow)

    def command(port: int) -> tuple[str, ...]:
        return (
            *(str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", str(folder / "artifacts"), "--workers", "1", *options),
        )

    # Background jobs need a package more and are no part of what mlopus talks to.
    environment = _environment({**settings, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    with shared_server(folder, command, environment) as uri:
        yield MlflowServer(uri=uri, version=mlflow.version, python=python, folder=folder)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Give this process's environment without MLflow's or Python's settings, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHON"))}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", **settings}
