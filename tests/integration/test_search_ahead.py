"""Which pages and parents of a search are asked for, when, on which threads and connections."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import mlopus
from mlopus import MlflowApi, or_raise
from mlopus.api import searching
from tests.servers.fixtures import StartLoopback
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer, SeenRequest

SEARCH_RUNS = "POST /api/2.0/mlflow/runs/search"
GET_EXP = "GET /api/2.0/mlflow/experiments/get"
EXPS = ("1", "2", "3")
PAGES = 4
PAGE_SIZE = 3
PATIENCE_S = 10.0


class Server:
    """Four pages of three runs, each page a run of each experiment; the second can be held back, or fail."""

    def __init__(self) -> None:
        self.second_is_asked_for = threading.Event()
        self.may_answer_second = threading.Event()
        self.may_answer_second.set()
        self.broken: int | None = None
        self.exps_come_together = False
        self._together = threading.Barrier(len(EXPS))

    def __call__(self, request: SeenRequest) -> Answer:
        if request.call == SEARCH_RUNS:
            return self._page(int(request.json().get("page_token") or 0), request.json()["max_results"])
        exp_id = dict(request.query)["experiment_id"]
        if self.exps_come_together:
            self._together.wait(PATIENCE_S)
        return Answer.of_json({"experiment": {"experiment_id": exp_id, "name": f"exp {exp_id}"}})

    def _page(self, number: int, size: int) -> Answer:
        if number == 1:
            self.second_is_asked_for.set()
            assert self.may_answer_second.wait(PATIENCE_S)
        if number == self.broken:
            return Answer.of_json({"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}, status=400)
        runs = [
            {"info": {"run_id": f"r{number}{exp_id}", "experiment_id": exp_id, "run_name": f"p{number}"}}
            for exp_id in EXPS[:size]
        ]
        token = str(number + 1) if number + 1 < PAGES else None
        return Answer.of_json({"runs": runs, "next_page_token": token})


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(searching, "PAGE_SIZE", PAGE_SIZE)
    return Server()


@pytest.fixture
def server(answers: Server, loopback: StartLoopback) -> Loopback:
    return loopback(answers)


@pytest.fixture
def api(server: Loopback, tmp_path: Path) -> MlflowApi:
    return mlopus.connect(server.uri, cache_dir=tmp_path, max_retries=0)


def everything(api: MlflowApi, **query: Any) -> mlopus.Search[mlopus.RunApi]:
    return api.find_runs({"exp.id": {"$in": list(EXPS)}, **query})


def pages_asked(server: Loopback) -> list[int]:
    return [int(seen.json().get("page_token") or 0) for seen in server.requests if seen.call == SEARCH_RUNS]


def page_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("mlopus-page")]


def test_nobody_is_asked_before_a_search_is_read(api: MlflowApi, server: Loopback) -> None:
    unread = everything(api).pages(), iter(everything(api))

    assert server.calls == ()
    assert len(unread) == 2


def test_the_next_page_is_asked_for_while_one_is_used(api: MlflowApi, answers: Server) -> None:
    pages = everything(api).pages()

    next(pages)

    assert answers.second_is_asked_for.wait(PATIENCE_S)
    pages.close()


def test_no_more_than_one_page_is_asked_for_early(api: MlflowApi, server: Loopback) -> None:
    pages = everything(api).pages()
    next(pages)

    pages.close()

    assert pages_asked(server) == [0, 1]


@pytest.mark.parametrize(("limit", "asked"), [(1, [0]), (3, [0]), (4, [0, 1]), (6, [0, 1]), (7, [0, 1, 2])])
def test_a_limit_asks_for_no_page_that_is_not_needed(
    limit: int, asked: list[int], api: MlflowApi, server: Loopback
) -> None:
    found = or_raise(everything(api).limit(limit).all())

    assert (len(found), pages_asked(server)) == (limit, asked)


def test_the_first_entity_is_one_page(api: MlflowApi, server: Loopback) -> None:
    assert or_raise(everything(api).first()) is not None

    assert pages_asked(server) == [0]


def test_the_first_that_matches_here_is_as_many_pages_as_it_takes(api: MlflowApi, server: Loopback) -> None:
    found = or_raise(everything(api, name={"$regex": "p[2]"}).first())

    assert (found and found.id, pages_asked(server)) == ("r21", [0, 1, 2])


def test_a_page_that_fails_is_told_in_its_turn(api: MlflowApi, answers: Server) -> None:
    answers.broken = 1

    pages = [page.map(len).value_or("failed") for page in everything(api).pages()]

    assert pages == [PAGE_SIZE, "failed"]


def test_after_a_page_that_fails_no_other_is_asked_for(
    api: MlflowApi, answers: Server, server: Loopback
) -> None:
    answers.broken = 1

    assert everything(api).all().failure().code == "INVALID_PARAMETER_VALUE"

    assert pages_asked(server) == [0, 1]


def test_whoever_stops_reading_leaves_no_thread_behind(api: MlflowApi, answers: Server) -> None:
    answers.may_answer_second.clear()
    pages = everything(api).pages()
    next(pages)
    assert answers.second_is_asked_for.wait(PATIENCE_S)
    during = page_threads()

    threading.Timer(0.1, answers.may_answer_second.set).start()
    pages.close()

    assert (len(during), page_threads()) == (1, [])


def test_a_loop_that_is_left_leaves_no_thread_behind(api: MlflowApi) -> None:
    for _ in everything(api):
        break

    assert page_threads() == []


def test_a_search_that_is_read_to_its_end_leaves_no_thread_behind(api: MlflowApi) -> None:
    assert len(or_raise(everything(api).all())) == PAGES * PAGE_SIZE

    assert page_threads() == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_asks_itself_for_what_its_parent_waits_for(api: MlflowApi, answers: Server) -> None:
    answers.may_answer_second.clear()
    pages = everything(api).pages()
    next(pages)
    assert answers.second_is_asked_for.wait(PATIENCE_S)
    threading.Timer(0.1, answers.may_answer_second.set).start()
    out, into = os.pipe()

    child = os.fork()
    if child == 0:
        os.write(into, json.dumps([len(or_raise(page)) for page in pages]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(into)

    assert json.loads(os.read(out, 1000)) == [PAGE_SIZE] * 3
    assert [len(or_raise(page)) for page in pages] == [PAGE_SIZE] * 3
    os.close(out)


def test_the_parents_of_a_page_are_asked_for_at_once_and_each_once(
    api: MlflowApi, answers: Server, server: Loopback
) -> None:
    answers.exps_come_together = True

    found = or_raise(everything(api).all())

    assert {run.exp.name for run in found} == {"exp 1", "exp 2", "exp 3"}
    assert Counter(server.calls) == {SEARCH_RUNS: PAGES, GET_EXP: len(EXPS)}


def test_connections_are_used_again(api: MlflowApi, server: Loopback) -> None:
    or_raise(everything(api).all())
    or_raise(everything(api).all())

    assert len(server.requests) == 2 * PAGES + len(EXPS)
    assert server.connections <= 1 + len(EXPS)
