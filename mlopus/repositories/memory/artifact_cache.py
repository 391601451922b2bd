"""The artifact cache in memory; trees become folders of the real disk when a path is asked for."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import ArtifactSubject, Entry, Manifest
from mlopus.domain.paths import overlaps, path_below, relative_path
from mlopus.errors import MlopusError, NotCached, NotFound, StoreFailed
from mlopus.ports.artifact_cache import Staging
from mlopus.ports.streams import TreeSource
from mlopus.repositories.memory.keeping import MemoryKeeping
from mlopus.repositories.memory.materialised import Materialised, has_content
from mlopus.result import Failure, Result, Success, mapped

if TYPE_CHECKING:
    from mlopus.repositories.memory.care import MemoryCacheCare


@attrs.frozen
class HeldTree:
    """A committed tree: its manifest, and the content of each file."""

    manifest: Manifest
    contents: dict[str, bytes]


@attrs.frozen
class LeftBytes:
    """What a writer that stopped left of a file, and of which content it is."""

    validator: str
    content: bytes


class HeldTrees:
    """All trees and entries of one cache."""

    def __init__(self) -> None:
        self.trees: dict[str, HeldTree] = {}
        self.entries: dict[ArtifactSubject, dict[str, Entry]] = {}
        self.lock = threading.RLock()
        self.turns: dict[tuple[ArtifactSubject, str], threading.RLock] = {}
        self.materialised = Materialised()
        self.keeping = MemoryKeeping()
        self.left: dict[str, dict[str, LeftBytes]] = {}
        self.holds: list[str] = []
        self._used: dict[str, datetime] = {}

    def mark(self, tree_key: str) -> None:
        """Note that a tree is used now: at another time than before."""
        before = self._used.get(tree_key)
        now = datetime.now(UTC)
        self._used[tree_key] = now if before is None else max(now, before + timedelta(microseconds=1))

    def used_at(self, tree_key: str) -> datetime:
        """When a tree was last used."""
        return self._used[tree_key]

    def __getstate__(self) -> dict[str, Any]:
        with self.lock:
            entries = {subject: dict(held) for subject, held in self.entries.items()}
            held = {"trees": dict(self.trees), "entries": entries, "used": dict(self._used)}
            return {**held, "keeping": self.keeping}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.trees, self.entries, self.keeping = state["trees"], state["entries"], state["keeping"]
        self._used, self.holds = state["used"], []
        self.lock, self.turns, self.materialised = threading.RLock(), {}, Materialised()
        self.left = {}


@attrs.frozen(kw_only=True)
class MemoryArtifactCache:
    """Trees and entries in memory.

    A path that it gives is of a temporary folder, which lasts as long as the cache or one of its
    trees is referred to.

    Args:
        cache_id: Which cache this is.
        is_writable: Whether trees can be committed.
        held: The trees; a back door for tests.
    """

    cache_id: str = attrs.field(factory=lambda: f"memory-{os.urandom(8).hex()}")
    is_writable: bool = True
    held: HeldTrees = attrs.field(factory=HeldTrees, eq=False, repr=False)

    @property
    def keeping(self) -> MemoryKeeping:
        """Pins and recorded placements; where nothing can be committed, nothing can be recorded."""
        return self.held.keeping if self.is_writable else MemoryKeeping(is_writable=False)

    @property
    def care(self) -> MemoryCacheCare:
        """Care of the whole cache."""
        from mlopus.repositories.memory.care import MemoryCacheCare  # noqa: PLC0415 (few need it)

        return MemoryCacheCare(self.held, self.is_writable)

    def covering(
        self, subject: ArtifactSubject, path: str, *, with_validators: bool = True
    ) -> Result[tuple[Entry, ...], MlopusError]:
        """Entries at or above a path."""
        found = self._entries(subject, with_validators=with_validators)
        return Success(tuple(entry for entry in found if path_below(path, entry.path) is not None))

    def overlapping(
        self, subject: ArtifactSubject, path: str, *, with_validators: bool = True
    ) -> Result[tuple[Entry, ...], MlopusError]:
        """Entries at, above and below a path."""
        found = self._entries(subject, with_validators=with_validators)
        return Success(tuple(entry for entry in found if overlaps(entry.path, path)))

    def used(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Note that trees are used; answers those entries that still stand."""
        with self.held.lock:
            there = tuple(e for e in entries if self.held.entries.get(e.subject, {}).get(e.path) is not None)
            self.care.mark_used(tuple(entry.tree_key for entry in there))
        return there

    def manifest(self, tree_key: str) -> Result[Manifest, MlopusError]:
        """What a committed tree holds."""
        return mapped(self._tree(tree_key), lambda tree: tree.manifest)

    def tree(self, tree_key: str) -> Result[TreeSource, MlopusError]:
        """The files of a committed tree."""
        return mapped(self._tree(tree_key), lambda tree: MemoryTree(tree_key, tree, self.held))

    def damaged(self, tree_key: str, path: str) -> Result[tuple[str, ...], MlopusError]:
        """Files that are not what was committed, here or where they were put on the disk."""
        found = self._tree(tree_key)
        if isinstance(found, Failure):
            return found
        tree = found.unwrap()
        folder = self.held.materialised.path_of(tree_key, tree.manifest)
        return Success(
            tuple(
                file.path
                for file in tree.manifest.files
                if path_below(file.path, path) is not None
                and not (
                    hashlib.sha256(tree.contents.get(file.path, b"")).hexdigest() == file.sha256
                    and (folder is None or has_content(folder, file.path, tree.contents[file.path]))
                )
            )
        )

    def stage(self, url: str | None = None) -> Result[Staging, MlopusError]:
        """A new staging area."""
        from mlopus.repositories.memory.staging import MemoryStaging  # noqa: PLC0415 (it needs this module)

        if not self.is_writable:
            return Failure(
                StoreFailed(place="the cache in memory", action="staging a tree", reason="it is read-only")
            )
        return Success(MemoryStaging(self.held, url))

    def withdraw(self, subject: ArtifactSubject, path: str) -> Result[tuple[str, ...], MlopusError]:
        """Remove entries at, above and below a path."""
        with self.held.lock:
            held = self.held.entries.get(subject, {})
            gone = tuple(sorted(other for other in held if overlaps(other, path)))
            if gone and not self.is_writable:
                action = f"withdrawing what is cached of {subject}"
                return Failure(
                    StoreFailed(place="the cache in memory", action=action, reason="it is read-only")
                )
            for other in gone:
                del held[other]
        return Success(gone)

    def can_reflink_from(self, path: str) -> bool:  # noqa: ARG002 (memory shares nothing with a disk)
        """False: memory shares nothing with a disk."""
        return False

    @contextlib.contextmanager
    def alone(self, subject: ArtifactSubject, path: str) -> Generator[None]:
        """A block for one thread at a time."""
        with self.held.turns.setdefault((subject, path), threading.RLock()):
            yield

    def _entries(self, subject: ArtifactSubject, *, with_validators: bool) -> list[Entry]:
        with self.held.lock:
            found = [e for e in self.held.entries.get(subject, {}).values() if e.tree_key in self.held.trees]
        found.sort(key=lambda entry: (entry.taken_at, entry.path), reverse=True)
        return found if with_validators else [attrs.evolve(e, validators=immutabledict()) for e in found]

    def _tree(self, tree_key: str) -> Result[HeldTree, MlopusError]:
        tree = self.held.trees.get(tree_key)
        if tree is None:
            return Failure(NotCached(kind="tree", key=tree_key, place="the cache in memory"))
        return Success(tree)


@attrs.frozen
class MemoryTree:
    """The files of a tree in memory; on the disk from the moment a path is asked for."""

    key: str
    tree: HeldTree
    held: HeldTrees = attrs.field(repr=False)

    def open(self, path: str) -> Result[BinaryIO, MlopusError]:
        """A file."""
        checked = relative_path(path)
        if isinstance(checked, Failure):
            return checked
        content = self.tree.contents.get(path)
        if content is None:
            return Failure(NotFound(kind="file", key=path, place=f"tree {self.key[:12]}"))
        return Success(io.BytesIO(content))

    def local_path(self, path: str) -> str | None:
        """Its path in a temporary folder; None if there is nothing."""
        if isinstance(relative_path(path), Failure) or self.tree.manifest.subtree(path) is None:
            return None
        folder = self.held.materialised.make(self.key, self.tree.manifest, self.tree.contents)
        return os.path.join(folder, path) if path else folder
