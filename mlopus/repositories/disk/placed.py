"""Recorded placements as they are now: whether a target still shows the tree that was placed there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from mlopus.plans.keeping import Placement, PlacementState
from mlopus.repositories.disk.layout import path_in_tree


def state_of_placement(placement: Placement, original: str | None) -> PlacementState:
    """Whether a target has links to a tree; `original` is where on this disk the tree has what was placed.

    A target whose folder is not there may be on a disk that is not mounted now.
    """
    target = placement.target
    if not os.path.lexists(target):
        return "gone" if os.path.isdir(os.path.dirname(target)) else "unseen"
    return (
        "linked"
        if any(_is_link(path, rest, placement, original) for path, rest in _files(target))
        else "gone"
    )


def _files(target: str) -> Iterator[tuple[str, str]]:
    """The files and links at and below a target, with their paths in it."""
    if os.path.islink(target) or not os.path.isdir(target):
        yield target, ""
        return
    for folder, folders, names in os.walk(target):
        for name in (*names, *(name for name in folders if os.path.islink(os.path.join(folder, name)))):
            path = os.path.join(folder, name)
            yield path, os.path.relpath(path, target)


def _is_link(path: str, rest: str, placement: Placement, original: str | None) -> bool:
    try:
        if os.path.islink(path):
            return path_in_tree(os.readlink(path), placement.tree_key) is not None
        seen = os.lstat(path)
        if original is None or seen.st_nlink == 1 or not stat.S_ISREG(seen.st_mode):
            return False
        return os.path.samestat(seen, os.lstat(os.path.join(original, rest) if rest else original))
    except (FileNotFoundError, NotADirectoryError):
        return False
