"""Planning a write while offline: the request is queued, and shown in the cache as it will be.

What it creates has a provisional id. The same account of what a request shows is used when the
cache has lost it, or when a crash came between queueing and showing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, cast

import attrs

from mlopus.domain.provisional import provisional_id, provisional_version
from mlopus.domain.records import (
    ExperimentRecord,
    ModelRecord,
    Record,
    RunRecord,
)
from mlopus.errors import (
    AlreadyExists,
    InvalidRequest,
    InvalidValue,
    NotCached,
    NotFound,
    OfflineMode,
    StoreFailed,
    ValueTooLong,
)
from mlopus.plans.bindings import CreatingStep, is_creating
from mlopus.plans.changes import CreateModel, EnsureModel, LogBatch, RegisterVersion, TrackingChange
from mlopus.plans.effects import AnyRecord, applied, created_record, latest_points, point_rank
from mlopus.plans.envelope import gathered, make_plan, read_only_cache, record_of
from mlopus.plans.facts import Facts, JournalFacts
from mlopus.plans.journal_steps import QueueRequest
from mlopus.plans.plan import Answer, EntityAnswer, NoAnswer, Plan, Stage
from mlopus.plans.queued import timed
from mlopus.plans.requests import (
    CreateExp,
    CreateRegisteredModel,
    SetRunStatus,
    TrackingRequest,
    WriteRequest,
)
from mlopus.plans.steps import ReflectChange
from mlopus.plans.tracking_changes import Changes, changes_of
from mlopus.plans.upkeep import upkeep_changes
from mlopus.plans.upkeep_requests import UpkeepRequest
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success

QueueRefusal: TypeAlias = (
    AlreadyExists | InvalidRequest | InvalidValue | NotFound | StoreFailed | ValueTooLong
)


def not_queued(title: str) -> OfflineMode:
    """What is written waits for a server, and there is no journal for it to wait on."""
    hint = "Give the offline API journal=True, so that it is queued, or use one without offline_mode."
    return OfflineMode(action=title, hint=hint)


def plan_queued(request: TrackingRequest, facts: Facts) -> Result[Plan, QueueRefusal]:
    """Queue a change of metadata, and show it.

    Reads of the facts: those that the change needs online, as cached, and the journal's.

    Fails with:
        AlreadyExists: The cache knows one of that name.
        NotFound: What is to be answered or looked at was never cached.
        InvalidValue, ValueTooLong: A value cannot be written.
        StoreFailed: The cache cannot be written.
    """
    refusal = _refusal(request, facts)
    if refusal is not None:
        return Failure(refusal)
    timely = cast("TrackingRequest", timed(request, facts.now))
    found = changes_meant(timely, facts)
    if isinstance(found, Failure):
        return found
    changes = found.unwrap()
    shown = shown_changes(changes, facts)
    answer = _answer(timely, changes, shown, facts)
    stages: tuple[Stage, ...] = ((queue_step(timely, None, facts),), shown) if changes else ()
    return Success(make_plan(timely, facts, stages, answer))


def _refusal(request: TrackingRequest, facts: Facts) -> AlreadyExists | NotFound | StoreFailed | None:
    if not facts.metadata_is_writable:
        return read_only_cache(title_of(request))
    if isinstance(request, CreateExp | CreateRegisteredModel):
        return _taken(request, facts)
    if isinstance(request, SetRunStatus) and record_of(facts, request.run) is None:
        return NotCached(kind="run", key=request.run.id, place=f"the cache of {facts.tracking.origin}")
    return None


def _taken(request: CreateExp | CreateRegisteredModel, facts: Facts) -> AlreadyExists | None:
    """A name that the cache knows to be taken; a deleted experiment keeps its name."""
    kind = ExperimentRecord if isinstance(request, CreateExp) else ModelRecord
    word = "experiment" if isinstance(request, CreateExp) else "model"
    place = f"the cache of {facts.tracking.origin}"
    for record in facts.cached_records:
        if isinstance(record, kind) and record.name == request.name:
            return AlreadyExists(kind=word, key=request.name, place=place)
    return None


def changes_meant(
    request: TrackingRequest, facts: Facts
) -> Result[Changes, InvalidValue | ValueTooLong | NotFound]:
    """The changes that a request means."""
    if isinstance(request, UpkeepRequest):
        return upkeep_changes(request, facts)
    return changes_of(request, facts)


def queue_step(request: WriteRequest, held: str | None, facts: Facts) -> QueueRequest:
    """The step that queues a request."""
    return QueueRequest(mark=_journal(facts).mark, request=request, held=held, written_at=facts.now)


def _journal(facts: Facts) -> JournalFacts:
    return gathered(facts.journal, "the journal")


def shown_changes(changes: Iterable[TrackingChange], facts: Facts) -> Stage:
    """The steps that show changes which wait; the last says that the whole entry is shown."""
    steps = [
        ReflectChange(
            change=change,
            add=is_creating(change),
            created=provisional_record(change, facts) if is_creating(change) else None,
            taken_at=facts.now,
            outranked=_outranked(change, facts),
        )
        for change in changes
    ]
    return (*steps[:-1], attrs.evolve(steps[-1], entry=_journal(facts).mark)) if steps else ()


def provisional_record(change: CreatingStep, facts: Facts) -> Record:
    """What a change will create, as far as anybody knows."""
    if isinstance(change, RegisterVersion):
        name = provisional_version(change.operation_id)
    else:
        is_model = isinstance(change, CreateModel | EnsureModel)
        name = change.name if is_model and change.name else provisional_id(change.operation_id)
    return created_record(change, id=name, now=facts.now)


def _outranked(change: TrackingChange, facts: Facts) -> tuple[str, ...]:
    """Metrics of which a later point waits already."""
    if not isinstance(change, LogBatch):
        return ()
    waiting = _journal(facts).latest
    new = latest_points(change.metrics)
    return tuple(
        key for key in sorted(new) if key in waiting and point_rank(waiting[key]) > point_rank(new[key])
    )


def _after(record: AnyRecord, changes: Changes) -> AnyRecord:
    for change in changes:
        record = applied(record, change)
    return record


def _answer(request: TrackingRequest, changes: Changes, shown: Stage, facts: Facts) -> Answer:
    """The entity as it is shown."""
    if isinstance(request, SetRunStatus):
        record = record_of(facts, request.run)
        assert record is not None, "a run that is not known was refused"  # noqa: S101
        parents = tuple(other for other in facts.records if other != record)
        return EntityAnswer(record=_after(record, changes), parents=parents)
    for step in shown:
        if isinstance(step, ReflectChange) and isinstance(step.created, Record):
            return EntityAnswer(
                record=step.created, parents=facts.records if isinstance(step.created, RunRecord) else ()
            )
    return NoAnswer()
