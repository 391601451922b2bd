"""What a journal must do."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import ExperimentKey, ModelKey, RunKey
from mlopus.domain.provisional import provisional_id, provisional_version
from mlopus.domain.records import MetricSample, RunRecord, VersionRecord
from mlopus.domain.status import RunStatus
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_steps import QueueRequest, SettleRequests
from mlopus.plans.requests import (
    CreateRunIn,
    LogCollected,
    LogModelVersion,
    LogParams,
    PublishOptions,
    SetRunStatus,
    WriteRequest,
)
from mlopus.ports.journal import Journal

AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
DEAD = "00000000-1-1-0"
"""A process of another machine, of which nobody here can tell whether it lives."""
START = CreateRunIn(
    exp=ExperimentKey("7"),
    name="r1",
    tags=immutabledict({"é": (1, 2.5, None)}),
    repo=None,
    parent=None,
    start=True,
    operation_id="op-1",
    at=AT,
)
RUN_ID = provisional_id("op-1")
PARAMS = LogParams(run=RunKey(RUN_ID), params=immutabledict({"lr": 0.1}))
VERSION = LogModelVersion(
    model=ModelKey("ranker"),
    run=RunKey(RUN_ID),
    source="/home/user/model",
    path_in_run="ranker",
    from_callback=False,
    options=PublishOptions(),
    version=None,
    tags=immutabledict(),
    overwrite=False,
    operation_id="op-2",
)


def point(step: int, value: float, at: datetime = AT) -> MetricSample:
    """A point of the metric "loss"."""
    return MetricSample(key="loss", value=value, step=step, timestamp=at)


def logged(*points: MetricSample) -> LogCollected:
    """A request that adds points to the run."""
    return LogCollected(run=RunKey(RUN_ID), metrics=points)


@attrs.frozen(kw_only=True)
class JournalCase:
    """A journal to be tested, empty at first.

    Attributes:
        journal: The journal, of this process.
        as_process: The same journal in the hands of a process of that name.
        other: A journal of another origin, in the same place if places are shared.
        reopened: The same journal, as another process would open it; None where it is gone with its object.
    """

    journal: Journal
    as_process: Callable[[str], Journal]
    other: Journal
    reopened: Callable[[], Journal] | None = None

    def queue(
        self, request: WriteRequest, mark: str = "t1", held: str | None = None, at: datetime = AT
    ) -> int:
        """Queue a request."""
        step = QueueRequest(mark=mark, request=request, held=held, written_at=at)
        return self.journal.append(step).unwrap()

    def waiting(self) -> tuple[JournalEntry, ...]:
        """What waits."""
        return self.journal.entries().unwrap()


class JournalContract:
    """Inherit from this, name the class `Test…`, and give a fixture `case`."""

    def test_nothing_waits_before_anything_is_queued(self, case: JournalCase) -> None:
        assert case.waiting() == ()
        assert case.journal.marks().unwrap() == ()
        assert case.journal.claim(take_over=True).unwrap() == frozenset()
        assert case.journal.held_trees().unwrap() == ()
        assert case.journal.open_runs(take_over=True).unwrap() == ()

    def test_it_can_be_written(self, case: JournalCase) -> None:
        assert case.journal.is_writable

    def test_what_is_queued_waits_as_it_was_asked_in_order(self, case: JournalCase) -> None:
        first = case.queue(START, "t1")
        second = case.queue(VERSION, "t2", held="tree")

        assert case.waiting() == (
            JournalEntry(id=first, mark="t1", request=START, written_at=AT),
            JournalEntry(id=second, mark="t2", request=VERSION, held="tree", written_at=AT),
        )
        assert case.journal.marks().unwrap() == ("t1", "t2")
        assert first < second

    def test_a_request_is_queued_once_under_its_mark(self, case: JournalCase) -> None:
        first = case.queue(PARAMS)

        assert case.queue(PARAMS) == first
        assert len(case.waiting()) == 1

    def test_what_was_settled_is_not_queued_again(self, case: JournalCase) -> None:
        entry_id = case.queue(PARAMS)
        case.journal.settle(SettleRequests(entry_ids=(entry_id,))).unwrap()
        case.queue(PARAMS)

        assert case.waiting() == ()

    def test_numbers_are_not_given_twice(self, case: JournalCase) -> None:
        first = case.queue(PARAMS)
        case.journal.drop((first,)).unwrap()

        assert case.queue(PARAMS, "t2") > first

    def test_origins_do_not_mix(self, case: JournalCase) -> None:
        case.queue(START, held="tree")

        assert case.other.entries().unwrap() == ()
        assert case.other.marks().unwrap() == ()
        assert case.other.claim(take_over=True).unwrap() == frozenset()
        assert case.other.open_runs(take_over=True).unwrap() == ()

    def test_what_was_queued_is_there_in_another_process(self, case: JournalCase) -> None:
        case.queue(START)
        if case.reopened is not None:
            assert case.reopened().entries() == case.journal.entries()
        copy = pickle.loads(pickle.dumps(case.journal))  # noqa: S301 (its own bytes)
        assert copy.entries() == case.journal.entries()

    def test_a_settled_request_waits_no_more(self, case: JournalCase) -> None:
        first, second = case.queue(START), case.queue(PARAMS, "t2")
        case.journal.settle(SettleRequests(entry_ids=(second,))).unwrap()

        assert [entry.id for entry in case.waiting()] == [first]

    def test_a_provisional_id_stands_for_the_real_one_once_it_is_settled(self, case: JournalCase) -> None:
        entry_id = case.queue(START)
        before = case.journal.replies([RUN_ID]).unwrap()
        created = RunRecord(id="3f2a", exp_id="7")
        case.journal.settle(
            SettleRequests(entry_ids=(entry_id,), provisional=RUN_ID, created=created)
        ).unwrap()

        assert before == {}
        assert case.journal.replies([RUN_ID, "provisional-unknown"]).unwrap() == {RUN_ID: "3f2a"}

    def test_a_provisional_version_stands_for_the_real_number(self, case: JournalCase) -> None:
        entry_id, number = case.queue(VERSION), provisional_version("op-2")
        created = VersionRecord(name="ranker", version="4", source="s3://b/r")
        case.journal.settle(
            SettleRequests(entry_ids=(entry_id,), provisional=number, created=created)
        ).unwrap()

        assert case.journal.replies([number]).unwrap() == {number: "4"}

    @pytest.mark.parametrize("in_doubt", [True, False])
    def test_a_request_that_was_refused_is_in_no_doubt_unless_it_is_said(
        self, case: JournalCase, in_doubt: bool
    ) -> None:
        entry_id = case.queue(START)
        case.journal.attempt((entry_id,), LATER).unwrap()

        case.journal.refuse(entry_id, "refused", in_doubt=in_doubt).unwrap()

        assert [entry.attempted_at for entry in case.waiting()] == [LATER if in_doubt else None]

    def test_a_refused_request_waits_with_its_error(self, case: JournalCase) -> None:
        entry_id = case.queue(PARAMS)
        case.journal.refuse(entry_id, "param 'lr' has another value: é").unwrap()

        assert [entry.error for entry in case.waiting()] == ["param 'lr' has another value: é"]

    def test_an_attempt_is_noted(self, case: JournalCase) -> None:
        first, second = case.queue(START), case.queue(PARAMS, "t2")
        case.journal.attempt((second,), LATER).unwrap()

        assert [(entry.id, entry.attempted_at) for entry in case.waiting()] == [
            (first, None),
            (second, LATER),
        ]

    def test_what_is_dropped_waits_no_more(self, case: JournalCase) -> None:
        first, second = case.queue(START), case.queue(PARAMS, "t2")
        case.journal.drop((first, second, 99)).unwrap()

        assert case.waiting() == ()
        assert case.journal.open_runs(take_over=True).unwrap() == ()

    def test_what_nobody_has_claimed_is_claimed(self, case: JournalCase) -> None:
        ids = {case.queue(START), case.queue(PARAMS, "t2")}

        assert case.journal.claim(take_over=False).unwrap() == ids
        assert all(entry.claimed_by is not None for entry in case.waiting())

    def test_a_claim_of_a_process_that_may_live_is_taken_over_only_if_asked(self, case: JournalCase) -> None:
        entry_id = case.queue(START)
        case.as_process(DEAD).claim(take_over=False).unwrap()

        assert case.journal.claim(take_over=False).unwrap() == frozenset()
        assert case.journal.claim(take_over=True).unwrap() == {entry_id}

    def test_a_claim_that_is_given_up_is_free(self, case: JournalCase) -> None:
        entry_id = case.queue(START)
        elsewhere = case.as_process(DEAD)
        elsewhere.claim(take_over=False).unwrap()
        elsewhere.release().unwrap()

        assert case.journal.claim(take_over=False).unwrap() == {entry_id}

    def test_giving_up_leaves_the_claims_of_others(self, case: JournalCase) -> None:
        case.queue(START)
        case.as_process(DEAD).claim(take_over=False).unwrap()
        case.journal.release().unwrap()

        assert case.journal.claim(take_over=False).unwrap() == frozenset()

    def test_points_that_wait_are_a_history(self, case: JournalCase) -> None:
        case.queue(logged(point(2, 0.5), point(1, math.inf)))
        case.queue(logged(point(2, 0.25, LATER), point(2, 0.5)), "t2")

        assert case.journal.history(RUN_ID, "loss").unwrap() == (
            MetricPoint(math.inf, 1, AT),
            MetricPoint(0.5, 2, AT),
            MetricPoint(0.25, 2, LATER),
        )
        assert case.journal.history(RUN_ID, "other").unwrap() == ()

    def test_a_point_that_is_no_number_is_kept(self, case: JournalCase) -> None:
        case.queue(logged(point(1, math.nan)))

        assert [math.isnan(found.value) for found in case.journal.history(RUN_ID, "loss").unwrap()] == [True]

    def test_the_latest_point_is_that_of_the_greatest_step_then_time(self, case: JournalCase) -> None:
        case.queue(logged(point(3, 0.5), point(3, 0.1, LATER)))
        case.queue(logged(point(2, 0.9, LATER)), "t2")

        assert case.journal.latest(RUN_ID, ["loss", "other"]).unwrap() == {"loss": point(3, 0.1, LATER)}

    def test_points_that_are_settled_wait_no_more(self, case: JournalCase) -> None:
        entry_id = case.queue(logged(point(1, 0.5)))
        case.queue(logged(point(2, 0.25)), "t2")
        case.journal.settle(SettleRequests(entry_ids=(entry_id,))).unwrap()

        assert case.journal.history(RUN_ID, "loss").unwrap() == (MetricPoint(0.25, 2, AT),)

    def test_bytes_are_held_until_their_request_is_settled_or_dropped(self, case: JournalCase) -> None:
        first, second = case.queue(VERSION, held="one"), case.queue(VERSION, "t2", held="two")
        held = case.journal.held_trees().unwrap()
        case.journal.settle(SettleRequests(entry_ids=(first,))).unwrap()
        later = case.journal.held_trees().unwrap()
        case.journal.drop((second,)).unwrap()

        assert [(tree.tree_key, tree.by) for tree in held] == [("one", "journal"), ("two", "journal")]
        assert [tree.tree_key for tree in later] == ["two"]
        assert case.journal.held_trees().unwrap() == ()

    def test_a_run_is_open_from_its_start_to_its_end(self, case: JournalCase) -> None:
        case.queue(START)
        case.queue(PARAMS, "t2", at=LATER)
        opened = case.journal.open_runs(take_over=True).unwrap()
        case.queue(SetRunStatus(run=RunKey(RUN_ID), status=RunStatus.FINISHED, at=LATER), "t3")

        assert [(run.run_id, run.last_at, run.is_abandoned) for run in opened] == [(RUN_ID, LATER, False)]
        assert case.journal.open_runs(take_over=True).unwrap() == ()

    def test_a_run_stays_open_when_its_start_is_settled(self, case: JournalCase) -> None:
        entry_id = case.queue(START)
        case.journal.settle(SettleRequests(entry_ids=(entry_id,))).unwrap()
        before = [run.run_id for run in case.journal.open_runs(take_over=False).unwrap()]
        case.journal.close_run(RUN_ID).unwrap()

        assert before == [RUN_ID]
        assert case.journal.open_runs(take_over=False).unwrap() == ()

    def test_an_open_run_is_called_as_its_store_calls_it_once_it_is_settled(self, case: JournalCase) -> None:
        entry_id = case.queue(START)
        created = RunRecord(id="3f2a", exp_id="7")
        step = SettleRequests(entry_ids=(entry_id,), provisional=RUN_ID, created=created)
        case.journal.settle(step).unwrap()
        before = [run.run_id for run in case.journal.open_runs(take_over=False).unwrap()]
        case.queue(SetRunStatus(run=RunKey("3f2a"), status=RunStatus.FINISHED, at=LATER), "t2")

        assert before == ["3f2a"]
        assert case.journal.open_runs(take_over=False).unwrap() == ()

    def test_a_run_of_a_process_that_may_live_is_abandoned_only_if_it_is_taken_over(
        self, case: JournalCase
    ) -> None:
        step = QueueRequest(mark="t1", request=START, held=None, written_at=AT)
        case.as_process(DEAD).append(step).unwrap()

        assert [run.is_abandoned for run in case.journal.open_runs(take_over=False).unwrap()] == [False]
        assert [run.is_abandoned for run in case.journal.open_runs(take_over=True).unwrap()] == [True]

    def test_a_resumed_run_is_open_again(self, case: JournalCase) -> None:
        case.queue(SetRunStatus(run=RunKey("3f2a"), status=RunStatus.RUNNING, at=AT))

        assert [run.run_id for run in case.journal.open_runs(take_over=False).unwrap()] == ["3f2a"]
