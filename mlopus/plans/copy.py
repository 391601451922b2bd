"""Planning a copy: a publish whose source is another tracking store.

All is compared, and every conflict found, before anything is sent. The copy of a run is RUNNING
until its values and files are there; versions are registered once all bytes are.
"""

from __future__ import annotations

from typing import TypeAlias

from mlopus.domain.keys import EntityKey, ExperimentKey, VersionKey, key_of
from mlopus.domain.locations import run_subject
from mlopus.domain.paths import join_path
from mlopus.domain.records import COPIED_FROM_TAG, ExperimentRecord, Record, VersionRecord
from mlopus.errors import (
    AlreadyExists,
    ConflictingOptions,
    IllegalPath,
    InvalidRequest,
    InvalidValue,
    OfflineMode,
    ValueTooLong,
)
from mlopus.plans.bindings import EXPERIMENT_ID, EXPERIMENT_KEY, RUNS, copied_key
from mlopus.plans.changes import EnsureExperiment, SetTags
from mlopus.plans.copy_facts import CopyFacts, Holdings
from mlopus.plans.copy_files import trees_lacking
from mlopus.plans.copy_requests import CopyExpTo, CopyRequest, CopyRunTo, CopyVersionTo
from mlopus.plans.copy_runs import RunsLacking, runs_lacking
from mlopus.plans.copy_steps import CopiedRuns, CopyFiles, CopyRuns, EndRuns, TreeCopy
from mlopus.plans.copy_values import text_fault, texts_lacking
from mlopus.plans.copy_versions import VersionsLacking, places_of, versions_lacking
from mlopus.plans.envelope import gathered, make_plan
from mlopus.plans.facts import Facts
from mlopus.plans.pending import Pending
from mlopus.plans.plan import EntityAnswer, FetchedAnswer, Plan, Stage
from mlopus.plans.provenance import copied_from, copying_id, tags_to_copy
from mlopus.plans.publish_metadata import reflected
from mlopus.plans.steps import AskServer, FetchEntity, WithdrawEntries
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success

CopyRefusal: TypeAlias = (
    AlreadyExists
    | ConflictingOptions
    | IllegalPath
    | InvalidRequest
    | InvalidValue
    | OfflineMode
    | ValueTooLong
)


def plan_copy(request: CopyRequest, facts: Facts) -> Result[Plan, CopyRefusal]:
    """Work out what the copies of an experiment, its runs and their versions lack.

    Needs what both stores hold (`facts.copying`); all else in the facts is of the target.

    Returns:
        A plan that is empty where the copies are as their sources are.

    Fails with:
        ConflictingOptions: Source and target are one store.
        AlreadyExists: The experiment of that name, or the copy of a run, was deleted; an alias names a
            version that is no copy; a file stands where a folder has to be, or the reverse.
        InvalidRequest: A param of a copy has another value.
        InvalidValue, ValueTooLong: A key or text that the target does not take.
        IllegalPath: A store lists names that no tree can hold.
        OfflineMode: The target may not be asked.
    """
    if facts.settings.mode == "offline":
        return Failure(OfflineMode(action=title_of(request)))
    if request.source == request.to:
        reason = f"{request.to} is the store that is copied from"
        hint = "Name another store; log_model_version registers more versions in this one."
        return Failure(ConflictingOptions(options=("to",), reason=reason, hint=hint))
    copying = gathered(facts.copying, "what both stores hold")
    exp_stage = _experiment(request, copying, facts)
    if isinstance(exp_stage, Failure):
        return exp_stage
    exp_id = copying.target.exp.id if copying.target.exp is not None else Pending(EXPERIMENT_ID)
    lacking = runs_lacking(copying, _exp_name(request, copying), facts.tracking.texts)
    if isinstance(lacking, Failure):
        return lacking
    runs = lacking.unwrap()
    trees = trees_lacking(copying, runs.held, places_of(copying.source.versions))
    if isinstance(trees, Failure):
        return trees
    known = Pending(RUNS) if runs.copies else CopiedRuns(runs=runs.there)
    name = request.name if isinstance(request, CopyVersionTo) else None
    registered = versions_lacking(copying, known, name, facts.tracking.texts)
    if isinstance(registered, Failure):
        return registered
    versions = registered.unwrap()
    copy_runs = (CopyRuns(exp_id=exp_id, runs=runs.copies, there=runs.there),) if runs.copies else ()
    copy_files = (CopyFiles(runs=known, trees=trees.unwrap()),) if trees.unwrap() else ()
    end_runs = (EndRuns(runs=known, ends=runs.ends),) if runs.ends else ()
    doubled = (*runs.doubled, *versions.doubled)
    stages: tuple[Stage, ...] = (
        doubled,
        reflected(doubled, facts),
        exp_stage.unwrap(),
        copy_runs,
        (*_withdrawals(runs, trees.unwrap(), facts),),
        copy_files,
        end_runs,
        versions.made,
        (*versions.changed, *versions.registered),
    )
    return Success(_answered(request, stages, runs, versions, facts))


