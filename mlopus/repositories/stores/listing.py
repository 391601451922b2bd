"""From what a store lists to a tree, every name checked before anything is done with it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import RemoteFile, RemoteTree
from mlopus.domain.paths import base_name, indistinct, relative_path
from mlopus.errors import IllegalPath
from mlopus.plans.tables import still_empty, table_fault
from mlopus.result import Failure, Result, Success

_HINT = "Whoever writes to that store put it there; nothing of the listing was used."


def tree_of(files: Iterable[RemoteFile], folders: Iterable[str] = ()) -> Result[RemoteTree, IllegalPath]:
    """The tree of listed files and folders, in any order. Unfinished uploads are left out.

    Fails with:
        IllegalPath: A name is no plain relative path, is listed twice, is both a file and a folder, or
            is the same as another on some system.
    """
    kept = sorted((file for file in files if not is_unfinished(file.path)), key=lambda file: file.path)
    paths, folders = [file.path for file in kept], tuple(folders)
    fault = table_fault(paths, folders) or _not_plain((*paths, *folders)) or _clash(paths)
    if fault is not None:
        return Failure(fault)
    return Success(
        RemoteTree(
            listed_at=datetime.now(UTC),
            files=tuple(kept),
            empty_folders=still_empty((folder for folder in folders if folder), paths),
            is_file=paths == [""],
        )
    )


def folder_of(url: str, entries: Iterable[ArtifactEntry]) -> Result[tuple[ArtifactEntry, ...], IllegalPath]:
    """What is directly in a folder, sorted and checked; a path is relative to the folder."""
    kept = sorted((entry for entry in entries if not is_unfinished(entry.path)), key=lambda e: e.path)
    for entry in kept:
        checked = relative_path(entry.path)
        if isinstance(checked, Failure) or "/" in entry.path:
            reason = f"is no name of a file in {url}"
            return checked if isinstance(checked, Failure) else Failure(_illegal(entry.path, reason))
    return Success(tuple(kept))


def is_unfinished(path: str) -> bool:
    """Whether a name is one that an upload has until it is complete."""
    name = base_name(path)
    return name.startswith(UNFINISHED_PREFIX) and name.endswith(UNFINISHED_SUFFIX)


UNFINISHED_PREFIX = ".mlopus-"
UNFINISHED_SUFFIX = ".part"


def _not_plain(paths: Iterable[str]) -> IllegalPath | None:
    """A name that has no text form, which tables of checked paths let pass."""
    for path in paths:
        checked = relative_path(path)
        if isinstance(checked, Failure):
            return checked.failure()
    return None


def _clash(paths: Iterable[str]) -> IllegalPath | None:
    pair = indistinct(paths)
    return None if pair is None else _illegal(pair[0], f"and {pair[1]!r} are the same name on some systems")


def _illegal(path: str, reason: str) -> IllegalPath:
    return IllegalPath(path=path, reason=reason, hint=_HINT)
