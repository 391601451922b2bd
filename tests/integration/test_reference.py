"""The README's reference of requests is true: each verb asks a real server what its row says, as often."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

import mlopus
from mlopus import Failure
from mlopus.api import searching
from tests.integration.reference_world import ROWS_A_PAGE, World, populate
from tests.integration.verbs_called import CASES
from tests.reference import rows
from tests.servers.fixtures import StartProxy
from tests.servers.loopback import Loopback
from tests.servers.messages import SeenRequest
from tests.servers.mlflow_server import MlflowServer

ROWS = {(verb, row.case): row for row in rows() for verb in row.verbs}


@attrs.frozen(kw_only=True)
class Asked:
    """What is on a server, and a way to it that is counted."""

    world: World
    proxy: Loopback


@pytest.fixture(scope="module")
def world(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> World:
    return populate(mlflow_server, tmp_path_factory.mktemp("world"))


@pytest.fixture
def asked(
    mlflow_server: MlflowServer, world: World, counting_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> Asked:
    monkeypatch.setattr(searching, "PAGE_SIZE", ROWS_A_PAGE)
    return Asked(world=world, proxy=counting_proxy(mlflow_server.uri))


@pytest.mark.parametrize(
    ("verb", "case"), [pytest.param(*key, id=", ".join(filter(None, key))) for key in ROWS]
)
def test_a_verb_asks_what_its_row_says(asked: Asked, tmp_path: Path, verb: str, case: str) -> None:
    row, called, proxy = ROWS[verb, case], CASES[verb, case], asked.proxy
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path / "cache")
    call = called.ready(asked.world, api, tmp_path)
    proxy.forget()

    answer = call()

    assert not isinstance(answer, Failure)
    assert (frozenset(map(path_of, proxy.requests)), len(proxy.requests)) == (
        row.asks,
        row.count(called.times),
    )


def path_of(request: SeenRequest) -> str:
    """A request as the reference names it."""
    found = re.match(r"/api/[23]\.0/(?:mlflow/|(?=mlflow-artifacts))|/", request.path)
    assert found is not None
    named = request.path[found.end() :]
    return "mlflow-artifacts" if named.startswith("mlflow-artifacts") else named
