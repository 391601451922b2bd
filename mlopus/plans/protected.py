"""Folders that users neither place into nor publish from: the cache, and stores on this disk."""

from __future__ import annotations

from collections.abc import Iterable

from mlopus.errors import IllegalPath
from mlopus.plans.facts import ProtectedRoot

_WHAT = {"cache": "the cache", "store": "an artifact store"}


def protected_fault(path: str, roots: Iterable[ProtectedRoot]) -> IllegalPath | None:
    """Why nothing is placed at an absolute path, or published from it; None if it is free.

    Paths are compared as text: links are resolved by whoever gathers them.

    Example:
        >>> str(protected_fault("/c/trees/x", [ProtectedRoot(path="/c", kind="cache")]))
        "path '/c/trees/x' is inside the cache at /c"
    """
    for root in roots:
        relation = (
            "inside" if is_inside(path, root.path) else "around" if is_inside(root.path, path) else None
        )
        if relation is not None:
            reason = f"is {relation} {_WHAT[root.kind]} at {root.path}"
            return IllegalPath(path=path, reason=reason, hint="Choose a path apart from it.")
    return None


def is_inside(path: str, folder: str) -> bool:
    """Whether an absolute path is a folder or below it."""
    folder = folder.rstrip("/")
    return path.rstrip("/") == folder or path.startswith(f"{folder}/")
