"""Planning changes of metadata: the changes, and the metadata cache that follows them a stage later.

A record that was gathered is answered as the change leaves it, so that nobody has to ask for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import TypeAlias

from mlopus.domain.records import ExperimentRecord, ModelRecord, Record
from mlopus.errors import OfflineMode
from mlopus.plans.bindings import created_key, is_creating
from mlopus.plans.changes import TrackingChange
from mlopus.plans.effects import applied
from mlopus.plans.envelope import make_plan, record_of, rows_not_cached, rows_to_cache
from mlopus.plans.facts import Facts
from mlopus.plans.pending import Pending
from mlopus.plans.plan import Answer, EntityAnswer, FetchedAnswer, NoAnswer, Plan, Stage
from mlopus.plans.queueing import QueueRefusal, changes_meant, not_queued, plan_queued
from mlopus.plans.requests import (
    CreateExp,
    CreateRegisteredModel,
    SetRunStatus,
    TrackingRequest,
)
from mlopus.plans.steps import AskServer, FetchEntity, ReflectChange
from mlopus.plans.tracking_changes import Changes
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success

TrackingRefusal: TypeAlias = QueueRefusal | OfflineMode


def plan_tracking(request: TrackingRequest, facts: Facts) -> Result[Plan, TrackingRefusal]:
    """Work out the changes that a request means.

    Reads of the facts: settings, limits, and the records gathered: the entity that is changed, to be
    answered as changed; the experiment of a new run, as its parent; the version that an alias names.

    Returns:
        A plan that is empty where nothing is to be changed.

    Fails with:
        InvalidValue: A key or value that cannot be written, or a time without a time zone.
        ValueTooLong: A text over the server's limit.
        NotFound: The version that an alias names is not among the records.
        OfflineMode: The server would have to be asked, and there is no journal.
        AlreadyExists, StoreFailed: As `plan_queued`.
    """
    if facts.settings.mode == "offline":
        return _offline(request, facts)
    there = _there_already(request, facts.records)
    if there is not None:
        rows = rows_to_cache(facts) if facts.settings.keep_on_read else ()
        return Success(make_plan(request, facts, (rows,), EntityAnswer(record=there)))
    planned = changes_meant(request, facts)
    if isinstance(planned, Failure):
        return planned
    changes = planned.unwrap()
    if isinstance(request, SetRunStatus) and record_of(facts, request.run) is None:
        fetch = FetchEntity(key=request.run, ask=(AskServer(),), keep=_keeps(facts))
        stages: tuple[Stage, ...] = (changes, (fetch,))
        return Success(make_plan(request, facts, stages, FetchedAnswer(key=request.run)))
    answer = _answer(request, changes, facts)
    rows = rows_not_cached(facts) if facts.settings.keep_on_read else ()
    return Success(make_plan(request, facts, (changes, (*rows, *reflected(changes, facts))), answer))


def reflected(changes: Iterable[TrackingChange], facts: Facts) -> Stage:
    """The steps that let the metadata cache follow changes, what they create added if reads are kept."""
    if not facts.metadata_is_writable:
        return ()
    return tuple(
        ReflectChange(
            change=change,
            add=is_creating(change),
            created=Pending(created_key(change)) if is_creating(change) else None,
            taken_at=facts.now,
        )
        for change in changes
        if facts.settings.keep_on_read or not is_creating(change)
    )


def _keeps(facts: Facts) -> bool:
    return facts.metadata_is_writable and facts.settings.keep_on_read


def _offline(request: TrackingRequest, facts: Facts) -> Result[Plan, TrackingRefusal]:
    """What is cached already needs no server; anything else waits on the journal, if there is one."""
    record = _there_already(request, (*facts.cached_records, *facts.records))
    if record is not None:
        return Success(make_plan(request, facts, (), EntityAnswer(record=record)))
    if facts.journal is not None:
        return plan_queued(request, facts)
    return Failure(not_queued(title_of(request)))


def _there_already(request: TrackingRequest, held: tuple[Record, ...]) -> Record | None:
    """What get-or-create asks for, where it is among these; a deleted experiment is not it."""
    if not isinstance(request, CreateExp | CreateRegisteredModel) or not request.ensure:
        return None
    kind = ExperimentRecord if isinstance(request, CreateExp) else ModelRecord
    for record in held:
        is_deleted = isinstance(record, ExperimentRecord) and record.lifecycle_stage == "deleted"
        if isinstance(record, kind) and record.name == request.name and not is_deleted:
            return record
    return None


def _answer(request: TrackingRequest, changes: Changes, facts: Facts) -> Answer:
    """The entity that is created, resumed or ended; any other change answers nothing."""
    if isinstance(request, SetRunStatus):
        record = record_of(facts, request.run)
        if record is None:
            return NoAnswer()
        changed: Record = reduce(applied, changes, record)
        return EntityAnswer(
            record=changed, parents=tuple(other for other in facts.records if other != record)
        )
    created = next((created_key(change) for change in changes if is_creating(change)), None)
    if created is None:
        return NoAnswer()
    return EntityAnswer(record=Pending(created), parents=facts.records if created == "run" else ())
