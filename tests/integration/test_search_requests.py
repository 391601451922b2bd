"""How often a server is asked for a search: as often as the search said it would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import attrs
import httpx
import pytest

import mlopus
from mlopus import ExpApi, ModelApi, RunApi, Search, or_raise
from mlopus.api import narrowing, searching
from tests.integration.stores import new_name
from tests.servers.fixtures import StartProxy
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer

SEARCH_RUNS = "POST /api/2.0/mlflow/runs/search"
SEARCH_VERSIONS = "GET /api/2.0/mlflow/model-versions/search"
LIST_EXPS = "POST /api/2.0/mlflow/experiments/search"
GET_EXP = "GET /api/2.0/mlflow/experiments/get"
GET_MODEL = "GET /api/2.0/mlflow/registered-models/get"
GET_RUN = "GET /api/2.0/mlflow/runs/get"


@attrs.frozen(kw_only=True)
class Shelf:
    """Two experiments of six runs, each run with a version of one of two models; `label` is a tag of all."""

    uri: str
    label: str
    exps: tuple[ExpApi, ...]
    runs: tuple[RunApi, ...]
    models: tuple[ModelApi, ...]


@pytest.fixture(scope="module")
def shelf(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    api = mlopus.connect(mlflow_server.uri, cache_dir=tmp_path_factory.mktemp("making"))
    exps = tuple(or_raise(api.create_exp(new_name(), tags={"shelf": True})) for _ in range(2))
    models = tuple(or_raise(api.create_model(new_name())) for _ in range(2))
    label = new_name()
    runs: list[RunApi] = []
    for number in range(12):
        run = or_raise(exps[number % 2].start_run(f"r{number}", tags={"number": number, "label": label}))
        or_raise(run.log_metrics({"acc": number / 12}))
        or_raise(run.log_model_version(models[number // 6], lambda path: path.touch(), use_cache=False))
        runs.append(run)
    return Shelf(uri=mlflow_server.uri, label=label, exps=exps, runs=tuple(runs), models=models)


@pytest.fixture
def asking(shelf: Shelf, counting_proxy: StartProxy, tmp_path: Path) -> tuple[mlopus.MlflowApi, Loopback]:
    """An API that knows nothing yet, whose requests are counted."""
    proxy = counting_proxy(shelf.uri)
    return mlopus.connect(proxy.uri, cache_dir=tmp_path), proxy


def told(search: Search[Any]) -> str:
    """What a search says of its requests."""
    return next(line for line in search.explain().splitlines() if line.startswith("requests"))[9:]


def test_runs_of_named_experiments_are_a_page_and_each_experiment(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    search = api.find_runs({"exp.id": {"$in": [exp.id for exp in shelf.exps]}, "metrics.acc": {"$gt": 0.5}})

    found = or_raise(search.all())

    assert (len(found), told(search)) == (5, "pages + 1 for each experiment found")
    assert sorted(proxy.calls) == [GET_EXP, GET_EXP, SEARCH_RUNS]


def test_the_experiment_that_is_given_is_not_asked_for(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    search = attrs.evolve(shelf.exps[0], api=api).find_runs({"metrics.acc": {"$gt": 0.5}})

    found = or_raise(search.all())

    assert ({run.exp for run in found}, told(search)) == ({shelf.exps[0]}, "pages")
    assert proxy.calls == (SEARCH_RUNS,)


def test_what_is_matched_by_or_kept_is_asked_for_though_it_was_given(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    old = attrs.evolve(shelf.exps[0], name="as it was called before", api=api)
    now, one_run = shelf.exps[0].name, {"id": shelf.runs[0].id}

    matched = old.find_runs(one_run | {"exp.name": now})
    assert (or_raise(matched.count()), told(matched)) == (1, "pages + 1 for each experiment found")
    assert or_raise(old.find_runs(one_run).cache()) == 1
    assert or_raise(api.in_offline_mode.get_exp(old.id)).name == now
    assert proxy.count(GET_EXP) >= 1


def test_explaining_asks_nobody(asking: Any) -> None:
    api, proxy = asking

    api.find_runs({"tags.number": 5}).explain()

    assert proxy.calls == ()


def test_runs_of_any_experiment_are_a_page_and_the_list_of_experiments(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    search = api.find_runs({"exp.tags.shelf": True, "exp.name": shelf.exps[0].name, "tags.number": 4})

    found = or_raise(search.all())

    assert ([run.id for run in found], told(search)) == (
        [shelf.runs[4].id],
        "pages + 1 for the list of experiments",
    )
    assert proxy.calls == (LIST_EXPS, SEARCH_RUNS)


def test_alternatives_are_searches_and_each_at_least_a_page(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    ids = [run.id for run in shelf.runs]
    exp = {"exp.id": shelf.exps[0].id}
    search = api.find_runs(
        exp | {"$or": [{"id": ids[0]}, {"metrics.acc": {"$gt": 0.9}}, {"status": "KILLED"}]}
    )

    assert len(or_raise(search.all())) == 1
    assert "pages    of up to 1000 rows, in 3 searches" in search.explain()
    assert sorted(proxy.calls) == [GET_EXP, SEARCH_RUNS, SEARCH_RUNS, SEARCH_RUNS]


def test_what_cannot_match_asks_for_nothing(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    search = api.find_runs({"exp.id": shelf.exps[0].id, "status": "PAUSED"})

    assert (or_raise(search.count()), told(search)) == (0, "none, since nothing can match")
    assert proxy.calls == ()


OF_VERSIONS = (
    "pages + 1 for each model found (1 a page if more than 2)"
    " + 1 for each run found and its experiment (2 if more than 3 runs)"
)


@pytest.mark.parametrize(
    ("condition", "count"),
    [({}, 6), ({"run.metrics.acc": {"$gte": 0.25}}, 3), ({"run.exp.tags.shelf": 1}, 0)],
)
def test_the_runs_of_many_versions_are_searched_for(
    shelf: Shelf, asking: Any, condition: dict[str, Any], count: int
) -> None:
    api, proxy = asking
    search = api.find_model_versions({"model.name": shelf.models[0].name} | condition)

    found = or_raise(search.all())

    assert (len(found), told(search)) == (count, OF_VERSIONS)
    assert proxy.calls == (SEARCH_VERSIONS, GET_MODEL, LIST_EXPS, SEARCH_RUNS)


def numbers_of(versions: Any) -> list[int]:
    return sorted(version.run.tags["number"] for version in versions)


def test_versions_of_few_runs_are_asked_for_by_these(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    search = api.find_model_versions({"run.tags.label": shelf.label, "run.metrics.acc": {"$gt": 0.7}})

    found = or_raise(search.all())

    assert numbers_of(found) == [9, 10, 11]
    assert proxy.calls == (LIST_EXPS, SEARCH_RUNS, SEARCH_VERSIONS, GET_MODEL, SEARCH_VERSIONS)


def test_versions_of_runs_that_are_not_there_are_not_asked_for(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    search = api.find_model_versions({"run.tags.label": shelf.label, "run.status": "KILLED"})

    assert or_raise(search.all()) == ()
    assert proxy.calls == (LIST_EXPS, SEARCH_RUNS)


def test_versions_of_many_runs_are_read_with_all_others(
    shelf: Shelf, asking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, _ = asking
    for module in (narrowing, searching):
        monkeypatch.setattr(module, "MOST_RUNS", 5)
    search = api.find_model_versions({"run.tags.label": shelf.label, "run.metrics.acc": {"$lt": 0.5}})

    found = or_raise(search.all())

    assert numbers_of(found) == [0, 1, 2, 3, 4, 5]


def test_counting_reads_no_parents_that_the_query_does_not_ask_about(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    of_model = api.find_model_versions({"model.name": shelf.models[0].name})

    assert or_raise(of_model.count()) == 6
    assert proxy.calls == (SEARCH_VERSIONS, GET_MODEL)


def test_one_of_many_reads_the_parents_of_one(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking
    of_model = api.find_model_versions({"model.name": shelf.models[0].name}, sorting=[("created_at", -1)])

    found = or_raise(of_model.first())

    assert (found.version, found.run.id) == ("6", shelf.runs[5].id)
    assert proxy.calls == (SEARCH_VERSIONS, GET_MODEL, GET_RUN, GET_EXP)


def test_the_run_of_one_version_is_asked_for(shelf: Shelf, asking: Any) -> None:
    api, proxy = asking

    found = or_raise(api.find_model_versions({"run.id": shelf.runs[0].id}).all())

    assert [(version.version, version.run.id) for version in found] == [("1", shelf.runs[0].id)]
    assert sorted(proxy.calls) == sorted([SEARCH_VERSIONS, SEARCH_VERSIONS, GET_MODEL, GET_RUN, GET_EXP])


def test_runs_that_are_deleted_are_still_those_of_their_versions(
    mlflow_server: MlflowServer, asking: Any
) -> None:
    api, _ = asking
    exp, model = or_raise(api.create_exp(new_name())), or_raise(api.create_model(new_name()))
    runs = [or_raise(exp.start_run(f"r{number}")) for number in range(5)]
    for run in runs:
        or_raise(run.log_model_version(model, Path.touch, use_cache=False))
    delete(mlflow_server, runs[4])

    found = or_raise(model.find_versions({"run.name": {"$in": ["r3", "r4"]}}, [("version", 1)]).all())

    assert [version.run and version.run.name for version in found] == ["r3", "r4"]


def delete(server: MlflowServer, run: RunApi) -> None:
    httpx.post(f"{server.uri}/api/2.0/mlflow/runs/delete", json={"run_id": run.id}).raise_for_status()


class Moving:
    """Does something to the runs when the second page of them is asked for."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._lock = Lock()
        self._pages = 0

    def __call__(self, request: SeenRequest) -> Answer | None:
        if request.call == SEARCH_RUNS:
            with self._lock:
                self._pages += 1
                if self._pages == 2:
                    self._act()
        return None


