"""What steps of copying mean to a tracking store: the changes that execution sends and simulation applies."""

from __future__ import annotations

from collections.abc import Mapping

from immutabledict import immutabledict

from mlopus.domain.keys import VersionKey
from mlopus.domain.paths import join_url
from mlopus.domain.records import PARENT_TAG, Texts
from mlopus.domain.status import RunStatus
from mlopus.plans.batches import log_batches
from mlopus.plans.changes import (
    CreateRun,
    RegisterVersion,
    SetAlias,
    SetTags,
    TrackingChange,
    UpdateDescription,
    UpdateRun,
)
from mlopus.plans.copy_steps import CopiedRun, CopyRuns, CopyVersions, RunCopy, RunEnd, VersionCopy
from mlopus.plans.facts import BatchLimits
from mlopus.plans.pending import known


def generations(runs: tuple[RunCopy, ...]) -> tuple[tuple[RunCopy, ...], ...]:
    """Runs in groups, each nested only in runs of earlier groups or in none of these."""
    depths: dict[str, int] = {}
    found: list[list[RunCopy]] = []
    for run in runs:
        depth = 0 if run.parent is None else depths.get(run.parent, -1) + 1
        depths[run.source_id] = depth
        found += [[] for _ in range(depth + 1 - len(found))]
        found[depth].append(run)
    return tuple(map(tuple, found))


def creation(step: CopyRuns, run: RunCopy, copies: Mapping[str, CopiedRun]) -> CreateRun:
    """The change that makes the copy of a run."""
    return CreateRun(
        exp_id=known(step.exp_id),
        name=run.name,
        tags=_nested_tags(run, copies),
        status=RunStatus.RUNNING,
        start_time=run.start_time,
        operation_id=run.operation_id,
        may_exist=step.may_exist,
    )


def logging(
    run: RunCopy, run_id: str, copies: Mapping[str, CopiedRun], limits: BatchLimits
) -> tuple[TrackingChange, ...]:
    """The changes that bring the copy what it lacks, after it was made."""
    is_new = run.run_id is None
    tags: Texts = immutabledict() if is_new else _nested_tags(run, copies)
    batches = log_batches(run_id, limits, run.params, run.points, tags)
    renamed = run.name if not is_new else None
    return (*batches, *((UpdateRun(run_id=run_id, name=renamed),) if renamed is not None else ()))


def ending(end: RunEnd, run_id: str) -> UpdateRun:
    """The change that ends the copy of a run as its source ended."""
    return UpdateRun(run_id=run_id, status=end.status, end_time=end.end_time)


def _nested_tags(run: RunCopy, copies: Mapping[str, CopiedRun]) -> Texts:
    return run.tags if run.parent is None else run.tags | {PARENT_TAG: copies[run.parent].run_id}


def registration(step: CopyVersions, version: VersionCopy, run: CopiedRun) -> RegisterVersion:
    """The change that registers the copy of a version."""
    return RegisterVersion(
        model_name=step.model_name,
        source=join_url(run.repo, version.path),
        run_id=run.run_id,
        tags=version.tags,
        operation_id=version.operation_id,
        may_exist=step.may_exist,
    )


def describing(step: CopyVersions, version: VersionCopy, number: str) -> tuple[TrackingChange, ...]:
    """The changes that bring the copy of a version what it lacks, after it was registered."""
    on = VersionKey(step.model_name, number)
    described = version.description
    changes: list[TrackingChange] = []
    if version.version is not None and version.tags:
        changes.append(SetTags(on=on, tags=version.tags))
    if described is not None:
        changes.append(UpdateDescription(on=on, description=described))
    return tuple(changes)


def aliasing(step: CopyVersions, numbers: Mapping[str, str]) -> tuple[SetAlias, ...]:
    """The changes that let aliases name the copies of what they name in the source."""
    return tuple(
        SetAlias(model_name=step.model_name, alias=alias, version=numbers[step.aliases[alias]])
        for alias in sorted(step.aliases)
    )
