"""The tracking contract on a real MLflow server."""

from __future__ import annotations

import httpx
import pytest

from mlopus.domain.keys import ExperimentKey, OwnKey
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.testing.contracts.tracking import TrackingContract
from mlopus.testing.contracts.tracking_case import TrackingCase
from tests.servers.mlflow_server import MlflowServer


def case_on(server: MlflowServer) -> TrackingCase:
    """A server, with the ways around `MlflowTracking` that the contract needs."""

    def post(operation: str, **body: str) -> None:
        url = f"{server.uri}/api/2.0/mlflow/{operation}"
        auth = None if server.username is None else (server.username, server.password or "")
        httpx.post(url, json=body, auth=auth, timeout=60).raise_for_status()

    def delete(key: OwnKey) -> None:
        if isinstance(key, ExperimentKey):
            post("experiments/delete", experiment_id=key.id)
        else:
            post("runs/delete", run_id=str(key))

    def alias(name: str, alias: str, version: str) -> None:
        post("registered-models/alias", name=name, alias=alias, version=version)

    tracking = MlflowTracking(uri=server.uri, username=server.username, password=server.password)
    return TrackingCase(tracking=tracking, delete=delete, alias=alias)


@pytest.mark.server
class TestMlflow(TrackingContract):
    @pytest.fixture
    def case(self, mlflow_server: MlflowServer) -> TrackingCase:
        return case_on(mlflow_server)
