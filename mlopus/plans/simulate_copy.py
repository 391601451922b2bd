"""What steps of copying make of facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import RemoteFile, RemoteTree
from mlopus.domain.paths import join_path
from mlopus.domain.records import (
    OPERATION_TAG,
    ExperimentRecord,
    MetricSample,
    ModelRecord,
    Record,
    RunRecord,
    VersionRecord,
)
from mlopus.plans.bindings import bindings_of
from mlopus.plans.changes import CreateRun, LogBatch, RegisterVersion, TrackingChange
from mlopus.plans.copy_changes import aliasing, creation, describing, ending, logging, registration
from mlopus.plans.copy_facts import CopyFacts, HeldRun, HeldVersion, Holdings
from mlopus.plans.copy_steps import (
    CopiedRun,
    CopiedRuns,
    CopiedVersion,
    CopyFiles,
    CopyRuns,
    CopyStep,
    CopyVersions,
    EndRuns,
    RunCopy,
    TreeCopy,
    VersionCopy,
)
from mlopus.plans.effects import applied, created_record, latest_points
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import Facts
from mlopus.plans.outcomes import RunsCopied, RunsEnded, VersionsCopied
from mlopus.plans.pending import known
from mlopus.plans.simulate_bytes import World
from mlopus.plans.steps import Bindings
from mlopus.plans.symbols import content_symbol


def simulate_copy(world: World, step: CopyStep) -> tuple[World, Bindings]:
    """The world after a step, and what the step binds."""
    match step:
        case CopyRuns():
            return _runs_copied(world, step)
        case CopyFiles():
            copies = known(step.runs).by_source()
            for tree in step.trees:
                world = _with_files(world, tree, copies[tree.source_id].run_id)
            return world, immutabledict()
        case EndRuns():
            copies = known(step.runs).by_source()
            for end in step.ends:
                world = _changed(world, ending(end, copies[end.source_id].run_id))
            return world, bindings_of(step, RunsEnded(count=len(step.ends)))
        case CopyVersions():
            return _versions_copied(world, step)
        case _:
            assert_never(step)


def changed_target(facts: Facts, change: TrackingChange, created: Record | None = None) -> Facts:
    """The facts after a change of the store that is copied to; `created` is what the change made."""
    if facts.copying is None:
        return facts
    target = facts.copying.target
    match created:
        case ExperimentRecord():
            target = attrs.evolve(target, exp=created)
        case ModelRecord():
            target = attrs.evolve(target, models=(*target.models, created))
        case _:
            target = _after(target, change)
    return attrs.evolve(facts, copying=attrs.evolve(facts.copying, target=target))


def _after(target: Holdings, change: TrackingChange) -> Holdings:
    return attrs.evolve(
        target,
        exp=None if target.exp is None else applied(target.exp, change),
        runs=tuple(_run_after(run, change) for run in target.runs),
        models=tuple(applied(model, change) for model in target.models),
        versions=tuple(attrs.evolve(v, record=applied(v.record, change)) for v in target.versions),
    )


def _run_after(run: HeldRun, change: TrackingChange) -> HeldRun:
    record = applied(run.record, change)
    if not isinstance(change, LogBatch) or change.run_id != record.id or not change.metrics:
        return run if record is run.record else attrs.evolve(run, record=record)
    points: tuple[MetricSample, ...] = (*run.points, *change.metrics)
    latest = {key: point.value for key, point in latest_points(points).items()}
    record = attrs.evolve(record, metrics=record.metrics | latest)
    return attrs.evolve(run, record=record, points=points)


def _copying(world: World) -> CopyFacts:
    return gathered(world.facts.copying, "what both stores hold")


def _changed(world: World, change: TrackingChange) -> World:
    return world.evolve(changed_target(world.facts, change))


def _with_target(world: World, target: Holdings) -> World:
    copying = attrs.evolve(_copying(world), target=target)
    return world.evolve(attrs.evolve(world.facts, copying=copying))


def _runs_copied(world: World, step: CopyRuns) -> tuple[World, Bindings]:
    copies = CopiedRuns(runs=step.there).by_source()
    created, limits = 0, world.facts.tracking.limits
    for run in step.runs:
        if run.run_id is None:
            world, record, is_new = _created(world, step, run, copies)
            copies[run.source_id] = CopiedRun(source_id=run.source_id, run_id=record.id, repo=record.repo)
            created += is_new
        for change in logging(run, copies[run.source_id].run_id, copies, limits):
            world = _changed(world, change)
    points = sum(len(run.points) for run in step.runs)
    outcome = RunsCopied(runs=in_order(copies.values()), created=created, point_count=points)
    return world, bindings_of(step, outcome)


def in_order(copies: Iterable[CopiedRun]) -> CopiedRuns:
    """Copies, sorted by their sources."""
    return CopiedRuns(runs=tuple(sorted(copies, key=lambda copied: copied.source_id)))


def _created(
    world: World, step: CopyRuns, run: RunCopy, copies: Mapping[str, CopiedRun]
) -> tuple[World, RunRecord, bool]:
    target = _copying(world).target
    for other in target.runs:
        if other.record.tags.get(OPERATION_TAG) == run.operation_id:
            return world, other.record, False
    change: CreateRun = creation(step, run, copies)
    name = f"<copy of run {run.source_id}>"
    record = created_record(change, id=name, now=world.facts.now, artifact_uri=f"<artifacts of {name}>")
    assert isinstance(record, RunRecord)  # noqa: S101 (what such a change creates)
    held = HeldRun(record=record, tree=RemoteTree(listed_at=world.facts.now))
    return _with_target(world, attrs.evolve(target, runs=(*target.runs, held))), record, True


def _with_files(world: World, copied: TreeCopy, run_id: str) -> World:
    """Both sides after files were copied: their digests are known then, of the source's files too."""
    told = {file.file.path: _told(copied.source_url, file.file) for file in copied.files}
    copying = _copying(world)
    now = world.facts.now
    source = attrs.evolve(
        copying.source,
        runs=tuple(_told_run(run, copied, told) for run in copying.source.runs),
        versions=tuple(_told_version(version, copied, told) for version in copying.source.versions),
    )
    keeps = copying.target.keeps_folders
    added = {
        join_path(copied.path, path): attrs.evolve(file, path=join_path(copied.path, path), validator=None)
        for path, file in told.items()
    }
    folders = tuple(join_path(copied.path, folder) for folder in copied.empty_folders) if keeps else ()
    runs = tuple(
        attrs.evolve(run, tree=_with_added(run.tree or RemoteTree(listed_at=now), added, folders))
        if run.record.id == run_id
        else run
        for run in copying.target.runs
    )
    target = attrs.evolve(copying.target, runs=runs)
    return world.evolve(attrs.evolve(world.facts, copying=CopyFacts(source=source, target=target)))


