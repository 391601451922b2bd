"""The kinds of stores on which one test body runs: in memory, in a folder, on a real MLflow server."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

import mlopus
from mlopus import ExpApi, MlflowApi, or_raise

if TYPE_CHECKING:
    from tests.servers.mlflow_server import MlflowServer

KINDS = ("memory", "embedded", pytest.param("server", marks=pytest.mark.server))


@attrs.frozen(kw_only=True)
class Store:
    """An API of a store, another one of the same store and cache that is offline, and a folder to work in.

    `asks_a_server`: whether the store is behind a network.
    """

    api: MlflowApi
    offline: MlflowApi
    folder: Path
    asks_a_server: bool

    def new_exp(self) -> ExpApi:
        """An experiment with a name that nobody else has."""
        return or_raise(self.api.get_or_create_exp(new_name()))


def new_name() -> str:
    """A name for an experiment or model that nobody else has: the server is shared."""
    return f"made by a test {uuid.uuid4().hex[:12]}"


def open_store(kind: str, request: pytest.FixtureRequest, folder: Path) -> Store:
    """A store of one kind. Only the server's holds what other tests made."""
    if kind == "memory":
        api = mlopus.testing.in_memory()
        return Store(api=api, offline=api.in_offline_mode, folder=folder, asks_a_server=False)
    servers = {"server": "mlflow_server", "old server": "mlflow_2_server"}
    uri = _server_uri(request, servers[kind]) if kind in servers else _own_uri(kind, folder)
    cache = folder / "cache"
    return Store(
        api=mlopus.connect(uri, cache_dir=cache),
        offline=mlopus.connect(uri, cache_dir=cache, offline_mode=True),
        folder=folder,
        asks_a_server=kind in servers,
    )


def _own_uri(kind: str, folder: Path) -> str:
    """The address of a store that nobody else uses: a folder, or a database of MLflow's own."""
    return f"sqlite:///{folder}/mlflow.db" if kind == "database" else str(folder / "store")


def server_uri(request: pytest.FixtureRequest) -> str:
    """The address of the shared server, which is started only where it is asked for."""
    return _server_uri(request, "mlflow_server")


def _server_uri(request: pytest.FixtureRequest, fixture: str) -> str:
    server: MlflowServer = request.getfixturevalue(fixture)
    return server.uri