@pytest.fixture
def twelve(asking: Any, monkeypatch: pytest.MonkeyPatch) -> list[RunApi]:
    """Twelve runs of one experiment; pages are of five."""
    monkeypatch.setattr(searching, "PAGE_SIZE", 5)
    exp = or_raise(asking[0].create_exp(new_name()))
    return [or_raise(exp.start_run(f"r{number:02}")) for number in range(12)]


SORTINGS = ([("start_time", -1)], [("name", 1)], None)


@pytest.mark.parametrize("sorting", SORTINGS, ids=str)
def test_rows_that_a_new_one_moves_to_the_next_page_come_once(
    sorting: Any,
    twelve: list[RunApi],
    mlflow_server: MlflowServer,
    counting_proxy: StartProxy,
    tmp_path: Path,
) -> None:
    proxy = counting_proxy(
        mlflow_server.uri, instead=Moving(lambda: or_raise(twelve[0].exp.start_run("r99")))
    )

    found = ids_found(proxy, tmp_path, twelve, sorting)

    assert len(found) == len(set(found))
    assert set(found) >= {run.id for run in twelve}


@pytest.mark.parametrize("sorting", SORTINGS, ids=str)
def test_where_a_row_goes_at_most_one_is_missed_and_none_comes_twice(
    sorting: Any,
    twelve: list[RunApi],
    mlflow_server: MlflowServer,
    counting_proxy: StartProxy,
    tmp_path: Path,
) -> None:
    proxy = counting_proxy(mlflow_server.uri, instead=Moving(lambda: delete(mlflow_server, twelve[11])))

    found = ids_found(proxy, tmp_path, twelve, sorting)

    assert len(found) == len(set(found))
    assert len({run.id for run in twelve} - set(found)) <= 1


