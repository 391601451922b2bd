"""Laws of requests and of plans on metadata: JSON loses nothing, batches hold all, twice is once."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
from hypothesis import assume, given
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.origin import Origin
from mlopus.domain.records import ExperimentRecord, MetricSample, ModelRecord, RunRecord, VersionRecord
from mlopus.errors import InvalidValue, NotFound, OfflineMode, ValueTooLong
from mlopus.plans.changes import LogBatch
from mlopus.plans.facts import BatchLimits, Facts, SettingsFacts, TrackingFacts
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan, replayable
from mlopus.plans.requests import CreateExp, CreateRegisteredModel, FetchRequest, Request, TrackingRequest
from mlopus.plans.serial import request_from_json, request_to_json
from mlopus.plans.simulate import simulate
from mlopus.result import Failure, Success
from mlopus.testing.strategies_requests import fetch_requests, requests, tracking_requests

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = BatchLimits(params=3, metrics=4, tags=2, total=4, body_bytes=2_000)
FACTS = Facts(
    now=NOW,
    tracking=TrackingFacts(origin=Origin.of("http://server:5000"), requests_cost=True, limits=LIMITS),
    records=(
        ExperimentRecord(id="a", name="demo"),
        RunRecord(id="a", exp_id="a", tags=immutabledict(kept="yes")),
        ModelRecord(name="a"),
        VersionRecord(name="demo", version="1", source="s3://bucket/x", aliases=("a",)),
    ),
)


def exact(value: object) -> str:
    """All of a value, types and NaN included; of two equal times the fold tells nothing."""
    return repr(value).replace(", fold=1", "")


@given(requests())
def test_a_request_comes_back_from_json_as_it_was(request: Request) -> None:
    assert exact(request_from_json(request_to_json(request)).unwrap()) == exact(request)


@given(st.one_of(tracking_requests(), fetch_requests()))
def test_a_plan_on_metadata_comes_back_from_json_as_it_was(request: TrackingRequest | FetchRequest) -> None:
    found = plan(request, FACTS)
    assume(isinstance(found, Success))
    assert exact(Plan.from_json(found.unwrap().to_json()).unwrap()) == exact(found.unwrap())


@given(tracking_requests())
def test_a_change_is_planned_or_refused_by_name(request: TrackingRequest) -> None:
    found = plan(request, FACTS)
    if isinstance(found, Failure):
        assert isinstance(found.failure(), InvalidValue | ValueTooLong | NotFound)


@given(tracking_requests())
def test_a_change_made_twice_equals_the_change_made_once(request: TrackingRequest) -> None:
    found = plan(request, FACTS)
    assume(isinstance(found, Success))
    once = simulate(FACTS, found.unwrap())
    twice = simulate(once, replayable(found.unwrap(), FACTS))
    assert exact(twice.records) == exact(once.records)


@given(tracking_requests())
def test_no_batch_is_over_a_limit(request: TrackingRequest) -> None:
    found = plan(request, FACTS)
    assume(isinstance(found, Success))
    for step in found.unwrap().steps:
        if isinstance(step, LogBatch):
            assert len(step.params) <= LIMITS.params
            assert len(step.metrics) <= LIMITS.metrics
            assert len(step.tags) <= LIMITS.tags
            assert len(step.params) + len(step.metrics) + len(step.tags) in range(1, LIMITS.total + 1)


@given(tracking_requests(), st.sampled_from((LIMITS, BatchLimits())))
def test_however_they_are_split_batches_hold_the_same(request: TrackingRequest, limits: BatchLimits) -> None:
    def logged(limits: BatchLimits) -> tuple[object, ...]:
        facts = attrs.evolve(FACTS, tracking=attrs.evolve(FACTS.tracking, limits=limits))
        found = plan(request, facts)
        assume(isinstance(found, Success))
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        metrics: list[MetricSample] = []
        for step in found.unwrap().steps:
            if isinstance(step, LogBatch):
                params |= step.params
                tags |= step.tags
                metrics += step.metrics
        return params, tags, repr(metrics)

    assert logged(limits) == logged(BatchLimits(params=1, metrics=1, tags=1))


@given(tracking_requests())
def test_offline_a_change_needs_the_server_unless_it_is_there(request: TrackingRequest) -> None:
    found = plan(request, attrs.evolve(FACTS, settings=SettingsFacts(mode="offline")))
    if isinstance(found, Failure):
        assert isinstance(found.failure(), OfflineMode)
        assert "journal=True" in (found.failure().hint or "")
    else:
        assert isinstance(request, CreateExp | CreateRegisteredModel)
        assert found.unwrap().is_empty
