"""Simulation: what a plan makes of facts, without anybody doing it. The model that tests trust.

Digests and validators that only execution tells are symbols (`mlopus.plans.symbols`). What a plan
fetches of metadata is not known before, and changes no facts.
"""

from __future__ import annotations

from typing import assert_never

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import key_of
from mlopus.domain.locations import path_below_url
from mlopus.domain.records import OPERATION_TAG, ExperimentRecord, ModelRecord, Record, VersionRecord
from mlopus.plans.bindings import CreatingStep, bindings_of, created_key, is_creating
from mlopus.plans.changes import EnsureExperiment, EnsureModel, TrackingChange
from mlopus.plans.copy_steps import CopyStep
from mlopus.plans.effects import applied, created_record, is_removed
from mlopus.plans.facts import Facts
from mlopus.plans.journal_steps import DropRequests, ForgetRows, JournalStep, QueueRequest, SettleRequests
from mlopus.plans.keeping_steps import KeepingStep
from mlopus.plans.outcomes import Recorded
from mlopus.plans.pending import Pending, bind
from mlopus.plans.plan import Plan
from mlopus.plans.simulate_bytes import World, simulate_bytes
from mlopus.plans.simulate_copy import changed_target, simulate_copy
from mlopus.plans.simulate_export import simulate_export
from mlopus.plans.simulate_keeping import simulate_keeping
from mlopus.plans.steps import (
    Bindings,
    ByteStep,
    CacheRows,
    CacheStep,
    ExportStep,
    FetchEntity,
    ReflectChange,
    Step,
)
from mlopus.plans.symbols import NOTHING, Learned


def simulate(facts: Facts, plan: Plan, told: Learned = NOTHING) -> Facts:
    """What the facts are once the plan is executed, if nothing fails and nobody else writes.

    Args:
        facts: Those the plan was made from, or any later ones.
        plan: Any plan.
        told: What a receipt told, to replace symbols.
    """
    world = World(facts=facts, told=told)
    bindings: Bindings = immutabledict()
    for stage in plan.stages:
        bound: dict[str, object] = {}
        for step in stage:
            world, new = _performed(world, bind(step, bindings))
            bound.update(new)
        bindings = bindings | bound
    return world.facts


def _performed(world: World, step: Step) -> tuple[World, Bindings]:
    if isinstance(step, TrackingChange):
        return _changed(world, step)
    if isinstance(step, ByteStep):
        return simulate_bytes(world, step)
    if isinstance(step, ExportStep):
        return simulate_export(world, step)
    if isinstance(step, CopyStep):
        return simulate_copy(world, step)
    if isinstance(step, KeepingStep):
        return world.evolve(simulate_keeping(world.facts, step)), immutabledict()
    return _kept(world, step), immutabledict()


def _kept(world: World, step: CacheStep | JournalStep) -> World:
    """The world after a step that concerns rows alone."""
    match step:
        case FetchEntity():
            return world
        case CacheRows():
            return _with_cached(world, step.records)
        case ReflectChange():
            return _reflected(world, step)
        case ForgetRows():
            rows = tuple(row for row in world.facts.cached_records if key_of(row) not in step.keys)
            return world.evolve(attrs.evolve(world.facts, cached_records=rows))
        case QueueRequest():
            return _queued(world, step)
        case SettleRequests() | DropRequests():  # facts hold no queue but what this plan adds to it
            return world
        case _:
            assert_never(step)


def _changed(world: World, change: TrackingChange) -> tuple[World, Bindings]:
    facts = world.facts
    if not is_creating(change):
        records = _left_by(change, facts.records)
        versions = tuple(
            (applied(version, change), path)
            for version, path in facts.versions_of_run
            if not is_removed(version, change)
        )
        facts = attrs.evolve(facts, records=records, versions_of_run=versions)
        return world.evolve(changed_target(facts, change)), immutabledict()
    there = _there_already(facts, change)
    record = there or created_record(change, id=str(Pending(created_key(change))), now=facts.now)
    bindings = bindings_of(change, Recorded(record=record))
    if there is not None:
        return world, bindings
    versions = facts.versions_of_run
    if isinstance(record, VersionRecord) and facts.location is not None:
        path = path_below_url(record.source, facts.location.root_url)
        versions = versions if path is None else (*versions, (record, path))
    facts = attrs.evolve(facts, records=(*facts.records, record), versions_of_run=versions)
    return world.evolve(changed_target(facts, change, record)), bindings


def _left_by(change: TrackingChange, records: tuple[Record, ...]) -> tuple[Record, ...]:
    """The records after a change, without those that it removes."""
    return tuple(applied(record, change) for record in records if not is_removed(record, change))


def _there_already(facts: Facts, change: CreatingStep) -> Record | None:
    """What this operation created before, or what has the name that is to be ensured."""
    for record in facts.records:
        if record.tags.get(OPERATION_TAG) == change.operation_id:
            return record
        match change:
            case EnsureExperiment(name=name) if isinstance(record, ExperimentRecord) and record.name == name:
                return record
            case EnsureModel(name=name) if isinstance(record, ModelRecord) and record.name == name:
                return record
            case _:
                continue
    return None


def _queued(world: World, step: QueueRequest) -> World:
    """The world with a request queued; nothing is queued twice under one mark."""
    journal = world.facts.journal
    if journal is None or any(queued.mark == step.mark for queued in journal.queued):
        return world
    journal = attrs.evolve(journal, queued=(*journal.queued, step))
    return world.evolve(attrs.evolve(world.facts, journal=journal))


def _with_cached(world: World, records: tuple[Record, ...]) -> World:
    rows = {key_of(record): record for record in (*world.facts.cached_records, *records)}
    return world.evolve(attrs.evolve(world.facts, cached_records=tuple(rows.values())))


def _reflected(world: World, step: ReflectChange) -> World:
    facts = world.facts
    rows = _left_by(step.change, facts.cached_records)
    world = world.evolve(attrs.evolve(facts, cached_records=rows))
    created = step.created
    if not step.add or created is None or isinstance(created, Pending):
        return world
    return _with_cached(world, (created,))
