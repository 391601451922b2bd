"""The artifact store contract behind a real MLflow server's proxy."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from mlopus.repositories.mlflow import MlflowTracking
from mlopus.repositories.stores.proxy import MlflowArtifactsStore
from mlopus.result import Success
from mlopus.testing.contracts.artifact_store import ArtifactStoreContract, StoreCase
from mlopus.testing.contracts.trees import AWKWARD
from mlopus.wire.mlflow.artifacts import uploadable
from tests.servers.mlflow_server import MlflowServer

HOSTILE = (
    ("NUL",),
    ("conf/aux.json",),
    ("back\\slash",),
    ("bell\a",),
    ("Case", "case"),
    ("café", "cafe\u0301"),
)


def _is_kept(name: str) -> bool:
    """Whether the proxy keeps a file under that name; others are refused before they are sent."""
    return isinstance(uploadable("", name), Success)


def _is_given_back_by_mlflow_2(name: str) -> bool:
    """Whether gunicorn serves a file of that name: it refuses a header that MLflow makes of other names."""
    return name.rpartition("/")[2].isascii()


def case_on(
    server: MlflowServer, *, resumes: bool = False, serves: Callable[[str], bool] = lambda _: True
) -> StoreCase:
    own = uuid.uuid4().hex
    folder = server.folder / "artifacts" / own

    def seed(path: str, content: bytes) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def peek(path: str) -> bytes | None:
        target = folder / path
        return target.read_bytes() if target.is_file() else None

    return StoreCase(
        store=MlflowArtifactsStore(transport=MlflowTracking(uri=server.uri).transport),
        url=f"mlflow-artifacts:/{own}",
        seed=seed,
        peek=peek,
        keeps_folders=False,
        hostile=HOSTILE,
        resumes=resumes,
        names={name: content for name, content in AWKWARD.items() if _is_kept(name) and serves(name)},
    )


@pytest.mark.server
class TestProxy(ArtifactStoreContract):
    @pytest.fixture
    def case(self, mlflow_server: MlflowServer) -> StoreCase:
        return case_on(mlflow_server, resumes=True)


@pytest.mark.server
class TestProxyOfMlflow2(ArtifactStoreContract):
    @pytest.fixture
    def case(self, mlflow_2_server: MlflowServer) -> StoreCase:
        return case_on(mlflow_2_server, serves=_is_given_back_by_mlflow_2)
