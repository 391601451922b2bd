"""Care of a cache in memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import attrs

from mlopus.domain.checks import CheckedFile, FileState, TreeCheck
from mlopus.domain.manifest import Entry, ManifestFile
from mlopus.errors import MlopusError, NotCached, StoreFailed
from mlopus.plans.keeping import EntryAt, HeldTree, Leftover, TreeFacts
from mlopus.plans.keeping_steps import EvictedTree, EvictTrees
from mlopus.plans.outcomes import Evicted
from mlopus.repositories.added import with_added
from mlopus.repositories.memory.materialised import has_content
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from mlopus.repositories.memory.artifact_cache import HeldTree as MemoryTree
    from mlopus.repositories.memory.artifact_cache import HeldTrees

ORIGIN_KEY = "memory"
"""A cache in memory is of one origin, whichever that is."""


@attrs.frozen
class MemoryCacheCare:
    """All trees and entries of a cache in memory."""

    held: HeldTrees = attrs.field(repr=False)
    is_writable: bool = True

    @property
    def origin_key(self) -> str:
        """By what the entries of this origin are told."""
        return ORIGIN_KEY

    def inventory(self) -> Result[tuple[TreeFacts, ...], MlopusError]:
        """Every committed tree; files of equal content are one."""
        with self.held.lock:
            served: dict[str, list[EntryAt]] = {}
            for entry in self._entries():
                at = EntryAt(origin_key=ORIGIN_KEY, subject=entry.subject, path=entry.path)
                served.setdefault(entry.tree_key, []).append(at)
            return Success(
                tuple(
                    TreeFacts(
                        tree_key=key,
                        blobs=tuple(sorted((f.sha256, f.size_bytes) for f in tree.manifest.files)),
                        used_at=self.held.used_at(key),
                        entries=tuple(sorted(served.get(key, ()), key=lambda at: at.order)),
                    )
                    for key, tree in sorted(self.held.trees.items())
                )
            )

    def entries(self) -> Result[tuple[Entry, ...], MlopusError]:
        """Every entry."""
        with self.held.lock:
            found = self._entries()
        return Success(tuple(sorted(found, key=lambda e: (e.subject.kind, e.subject.key, e.path))))

    def leftovers(self, kept_for_s: float) -> Result[tuple[Leftover, ...], MlopusError]:  # noqa: ARG002 (none)
        """None: what a writer in memory had dies with it."""
        return Success(())

    def check(self, tree_key: str) -> Result[TreeCheck, MlopusError]:
        """Hash every file of a tree."""
        tree = self.held.trees.get(tree_key)
        if tree is None:
            row = CheckedFile(path="", size_bytes=0, state="missing")
            return Success(TreeCheck(tree_key=tree_key, files=(row,)))
        folder = self.held.materialised.path_of(tree_key, tree.manifest)
        files = tuple(
            CheckedFile(path=file.path, size_bytes=file.size_bytes, state=_state(tree, file, folder))
            for file in tree.manifest.files
        )
        return Success(TreeCheck(tree_key=tree_key, files=with_added(files, folder, tree.manifest)))

    def tree_at(self, path: str) -> str | None:
        """The key of the tree that was put on the disk around a path."""
        real = os.path.realpath(path)
        for key, tree in tuple(self.held.trees.items()):
            folder = self.held.materialised.path_of(key, tree.manifest)
            root = None if folder is None else os.path.realpath(folder)
            if root is not None and os.path.lexists(real) and (real == root or real.startswith(f"{root}/")):
                return key
        return None

    def mark_used(self, tree_keys: tuple[str, ...]) -> tuple[str, ...]:
        """Note that trees are used."""
        with self.held.lock:
            there = tuple(key for key in tree_keys if key in self.held.trees)
            for key in there if self.is_writable else ():
                self.held.mark(key)
        return there

    @contextlib.contextmanager
    def hold(self, tree_key: str) -> Generator[None]:
        """A block in which nobody evicts a tree."""
        if not self.is_writable:
            raise StoreFailed(place="the cache in memory", action="holding a tree", reason="it is read-only")
        with self.held.lock:
            if not self.mark_used((tree_key,)):
                raise NotCached(kind="tree", key=tree_key, place="the cache in memory")
            self.held.holds.append(tree_key)
        try:
            yield
        finally:
            self.held.holds.remove(tree_key)

    def held_trees(self) -> Result[tuple[HeldTree, ...], MlopusError]:
        """The trees that blocks hold."""
        reason = f"held by process {os.getpid()}"
        keys = sorted(self.held.holds)
        return Success(tuple(HeldTree(tree_key=key, by="hold", reason=reason) for key in keys))

    def evict(self, step: EvictTrees) -> Result[Evicted, MlopusError]:
        """Remove entries and trees."""
        if not self.is_writable:
            reason = "it is read-only"
            return Failure(StoreFailed(place="the cache in memory", action="evicting trees", reason=reason))
        gone: list[str] = []
        spared: list[str] = []
        for tree in step.trees:
            (gone if self._went(tree) else spared).append(tree.tree_key)
        return Success(Evicted(tree_keys=tuple(gone), spared=tuple(spared)))

    def sweep(self, names: tuple[str, ...]) -> Result[int, MlopusError]:  # noqa: ARG002 (there are none)
        """Nothing: there are no leftovers."""
        return Success(0)

    def _entries(self) -> list[Entry]:
        return [entry for held in self.held.entries.values() for entry in held.values()]

    def _went(self, tree: EvictedTree) -> bool:
        key = tree.tree_key
        with self.held.lock:
            is_held = key in self.held.holds and not tree.stays
            if is_held or (key in self.held.trees and self.held.used_at(key) != tree.used_at):
                return False
            for at in tree.entries:
                held = self.held.entries.get(at.subject, {})
                if at.path in held and held[at.path].tree_key == key:
                    del held[at.path]
            committed = None if tree.stays else self.held.trees.pop(key, None)
            if committed is not None:
                self.held.materialised.remove(key, committed.manifest)
        return True


def _state(tree: MemoryTree, file: ManifestFile, folder: str | None) -> FileState:
    content = tree.contents.get(file.path)
    if content is None:
        return "missing"
    if not file.is_of(content):
        return "damaged"
    if folder is None or has_content(folder, file.path, content):
        return "sound"
    path = os.path.join(folder, file.path) if file.path else folder
    return "damaged" if os.path.lexists(path) else "missing"
