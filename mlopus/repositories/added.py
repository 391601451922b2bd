"""Files that somebody put among committed ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from mlopus.domain.checks import CheckedFile
from mlopus.domain.manifest import Manifest
from mlopus.domain.paths import join_path

_OF_PYTHON: Final = "__pycache__"
"""What Python keeps beside code that is loaded from where it is cached: it is nobody's, and comes again."""


def with_added(
    files: tuple[CheckedFile, ...], root: str | None, manifest: Manifest
) -> tuple[CheckedFile, ...]:
    """The committed files of a tree, and those in its folder that were never committed, sorted by path."""
    if root is None or manifest.is_file:
        return files
    there = {file.path for file in manifest.files}
    added = [file for file in _files_in(root, "") if file.path not in there]
    return tuple(sorted((*files, *added), key=lambda file: file.path))


def _files_in(folder: str, path: str) -> Iterator[CheckedFile]:
    """Everything below a folder that is no folder itself; links are not followed."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):  # what should be there is told as missing
        return
    for entry in entries:
        inside = join_path(path, entry.name)
        if not entry.is_dir(follow_symlinks=False):
            size_bytes = entry.stat(follow_symlinks=False).st_size
            yield CheckedFile(path=inside, size_bytes=size_bytes, state="added")
        elif entry.name != _OF_PYTHON:
            yield from _files_in(entry.path, inside)
