"""A cache folder of mlOpus 1.x, read and never written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import attrs

from mlopus.domain.records import Record
from mlopus.errors import MlopusError, UnreadableCache
from mlopus.plans.importing import Folder
from mlopus.repositories.disk.files import disk_failed
from mlopus.repositories.disk.layout import is_of_mlopus_1
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlopus1 import OLD_KINDS, OldKind, records_of_old


@attrs.frozen(kw_only=True)
class OldEntity:
    """A metadata file: the entity with its parents, which come first, or why there is none; and its time."""

    path: str
    records: Result[tuple[Record, ...], MlopusError]
    taken_at: datetime


@attrs.frozen
class OldCache:
    """The cache of mlOpus 1.x in a folder."""

    folder: str

    def entities(self) -> Iterator[OldEntity]:
        """Every metadata file, parents' kinds first, each read by itself."""
        for kind in OLD_KINDS:
            root = os.path.join(self.folder, "metadata", kind)
            depth = 2 if kind == "mv" else 1
            yield from self._entities(kind, root, (), depth)

    def runs(self) -> tuple[str, ...]:
        """The ids of the runs that artifacts are of."""
        return tuple(sorted(_names(os.path.join(self.folder, "artifacts", "runs"))))

    def artifacts(self, run_id: str) -> Folder | None:
        """What there is of a run's artifacts: None for a file, which is none of mlOpus."""
        return _folder(self.location(run_id))

    def location(self, run_id: str, path: str = "") -> str:
        """Where an artifact is."""
        root = os.path.join(self.folder, "artifacts", "runs", run_id)
        return os.path.join(root, path) if path else root

    def _entities(
        self, kind: OldKind, folder: str, above: tuple[str, ...], depth: int
    ) -> Iterator[OldEntity]:
        for name in sorted(_names(folder)):
            path, named = os.path.join(folder, name), (*above, name)
            if len(named) < depth and os.path.isdir(path):
                yield from self._entities(kind, path, named, depth)
            else:
                yield _entity(kind, path, named)


def _entity(kind: OldKind, path: str, name: tuple[str, ...]) -> OldEntity:
    taken_at = datetime.fromtimestamp(0, UTC)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        taken_at = time_of(path)
    except UnicodeDecodeError:
        return OldEntity(path=path, records=Failure(_unreadable(path, "it is no text")), taken_at=taken_at)
    except OSError as error:
        failure = _unreadable(path, error.strerror or str(error))
        return OldEntity(path=path, records=Failure(failure), taken_at=taken_at)
    read = records_of_old(kind, name, text)
    if isinstance(read, Failure):
        failed: Result[tuple[Record, ...], MlopusError] = Failure(_unreadable(path, read.failure().reason))
        return OldEntity(path=path, records=failed, taken_at=taken_at)
    return OldEntity(path=path, records=Success(read.unwrap()), taken_at=taken_at)


def time_of(path: str) -> datetime:
    """When a file, or anything directly in a folder, was last written."""
    return datetime.fromtimestamp(os.lstat(path).st_mtime, UTC)


def _unreadable(path: str, reason: str) -> UnreadableCache:
    hint = "All else is imported. Mend or remove it, and import again."
    return UnreadableCache(path=path, reason=reason, hint=hint)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _folder(path: str) -> Folder | None:
    """What a folder holds; of one that cannot be read nothing is known, and reading its files will say so."""
    if os.path.islink(path) or not os.path.isdir(path):
        return None
    try:
        with os.scandir(path) as members:
            return {
                member.name: _folder(member.path) if member.is_dir(follow_symlinks=False) else None
                for member in members
            }
    except OSError:
        return {}


def checked(folder: str) -> Result[OldCache, MlopusError]:
    """The old cache in a folder, if that is what the folder is."""
    try:
        os.listdir(folder)
    except OSError as error:
        return Failure(disk_failed(error, "reading the old cache", folder))
    if is_of_mlopus_1(folder):
        return Success(OldCache(folder))
    reason = "it is not laid out as a cache of mlOpus 1.x: there is no metadata and no artifacts/runs in it"
    return Failure(UnreadableCache(path=folder, reason=reason, hint="Name the cache_dir of mlOpus 1.x."))
