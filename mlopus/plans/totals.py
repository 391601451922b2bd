"""What a plan moves, asks and removes, told before it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from mlopus.domain.keys import AliasKey, RunKey, VersionKey
from mlopus.domain.status import RunStatus
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    DeleteAlias,
    DeleteEntity,
    DeleteTags,
    EnsureExperiment,
    EnsureModel,
    LogBatch,
    RegisterVersion,
    RenameExperiment,
    RenameModel,
    RestoreEntity,
    SetAlias,
    SetTags,
    UpdateDescription,
    UpdateRun,
)
from mlopus.plans.copy_steps import CopyFiles, CopyRuns, CopyVersions, EndRuns
from mlopus.plans.facts import Facts
from mlopus.plans.journal_steps import DropRequests, ForgetRows, QueueRequest, SettleRequests
from mlopus.plans.keeping_steps import (
    ClearMetadata,
    EvictTrees,
    ForgetPlacements,
    PinPath,
    RecordPlacement,
    RemovePins,
    RemoveTemporaries,
    SweepLeftovers,
)
from mlopus.plans.moving import requests_to_fetch, requests_to_send
from mlopus.plans.pending import Pending
from mlopus.plans.plan import Stage, Totals
from mlopus.plans.steps import (
    AskServer,
    CacheRows,
    CommitTree,
    ExportRows,
    ExportTree,
    FetchEntity,
    FetchFiles,
    PlaceTree,
    ReflectChange,
    RemoveFiles,
    RemoveRemoteFiles,
    StageFiles,
    Step,
    TargetPresent,
    UploadFiles,
    WithdrawEntries,
)

_REQUESTS_OF_A_RUN = 2
_REQUESTS_OF_A_VERSION = 4


def totals_of(stages: Iterable[Stage], facts: Facts) -> Totals:
    """Sum up steps. A file that a store gives without a size counts as a request, not as bytes."""
    steps = tuple(step for stage in stages for step in stage)
    sent = (file for step in steps if isinstance(step, UploadFiles) for file in step.files)
    fetched = (file for step in steps if isinstance(step, FetchFiles) for file in step.files)
    evicted = [tree for step in steps if isinstance(step, EvictTrees) for tree in step.trees]
    swept = [item for step in steps if isinstance(step, SweepLeftovers) for item in step.leftovers]
    copied = sum(
        file.file.size_bytes or 0
        for step in steps
        if isinstance(step, CopyFiles)
        for tree in step.trees
        for file in tree.files
    )
    return Totals(
        up_bytes=sum(upload.file.size_bytes for upload in sent) + copied,
        down_bytes=sum(file.size_bytes or 0 for file in fetched) + copied,
        requests=sum(_requests(step, facts) for step in steps),
        removed_files=_removed(steps),
        evicted_files=sum(tree.file_count for tree in evicted),
        freed_bytes=sum(tree.freed_bytes for tree in evicted) + sum(item.size_bytes for item in swept),
        removed_entities=sum(isinstance(step, DeleteEntity) for step in steps),
        removed_tags=sum(len(step.keys) for step in steps if isinstance(step, DeleteTags)),
        removed_aliases=sum(isinstance(step, DeleteAlias) for step in steps),
    )


def _requests(step: Step, facts: Facts) -> int:  # noqa: C901 (a case per class)
    """Requests over a network that one step takes, if each is answered at once."""
    tracked = 1 if facts.tracking.requests_cost else 0
    stored = 1 if facts.store is not None and facts.store.requests_cost else 0
    in_parts = None if facts.store is None else facts.store.in_parts
    match step:
        case SetTags():
            return tracked * len(step.tags)
        case CreateRun():
            is_changed = step.status is not RunStatus.RUNNING  # every new run of a server is RUNNING
            return tracked * (1 + step.may_exist + is_changed)
        case RegisterVersion():
            return tracked * (1 + step.may_exist)
        case CreateExperiment() | EnsureExperiment():
            return tracked * 2  # creating answers the id alone
        case DeleteTags():
            return tracked * len(step.keys)
        case DeleteEntity(key=VersionKey()):
            return tracked * 2  # it is looked whether an alias is left
        case (
            CreateModel()
            | EnsureModel()
            | UpdateRun()
            | LogBatch()
            | RenameExperiment()
            | RenameModel()
            | UpdateDescription()
            | SetAlias()
            | DeleteAlias()
            | DeleteEntity()
            | RestoreEntity()
        ):
            return tracked
        case FetchEntity():
            return tracked * _requests_of_fetch(step)
        case UploadFiles():
            return stored * sum(requests_to_send(in_parts, one.file.size_bytes) for one in step.files)
        case FetchFiles():
            return stored * sum(requests_to_fetch(in_parts, file.size_bytes) for file in step.files)
        case RemoveRemoteFiles():
            return stored * len(step.files)
        case CopyRuns() | EndRuns() | CopyVersions() | CopyFiles():
            from mlopus.plans.copy_totals import requests_of_copying  # noqa: PLC0415 (start-up counts)

            return requests_of_copying(step, facts)
        case (
            CacheRows()
            | ReflectChange()
            | StageFiles()
            | CommitTree()
            | WithdrawEntries()
            | PlaceTree()
            | RemoveFiles()
            | ExportTree()
            | ExportRows()
            | QueueRequest()
            | SettleRequests()
            | DropRequests()
            | ForgetRows()
            | EvictTrees()
            | SweepLeftovers()
            | RecordPlacement()
            | ForgetPlacements()
            | PinPath()
            | RemovePins()
            | RemoveTemporaries()
            | ClearMetadata()
        ):
            return 0
        case _:
            assert_never(step)


def _requests_of_fetch(step: FetchEntity) -> int:
    """An entity with its parents; a fetch that asks the cache first is taken to find it there."""
    if not isinstance(step.ask[0], AskServer):
        return 0
    match step.key:
        case RunKey():
            return _REQUESTS_OF_A_RUN
        case Pending() if step.key.key.startswith("copy of run "):
            return _REQUESTS_OF_A_RUN
        case Pending() if step.key.key.startswith("copy of model version "):
            return _REQUESTS_OF_A_VERSION
        case VersionKey() | AliasKey():
            return _REQUESTS_OF_A_VERSION
        case _:
            return 1


def _removed(steps: tuple[Step, ...]) -> int:
    """Files that are gone afterwards from stores, source and target; those that moved are not removed."""
    moved: set[str] = set()
    removed = 0
    for step in steps:
        match step:
            case StageFiles(ladder="move"):
                moved |= {file.path for file in step.files}
            case UploadFiles(move=True):
                moved |= {upload.file.path for upload in step.files}
            case RemoveRemoteFiles():
                removed += len(step.files)
            case RemoveFiles():
                removed += sum(file.path not in moved for file in step.files)
            case PlaceTree(expect=TargetPresent() as there):
                removed += there.file_count
            case RemoveTemporaries():
                removed += sum(folder.file_count for folder in step.folders)
            case _:
                continue
    return removed
