"""Starting a real MLflow server, and running MLflow's own client against it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from tests.servers import supervise
from tests.servers.environment import server_python

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

START_LIMIT_S = 120.0
CLIENT_LIMIT_S = 120.0
LOG_LINES = 60

# Read by the client's Python: the snippet and its arguments come on stdin, as JSON.
_CLIENT = """
import json, sys
given = json.load(sys.stdin)
exec(compile(given["code"], "<snippet>", "exec"), {"__name__": "__main__", "json": json, **given["args"]})
"""


class ServerDidNotStart(Exception):
    """The server ended, or did not answer in time; the text holds the end of its log."""


@attrs.frozen(kw_only=True)
class MlflowServer:
    """A running MLflow server with an SQLite store, its artifacts behind the default proxy."""

    uri: str
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
def running_server(folder: Path) -> Generator[MlflowServer]:
    """Start a server that keeps everything in the folder, and end it afterwards."""
    with _running(folder, options=(), settings={}) as uri:
        yield MlflowServer(uri=uri, python=server_python(), folder=folder)


@contextlib.contextmanager
def running_auth_server(folder: Path) -> Generator[MlflowServer]:
    """Start a server that refuses whoever does not name its user and password."""
    username, password = "admin", "correct horse battery"
    settings = {"MLFLOW_AUTH_ADMIN_PASSWORD": password, "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests"}
    with _running(folder, options=("--app-name", "basic-auth"), settings=settings) as uri:
        yield MlflowServer(
            uri=uri, python=server_python(), folder=folder, username=username, password=password
        )


@contextlib.contextmanager
def _running(folder: Path, *, options: Sequence[str], settings: Mapping[str, str]) -> Generator[str]:
    port = _free_port()
    log = folder / "server.log"
    command = [
        *(str(server_python()), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts"), "--workers", "1", *options),
    ]
    # Background jobs need a package more and are no part of what mlopus talks to.
    settings = {**settings, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, supervise.__file__, *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(settings),
            start_new_session=True,
        )
    try:
        _wait_until_healthy(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        if _is_healthy(port):
            return
        time.sleep(0.1)
    fact = "did not answer in time" if process.poll() is None else "ended before it answered"
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    message = f"the MLflow server on port {port} {fact}; its log ends:\n" + "\n".join(lines)
    raise ServerDidNotStart(message)


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    """Find a port below those that systems hand to outgoing connections, which other tests use up."""
    for port in random.SystemRandom().sample(range(20_000, 30_000), 100):
        with contextlib.closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = "found no free port on 127.0.0.1"
    raise RuntimeError(message)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Give this process's environment without MLflow's or Python's settings, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHON"))}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", **settings}
