"""The fixtures; conftest.py takes them in.

The real servers are shared by all that a pytest run starts, its pytest-xdist workers included: see
`shared.py`. (An xdist group for their tests would be the other way; `--dist loadgroup` of
pytest-xdist 3.8 does nothing under pytest 9.2.)
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.servers.azurite import Azurite, running_azurite
from tests.servers.environment import MLFLOW_2
from tests.servers.file_servers import FileServer, running_http, running_sftp
from tests.servers.gcs import running_gcs, speaking_xml
from tests.servers.loopback import Loopback, Reply, answering
from tests.servers.mlflow_server import (
    MlflowServer,
    running_auth_server,
    running_direct_server,
    running_server,
    running_workers_server,
    running_workspaces_server,
)
from tests.servers.object_stores import BUCKET, S3Server, running_s3
from tests.servers.proxy import Instead, Spoil, proxying, proxying_below
from tests.servers.sockets import watching_sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


class StartLoopback(Protocol):
    """Start a server that answers this; it ends with the test."""

    def __call__(self, reply: Reply) -> Loopback: ...


class StartProxy(Protocol):
    """Start a proxy in front of a server; it ends with the test."""

    def __call__(
        self, target_uri: str, *, instead: Instead | None = None, spoil: Spoil | None = None
    ) -> Loopback: ...


class StartPrefix(Protocol):
    """Start a proxy that has a server below a path, and give its address there."""

    def __call__(self, target_uri: str, prefix: str) -> str: ...


def _last_2(folder: Path) -> contextlib.AbstractContextManager[MlflowServer]:
    return running_server(folder, MLFLOW_2)


def _of_two_workers(folder: Path) -> contextlib.AbstractContextManager[MlflowServer]:
    return running_workers_server(folder, workers=2)


def _on_s3(folder: Path) -> contextlib.AbstractContextManager[MlflowServer]:
    return running_direct_server(folder, f"s3://{BUCKET}/mlflow")


_MLFLOW: Mapping[str, Callable[[Path], contextlib.AbstractContextManager[MlflowServer]]] = {
    "mlflow_server": running_server,
    "mlflow_2_server": _last_2,
    # for thousands of searches: what others keep on their server would cost each of them pages
    "mlflow_search_server": running_server,
    "mlflow_2_search_server": _last_2,
    "mlflow_workers_server": _of_two_workers,
    "mlflow_auth_server": running_auth_server,
    "mlflow_workspaces_server": running_workspaces_server,
    "mlflow_s3_server": _on_s3,
}
SHARED_SERVERS = frozenset(_MLFLOW)


def _shared_mlflow(name: str) -> Any:
    """A fixture of a real MLflow server that a whole run shares: use names of your own in it."""

    @pytest.fixture(scope="session", name=name)
    def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
        with _MLFLOW[name](_shared_folder(tmp_path_factory, name.replace("_", "-"))) as running:
            yield running

    return server


mlflow_server = _shared_mlflow("mlflow_server")
mlflow_2_server = _shared_mlflow("mlflow_2_server")
mlflow_search_server = _shared_mlflow("mlflow_search_server")
mlflow_2_search_server = _shared_mlflow("mlflow_2_search_server")
mlflow_workers_server = _shared_mlflow("mlflow_workers_server")
mlflow_auth_server = _shared_mlflow("mlflow_auth_server")
mlflow_workspaces_server = _shared_mlflow("mlflow_workspaces_server")
mlflow_s3_server = _shared_mlflow("mlflow_s3_server")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server that lets everybody in, shared: use keys of your own in its bucket."""
    with running_s3(_shared_folder(tmp_path_factory, "s3-server")) as server:
        yield server


@pytest.fixture(scope="session")
def locked_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Another one, which lets in only who has its credentials."""
    with running_s3(_shared_folder(tmp_path_factory, "locked-s3-server"), access_key_id="ann") as server:
        yield server


@pytest.fixture(scope="session")
def other_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A third one, which lets in others."""
    with running_s3(_shared_folder(tmp_path_factory, "other-s3-server"), access_key_id="bob") as server:
        yield server


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    """The emulator of Google Cloud Storage, shared: use names of your own in its bucket."""
    with running_gcs(_shared_folder(tmp_path_factory, "gcs-server")) as uri, speaking_xml(uri) as server:
        yield server


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """The emulator of Azure, shared: make containers of your own."""
    with running_azurite(_shared_folder(tmp_path_factory, "azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    """A real SFTP server, shared: use folders of your own in it."""
    with running_sftp(_shared_folder(tmp_path_factory, "sftp-server")) as server:
        yield server


@pytest.fixture(scope="session")
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    """A real web server of files, shared: use folders of your own in it."""
    with running_http(_shared_folder(tmp_path_factory, "http-server")) as server:
        yield server


@pytest.fixture
def loopback() -> Iterator[StartLoopback]:
    """Starts servers that answer what the test says."""
    with contextlib.ExitStack() as running:
        yield lambda reply: running.enter_context(answering(reply))


@pytest.fixture
def counting_proxy() -> Iterator[StartProxy]:
    """Starts proxies that record each request on its way to a real server."""
    with contextlib.ExitStack() as running:

        def start(target_uri: str, *, instead: Instead | None = None, spoil: Spoil | None = None) -> Loopback:
            return running.enter_context(proxying(target_uri, instead=instead, spoil=spoil))

        yield start


@pytest.fixture
def prefix_proxy() -> Iterator[StartPrefix]:
    """Starts proxies that have a real server below a path of theirs, and nothing beside it."""
    with contextlib.ExitStack() as running:
        yield lambda target_uri, prefix: running.enter_context(proxying_below(target_uri, prefix))


@pytest.fixture
def socket_events() -> Iterator[list[str]]:
    """What this process did about sockets since the test began."""
    with watching_sockets() as events:
        yield events


def mark_server_tests(items: list[pytest.Item]) -> None:
    """Give the marker `server` to the tests that ask for one of the servers."""
    for item in items:
        asked = {*getattr(item, "fixturenames", ()), *_parameters(item)}
        if SHARED_SERVERS & asked:
            item.add_marker(pytest.mark.server)


def _parameters(item: pytest.Item) -> Iterator[str]:
    """The texts that a test is parametrised with: a name of a server among them stands for its fixture."""
    call = getattr(item, "callspec", None)
    return (value for value in getattr(call, "params", {}).values() if isinstance(value, str))


def _shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """Name the same folder in all workers of a run: each has a base folder of its own in the run's."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
