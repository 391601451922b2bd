"""What depends on what on a journal, what goes together, and what requests name."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, RunKey, VersionKey
from mlopus.domain.origin import Origin
from mlopus.domain.provisional import is_provisional_id, provisional_id, provisional_version
from mlopus.domain.records import MetricSample
from mlopus.domain.status import RunStatus
from mlopus.plans.facts import Facts, TrackingFacts
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_groups import coalesced, grouped, without_points
from mlopus.plans.journal_order import dependents
from mlopus.plans.names import provisional_names, renamed
from mlopus.plans.queued import points_of, timed
from mlopus.plans.requests import (
    ArtifactOf,
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    GetArtifact,
    LogCollected,
    LogMetrics,
    LogModelVersion,
    LogParams,
    PublishOptions,
    SetEntityTags,
    SetRunStatus,
    WriteRequest,
)
from mlopus.plans.upkeep_requests import AliasVersion, DeleteNamed, RenameEntity
from mlopus.testing.strategies_requests import tracking_requests

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS = Facts(now=NOW, tracking=TrackingFacts(origin=Origin.of("http://server:5000"), requests_cost=True))
EXP, RUN, OTHER = (provisional_id(name) for name in ("exp", "run", "other"))
VERSION = provisional_version("version")

NEW_EXP = CreateExp(name="demo", tags=immutabledict(), operation_id="exp", ensure=True)
NEW_MODEL = CreateRegisteredModel(name="m", tags=immutabledict(), operation_id="model", ensure=False)
NEW_VERSION = LogModelVersion(
    model=ModelKey("m"),
    run=RunKey(RUN),
    source="/home/user/model",
    path_in_run="m",
    from_callback=False,
    options=PublishOptions(),
    version=None,
    tags=immutabledict(),
    overwrite=False,
    operation_id="version",
)
END = SetRunStatus(run=RunKey(RUN), status=RunStatus.FINISHED, at=NOW)


def new_run(operation_id: str = "run", parent: str | None = None) -> CreateRunIn:
    return CreateRunIn(
        exp=ExperimentKey(EXP),
        name=None,
        tags=immutabledict(),
        repo=None,
        parent=None if parent is None else RunKey(parent),
        start=True,
        operation_id=operation_id,
        at=NOW,
    )


def params(run_id: str = RUN, **values: int) -> LogParams:
    return LogParams(run=RunKey(run_id), params=immutabledict(values))


def metrics(run_id: str = RUN, *, step: int = 0, value: float = 1.0) -> LogMetrics:
    return LogMetrics(run=RunKey(run_id), metrics=immutabledict(loss=value), step=step, timestamp=NOW)


def queue(*requests: WriteRequest) -> tuple[JournalEntry, ...]:
    return tuple(
        JournalEntry(id=number, mark=str(number), request=request, written_at=NOW)
        for number, request in enumerate(requests, start=1)
    )


def ids(entries: tuple[JournalEntry, ...]) -> list[int]:
    return [entry.id for entry in entries]


@pytest.mark.parametrize(
    ("requests", "first", "expected"),
    [
        pytest.param((NEW_EXP, new_run(), params(), END), 1, [1, 2, 3, 4], id="an experiment, all in it"),
        pytest.param((new_run(), new_run("other"), params(OTHER)), 1, [1], id="a run, nothing of another"),
        pytest.param(
            (new_run(), new_run("other", RUN), params(OTHER)), 1, [1, 2, 3], id="a run, its children"
        ),
        pytest.param((params(), END), 1, [1], id="params, nothing"),
        pytest.param((NEW_MODEL, NEW_VERSION), 1, [1, 2], id="a model, its versions"),
        pytest.param(
            (NEW_VERSION, AliasVersion(alias="a", version=VersionKey("m", VERSION))), 1, [1, 2],
            id="a version, its alias",
        ),
        pytest.param(
            (
                AliasVersion(alias="a", version=VersionKey("m", "1")),
                DeleteNamed(key=AliasKey("m", "a")),
                DeleteNamed(key=AliasKey("m", "b")),
            ),
            1, [1, 2], id="an alias, what names it",
        ),
        pytest.param(
            (RenameEntity(on=ModelKey("old"), name="m"), NEW_VERSION), 1, [1, 2], id="a name, what names it"
        ),
        pytest.param((NEW_EXP,), 7, [], id="what does not wait, nothing"),
    ],
)  # fmt: skip
def test_what_is_missing_takes_along(
    requests: tuple[WriteRequest, ...], first: int, expected: list[int]
) -> None:
    assert ids(dependents(queue(*requests), first)) == expected


def test_what_is_logged_to_a_run_goes_together_up_to_the_next_act() -> None:
    entries = queue(new_run(), params(a=1), metrics(), metrics(OTHER), metrics(step=1), END, metrics(step=2))

    assert [ids(group) for group in grouped(entries, 100)] == [[1], [2, 3, 5], [4], [6], [7]]


def test_a_group_has_no_more_than_a_request_can_carry() -> None:
    entries = queue(*(metrics(step=step) for step in range(7)))

    assert [ids(group) for group in grouped(entries, 3)] == [[1, 2, 3], [4, 5, 6], [7]]


def test_what_was_refused_before_goes_alone() -> None:
    first, second, third = queue(metrics(), metrics(step=1), metrics(step=2))
    entries = (first, attrs.evolve(second, error="no"), third)

    assert [ids(group) for group in grouped(entries, 100)] == [[1], [2], [3]]


@given(st.lists(tracking_requests(), max_size=12), st.integers(1, 5))
def test_groups_hold_every_entry_once_and_each_run_in_its_order(
    requests: list[WriteRequest], most: int
) -> None:
    entries = queue(*(timed(request, NOW) for request in requests))
    found = [entry for group in grouped(entries, most) for entry in group]

    assert sorted(ids(tuple(found))) == ids(entries)
    for entry in entries:
        run = getattr(entry.request, "run", None)
        of_run = [one.id for one in found if getattr(one.request, "run", None) == run and run is not None]
        assert of_run == sorted(of_run)


def test_requests_that_log_to_one_run_become_one() -> None:
    tags = SetEntityTags(on=RunKey(RUN), tags=immutabledict(stage="a"))
    later = SetEntityTags(on=RunKey(RUN), tags=immutabledict(stage="b"))
    found = coalesced((params(a=1), metrics(), tags, later, params(a=1, b=2)), FACTS).unwrap()

    assert found == LogCollected(
        run=RunKey(RUN),
        params=immutabledict(a="1", b="2"),
        metrics=(MetricSample(key="loss", value=1.0, step=0, timestamp=NOW),),
        tags=immutabledict(stage="b"),
    )


def test_requests_that_disagree_about_a_param_do_not_become_one() -> None:
    assert coalesced((params(a=1), params(a=2)), FACTS).unwrap() is None


def test_points_that_the_run_has_are_not_sent_again() -> None:
    samples = (
        MetricSample(key="loss", value=math.nan, step=1, timestamp=NOW.replace(microsecond=1_999)),
        MetricSample(key="loss", value=0.5, step=1, timestamp=NOW),
        MetricSample(key="loss", value=0.5, step=2, timestamp=NOW),
        MetricSample(key="acc", value=0.5, step=1, timestamp=NOW),
    )
    there = {"loss": (MetricPoint(math.nan, 1, NOW.replace(microsecond=1_000)), MetricPoint(0.5, 1, NOW))}

    left = without_points(LogCollected(run=RunKey(RUN), metrics=samples), there)
    assert left.metrics == samples[2:]


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        (new_run(parent=OTHER), {EXP, OTHER}),
        (NEW_VERSION, {RUN}),
        (AliasVersion(alias="a", version=VersionKey("m", VERSION)), {VERSION}),
        (NEW_EXP, set()),
        (LogParams(run=RunKey("3f2a"), params=immutabledict()), set()),
        (GetArtifact(artifact=ArtifactOf(owner=RunKey(RUN))), {RUN}),
    ],
)
def test_a_request_tells_what_it_names_provisionally(request_: WriteRequest, names: set[str]) -> None:
    assert provisional_names(request_) == names


@pytest.mark.parametrize("request_", [new_run(parent=OTHER), NEW_VERSION, END])
def test_a_request_is_called_as_its_store_calls_it(request_: WriteRequest) -> None:
    now = {name: f"real-{name}" for name in provisional_names(request_)}
    called = renamed(request_, now)

    assert provisional_names(called) == frozenset()
    assert renamed(called, {real: name for name, real in now.items()}) == request_


@given(tracking_requests())
def test_a_timed_request_means_the_same_whenever_it_is_sent(request_: WriteRequest) -> None:
    once = timed(request_, NOW)

    assert repr(timed(once, NOW.replace(year=2027))) == repr(once)
    assert all(point.timestamp is not None for point in points_of(once))


@given(st.text(max_size=20))
def test_what_is_provisional_is_told_by_its_name(operation_id: str) -> None:
    assert is_provisional_id(provisional_id(operation_id))
    assert is_provisional_id(provisional_version(operation_id))
    assert float(provisional_version(operation_id)).is_integer()


@pytest.mark.parametrize("name", ["12", "0123456789abcdef0123456789abcdef", "9" * 16, "8" * 17, "8"])
def test_what_a_server_calls_an_entity_is_not_provisional(name: str) -> None:
    assert not is_provisional_id(name)
