"""A run as a context manager: it ends with its block, whatever ends that."""

from __future__ import annotations

import pytest

import mlopus
from mlopus import RunApi, RunStatus, errors, or_raise


@pytest.fixture
def run() -> RunApi:
    api = mlopus.testing.in_memory()
    return or_raise(api.start_run(or_raise(api.get_or_create_exp("demo"))))


def status_of(run: RunApi) -> RunStatus | None:
    return or_raise(run.refresh()).status


def test_a_block_that_ends_finishes_its_run(run: RunApi) -> None:
    with run as entered:
        before = status_of(entered)

    assert (before, status_of(run)) == (RunStatus.RUNNING, RunStatus.FINISHED)
    assert or_raise(run.refresh()).end_time is not None


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_fails_its_run_and_lets_that_through(
    run: RunApi, kind: type[BaseException]
) -> None:
    error = kind()

    with pytest.raises(kind) as raised, run:
        raise error

    assert raised.value is error
    assert status_of(run) is RunStatus.FAILED


def test_a_run_that_cannot_be_ended_is_told(run: RunApi) -> None:
    with pytest.raises(errors.InvalidRequest), run:
        or_raise(run.delete())


def test_a_run_that_cannot_be_ended_is_told_beside_what_its_block_raised(run: RunApi) -> None:
    error, deleted = ZeroDivisionError(), or_raise(run.delete())

    with pytest.raises(errors.InvalidRequest) as raised, deleted:
        raise error

    assert raised.value.__cause__ is error


def test_a_resumed_run_ends_with_its_block_too(run: RunApi) -> None:
    with run:
        or_raise(run.log_params({"a": 1}))

    with or_raise(run.api.resume_run(run.id)) as resumed:
        before = status_of(resumed)

    assert (before, status_of(run)) == (RunStatus.RUNNING, RunStatus.FINISHED)