def test_a_run_that_comes_to_match_two_alternatives_in_between_is_found(
    twelve: list[RunApi], mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    run = or_raise(twelve[0].set_tags({"second": "x"}))
    proxy = counting_proxy(mlflow_server.uri, instead=Moving(lambda: or_raise(run.set_tags({"first": "x"}))))
    either = {"$or": [{"tags.first": "x"}, {"tags.second": "x"}]}

    found = mlopus.connect(proxy.uri, cache_dir=tmp_path).find_runs({"exp.id": run.exp.id} | either)

    assert [each.id for each in found] == [run.id]


def ids_found(proxy: Loopback, folder: Path, runs: list[RunApi], sorting: Any) -> list[str]:
    api = mlopus.connect(proxy.uri, cache_dir=folder)
    return [run.id for run in api.find_runs({"exp.id": runs[0].exp.id}, sorting)]


def test_pages_come_in_order_and_a_search_stops_where_enough_is_found(
    shelf: Shelf, asking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, proxy = asking
    monkeypatch.setattr(searching, "PAGE_SIZE", 4)
    search = api.find_runs({"exp.id": shelf.exps[0].id}, sorting=[("start_time", -1)])

    pages = [[run.name for run in or_raise(page)] for page in search.pages()]

    assert pages == [["r10", "r8", "r6", "r4"], ["r2", "r0"]]
    proxy.forget()
    assert [run.name for run in or_raise(search.limit(2).all())] == ["r10", "r8"]
    assert proxy.count(SEARCH_RUNS) == 1
