"""Which files the copies lack: by digest, and never by size alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs

from mlopus.domain.manifest import RemoteFile, RemoteTree
from mlopus.domain.paths import ancestors, join_path, path_below
from mlopus.errors import AlreadyExists, IllegalPath
from mlopus.plans.copy_facts import CopyFacts, HeldRun, HeldVersion
from mlopus.plans.copy_steps import CopiedFile, TreeCopy
from mlopus.plans.tables import folders_of, table_fault
from mlopus.result import Failure, Result, Success

FileRefusal: TypeAlias = AlreadyExists | IllegalPath


def trees_lacking(
    copying: CopyFacts, held: Mapping[str, HeldRun], places: Mapping[tuple[str, str], str]
) -> Result[tuple[TreeCopy, ...], FileRefusal]:
    """Compare the artifacts of runs, and the bytes of versions that are elsewhere, with those of the copies.

    Args:
        copying: Both sides.
        held: The copies that are there, by the ids of their sources.
        places: Where among the artifacts of its run's copy each version's bytes are to be, by model
            and version.

    Fails with:
        IllegalPath: A store lists names that no tree can hold.
        AlreadyExists: A file stands where the source has a folder, or the reverse.
    """
    wanted = [
        _Wanted(run.record.id, run.record.repo, "", run.tree)
        for run in copying.source.runs
        if run.tree is not None
    ]
    wanted += [
        _Wanted(version.record.run_id, version.url, _place(version, places), version.tree)
        for version in copying.source.versions
        if version.tree is not None and version.record.run_id is not None
    ]
    fault = _table_fault(wanted)
    if fault is not None:
        return Failure(fault)
    found: list[TreeCopy] = []
    for one in wanted:
        copy = held.get(one.source_id)
        there = _at(one.path, None if copy is None else copy.tree)
        blocked = None if copy is None else _file_above(one.path, copy.tree)
        if blocked is not None:
            return Failure(_in_the_way(one, blocked))
        compared = _compared(one, there, keeps_folders=copying.target.keeps_folders)
        if isinstance(compared, Failure):
            return compared
        tree = compared.unwrap()
        if tree.files or tree.empty_folders:
            found.append(tree)
    return Success(tuple(found))


@attrs.frozen
class _Wanted:
    """A tree that a copy is to have at a path."""

    source_id: str
    source_url: str
    path: str
    tree: RemoteTree


def _place(version: HeldVersion, places: Mapping[tuple[str, str], str]) -> str:
    return places[version.record.name, version.record.version]


def _table_fault(wanted: list[_Wanted]) -> IllegalPath | None:
    """Why what one run's copy is to hold is no tree; None if every copy can."""
    by_run: dict[str, tuple[list[str], list[str]]] = {}
    for one in wanted:
        files, folders = by_run.setdefault(one.source_id, ([], []))
        files += [join_path(one.path, file.path) for file in one.tree.files]
        folders += [join_path(one.path, folder) for folder in one.tree.empty_folders]
    faults = (table_fault(files, folders) for files, folders in by_run.values())
    return next(filter(None, faults), None)


@attrs.frozen
class _There:
    """What a copy has at a path: files, and every folder."""

    files: Mapping[str, RemoteFile]
    folders: frozenset[str]


def _at(path: str, tree: RemoteTree | None) -> _There:
    if tree is None:
        return _There({}, frozenset())
    files = {below: file for file in tree.files if (below := path_below(file.path, path)) is not None}
    empty = [below for folder in tree.empty_folders if (below := path_below(folder, path)) is not None]
    return _There(files, folders_of(files, empty))


def _file_above(path: str, tree: RemoteTree | None) -> str | None:
    """A file of a copy in the place of a folder above a path."""
    above = ancestors(path)
    return None if tree is None else next((file.path for file in tree.files if file.path in above), None)


def _in_the_way(wanted: _Wanted, key: str) -> AlreadyExists:
    hint = "A file cannot stand where a folder is: remove it from the copy."
    return AlreadyExists(kind="artifact", key=key, place=f"the copy of run {wanted.source_id}", hint=hint)


def _compared(wanted: _Wanted, there: _There, *, keeps_folders: bool) -> Result[TreeCopy, AlreadyExists]:
    source = sorted(wanted.tree.files, key=lambda file: file.path)
    above = folders_of(file.path for file in source)
    mixed = [path for path in there.files if path in above and not wanted.tree.is_file]
    mixed += [file.path for file in source if file.path and file.path in there.folders]
    if mixed:
        return Failure(_in_the_way(wanted, join_path(wanted.path, min(mixed))))
    copied: list[CopiedFile] = []
    for file in source:
        other = there.files.get(file.path)
        if other is None:
            copied.append(CopiedFile(file=file, reason="new"))
        elif file.sha256 is None or file.sha256 != other.sha256:
            copied.append(CopiedFile(file=file, reason="changed"))
    folders = wanted.tree.empty_folders if keeps_folders else ()
    return Success(
        TreeCopy(
            source_id=wanted.source_id,
            source_url=wanted.source_url,
            path=wanted.path,
            files=tuple(copied),
            kept=len(source) - len(copied),
            empty_folders=tuple(sorted(folder for folder in folders if folder not in there.folders)),
            is_file=wanted.tree.is_file,
        )
    )
