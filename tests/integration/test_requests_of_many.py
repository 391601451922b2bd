"""How often a real server is asked for many runs and versions, and over how many connections."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, ModelApi, or_raise
from mlopus.api import searching
from tests.integration.stores import new_name
from tests.servers.fixtures import StartProxy
from tests.servers.loopback import Loopback
from tests.servers.mlflow_server import MlflowServer
from tests.servers.seeding import copy_run, copy_version

SEARCH_RUNS = "POST /api/2.0/mlflow/runs/search"
SEARCH_VERSIONS = "GET /api/2.0/mlflow/model-versions/search"
LIST_EXPS = "POST /api/2.0/mlflow/experiments/search"
GET_EXP = "GET /api/2.0/mlflow/experiments/get"
GET_MODEL = "GET /api/2.0/mlflow/registered-models/get"

SIZES = (334, 333, 333)
VERSIONS = 100


@attrs.frozen(kw_only=True)
class Crowd:
    """A thousand runs in three experiments, and a model with a version of each of a hundred of them."""

    exp_ids: list[str]
    model: ModelApi


@pytest.fixture(scope="module")
def crowd(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    api = mlopus.connect(mlflow_server.uri, cache_dir=tmp_path_factory.mktemp("crowd"))
    exps = tuple(or_raise(api.create_exp(new_name())) for _ in SIZES)
    model = or_raise(api.create_model(new_name()))
    for exp, size in zip(exps, SIZES, strict=True):
        run = or_raise(exp.start_run("r", tags={f"tag{n}": n for n in range(10)}))
        or_raise(run.log_params({f"p{n}": n / 7 for n in range(20)}))
        or_raise(run.log_metrics({f"m{n}": n for n in range(20)}))
        copies = copy_run(mlflow_server, run.id, size - 1)
        if exp == exps[0]:
            or_raise(run.log_model_version(model, lambda path: path.touch(), use_cache=False))
            or_raise(api.set_alias(model, "first", 1))
            copy_version(mlflow_server, model.name, copies[: VERSIONS - 1])
    return Crowd(exp_ids=[exp.id for exp in exps], model=model)


@pytest.fixture
def asking(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> tuple[MlflowApi, Loopback]:
    """An API that knows nothing yet, whose requests are counted."""
    proxy = counting_proxy(mlflow_server.uri)
    return mlopus.connect(proxy.uri, cache_dir=tmp_path), proxy


def test_a_thousand_runs_are_their_page_and_each_experiment(
    crowd: Crowd, asking: tuple[MlflowApi, Loopback]
) -> None:
    api, proxy = asking

    found = or_raise(api.find_runs({"exp.id": {"$in": crowd.exp_ids}}).all())

    assert Counter(run.exp.id for run in found) == dict(zip(crowd.exp_ids, SIZES, strict=True))
    assert Counter(proxy.calls) == {SEARCH_RUNS: 1, GET_EXP: len(SIZES)}
    assert proxy.connections <= len(SIZES)


def test_smaller_pages_are_more_requests_and_no_more_experiments(
    crowd: Crowd, asking: tuple[MlflowApi, Loopback], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, proxy = asking
    monkeypatch.setattr(searching, "PAGE_SIZE", 300)

    found = or_raise(api.find_runs({"exp.id": {"$in": crowd.exp_ids}}, sorting=[("start_time", 1)]).all())

    assert len({run.id for run in found}) == sum(SIZES)
    assert Counter(proxy.calls) == {SEARCH_RUNS: 4, GET_EXP: len(SIZES)}


def test_a_hundred_versions_are_their_page_their_model_and_a_search_for_their_runs(
    crowd: Crowd, asking: tuple[MlflowApi, Loopback]
) -> None:
    api, proxy = asking

    found = or_raise(api.find_model_versions({"model.name": crowd.model.name}).all())

    assert len({version.run and version.run.id for version in found}) == len(found) == VERSIONS
    assert Counter(proxy.calls) == {SEARCH_VERSIONS: 1, GET_MODEL: 1, LIST_EXPS: 1, SEARCH_RUNS: 1}


def test_aliases_of_a_hundred_versions_take_no_request_each(
    crowd: Crowd, asking: tuple[MlflowApi, Loopback]
) -> None:
    api, _ = asking

    found = or_raise(api.find_model_versions({"model.name": crowd.model.name}).all())

    assert {version.version: version.aliases for version in found if version.aliases} == {"1": ("first",)}
