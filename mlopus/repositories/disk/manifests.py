"""Manifests on disk, and the committed trees they tell of."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections import OrderedDict
from typing import Any

import attrs

from mlopus.domain.manifest import Manifest, ManifestFile
from mlopus.domain.paths import path_below
from mlopus.errors import MlopusError, NotCached, UnreadableCache
from mlopus.repositories.disk.files import below, sha256_of
from mlopus.repositories.disk.layout import FORMAT, Layout, is_tree_key
from mlopus.result import Failure, Result, Success

_KEPT_FILES = 20_000
"""How many rows of manifests are kept in memory."""


@attrs.frozen
class StoredTree:
    """A manifest, and the modification time that each of its files had when it was committed."""

    manifest: Manifest
    mtimes_ns: tuple[int, ...]


class RecentTrees:
    """Manifests read or written lately: a tree never changes, so they stay true while it is there."""

    def __init__(self) -> None:
        self._trees: OrderedDict[str, StoredTree] = OrderedDict()
        self._rows = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> StoredTree | None:
        """The tree of a key, if it is remembered."""
        with self._lock:
            if key in self._trees:
                self._trees.move_to_end(key)
            return self._trees.get(key)

    def put(self, key: str, tree: StoredTree) -> None:
        """Remember a tree, and forget those not asked for longest."""
        with self._lock:
            if key in self._trees:
                return
            self._trees[key] = tree
            self._rows += len(tree.mtimes_ns)
            while self._rows > _KEPT_FILES and self._trees:
                _, oldest = self._trees.popitem(last=False)
                self._rows -= len(oldest.mtimes_ns)

    def __reduce__(self) -> tuple[type[RecentTrees], tuple[()]]:
        return RecentTrees, ()


def manifest_to_json(tree: StoredTree) -> bytes:
    """The text of a manifest file."""
    rows = [
        [file.path, file.size_bytes, file.sha256, mtime_ns]
        for file, mtime_ns in zip(tree.manifest.files, tree.mtimes_ns, strict=True)
    ]
    document = {
        "format": FORMAT,
        "name": tree.manifest.name,
        "is_file": tree.manifest.is_file,
        "empty_folders": tree.manifest.empty_folders,
        "files": rows,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def read_tree(layout: Layout, key: str, recent: RecentTrees) -> Result[StoredTree, MlopusError]:
    """What a committed tree holds.

    Fails with:
        NotCached: There is no such tree.
        UnreadableCache: Its manifest is damaged: it is not the one that the key was made from.
    """
    path = layout.manifest(key)
    if not is_tree_key(key):
        return Failure(_no_tree(layout, key))
    remembered = recent.get(key)
    try:
        if remembered is not None:
            os.stat(path)
            return Success(remembered)
        with open(path, "rb", buffering=0) as file:
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return Failure(_no_tree(layout, key))
    except OSError as error:
        return Failure(UnreadableCache(path=path, reason=error.strerror or str(error)))
    try:
        tree = _parsed(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return Failure(_damaged(path, f"it is no manifest ({type(error).__name__})"))
    if tree.manifest.key != key:
        return Failure(_damaged(path, "it is not the manifest that was committed"))
    recent.put(key, tree)
    return Success(tree)


def _parsed(document: Any) -> StoredTree:
    files: list[ManifestFile] = []
    mtimes_ns: list[int] = []
    for path, size_bytes, sha256, mtime_ns in document["files"]:
        files.append(ManifestFile(path=path, size_bytes=size_bytes, sha256=sha256))
        mtimes_ns.append(int(mtime_ns))
    manifest = Manifest(
        name=document["name"],
        is_file=document["is_file"],
        files=tuple(files),
        empty_folders=tuple(document["empty_folders"]),
    )
    return StoredTree(manifest, tuple(mtimes_ns))


def _damaged(path: str, reason: str) -> UnreadableCache:
    hint = "Remove the folder of this tree, then fetch it again."
    return UnreadableCache(path=path, reason=reason, hint=hint)


def _no_tree(layout: Layout, key: str) -> NotCached:
    return NotCached(kind="tree", key=key, place=layout.folder)


def damaged_files(layout: Layout, key: str, tree: StoredTree, path: str) -> tuple[str, ...]:
    """Paths in a tree whose file is gone, of another size, or changed since it was committed.

    A file of another modification time is hashed: a cache that was moved by a program that does not
    keep times is not damaged. Its time is put right, where it can be, so that it is hashed once.
    """
    root = layout.content(key, tree.manifest.name)
    found: list[str] = []
    for file, mtime_ns in zip(tree.manifest.files, tree.mtimes_ns, strict=True):
        if path_below(file.path, path) is not None and not is_intact(root, file, mtime_ns):
            found.append(file.path)
    return tuple(found)


def is_intact(root: str, file: ManifestFile, mtime_ns: int) -> bool:
    """Whether a committed file is what it was."""
    path = below(root, file.path)
    try:
        seen = os.lstat(path)
        if not stat.S_ISREG(seen.st_mode) or seen.st_size != file.size_bytes:
            return False
        if seen.st_mtime_ns == mtime_ns:
            return True
        if sha256_of(path) != file.sha256:
            return False
    except OSError:
        return False
    try:
        os.utime(path, ns=(seen.st_atime_ns, mtime_ns))
    except OSError:
        return True
    return True
