"""Cache-first beside a server that stopped, or hangs: the cache answers, within one connect timeout."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, ModelVersionApi, RunApi, Search, errors, or_raise
from mlopus.execution import fetching
from tests.integration.stores import new_name
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer
from tests.servers.proxy import proxying

CONNECT_TIMEOUT_S = 1.0
SLACK_S = 2.0
"""For what happens beside the waiting, on a loaded machine; without a bound it would be minutes."""
Read: TypeAlias = Callable[[MlflowApi, RunApi], Any]


def first(search: Search[ModelVersionApi]) -> ModelVersionApi:
    """The one that a search finds."""
    (found,) = or_raise(search.all())
    return found


READS: dict[str, Read] = {
    "get_run": lambda api, run: or_raise(api.get_run(run.id)),
    "get_model_version": lambda api, run: or_raise(api.get_model_version((run.exp.name, 1))).run,
    "find_runs": lambda api, run: or_raise(api.find_runs({"exp.name": run.exp.name}).first()),
    "find_model_versions": lambda api, run: first(api.find_model_versions({"model.name": run.exp.name})).run,
}


@attrs.frozen(kw_only=True)
class Beside:
    """A server behind a proxy, and what was cached of it; `fail` makes it hang, `recover` ends that."""

    proxy: Loopback
    run: RunApi
    folder: Path
    fail: Callable[[], None]
    recover: Callable[[], None]

    def api(self, **settings: Any) -> MlflowApi:
        """A cache-first API whose cached metadata is too old, with the default retries."""
        return mlopus.connect(
            self.proxy.uri,
            cache_dir=self.folder,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            **{"max_age_s": 0, **settings},
        )


@pytest.fixture(params=["stopped", "hanging"])
def beside(request: pytest.FixtureRequest, mlflow_server: MlflowServer, tmp_path: Path) -> Iterator[Beside]:
    hanging: list[bool] = []

    def instead(_: SeenRequest) -> Answer | None:
        return Answer(delay_s=600) if hanging else None

    with proxying(mlflow_server.uri, instead=instead) as first:
        api = mlopus.connect(first.uri, cache_dir=tmp_path)
        name = new_name()
        run = or_raise(or_raise(api.create_exp(name)).start_run("r"))
        or_raise(api.create_model(name))
        or_raise(or_raise(run.log_model_version(name, lambda path: path.write_text("v1"))).cache())
        made = Beside(
            proxy=first, run=run, folder=tmp_path, fail=lambda: hanging.append(True), recover=hanging.clear
        )
        if request.param == "hanging":
            yield made
            return
    yield attrs.evolve(made, fail=lambda: None)  # nobody listens there any more


def took_s(read: Callable[[], Any]) -> tuple[float, Any]:
    """How long a read took, and what it gave."""
    began = time.monotonic()
    found = read()
    return time.monotonic() - began, found


@pytest.mark.parametrize("read", READS)
def test_what_is_cached_is_answered_within_one_connect_timeout(beside: Beside, read: str) -> None:
    beside.fail()

    spent_s, found = took_s(lambda: READS[read](beside.api(), beside.run))

    assert found.id == beside.run.id
    assert found.as_of is not None
    assert spent_s < CONNECT_TIMEOUT_S + SLACK_S


def test_a_server_that_is_away_is_waited_for_once(beside: Beside) -> None:
    beside.fail()
    api = beside.api()
    READS["get_run"](api, beside.run)
    before = beside.proxy.connections

    for read in READS.values():
        assert read(api, beside.run).id == beside.run.id

    assert beside.proxy.connections == before


@pytest.mark.parametrize("beside", ["hanging"], indirect=True)
def test_a_server_that_is_back_is_asked_again(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    beside.fail()
    api = beside.api()
    READS["get_run"](api, beside.run)
    beside.recover()
    monkeypatch.setattr(fetching, "SILENT_S", 0.0)  # as if that long had passed

    assert or_raise(api.get_run(beside.run.id)).as_of is None


def test_what_was_never_cached_is_said_with_why_the_server_did_not_tell(beside: Beside) -> None:
    beside.fail()
    api = beside.api(timeout_s=CONNECT_TIMEOUT_S, max_retries=0)

    spent_s, failure = took_s(lambda: api.get_run("0" * 32).failure())

    assert isinstance(failure, errors.NotCached)
    assert beside.proxy.uri in (failure.hint or "")
    assert spent_s < CONNECT_TIMEOUT_S + SLACK_S


def test_a_refresh_waits_for_the_server_and_says_that_it_did_not_answer(beside: Beside) -> None:
    beside.fail()
    api = beside.api(timeout_s=CONNECT_TIMEOUT_S, max_retries=0)

    assert isinstance(api.get_run(beside.run.id, refresh=True).failure(), errors.Unavailable)


def test_an_artifact_that_is_cached_is_served(beside: Beside) -> None:
    beside.fail()

    spent_s, found = took_s(lambda: or_raise(beside.api().get_model_artifact((beside.run.exp.name, 1))))

    assert found.read_text() == "v1"
    assert spent_s < CONNECT_TIMEOUT_S + SLACK_S
