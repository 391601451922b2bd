"""Plans from outside: whether every path in them stays in its root."""

from __future__ import annotations

from collections.abc import Iterable

from mlopus.errors import IllegalPath
from mlopus.plans.copy_steps import CopyFiles, CopyVersions
from mlopus.plans.keeping_steps import EvictTrees, PinPath, RecordPlacement, RemoveTemporaries, SweepLeftovers
from mlopus.plans.plan import ExportedAnswer, Plan, TreeAnswer
from mlopus.plans.steps import (
    CachedTree,
    CommitTree,
    ExportTree,
    FetchFiles,
    PlaceTree,
    RemoveFiles,
    RemoveRemoteFiles,
    StageFiles,
    Step,
    StoreTree,
    UploadFiles,
    WithdrawEntries,
)
from mlopus.plans.tables import path_fault, table_fault


def unsafe_path(plan: Plan) -> IllegalPath | None:
    """The first path of a plan that is not plain and relative; None if there is none."""
    answer = plan.answer
    answered = _of_tree(answer.tree) if isinstance(answer, TreeAnswer | ExportedAnswer) else None
    return answered or _first(_of_step(step) for step in plan.steps)


def _of_step(step: Step) -> IllegalPath | None:  # noqa: C901 (a case per class)
    match step:
        case FetchFiles():
            files = [file.path for file in step.files] + [file.path for file in step.reused]
            inside = _first(path_fault(file.path_in_tree) for file in step.reused)
            return table_fault(files) or inside or _first(_name_fault(f.tree_key) for f in step.reused)
        case StageFiles() | RemoveRemoteFiles():
            return table_fault(file.path for file in step.files)
        case CommitTree():
            return path_fault(step.path) or _name_fault(step.name) or table_fault((), step.empty_folders)
        case WithdrawEntries():
            return path_fault(step.path)
        case PlaceTree():
            files = [file.path for file in step.files]
            return table_fault(files, step.empty_folders) or _of_tree(step.tree)
        case ExportTree():
            files = [file.path for file in step.files]
            return (
                table_fault(files, step.commit.empty_folders) or _of_tree(step.tree) or _of_step(step.commit)
            )
        case UploadFiles():
            sent = [upload.file.path for upload in step.files] + [file.path for file in step.kept]
            return table_fault(sent, step.empty_folders) or _first(
                path_fault(file.path) for file in step.left
            )
        case RemoveFiles():
            return table_fault((file.path for file in step.files), step.empty_folders)
        case CopyFiles():
            faults = (
                path_fault(tree.path) or table_fault((f.file.path for f in tree.files), tree.empty_folders)
                for tree in step.trees
            )
            return _first(faults)
        case CopyVersions():
            return _first(path_fault(version.path) for version in step.versions)
        case _:
            return _of_keeping(step)


def _of_keeping(step: Step) -> IllegalPath | None:
    match step:
        case EvictTrees():
            inside = _first(path_fault(entry.path) for tree in step.trees for entry in tree.entries)
            origins = _first(_name_fault(e.origin_key) for tree in step.trees for e in tree.entries)
            return inside or origins or _first(_name_fault(tree.tree_key) for tree in step.trees)
        case SweepLeftovers():
            return _first(_name_fault(leftover.name) for leftover in step.leftovers)
        case RemoveTemporaries():
            return _first(_name_fault(folder.name) for folder in step.folders)
        case RecordPlacement():
            fault = _name_fault(step.tree_key) if isinstance(step.tree_key, str) else None
            return fault or path_fault(step.path)
        case PinPath():
            return path_fault(step.pin.path) or _first(_name_fault(key) for key in step.tree_keys)
        case _:
            return None


def _of_tree(tree: CachedTree | StoreTree) -> IllegalPath | None:
    if isinstance(tree, StoreTree):
        return None
    key_fault = _name_fault(tree.tree_key) if isinstance(tree.tree_key, str) else None
    return key_fault or path_fault(tree.path)


def _name_fault(name: str) -> IllegalPath | None:
    """Why a name is not one component of a path."""
    if name and "/" not in name:
        return path_fault(name)
    return IllegalPath(path=name, reason="is not a single name")


def _first(faults: Iterable[IllegalPath | None]) -> IllegalPath | None:
    return next(filter(None, faults), None)
