"""The tracking contract on real MLflow servers of each kind."""

from __future__ import annotations

import attrs
import pytest

from mlopus.repositories.mlflow import MlflowTracking
from mlopus.testing.contracts.tracking import TrackingContract
from mlopus.testing.contracts.tracking_case import TrackingCase
from tests.servers.fixtures import StartPrefix
from tests.servers.mlflow_server import MlflowServer


def case_on(server: MlflowServer) -> TrackingCase:
    tracking = MlflowTracking(uri=server.uri, username=server.username, password=server.password)
    is_3 = not server.version.startswith("2.")
    return TrackingCase(tracking=tracking, untags_experiments=is_3, takes_nan_again=is_3)


@pytest.mark.server
class TestMlflow(TrackingContract):
    @pytest.fixture
    def case(self, mlflow_server: MlflowServer) -> TrackingCase:
        return case_on(mlflow_server)


@pytest.mark.server
class TestMlflow2(TrackingContract):
    @pytest.fixture
    def case(self, mlflow_2_server: MlflowServer) -> TrackingCase:
        return case_on(mlflow_2_server)


@pytest.mark.server
class TestMlflowOfSeveralWorkers(TrackingContract):
    @pytest.fixture
    def case(self, mlflow_workers_server: MlflowServer) -> TrackingCase:
        return case_on(mlflow_workers_server)


@pytest.mark.server
class TestMlflowWithBasicAuth(TrackingContract):
    @pytest.fixture
    def case(self, mlflow_auth_server: MlflowServer) -> TrackingCase:
        return case_on(mlflow_auth_server)


@pytest.mark.server
class TestMlflowBelowAPath(TrackingContract):
    @pytest.fixture
    def case(self, mlflow_server: MlflowServer, prefix_proxy: StartPrefix) -> TrackingCase:
        uri = prefix_proxy(mlflow_server.uri, "/team/mlflow")
        return case_on(attrs.evolve(mlflow_server, uri=uri))
