"""Tables of files, checked once: plain relative paths, each once, none both a file and a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from mlopus.domain.paths import MAX_DEPTH, relative_path
from mlopus.errors import IllegalPath
from mlopus.result import Failure

_PLAIN = re.compile(r"[^/\\\x00-\x1f\x7f]+(?:/[^/\\\x00-\x1f\x7f]+)*")


def table_fault(files: Iterable[str], empty_folders: Iterable[str] = ()) -> IllegalPath | None:
    """Why a table of paths cannot become a tree on a disk; None if it can.

    The one path "" is a tree that is a single file.
    """
    names, folders = sorted(files), tuple(empty_folders)
    twice = next((one for one, other in pairwise(names) if one == other), None)
    if twice is not None:
        return IllegalPath(path=twice, reason="is listed twice")
    for path in (*names, *folders):
        fault = path_fault(path)
        if fault is not None:
            return fault
    both = min(folders_of(names, folders).intersection(names), default=None)
    if both is not None:
        return IllegalPath(path=both, reason="is a file and a folder, which no disk can hold")
    return None


def path_fault(path: str) -> IllegalPath | None:
    """Why a path is not plain and relative; None if it is. "" is the tree itself."""
    if path == "" or (_PLAIN.fullmatch(path) and path.count("/") < MAX_DEPTH and not _is_suspect(path)):
        return None
    checked = relative_path(path)
    if isinstance(checked, Failure):
        return checked.failure()
    return None if checked.unwrap() == path else IllegalPath(path=path, reason="ends with a slash")


def _is_suspect(path: str) -> bool:
    """Whether a path may have a `.` or `..` component or a drive: most have not, and are done."""
    return path.startswith(".") or "/." in path or path[1:2] == ":"


def folders_of(files: Iterable[str], empty_folders: Iterable[str] = ()) -> frozenset[str]:
    """Every folder of a tree: those given, and those above files and folders, the tree itself too."""
    folders = frozenset(empty_folders)
    return folders | _above((*files, *folders))


def still_empty(empty_folders: Iterable[str], files: Iterable[str]) -> tuple[str, ...]:
    """Of folders that were empty, those that still are beside these files, sorted."""
    folders = sorted(frozenset(empty_folders))
    filled = _above((*files, *folders))
    return tuple(folder for folder in folders if folder not in filled)


def _above(paths: Iterable[str]) -> frozenset[str]:
    """Every folder above one of these paths."""
    found: set[str] = set()
    open_ends = {path.rpartition("/")[0] for path in paths if path}
    while open_ends:
        found |= open_ends
        open_ends = {path.rpartition("/")[0] for path in open_ends if path} - found
    return frozenset(found)