def _told(url: str, file: RemoteFile) -> RemoteFile:
    return attrs.evolve(file, sha256=file.sha256 or content_symbol(url, file))


def _told_run(run: HeldRun, copied: TreeCopy, told: Mapping[str, RemoteFile]) -> HeldRun:
    is_it = run.record.id == copied.source_id and run.record.repo == copied.source_url
    return run if not is_it or run.tree is None else attrs.evolve(run, tree=_with_told(run.tree, told))


def _told_version(version: HeldVersion, copied: TreeCopy, told: Mapping[str, RemoteFile]) -> HeldVersion:
    if version.tree is None or version.url != copied.source_url:
        return version
    return attrs.evolve(version, tree=_with_told(version.tree, told))


def _with_told(tree: RemoteTree, told: Mapping[str, RemoteFile]) -> RemoteTree:
    return attrs.evolve(tree, files=tuple(told.get(file.path, file) for file in tree.files))


def _with_added(tree: RemoteTree, added: Mapping[str, RemoteFile], folders: tuple[str, ...]) -> RemoteTree:
    files = {**{file.path: file for file in tree.files}, **added}
    return attrs.evolve(
        tree,
        files=tuple(files[path] for path in sorted(files)),
        empty_folders=tuple(sorted({*tree.empty_folders, *folders})),
    )


def _versions_copied(world: World, step: CopyVersions) -> tuple[World, Bindings]:
    copies = known(step.runs).by_source()
    numbers = {copied.source_version: copied.version for copied in step.there}
    registered = 0
    for version in step.versions:
        if version.version is None:
            register = registration(step, version, copies[version.source_run])
            world, number, is_new = _registered(world, register, version)
            numbers[version.source_version] = number
            registered += is_new
        for change in describing(step, version, numbers[version.source_version]):
            world = _changed(world, change)
    for alias in aliasing(step, numbers):
        world = _changed(world, alias)
    copied = tuple(CopiedVersion(source_version=s, version=v) for s, v in sorted(numbers.items()))
    return world, bindings_of(step, VersionsCopied(versions=copied, registered=registered))


def _registered(world: World, change: RegisterVersion, version: VersionCopy) -> tuple[World, str, bool]:
    target = _copying(world).target
    of_model = [held.record for held in target.versions if held.record.name == change.model_name]
    for other in of_model:
        if other.tags.get(OPERATION_TAG) == change.operation_id:
            return world, other.version, False
    number = str(1 + max((int(other.version) for other in of_model), default=0))
    record = created_record(change, id=number, now=world.facts.now)
    assert isinstance(record, VersionRecord)  # noqa: S101 (what such a change creates)
    held = HeldVersion(record=record, path_in_run=version.path)
    return _with_target(world, attrs.evolve(target, versions=(*target.versions, held))), number, True