def _exp_name(request: CopyRequest, copying: CopyFacts) -> str:
    if copying.target.exp is not None:
        return copying.target.exp.name
    named = request.name if isinstance(request, CopyExpTo) else None
    return named or gathered(copying.source.exp, "the experiment").name


def _experiment(
    request: CopyRequest, copying: CopyFacts, facts: Facts
) -> Result[Stage, AlreadyExists | InvalidValue | ValueTooLong]:
    """How the experiment is made, or follows its source; one that is no copy is left as it is."""
    source, there = gathered(copying.source.exp, "the experiment"), copying.target.exp
    text = copied_from(copying.source.origin, ExperimentKey(source.id))
    tags = tags_to_copy(source.tags) | {COPIED_FROM_TAG: text}
    fault = text_fault("tag", tags, facts.tracking.texts)
    if fault is not None:
        return Failure(fault)
    if there is None:
        name = _exp_name(request, copying)
        return Success((EnsureExperiment(name=name, tags=tags, operation_id=copying_id(text, name)),))
    if there.lifecycle_stage == "deleted":
        hint = f"It is deleted: restore_exp({there.id!r}) brings it back, or copy under another name."
        place = str(copying.target.origin)
        return Failure(AlreadyExists(kind="experiment", key=there.name, place=place, hint=hint))
    lacking = texts_lacking(tags, there.tags) if there.tags.get(COPIED_FROM_TAG) == text else None
    return Success((SetTags(on=ExperimentKey(there.id), tags=lacking),) if lacking else ())


def _withdrawals(runs: RunsLacking, trees: tuple[TreeCopy, ...], facts: Facts) -> Stage:
    """Stop serving what the target's cache holds of files that change."""
    if facts.cache is None or not facts.cache.is_writable:
        return ()
    changed = {
        (runs.held[tree.source_id].record.id, join_path(tree.path, file.file.path).partition("/")[0])
        for tree in trees
        if tree.source_id in runs.held
        for file in tree.files
    }
    return tuple(WithdrawEntries(subject=run_subject(run), path=path) for run, path in sorted(changed))


def _answered(
    request: CopyRequest,
    stages: tuple[Stage, ...],
    runs: RunsLacking,
    versions: VersionsLacking,
    facts: Facts,
) -> Plan:
    """The plan with its answer: the copy as the facts have it, else as the target has it afterwards."""
    copying = gathered(facts.copying, "what both stores hold")
    key: EntityKey | Pending
    there: Record | None
    match request:
        case CopyExpTo():
            key, there = Pending(EXPERIMENT_KEY), copying.target.exp
        case CopyRunTo(run=run):
            key = Pending(copied_key(run))
            there = runs.held[run.id].record if run.id in runs.held else None
        case CopyVersionTo():
            record = copying.source.versions[0].record
            version = VersionKey(record.name, record.version)
            key, there = Pending(copied_key(version)), dict(versions.there).get(version)
    origin = copying.source.origin
    if there is not None and not any(stages):
        answer = EntityAnswer(record=there, parents=_parents(there, copying.target))
        return make_plan(request, facts, (), answer, source=origin)
    if there is not None:
        key = key_of(there)
    keep = facts.metadata_is_writable and facts.settings.keep_on_read
    fetch = FetchEntity(key=key, ask=(AskServer(),), keep=keep)
    return make_plan(request, facts, (*stages, (fetch,)), FetchedAnswer(key=key), source=origin)


def _parents(copy: Record, target: Holdings) -> tuple[Record, ...]:
    """The model, run and experiment that are above a copy."""
    above: list[Record] = []
    if isinstance(copy, VersionRecord):
        above += [model for model in target.models if model.name == copy.name]
        above += [run.record for run in target.runs if run.record.id == copy.run_id]
    exp = () if target.exp is None or isinstance(copy, ExperimentRecord) else (target.exp,)
    return (*above, *exp)
