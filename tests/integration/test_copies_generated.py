"""Generated experiments are copied between stores in memory: equal by value, wherever the copy was cut."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from immutabledict import immutabledict

import mlopus
from mlopus import ExpApi, Failure, MlflowApi, Result, or_raise
from mlopus.domain.keys import ExperimentKey, RunKey
from mlopus.domain.records import COPIED_FROM_TAG, PARENT_TAG, MetricSample, Record, RunRecord
from mlopus.domain.status import RunStatus
from mlopus.errors import AlreadyExists, IllegalPath, MlopusError, Unreachable
from mlopus.plans.changes import CreateRun, LogBatch, TrackingChange, UpdateRun
from mlopus.plans.copy_facts import HeldRun
from mlopus.plans.copy_requests import CopyRequest
from mlopus.plans.effects import point_identity
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import Facts
from mlopus.plans.provenance import copied_from, tags_to_copy
from mlopus.repositories.memory.artifact_store import MemoryArtifactStore
from mlopus.repositories.memory.tracking import MemoryTracking
from mlopus.testing.strategies_copies import NOW, copies
from tests.integration.copied import files_at


class Breaking(MemoryTracking):
    """A tracking store in memory that is gone after so many changes; what it was asked last may be done."""

    left: int
    is_done: bool

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        if self.left > 0:
            object.__setattr__(self, "left", self.left - 1)
            return super().send(change)
        if self.is_done:
            super().send(change)
        return Failure(Unreachable(place="memory", reason="it was broken off"))


def breaking(api: MlflowApi, left: int, *, is_done: bool) -> MlflowApi:
    """The same store, which breaks off."""
    here = api.repositories
    assert isinstance(here.tracking, MemoryTracking)
    tracking = Breaking(tables=here.tracking._tables)
    object.__setattr__(tracking, "left", left)
    object.__setattr__(tracking, "is_done", is_done)
    return MlflowApi(
        tracking=tracking,
        cache=here.cache,
        artifacts=here.artifacts,
        stores=here.stores,
        workspace=here.workspace,
        settings=api.settings,
    )


def realised(facts: Facts) -> tuple[MlflowApi, ExpApi]:
    """An API of a store that holds the source of these facts, but for its versions."""
    api = mlopus.testing.in_memory()
    exp = or_raise(api.create_exp("demo"))
    ids: dict[str, str] = {}
    for run in gathered(facts.copying, "both").source.runs:
        ids[run.record.id] = realise(api, exp, run)
    for source_id, run_id in ids.items():
        tags = api.repositories.tracking.get(RunKey(run_id)).unwrap().tags
        parent = tags.get(PARENT_TAG)
        if parent in ids and parent != source_id:
            or_raise(api.repositories.tracking.send(parent_of(run_id, ids[parent])))
    return api, exp


def parent_of(run_id: str, parent: str) -> LogBatch:
    return LogBatch(run_id=run_id, tags=immutabledict({PARENT_TAG: parent}))


def realise(api: MlflowApi, exp: ExpApi, run: HeldRun) -> str:
    here, record = api.repositories, run.record
    create = CreateRun(
        exp_id=exp.id,
        name=record.name,
        tags=record.tags,
        status=RunStatus.RUNNING,
        start_time=record.start_time,
        operation_id=record.id,
    )
    made = or_raise(here.tracking.send(create))
    assert isinstance(made, RunRecord)
    or_raise(here.tracking.send(LogBatch(run_id=made.id, params=record.params, metrics=run.points)))
    ended = UpdateRun(run_id=made.id, status=record.status, end_time=record.end_time)
    or_raise(here.tracking.send(ended))
    assert isinstance(here.stores, MemoryArtifactStore)
    for file in run.tree.files if run.tree is not None else ():
        here.stores.stored.write(f"{made.repo}/{file.path}", f"{file.sha256} {file.path}".encode())
    return made.id


def compared(source: MlflowApi, target: MlflowApi, exp: ExpApi, copy_id: str) -> None:
    """Whether each run has one copy, which holds what it holds."""
    origin = source.repositories.tracking.origin
    runs = all_runs(source, exp.id)
    found = all_runs(target, copy_id)
    by_source = {run.tags[COPIED_FROM_TAG]: run for run in found}
    assert len(found) == len(by_source) == len(runs)
    for run in runs:
        assert held(target, by_source[copied_from(origin, RunKey(run.id))]) == held(source, run)


def all_runs(api: MlflowApi, exp_id: str) -> list[RunRecord]:
    ids = [run.id for run in or_raise(api.find_runs({"exp.id": exp_id}).all())]
    records = [api.repositories.tracking.get(RunKey(run_id)).unwrap() for run_id in ids]
    return [record for record in records if isinstance(record, RunRecord)]


def held(api: MlflowApi, run: RunRecord) -> dict[str, Any]:
    table = {key: or_raise(api.metric_history(run.id, key)) for key in run.metrics}
    points = {key: sorted((p.step, p.timestamp, repr(p.value)) for p in table[key]) for key in table}
    return {
        "name": run.name,
        "times": (run.start_time, run.end_time, run.status),
        "texts": (dict(run.params), dict(tags_to_copy(run.tags))),
        "points": points,
        "files": files_at(api, run.repo),
    }


@given(copies())
@settings(max_examples=40)
def test_a_generated_experiment_is_copied_and_a_second_copy_is_empty(made: tuple[CopyRequest, Facts]) -> None:
    source, exp = realised(made[1])
    target = mlopus.testing.in_memory()

    copied = source.copy_exp(exp, to=target)

    if isinstance(copied, Failure):
        assert isinstance(copied.failure(), AlreadyExists | IllegalPath)
        return
    compared(source, target, exp, copied.unwrap().id)
    assert or_raise(source.plan.copy_exp(exp, to=target)).is_empty


@given(copies(), st.integers(0, 20), st.booleans())
@settings(max_examples=60)
def test_a_copy_that_breaks_off_anywhere_is_continued(
    made: tuple[CopyRequest, Facts], left: int, is_done: bool
) -> None:
    source, exp = realised(made[1])
    target = mlopus.testing.in_memory()
    source.copy_exp(exp, to=breaking(target, left, is_done=is_done))

    copy = or_raise(source.copy_exp(exp, to=target))

    compared(source, target, exp, copy.id)
    assert or_raise(source.plan.copy_exp(exp, to=target)).is_empty
    exps = or_raise(target.find_exps(view="all").all())
    assert [one.name for one in exps] == ["demo"]
    assert target.repositories.tracking.get(ExperimentKey(copy.id)).unwrap().tags[COPIED_FROM_TAG]


def test_a_point_is_the_same_however_its_store_writes_it() -> None:
    point = MetricSample(key="loss", value=float("inf"), step=1, timestamp=NOW)

    assert point_identity(point) == point_identity(attrs.evolve(point, value=1.7976931348623157e308))
    assert point_identity(point) != point_identity(attrs.evolve(point, value=float("nan")))
