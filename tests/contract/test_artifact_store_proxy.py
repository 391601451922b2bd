"""The artifact store contract behind a real MLflow server's proxy."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from mlopus.domain.paths import join_url
from mlopus.errors import NotFound
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.repositories.stores.proxy import MlflowArtifactsStore
from mlopus.result import Success
from mlopus.testing.contracts.artifact_store import ArtifactStoreContract, StoreCase
from mlopus.testing.contracts.trees import AWKWARD, MODEL
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


class ProxyContract(ArtifactStoreContract):
    """What MLflow's proxy is asked besides."""

    def test_opening_a_folder_is_not_found(self, case: StoreCase) -> None:
        url = case.fill(MODEL)

        assert isinstance(case.store.open(join_url(url, "data")).failure(), NotFound)


@pytest.mark.server
class TestProxy(ProxyContract):
    @pytest.fixture
    def case(self, mlflow_server: MlflowServer) -> StoreCase:
        return case_on(mlflow_server, resumes=True)


@pytest.mark.server
class TestProxyOfMlflow2(ProxyContract):
    @pytest.fixture
    def case(self, mlflow_2_server: MlflowServer) -> StoreCase:
        return case_on(mlflow_2_server, serves=_is_given_back_by_mlflow_2)
