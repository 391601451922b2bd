"""Care of a whole cache folder: what it holds, whether that is sound, and what leaves it."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Generator, Iterator

import attrs

from mlopus.concurrency.crews import for_each
from mlopus.domain.checks import CheckedFile, FileState, TreeCheck
from mlopus.domain.manifest import Entry, ManifestFile
from mlopus.domain.origin import Origin
from mlopus.errors import MlopusError, NotCached, UnreadableCache
from mlopus.plans.keeping import Blob, EntryAt, HeldTree, Leftover, TreeFacts
from mlopus.plans.keeping_steps import EvictTrees
from mlopus.plans.outcomes import Evicted
from mlopus.repositories.added import with_added
from mlopus.repositories.disk.entries import entry_files, read_entry
from mlopus.repositories.disk.eviction import Eviction
from mlopus.repositories.disk.files import below, disk_failed, remove_any, sha256_of
from mlopus.repositories.disk.holds import held_trees, holding
from mlopus.repositories.disk.layout import Layout, create_cache, is_tree_key, read_cache_id
from mlopus.repositories.disk.leftovers import abandoned
from mlopus.repositories.disk.manifests import RecentTrees, read_tree
from mlopus.repositories.disk.marks import mark, marked_at
from mlopus.repositories.disk.owner import Owner
from mlopus.repositories.disk.sharing import FileIndex
from mlopus.result import Failure, Result, Success

_LOGGER = logging.getLogger("mlopus")
_HASHING_THREADS = 4


@attrs.frozen
class DiskCacheCare:
    """All trees of a cache folder, and the entries of every origin; `origin` is whose are listed in full."""

    folder: str
    origin: Origin

    @property
    def _layout(self) -> Layout:
        return Layout(self.folder)

    @property
    def origin_key(self) -> str:
        """By what the entries of this origin are told."""
        return self.origin.key

    def inventory(self) -> Result[tuple[TreeFacts, ...], MlopusError]:
        """Every committed tree: one stat a file, and one small read an entry."""
        read = self._entries(with_validators=False)
        if isinstance(read, Failure):
            return read
        served: dict[str, list[EntryAt]] = {}
        for origin_key, entry in read.unwrap():
            at = EntryAt(origin_key=origin_key, subject=entry.subject, path=entry.path)
            served.setdefault(entry.tree_key, []).append(at)
        try:
            keys = [name for name in sorted(_names(self._layout.trees)) if is_tree_key(name)]
            found = [self._facts_of(key, served.get(key, [])) for key in keys]
        except OSError as error:
            return Failure(disk_failed(error, "looking at the trees", self.folder))
        return Success(tuple(tree for tree in found if tree is not None))

    def entries(self) -> Result[tuple[Entry, ...], MlopusError]:
        """Every entry of this origin, also those whose tree is gone."""
        read = self._entries(with_validators=True, only=self.origin.key)
        if isinstance(read, Failure):
            return read
        found = [entry for _, entry in read.unwrap()]
        found.sort(key=lambda entry: (entry.subject.kind, entry.subject.key, entry.path))
        return Success(tuple(found))

    def leftovers(self, kept_for_s: float) -> Result[tuple[Leftover, ...], MlopusError]:
        """What dead writers left."""
        try:
            found = [
                Leftover(name=name, size_bytes=sum(size for _, size in _blobs(path)))
                for name, path in self._abandoned(kept_for_s)
            ]
        except OSError as error:
            return Failure(disk_failed(error, "looking for leftovers", self.folder))
        return Success(tuple(found))

    def check(self, tree_key: str) -> Result[TreeCheck, MlopusError]:
        """Hash every file of a tree, large ones on threads, and compare it with what was committed."""
        read = read_tree(self._layout, tree_key, RecentTrees())
        if isinstance(read, Failure):
            if not isinstance(read.failure(), NotCached | UnreadableCache):
                return read
            is_there = os.path.isdir(self._layout.tree(tree_key)) if is_tree_key(tree_key) else False
            state: FileState = "damaged" if is_there else "missing"
            row = CheckedFile(path="", size_bytes=0, state=state)
            return Success(TreeCheck(tree_key=tree_key, files=(row,)))
        manifest = read.unwrap().manifest
        root = self._layout.content(tree_key, manifest.name)
        threads = min(_HASHING_THREADS, len(manifest.files))
        done = for_each(lambda file: _checked(root, file), manifest.files, threads)
        if isinstance(done, Failure):
            return done
        try:
            files = with_added(done.unwrap(), root, manifest)
        except OSError as error:
            return Failure(disk_failed(error, "looking for files that were added", root))
        return Success(TreeCheck(tree_key=tree_key, files=files))

    def tree_at(self, path: str) -> str | None:
        """The key of the tree that a path is in, links followed."""
        trees, real = os.path.realpath(self._layout.trees), os.path.realpath(path)
        if not real.startswith(f"{trees}{os.sep}"):
            return None
        key = real[len(trees) + 1 :].partition(os.sep)[0]
        return key if is_tree_key(key) and os.path.lexists(real) else None

    def mark_used(self, tree_keys: tuple[str, ...]) -> tuple[str, ...]:
        """Note at once that trees are used; answers those that are there."""
        return tuple(key for key in tree_keys if is_tree_key(key) and mark(self._layout.tree(key)))

    @contextlib.contextmanager
    def hold(self, tree_key: str) -> Generator[None]:
        """A block in which nobody evicts a tree."""
        with holding(self._layout, tree_key):
            yield

    def held_trees(self) -> Result[tuple[HeldTree, ...], MlopusError]:
        """The trees that blocks of living processes hold."""
        try:
            held = sorted(held_trees(self._layout), key=lambda tree: (tree.tree_key, tree.reason))
        except OSError as error:
            return Failure(disk_failed(error, "looking for holds", self.folder))
        return Success(tuple(held))

    def evict(self, step: EvictTrees) -> Result[Evicted, MlopusError]:
        """Remove entries, the rows of the index, then the trees."""
        created = create_cache(self.folder)
        if isinstance(created, Failure):
            return created
        folder = os.path.join(self._layout.tmp, Owner.current().new_name())
        held = self.held_trees()
        if isinstance(held, Failure):
            return held
        needed = {tree.tree_key for tree in held.unwrap()}
        gone: list[str] = []
        spared: list[str] = []
        try:
            os.mkdir(folder)
            for tree in step.trees:
                is_held = tree.tree_key in needed and not tree.stays
                went = not is_held and Eviction(layout=self._layout, tree=tree, folder=folder).run()
                (gone if went else spared).append(tree.tree_key)
        except OSError as error:
            return Failure(disk_failed(error, "evicting trees", self.folder))
        finally:
            self._removed(folder)
        FileIndex(self._layout).remove(gone)
        return Success(Evicted(tree_keys=tuple(gone), spared=tuple(spared)))

    def sweep(self, names: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove leftovers of dead writers; answers how many files went."""
        wanted, count = frozenset(names), 0
        try:
            for name, path in self._abandoned(0.0):
                if name in wanted:
                    count += len(_blobs(path))
                    remove_any(path)
        except OSError as error:
            return Failure(disk_failed(error, "sweeping leftovers", self.folder))
        return Success(count)

    def _facts_of(self, key: str, entries: list[EntryAt]) -> TreeFacts | None:
        """None for one that was evicted meanwhile."""
        folder = self._layout.tree(key)
        used_at, blobs = marked_at(folder), _blobs(folder, without=f"{key}.json")
        if used_at is None:
            return None
        in_order = tuple(sorted(entries, key=lambda entry: entry.order))
        return TreeFacts(tree_key=key, blobs=blobs, used_at=used_at, entries=in_order)

    def _entries(
        self, *, with_validators: bool, only: str | None = None
    ) -> Result[tuple[tuple[str, Entry], ...], MlopusError]:
        """Every entry that can be understood, with the key of its origin; `only` those of one."""
        opened = read_cache_id(self.folder)
        if isinstance(opened, Failure):
            return opened
        found: list[tuple[str, Entry]] = []
        try:
            for origin_key in sorted(_names(self._layout.entries)):
                for file in self._files_of(origin_key) if only in (None, origin_key) else ():
                    read = read_entry(file, with_validators=with_validators)
                    if isinstance(read, Failure):
                        return read
                    entry = read.unwrap()
                    if entry is not None:
                        found.append((origin_key, entry))
        except OSError as error:
            reason = error.strerror or str(error)
            return Failure(UnreadableCache(path=error.filename or self.folder, reason=reason))
        return Success(tuple(found))

    def _files_of(self, origin_key: str) -> Iterator[str]:
        origin = os.path.join(self._layout.entries, origin_key)
        for subject in sorted(_names(origin)):
            yield from entry_files(os.path.join(origin, subject))

    def _abandoned(self, kept_for_s: float) -> Iterator[tuple[str, str]]:
        return abandoned(self._layout, kept_for_s) if os.path.isdir(self._layout.tmp) else iter(())

    def _removed(self, folder: str) -> None:
        try:
            remove_any(folder)
        except OSError as error:
            _LOGGER.warning("%s was not removed: %s", folder, error)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _blobs(path: str, *, without: str = "") -> tuple[Blob, ...]:
    """The files at and below a path, by device and inode, which links to one file share."""
    found: list[Blob] = []
    if not os.path.isdir(path) or os.path.islink(path):
        seen = os.lstat(path)
        return ((f"{seen.st_dev:x}:{seen.st_ino:x}", seen.st_size),)
    for folder, _, names in os.walk(path):
        for name in names:
            if name == without and folder == path:
                continue
            try:
                seen = os.lstat(os.path.join(folder, name))
            except FileNotFoundError:
                continue
            found.append((f"{seen.st_dev:x}:{seen.st_ino:x}", seen.st_size))
    return tuple(sorted(found))


def _checked(root: str, file: ManifestFile) -> Result[CheckedFile, MlopusError]:
    path = below(root, file.path)
    state: FileState
    try:
        seen = os.lstat(path)
        is_alike = stat.S_ISREG(seen.st_mode) and seen.st_size == file.size_bytes
        state = "sound" if is_alike and sha256_of(path) == file.sha256 else "damaged"
    except (FileNotFoundError, NotADirectoryError):
        state = "missing"
    except OSError as error:
        _LOGGER.warning("%s cannot be read, and counts as damaged: %s", path, error)
        state = "damaged"
    return Success(CheckedFile(path=file.path, size_bytes=file.size_bytes, state=state))
