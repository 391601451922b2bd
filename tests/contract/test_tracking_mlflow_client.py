"""The tracking contract on a database that MLflow's own stores open, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlopus.repositories.mlflow_client import MlflowClientTracking
from mlopus.testing.contracts.tracking import TrackingContract
from mlopus.testing.contracts.tracking_case import TrackingCase


def client_case(uri: str, artifact_root: str | None) -> TrackingCase:
    return TrackingCase(tracking=MlflowClientTracking(uri=uri, artifact_root=artifact_root))


@pytest.fixture(scope="session")
def on_database(tmp_path_factory: pytest.TempPathFactory) -> TrackingCase:
    folder: Path = tmp_path_factory.mktemp("mlflow client")
    return client_case(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"))


class TestDatabase(TrackingContract):
    @pytest.fixture
    def case(self, on_database: TrackingCase) -> TrackingCase:
        return on_database


class TestFiles(TrackingContract):
    @pytest.fixture
    def case(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingCase:
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the user's decision
        monkeypatch.chdir(tmp_path)  # where MLflow would make a database, were it asked for its own store
        return client_case((tmp_path / "mlruns").as_uri(), None)
