"""What the copies of runs lack: compared value by value, those that others are nested in first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import attrs

from mlopus.domain.keys import RunKey
from mlopus.domain.records import COPIED_FROM_TAG, OPERATION_TAG, PARENT_TAG, RunRecord
from mlopus.domain.status import RunStatus
from mlopus.domain.values import TextLimits
from mlopus.errors import AlreadyExists, InvalidRequest, InvalidValue, ValueTooLong
from mlopus.plans.changes import PARAM_ALREADY_SET, DeleteEntity
from mlopus.plans.copy_facts import CopyFacts, HeldRun
from mlopus.plans.copy_steps import CopiedRun, RunCopy, RunEnd
from mlopus.plans.copy_values import metric_fault, points_lacking, text_fault, texts_lacking
from mlopus.plans.effects import whole_ms
from mlopus.plans.provenance import copied_from, copying_id, tags_to_copy
from mlopus.result import Failure, Result, Success

RunRefusal: TypeAlias = AlreadyExists | InvalidRequest | InvalidValue | ValueTooLong


@attrs.frozen(kw_only=True)
class RunsLacking:
    """What is to be done so that every run has its copy; `doubled` are copies that were made twice."""

    copies: tuple[RunCopy, ...]
    ends: tuple[RunEnd, ...]
    there: tuple[CopiedRun, ...]
    held: Mapping[str, HeldRun]
    doubled: tuple[DeleteEntity, ...]


def runs_lacking(copying: CopyFacts, exp_name: str, limits: TextLimits) -> Result[RunsLacking, RunRefusal]:
    """Compare runs with their copies.

    Args:
        copying: Both sides.
        exp_name: Of the experiment that takes the copies.
        limits: What the target takes.

    Fails with:
        AlreadyExists: The copy of a run was deleted.
        InvalidRequest: A param of a copy has another value, and params are set once.
        InvalidValue, ValueTooLong: A key or text that the target does not take.
    """
    held, doubled = _held_copies(copying)
    copies: list[RunCopy] = []
    ends: list[RunEnd] = []
    created: set[str] = set()
    nesting = _nesting(copying.source.runs)
    for run in _parents_first(copying.source.runs, nesting):
        source_id = run.record.id
        there = held.get(source_id)
        fault = None if there is None else _copy_fault(run.record, there.record, copying)
        if fault is not None:
            return Failure(fault)
        if there is None:
            created.add(source_id)
        above = nesting.get(source_id)
        is_above_there = above in held or above in created
        copy = _lacking(run, there, copying, exp_name)
        if is_above_there and _is_nested_elsewhere(there, held.get(above or "")):
            copy = attrs.evolve(copy, parent=above)
        value_fault = (
            text_fault("param", copy.params, limits)
            or text_fault("tag", copy.tags, limits)
            or metric_fault(copy.points, limits)
        )
        if value_fault is not None:
            return Failure(value_fault)
        if there is None or copy.params or copy.tags or copy.points or copy.name or copy.parent:
            copies.append(copy)
        end = _end(run.record, None if there is None else there.record)
        if end is not None:
            ends.append(end)
    there_already = tuple(
        CopiedRun(source_id=source_id, run_id=one.record.id, repo=one.record.repo)
        for source_id, one in sorted(held.items())
    )
    return Success(
        RunsLacking(copies=tuple(copies), ends=tuple(ends), there=there_already, held=held, doubled=doubled)
    )


def _held_copies(copying: CopyFacts) -> tuple[dict[str, HeldRun], tuple[DeleteEntity, ...]]:
    """The copies that the target holds, by the ids of their sources; and those that are there twice.

    A process that was killed may have left a request under way, which the server carried out after
    the next copy had looked. Of two copies that one operation made, one with versions stays, else
    the one that holds more.
    """
    registered = {version.record.run_id for version in copying.target.versions}

    def first(run: HeldRun) -> tuple[bool, bool, int, str]:
        record = run.record
        held = len(run.points) + (len(run.tree.files) if run.tree is not None else 0)
        return record.lifecycle_stage == "deleted", record.id not in registered, -held, record.id

    by_text: dict[str, list[HeldRun]] = {}
    for run in copying.target.runs:
        by_text.setdefault(run.record.tags.get(COPIED_FROM_TAG, ""), []).append(run)
    sources = {run.record.id for run in copying.source.runs}
    above = {run.record.tags[PARENT_TAG] for run in copying.source.runs if PARENT_TAG in run.record.tags}
    found: dict[str, HeldRun] = {}
    for source_id in sources | above:
        copies = by_text.get(copied_from(copying.source.origin, RunKey(source_id)), [])
        if copies and (source_id in sources or copies[0].record.lifecycle_stage == "active"):
            found[source_id] = min(copies, key=first)
    doubled = (
        run.record
        for source_id, kept in found.items()
        for run in by_text[copied_from(copying.source.origin, RunKey(source_id))]
        if _is_double(run.record, kept.record)
    )
    return found, tuple(DeleteEntity(key=RunKey(run_id)) for run_id in sorted(run.id for run in doubled))


def _is_double(run: RunRecord, kept: RunRecord) -> bool:
    is_same_operation = run.tags.get(OPERATION_TAG) == kept.tags.get(OPERATION_TAG)
    return run.id != kept.id and is_same_operation and run.lifecycle_stage == "active"


def _nesting(runs: Iterable[HeldRun]) -> dict[str, str]:
    """Which run each is nested in, as far as that leads to an end: a circle nests nothing."""
    named = {run.record.id: run.record.tags[PARENT_TAG] for run in runs if run.record.tags.get(PARENT_TAG)}
    endless: set[str] = set()
    ended: set[str] = set()
    for start in named:
        path: list[str] = []
        seen: set[str] = set()
        at = start
        while at in named and at not in seen and at not in ended and at not in endless:
            path.append(at)
            seen.add(at)
            at = named[at]
        (endless if at in seen or at in endless else ended).update(path)
    return {run: above for run, above in named.items() if run not in endless}


def _parents_first(runs: Iterable[HeldRun], nesting: Mapping[str, str]) -> list[HeldRun]:
    def depth(run_id: str) -> int:
        count = 0
        while run_id in nesting:
            run_id, count = nesting[run_id], count + 1
        return count

    def order(run: HeldRun) -> tuple[int, float, str]:
        started = run.record.start_time
        return depth(run.record.id), 0.0 if started is None else started.timestamp(), run.record.id

    return sorted(runs, key=order)


def _copy_fault(run: RunRecord, copy: RunRecord, copying: CopyFacts) -> AlreadyExists | InvalidRequest | None:
    place = str(copying.target.origin)
    if copy.lifecycle_stage == "deleted":
        hint = f"It is deleted: restore_run({copy.id!r}) brings it back, and copying goes on from there."
        return AlreadyExists(kind="copy of run", key=run.id, place=place, hint=hint)
    for key in sorted(run.params):
        before = copy.params.get(key)
        if before is not None and before != run.params[key]:
            reply = (
                f"param {key!r} of run {copy.id}, the copy of run {run.id}, is {before!r}, and cannot become "
                f"{run.params[key]!r}"
            )
            hint = "Params are set once. Delete the copy for good, or copy into another experiment."
            return InvalidRequest(
                place=place, request="copying", code=PARAM_ALREADY_SET, reply=reply, hint=hint
            )
    return None


def _lacking(run: HeldRun, there: HeldRun | None, copying: CopyFacts, exp_name: str) -> RunCopy:
    record = run.record
    text = copied_from(copying.source.origin, RunKey(record.id))
    tags = tags_to_copy(record.tags) | {COPIED_FROM_TAG: text}
    operation_id = copying_id(text, exp_name)
    if there is None:
        return RunCopy(
            source_id=record.id,
            run_id=None,
            operation_id=operation_id,
            name=record.name,
            start_time=record.start_time,
            params=record.params,
            tags=tags,
            points=points_lacking(run.points, ()),
        )
    copy = there.record
    return RunCopy(
        source_id=record.id,
        run_id=copy.id,
        operation_id=operation_id,
        name=record.name if record.name and record.name != copy.name else None,
        params=texts_lacking(record.params, copy.params),
        tags=texts_lacking(tags, copy.tags),
        points=points_lacking(run.points, there.points),
    )


def _is_nested_elsewhere(copy: HeldRun | None, above: HeldRun | None) -> bool:
    """Whether a copy is not nested in the copy of the run that its source is nested in."""
    return copy is None or above is None or copy.record.tags.get(PARENT_TAG) != above.record.id


def _end(run: RunRecord, copy: RunRecord | None) -> RunEnd | None:
    """How the copy is to end, if it is not so; a new copy is RUNNING."""
    status_now = RunStatus.RUNNING if copy is None else copy.status
    ended_at = None if copy is None else copy.end_time
    status = run.status if run.status is not None and run.status != status_now else None
    end_time = None if run.end_time is None else whole_ms(run.end_time)
    if end_time == ended_at:
        end_time = None
    if status is None and end_time is None:
        return None
    return RunEnd(source_id=run.id, status=status, end_time=end_time)
