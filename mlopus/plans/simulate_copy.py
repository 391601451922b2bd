"""What steps of copying make of facts."""

from __future__ import annotations

from collections.abc import Mapping
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
    VersionCopy,
)
from mlopus.plans.effects import applied, created_record, is_removed, latest_points
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import Facts
from mlopus.plans.outcomes import RunsCopied, RunsEnded, VersionsCopied
from mlopus.plans.pending import known
from mlopus.plans.simulate_bytes import World
from mlopus.plans.steps import Bindings
from mlopus.plans.symbols import content_symbol
from mlopus.plans.tables import still_empty


def simulate_copy(world: World, step: CopyStep) -> tuple[World, Bindings]:
    """The world after a step, and what the step binds."""
    match step:
        case CopyRuns():
            return _runs_copied(world, step)
        case CopyFiles():
            return _files_copied(world, step), immutabledict()
        case EndRuns():
            copies, held = known(step.runs).by_source(), _held_runs(world)
            for end in step.ends:
                run_id = copies[end.source_id].run_id
                held[run_id] = _run_after(held[run_id], (ending(end, run_id),))
            return _with_runs(world, held), bindings_of(step, RunsEnded(count=len(step.ends)))
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
        runs=tuple(_run_after(run, (change,)) for run in target.runs),
        models=tuple(applied(model, change) for model in target.models),
        versions=tuple(
            attrs.evolve(version, record=applied(version.record, change))
            for version in target.versions
            if not is_removed(version.record, change)
        ),
    )


def _run_after(run: HeldRun, changes: tuple[TrackingChange, ...]) -> HeldRun:
    """A run after changes one after the other; its points are gone through once, however many batches."""
    record, logged = run.record, list[MetricSample]()
    for change in changes:
        record = applied(record, change)
        if isinstance(change, LogBatch) and change.run_id == record.id:
            logged.extend(change.metrics)
    if not logged:
        return run if record is run.record else attrs.evolve(run, record=record)
    points = (*run.points, *logged)
    latest = {key: point.value for key, point in latest_points(points).items()}
    return attrs.evolve(run, record=attrs.evolve(record, metrics=record.metrics | latest), points=points)


def _copying(world: World) -> CopyFacts:
    return gathered(world.facts.copying, "what both stores hold")


def _changed(world: World, change: TrackingChange) -> World:
    return world.evolve(changed_target(world.facts, change))


def _with_target(world: World, target: Holdings) -> World:
    copying = attrs.evolve(_copying(world), target=target)
    return world.evolve(attrs.evolve(world.facts, copying=copying))


def _held_runs(world: World) -> dict[str, HeldRun]:
    return {run.record.id: run for run in _copying(world).target.runs}


def _with_runs(world: World, held: Mapping[str, HeldRun]) -> World:
    return _with_target(world, attrs.evolve(_copying(world).target, runs=tuple(held.values())))


def _runs_copied(world: World, step: CopyRuns) -> tuple[World, Bindings]:
    copies, held = CopiedRuns(runs=step.there).by_source(), _held_runs(world)
    by_operation = {run.record.tags.get(OPERATION_TAG): run.record for run in held.values()}
    created = 0
    for run in step.runs:
        if run.run_id is None:
            record = by_operation.get(run.operation_id)
            if record is None:
                record = _created(world, creation(step, run, copies), run.source_id)
                held[record.id] = HeldRun(record=record, tree=RemoteTree(listed_at=world.facts.now))
                created += 1
            copies[run.source_id] = CopiedRun(source_id=run.source_id, run_id=record.id, repo=record.repo)
        run_id = copies[run.source_id].run_id
        changes = logging(run, run_id, copies, world.facts.tracking.limits)
        held[run_id] = _run_after(held[run_id], tuple(changes))
    in_order = tuple(copies[source_id] for source_id in sorted(copies))
    points = sum(len(run.points) for run in step.runs)
    outcome = RunsCopied(runs=CopiedRuns(runs=in_order), created=created, point_count=points)
    return _with_runs(world, held), bindings_of(step, outcome)


def _created(world: World, change: CreateRun, source_id: str) -> RunRecord:
    name = f"<copy of run {source_id}>"
    record = created_record(change, id=name, now=world.facts.now, artifact_uri=f"<artifacts of {name}>")
    assert isinstance(record, RunRecord)  # noqa: S101 (what such a change creates)
    return record


def _files_copied(world: World, step: CopyFiles) -> World:
    """Both sides after files were copied: their digests are known then, of the source's files too."""
    copying, copies = _copying(world), known(step.runs).by_source()
    held = _held_runs(world)
    told: dict[str, dict[str, RemoteFile]] = {}
    for tree in step.trees:
        files = {one.file.path: _told(tree.source_url, one.file) for one in tree.files}
        told[tree.source_url] = files
        run_id = copies[tree.source_id].run_id
        there = held[run_id].tree or RemoteTree(listed_at=world.facts.now)
        folders = tree.empty_folders if copying.target.keeps_folders else ()
        held[run_id] = attrs.evolve(held[run_id], tree=_with_added(there, tree.path, files, folders))
    source = attrs.evolve(
        copying.source,
        runs=tuple(_told_run(run, told) for run in copying.source.runs),
        versions=tuple(_told_version(version, told) for version in copying.source.versions),
    )
    target = attrs.evolve(copying.target, runs=tuple(held.values()))
    return world.evolve(attrs.evolve(world.facts, copying=CopyFacts(source=source, target=target)))


def _told(url: str, file: RemoteFile) -> RemoteFile:
    return file if file.sha256 else attrs.evolve(file, sha256=content_symbol(url, file))


def _told_run(run: HeldRun, told: Mapping[str, Mapping[str, RemoteFile]]) -> HeldRun:
    files = told.get(run.record.repo)
    return run if files is None or run.tree is None else attrs.evolve(run, tree=_with_told(run.tree, files))


def _told_version(version: HeldVersion, told: Mapping[str, Mapping[str, RemoteFile]]) -> HeldVersion:
    files = told.get(version.url)
    if files is None or version.tree is None:
        return version
    return attrs.evolve(version, tree=_with_told(version.tree, files))


def _with_told(tree: RemoteTree, told: Mapping[str, RemoteFile]) -> RemoteTree:
    return attrs.evolve(tree, files=tuple(told.get(file.path, file) for file in tree.files))


def _with_added(
    tree: RemoteTree, path: str, added: Mapping[str, RemoteFile], folders: tuple[str, ...]
) -> RemoteTree:
    files = {file.path: file for file in tree.files}
    for below, file in added.items():
        whole = join_path(path, below) if path else below
        is_same = file.path == whole and file.validator is None
        files[whole] = file if is_same else attrs.evolve(file, path=whole, validator=None)
    empty = {*tree.empty_folders, *(join_path(path, folder) for folder in folders)}
    return attrs.evolve(
        tree, files=tuple(files[path] for path in sorted(files)), empty_folders=still_empty(empty, files)
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
