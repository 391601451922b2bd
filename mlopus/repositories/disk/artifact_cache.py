"""The artifact cache in a folder: immutable trees, and entries as commit markers."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import attrs

from mlopus.domain.manifest import ArtifactSubject, Entry, Manifest
from mlopus.domain.origin import Origin
from mlopus.domain.paths import overlaps
from mlopus.errors import MlopusError, UnreadableCache
from mlopus.ports.artifact_cache import Staging
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.entries import entry_files, newest_first, read_entry
from mlopus.repositories.disk.files import disk_failed, folders_above, sync_folder
from mlopus.repositories.disk.folder_source import FolderSource
from mlopus.repositories.disk.layout import Layout, create_cache, read_cache_id
from mlopus.repositories.disk.manifests import RecentTrees, damaged_files, read_tree
from mlopus.repositories.disk.marks import RecentMarks, mark
from mlopus.repositories.disk.owner import Owner
from mlopus.result import Failure, Result, Success, mapped

if TYPE_CHECKING:
    from mlopus.repositories.disk.care import DiskCacheCare
    from mlopus.repositories.sqlite.keeping import SqliteKeeping

_LOGGER = logging.getLogger("mlopus")
_LONGEST_WAIT_S = 3600.0


def _keeping_of(cache: DiskArtifactCache) -> SqliteKeeping:
    from mlopus.repositories.sqlite.keeping import SqliteKeeping  # noqa: PLC0415 (as late as it is opened)

    return SqliteKeeping(cache.folder)


@attrs.frozen
class DiskArtifactCache:
    """Trees and entries of one origin, in a folder that several origins and processes may share.

    Nothing is read or made before the first call, and no folder is made before the first commit.
    `write_protect` is off for caches that are made to be carried away: their files keep the modes
    that the umask gives, and share no bytes.

    Example:
        >>> cache = DiskArtifactCache("/var/cache/mlopus", Origin.of("http://127.0.0.1:5000"))
        >>> cache.covering(ArtifactSubject(kind="run", key="3f2a"), "model").unwrap()
        ()
    """

    folder: str
    origin: Origin
    write_protect: bool = attrs.field(default=True, kw_only=True)
    keeping: SqliteKeeping = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_keeping_of, takes_self=True)
    )
    _recent: RecentTrees = attrs.field(factory=RecentTrees, eq=False, repr=False, kw_only=True)
    _marks: RecentMarks = attrs.field(factory=RecentMarks, eq=False, repr=False, kw_only=True)

    @property
    def _layout(self) -> Layout:
        return Layout(self.folder)

    @property
    def care(self) -> DiskCacheCare:
        """Care of the whole folder, of every origin."""
        from mlopus.repositories.disk.care import DiskCacheCare  # noqa: PLC0415 (reading a cache needs none)

        return DiskCacheCare(self.folder, self.origin)

    @property
    def cache_id(self) -> str:
        """Which cache this is; empty for a folder that is not one."""
        return read_cache_id(self.folder).value_or("")

    @property
    def is_writable(self) -> bool:
        """Whether trees can be committed here, or the folder can be made."""
        folder = os.path.abspath(self.folder)
        while not os.path.lexists(folder):
            folder = os.path.dirname(folder)
        return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)

    def covering(
        self, subject: ArtifactSubject, path: str, *, with_validators: bool = True
    ) -> Result[tuple[Entry, ...], MlopusError]:
        """Entries at or above a path whose trees are there, newest first.

        One small file is looked for at each of the path's folders, and one more stat for each found.
        """
        paths = (path, *folders_above(path), *([""] if path else []))
        files = (self._layout.entry(self.origin.key, subject, above) for above in paths)
        found = self._read(tuple(files), with_validators=with_validators)
        if isinstance(found, Failure):
            return found
        kept = [entry for entry, _ in found.unwrap() if entry.subject == subject and entry.path in paths]
        return Success(newest_first([entry for entry in kept if self._has_tree(entry)]))

    def overlapping(
        self, subject: ArtifactSubject, path: str, *, with_validators: bool = True
    ) -> Result[tuple[Entry, ...], MlopusError]:
        """Entries at, above and below a path whose trees are there, newest first."""
        found = self._overlapping(subject, path, with_validators=with_validators)
        if isinstance(found, Failure):
            return found
        return Success(newest_first([entry for entry, _ in found.unwrap() if self._has_tree(entry)]))

    def used(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Note that trees are used, once a minute each; answers those entries that still stand.

        The mark first, then another look at the entry: an eviction looks the other way round.
        """
        return tuple(entry for entry in entries if self._is_used(entry))

    def manifest(self, tree_key: str) -> Result[Manifest, MlopusError]:
        """What a committed tree holds."""
        opened = self._opened()
        if isinstance(opened, Failure):
            return opened
        return mapped(read_tree(self._layout, tree_key, self._recent), lambda tree: tree.manifest)

    def tree(self, tree_key: str) -> Result[TreeSource, MlopusError]:
        """The files of a committed tree."""
        manifest = self.manifest(tree_key)
        if isinstance(manifest, Failure):
            return manifest
        return Success(FolderSource(self._layout.content(tree_key, manifest.unwrap().name)))

    def damaged(self, tree_key: str, path: str) -> Result[tuple[str, ...], MlopusError]:
        """Files at a path of a tree that are not what was committed, by their paths in the tree."""
        opened = self._opened()
        if isinstance(opened, Failure):
            return opened
        read = read_tree(self._layout, tree_key, self._recent)
        return mapped(read, lambda tree: damaged_files(self._layout, tree_key, tree, path))

    def stage(self, url: str | None = None) -> Result[Staging, MlopusError]:
        """A new staging area, in a folder that tells whose it is.

        What dead writers left is removed, except what a fetch can go on with.
        """
        from mlopus.repositories.disk.leftovers import (  # noqa: PLC0415 (only writers leave any)
            FetchLog,
            claimed,
            remove_abandoned,
        )
        from mlopus.repositories.disk.staging import (  # noqa: PLC0415 (reading a cache needs none of it)
            DiskStaging,
            StagingPlace,
        )

        created = create_cache(self.folder)
        if isinstance(created, Failure):
            return created
        folder = os.path.join(self._layout.tmp, Owner.current().new_name())
        try:
            os.makedirs(os.path.join(folder, "tree"))
            fetched = None if url is None else f"{self.origin.key} {url}"  # servers may use one URL each
            log = None if fetched is None else FetchLog(folder, fetched)
            left = None if fetched is None else claimed(self._layout, fetched, folder)
            remove_abandoned(self._layout)
        except OSError as error:
            return Failure(disk_failed(error, "staging a tree", self.folder))
        place = StagingPlace(
            layout=self._layout,
            origin_key=self.origin.key,
            folder=folder,
            recent=self._recent,
            marks=self._marks,
            write_protect=self.write_protect,
        )
        return Success(DiskStaging(place, log, left))

    def withdraw(self, subject: ArtifactSubject, path: str) -> Result[tuple[str, ...], MlopusError]:
        """Remove entries at, above and below a path; answers their paths. Trees stay."""
        found = self._overlapping(subject, path, with_validators=False)
        if isinstance(found, Failure):
            return found
        if not found.unwrap():
            return Success(())
        try:
            for _, file in found.unwrap():
                os.unlink(file)
            sync_folder(self._layout.subject(self.origin.key, subject))
        except FileNotFoundError:
            return self.withdraw(subject, path)  # another process withdraws too
        except OSError as error:
            return Failure(disk_failed(error, f"withdrawing what is cached of {subject}", self.folder))
        return Success(tuple(sorted(entry.path for entry, _ in found.unwrap())))

    def can_reflink_from(self, path: str) -> bool:
        """Whether files of that folder's disk can share bytes with this cache, by trying."""
        from mlopus.repositories.disk.links import can_reflink  # noqa: PLC0415 (loaded where it is asked)

        sample = _sample_file(path)
        folder = self._layout.tmp
        while not os.path.lexists(folder):
            folder = os.path.dirname(folder)
        return sample is not None and can_reflink(sample, folder, f".{Owner.current().new_name()}")

    @contextlib.contextmanager
    def alone(self, subject: ArtifactSubject, path: str) -> Generator[None]:
        """A block that one writer enters at a time, so that the same is not fetched twice.

        It saves work and nothing depends on it: where a lock cannot be had, the block is entered
        all the same, and so it is after an hour.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415 (only writers wait for each other)

        name = os.path.basename(self._layout.entry(self.origin.key, subject, path))
        folder = self._layout.locks
        with contextlib.ExitStack() as held:
            if isinstance(create_cache(self.folder), Success):
                try:
                    os.makedirs(folder, exist_ok=True)
                    lock = FileLock(os.path.join(folder, f"{name}.lock"), timeout=_LONGEST_WAIT_S)
                    held.enter_context(lock)
                except (OSError, NotImplementedError, Timeout) as error:
                    _LOGGER.info("going on without a lock in %s: %s", folder, error)
            yield

    def _is_used(self, entry: Entry) -> bool:
        if not self._marks.is_due(entry.tree_key):
            return True
        if not mark(self._layout.tree(entry.tree_key)):
            return False
        file = self._layout.entry(self.origin.key, entry.subject, entry.path)
        read = read_entry(file, with_validators=False)
        held = read.unwrap() if isinstance(read, Success) else None
        if held is None or held.tree_key != entry.tree_key:
            return False
        self._marks.add(entry.tree_key)
        return True

    def _opened(self) -> Result[str, UnreadableCache]:
        return read_cache_id(self.folder)

    def _has_tree(self, entry: Entry) -> bool:
        return os.path.exists(self._layout.content(entry.tree_key, entry.name))

    def _overlapping(
        self, subject: ArtifactSubject, path: str, *, with_validators: bool
    ) -> Result[tuple[tuple[Entry, str], ...], MlopusError]:
        opened = self._opened()
        if isinstance(opened, Failure):
            return opened
        files = entry_files(self._layout.subject(self.origin.key, subject))
        found = self._read(files, with_validators=with_validators)
        if isinstance(found, Failure):
            return found
        return Success(
            tuple(
                (entry, file)
                for entry, file in found.unwrap()
                if entry.subject == subject and overlaps(entry.path, path)
            )
        )

    def _read(
        self, files: tuple[str, ...], *, with_validators: bool
    ) -> Result[tuple[tuple[Entry, str], ...], MlopusError]:
        opened = self._opened()
        if isinstance(opened, Failure):
            return opened
        entries: list[tuple[Entry, str]] = []
        for file in files:
            read = read_entry(file, with_validators=with_validators)
            if isinstance(read, Failure):
                return read
            entry = read.unwrap()
            if entry is not None:
                entries.append((entry, file))
        return Success(tuple(entries))


def _sample_file(path: str) -> str | None:
    """A file at or below a path that has content, to try things with."""
    if os.path.isfile(path):
        return path if os.path.getsize(path) else None
    for folder, _, names in os.walk(path):
        for name in sorted(names):
            found = os.path.join(folder, name)
            if os.path.isfile(found) and os.path.getsize(found):
                return found
    return None
