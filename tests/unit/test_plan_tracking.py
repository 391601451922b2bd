"""What changes a request means, how they are batched, and what they answer."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, RunKey, VersionKey
from mlopus.domain.records import MetricSample, VersionRecord
from mlopus.domain.status import RunStatus
from mlopus.errors import InvalidValue, NotFound, OfflineMode, ValueTooLong
from mlopus.plans.changes import CreateExperiment, CreateRun, EnsureModel, LogBatch, SetTags, UpdateRun
from mlopus.plans.facts import BatchLimits, Facts, SettingsFacts
from mlopus.plans.pending import Pending
from mlopus.plans.plan import EntityAnswer, FetchedAnswer, NoAnswer, Plan
from mlopus.plans.publish_metadata import plan_tracking
from mlopus.plans.requests import (
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    LogMetricPoints,
    LogMetrics,
    LogParams,
    MetricPointAt,
    SetEntityTags,
    SetRunStatus,
    TrackingRequest,
)
from mlopus.plans.steps import FetchEntity, ReflectChange
from tests.unit.plan_facts import EXP, FACTS, MODEL, NOW, RUN, only, steps_of

KEY = RunKey(RUN.id)
NEW_RUN = CreateRunIn(
    exp=ExperimentKey("1"),
    name="r1",
    tags=immutabledict({"a": immutabledict({"b": 1})}),
    repo=None,
    parent=None,
    start=True,
    operation_id="op",
)
END = SetRunStatus(run=KEY, status=RunStatus.FINISHED)


def planned(request: TrackingRequest, facts: Facts = FACTS) -> Plan:
    return plan_tracking(request, facts).unwrap()


def with_records(*records: object) -> Facts:
    return attrs.evolve(FACTS, records=records)


def points(count: int) -> LogMetricPoints:
    each = (MetricPointAt(key=f"m{i % 7}", value=float(i), step=i, timestamp=None) for i in range(count))
    return LogMetricPoints(run=KEY, points=tuple(each))


def test_an_experiment_is_created_with_its_tags_as_text_and_its_operation() -> None:
    request = CreateExp(name="demo", tags=immutabledict({"n": 5}), operation_id="op", ensure=False)
    change = only(planned(request), CreateExperiment)
    assert change.tags == {"n": "5", "mlopus.op": "op"}


def test_a_created_entity_is_answered_as_its_step_gives_it() -> None:
    request = CreateExp(name="demo", tags=immutabledict(), operation_id="op", ensure=False)
    assert planned(request).answer == EntityAnswer(record=Pending("experiment"))


def test_get_or_create_of_a_model_is_a_race_that_nobody_loses() -> None:
    request = CreateRegisteredModel(name="ranker", tags=immutabledict(), operation_id="op", ensure=True)
    assert only(planned(request), EnsureModel).name == "ranker"


def test_get_or_create_of_what_is_there_changes_nothing() -> None:
    request = CreateRegisteredModel(name="ranker", tags=immutabledict(), operation_id="op", ensure=True)
    plan = planned(request, attrs.evolve(with_records(MODEL), cached_records=(MODEL,)))
    assert plan.is_empty
    assert plan.answer == EntityAnswer(record=MODEL)


def test_a_started_run_is_running_from_now() -> None:
    change = only(planned(NEW_RUN), CreateRun)
    assert (change.status, change.start_time) == (RunStatus.RUNNING, NOW)


def test_a_created_run_is_scheduled_and_has_not_started() -> None:
    change = only(planned(attrs.evolve(NEW_RUN, start=False)), CreateRun)
    assert (change.status, change.start_time) == (RunStatus.SCHEDULED, None)


def test_a_run_has_tags_for_its_parent_its_own_root_and_its_operation() -> None:
    request = attrs.evolve(NEW_RUN, parent=RunKey("p"), repo="s3://other/root")
    assert only(planned(request), CreateRun).tags == {
        "a.b": "1",
        "mlflow.parentRunId": "p",
        "mlopus.artifacts_repo": "s3://other/root",
        "mlopus.op": "op",
    }


def test_a_created_run_is_answered_with_its_experiment() -> None:
    answer = planned(NEW_RUN, with_records(EXP)).answer
    assert answer == EntityAnswer(record=Pending("run"), parents=(EXP,))


@pytest.mark.parametrize(("status", "end_time"), [(RunStatus.FAILED, NOW), (RunStatus.RUNNING, None)])
def test_only_what_ends_a_run_sets_its_end_time(status: RunStatus, end_time: datetime | None) -> None:
    change = only(planned(SetRunStatus(run=KEY, status=status)), UpdateRun)
    assert (change.status, change.end_time) == (status, end_time)


def test_a_known_run_is_answered_as_the_change_leaves_it() -> None:
    answer = planned(END, with_records(RUN, EXP)).answer
    ended = attrs.evolve(RUN, status=RunStatus.FINISHED, end_time=NOW)
    assert answer == EntityAnswer(record=ended, parents=(EXP,))


def test_an_unknown_run_is_fetched_after_it_was_changed() -> None:
    plan = planned(END)
    assert [type(step) for step in plan.steps] == [UpdateRun, FetchEntity]
    assert plan.answer == FetchedAnswer(key=KEY)


def test_what_is_cached_follows_each_change_a_stage_later() -> None:
    first, second = planned(END, with_records(RUN)).stages
    assert [step.change for step in second if isinstance(step, ReflectChange)] == list(first)


def test_a_cache_that_cannot_be_written_follows_nothing() -> None:
    plan = planned(NEW_RUN, attrs.evolve(FACTS, metadata_is_writable=False))
    assert steps_of(plan, ReflectChange) == []


@pytest.mark.parametrize(("keep_on_read", "added"), [(True, [True]), (False, [])])
def test_what_a_change_creates_is_cached_if_reads_are(keep_on_read: bool, added: list[bool]) -> None:
    plan = planned(NEW_RUN, attrs.evolve(FACTS, settings=SettingsFacts(keep_on_read=keep_on_read)))
    assert [step.add for step in steps_of(plan, ReflectChange)] == added


def test_params_go_in_batches_of_a_hundred() -> None:
    params = immutabledict({f"p{i}": i for i in range(250)})
    batches = steps_of(planned(LogParams(run=KEY, params=params)), LogBatch)
    assert [len(batch.params) for batch in batches] == [100, 100, 50]


def test_tags_of_a_run_go_in_batches_of_a_hundred() -> None:
    tags = immutabledict({f"t{i}": i for i in range(101)})
    batches = steps_of(planned(SetEntityTags(on=KEY, tags=tags)), LogBatch)
    assert [len(batch.tags) for batch in batches] == [100, 1]


def test_metric_points_go_in_batches_of_a_thousand() -> None:
    batches = steps_of(planned(points(2001)), LogBatch)
    assert [len(batch.metrics) for batch in batches] == [1000, 1000, 1]


def test_batches_keep_the_order_of_metric_points() -> None:
    batches = steps_of(planned(points(1500)), LogBatch)
    assert [sample.step for batch in batches for sample in batch.metrics] == list(range(1500))


def test_a_batch_is_split_before_its_body_is_too_large() -> None:
    limits = BatchLimits(body_bytes=4_000)
    facts = attrs.evolve(FACTS, tracking=attrs.evolve(FACTS.tracking, limits=limits))
    params = immutabledict({f"p{i}": "x" * 1000 for i in range(6)})
    batches = steps_of(planned(LogParams(run=KEY, params=params), facts), LogBatch)
    assert [len(batch.params) for batch in batches] == [2, 2, 2]


def test_one_request_carries_each_full_batch() -> None:
    assert (
        planned(LogParams(run=KEY, params=immutabledict({f"p{i}": i for i in range(100)}))).totals.requests
        == 1
    )


@pytest.mark.parametrize(
    "request_",
    [
        LogParams(run=KEY, params=immutabledict()),
        LogMetrics(run=KEY, metrics=immutabledict(), step=0, timestamp=None),
        LogMetricPoints(run=KEY, points=()),
        SetEntityTags(on=KEY, tags=immutabledict()),
        SetEntityTags(on=ModelKey("ranker"), tags=immutabledict()),
    ],
)
def test_nothing_to_log_is_an_empty_plan(request_: TrackingRequest) -> None:
    assert planned(request_).is_empty


def test_a_metric_without_a_time_is_of_now() -> None:
    request = LogMetrics(run=KEY, metrics=immutabledict({"loss": 0.5}), step=3, timestamp=None)
    (sample,) = only(planned(request), LogBatch).metrics
    assert sample == MetricSample(key="loss", value=0.5, step=3, timestamp=NOW)


def test_a_time_without_a_zone_is_refused_by_the_metrics_name() -> None:
    naive = datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None)
    request = LogMetrics(run=KEY, metrics=immutabledict({"loss": 0.5}), step=0, timestamp=naive)
    error = plan_tracking(request, FACTS).failure()
    assert isinstance(error, InvalidValue)
    assert error.key == "loss"


def test_a_metric_that_no_server_takes_is_refused() -> None:
    request = LogMetrics(run=KEY, metrics=immutabledict({"a=b": 0.5}), step=0, timestamp=None)
    assert isinstance(plan_tracking(request, FACTS).failure(), InvalidValue)


def test_a_param_that_a_server_would_cut_is_refused() -> None:
    request = LogParams(run=KEY, params=immutabledict({"p": "x" * 6001}))
    assert isinstance(plan_tracking(request, FACTS).failure(), ValueTooLong)


def test_tags_of_a_model_take_one_request_each() -> None:
    plan = planned(SetEntityTags(on=ModelKey("ranker"), tags=immutabledict({"a": 1, "b": 2})))
    assert only(plan, SetTags).tags == {"a": "1", "b": "2"}
    assert plan.totals.requests == 2


def test_tags_on_an_alias_go_to_the_version_that_it_names() -> None:
    version = VersionRecord(name="ranker", version="7", source="s3://x", aliases=("best",))
    request = SetEntityTags(on=AliasKey("ranker", "best"), tags=immutabledict({"a": 1}))
    assert only(planned(request, with_records(version)), SetTags).on == VersionKey("ranker", "7")


def test_an_alias_whose_version_was_not_found_is_not_found() -> None:
    request = SetEntityTags(on=AliasKey("ranker", "best"), tags=immutabledict({"a": 1}))
    assert isinstance(plan_tracking(request, FACTS).failure(), NotFound)


def test_params_metrics_and_tags_answer_nothing() -> None:
    request = LogParams(run=KEY, params=immutabledict({"p": 1}))
    assert planned(request, with_records(RUN)).answer == NoAnswer()


def test_offline_a_change_is_refused() -> None:
    facts = attrs.evolve(FACTS, settings=SettingsFacts(mode="offline"))
    assert isinstance(plan_tracking(NEW_RUN, facts).failure(), OfflineMode)


def test_offline_get_or_create_answers_what_is_cached() -> None:
    request = CreateExp(name="demo", tags=immutabledict(), operation_id="op", ensure=True)
    facts = attrs.evolve(FACTS, settings=SettingsFacts(mode="offline"), cached_records=(EXP,))
    assert planned(request, facts).answer == EntityAnswer(record=EXP)
