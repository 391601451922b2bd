"""The raising view does what the verbs do, and gives values."""

from __future__ import annotations

import pytest

import mlopus
from mlopus.api.raising import RaisingApi
from mlopus.domain.status import RunStatus
from mlopus.errors import NotFound
from mlopus.handles.raising import RaisingExp, RaisingRun


@pytest.fixture
def api() -> RaisingApi:
    return mlopus.testing.in_memory().raising


@pytest.fixture
def exp(api: RaisingApi) -> RaisingExp:
    return api.get_or_create_exp("demo")


def test_a_failure_is_raised_with_its_hint(api: RaisingApi) -> None:
    with pytest.raises(NotFound, match="3f2a") as raised:
        api.get_run("3f2a")

    assert raised.value.__notes__ == [raised.value.hint]


def test_writes_chain(exp: RaisingExp) -> None:
    run = exp.start_run("r1").log_params({"lr": 0.1}).set_tags({"stage": "dev"})

    assert (run.params, run.tags["stage"]) == ({"lr": 0.1}, "dev")


def test_what_was_written_is_what_the_api_reads(api: RaisingApi, exp: RaisingExp) -> None:
    run = exp.start_run("r1").log_metrics({"loss": 1})

    assert api.get_run(run.id).metrics == {"loss": 1.0}


def test_a_block_ends_its_run(exp: RaisingExp) -> None:
    with exp.start_run("r1") as run:
        assert run.status is RunStatus.RUNNING

    assert run.refresh().status is RunStatus.FINISHED


def test_a_block_that_raises_fails_its_run_and_lets_the_exception_through(exp: RaisingExp) -> None:
    run = exp.start_run("r1")

    with pytest.raises(ZeroDivisionError), run:
        _ = 1 / 0

    assert run.refresh().status is RunStatus.FAILED


def test_a_search_finds_raising_handles(api: RaisingApi, exp: RaisingExp) -> None:
    run = exp.start_run("r1")

    found = api.find_runs({"name": "r1"})

    assert [type(each) for each in (*found, *found.all(), found.first())] == [RaisingRun] * 3
    assert found.all() == (run,)


def test_a_search_that_finds_nothing_is_empty(api: RaisingApi) -> None:
    found = api.find_exps({"name": "none of that name"})

    assert (found.first(), found.count(), list(found.pages())) == (None, 0, [])


def test_a_search_stops_at_its_limit(api: RaisingApi, exp: RaisingExp) -> None:
    exp.start_run("r1")
    exp.start_run("r2")

    assert api.find_runs().limit(1).count() == 1


def test_either_api_takes_a_raising_handle(api: RaisingApi, exp: RaisingExp) -> None:
    run = api.results.start_run(exp, "r1").unwrap()

    assert api.get_run(run.raising) == api.results.get_run(run.raising).unwrap()


def test_an_executed_plan_gives_a_raising_handle(api: RaisingApi) -> None:
    plan = api.plan.create_exp("demo").unwrap()

    assert type(api.execute(plan).value) is RaisingExp
