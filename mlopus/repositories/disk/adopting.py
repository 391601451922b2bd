"""Taking files of the user's into a staged tree: by sharing bytes, by copy, or by moving them.

A file that is moved keeps its place until the tree is committed: until then it has two names, so that
a kill loses nothing. A file that has other names already is copied instead, since whoever writes to one
of them would change the cache.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import BinaryIO, Protocol

import attrs

from mlopus.concurrency.crews import for_each
from mlopus.domain.manifest import LocalFile, ManifestFile
from mlopus.errors import MlopusError, StalePlan, Unsupported
from mlopus.plans.links import LinkKind
from mlopus.plans.outcomes import Transferred
from mlopus.plans.steps import StageFiles
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.files import disk_failed, missing
from mlopus.repositories.disk.links import Ladder
from mlopus.result import Failure, Result, Success

_WORKERS = 4


@attrs.frozen
class MovedFile:
    """A file of the user's that is to leave its place, and whether a link remains there."""

    file: LocalFile
    location: str
    leave_link: bool
    is_same_inode: bool

    @property
    def source(self) -> str:
        """The root of the source that it is in."""
        return self.location[: -len(self.file.path) - 1] if self.file.path else self.location


class Receiver(Protocol):
    """Where adopted files go."""

    def put(self, file: ManifestFile, fill: Callable[[str], object]) -> None:
        """Add a file that a function makes at a path."""
        ...

    def copy_in(self, reader: BinaryIO, path: str, sha256: str) -> Result[bool, MlopusError]:
        """Add a copy; Success(False) if the content is another."""
        ...


def stale_source(path: str, found: str) -> StalePlan:
    """A source file is not what it was when it was hashed."""
    return StalePlan(thing=path, expected="the file that was hashed", found=found)


def changed_since(path: str, file: LocalFile) -> str | None:
    """What is there instead of the file that was hashed; None if it is still there."""
    try:
        seen = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    if not stat.S_ISREG(seen.st_mode):
        return "something that is no file"
    if seen.st_size != file.size_bytes:
        return f"{seen.st_size} bytes instead of {file.size_bytes}"
    return None if seen.st_mtime_ns == file.mtime_ns else "a file modified since"


class Adoption:
    """Carries out one step for the files of one source."""

    def __init__(
        self, step: StageFiles, source: TreeSource, meter: Meter, receiver: Receiver, mode: int
    ) -> None:
        self.moved: list[MovedFile] = []
        self._step = step
        self._source = source
        self._meter = meter
        self._receiver = receiver
        self._mode = mode
        self._reflinks = Ladder(("reflink",), mode) if "reflink" in step.ladder else None

    def run(self) -> Result[Transferred, MlopusError]:
        """Stage every file; what was staged before a failure is dropped with the staging area."""
        ladder = self._step.ladder
        if not isinstance(ladder, str) and not {"reflink", "copy"}.intersection(ladder):
            # any other link would let the user change what is committed
            return Failure(Unsupported(action=f"adopting files by {' or '.join(ladder)}", place="the cache"))
        adopted = for_each(self._adopt, self._step.files, _WORKERS)
        if isinstance(adopted, Failure):
            return adopted
        kinds = adopted.unwrap()
        counted: tuple[tuple[LinkKind, int], ...] = tuple(
            (kind, kinds.count(kind)) for kind in _COUNTED if kind in kinds
        )
        size_bytes = sum(file.size_bytes for file in self._step.files)
        return Success(Transferred(file_count=len(kinds), total_bytes=size_bytes, links=counted))

    def _adopt(self, file: LocalFile) -> Result[LinkKind | None, MlopusError]:
        local = self._source.local_path(file.path)
        if local is None:
            return self._adopt_stream(file)
        found = changed_since(local, file)
        if found is not None:
            return Failure(stale_source(local, found))
        try:
            kind = self._link(file, local)
        except OSError as error:
            return Failure(disk_failed(error, "adopting", local))
        if kind == "copy":
            with open(local, "rb") as reader:
                copied = self._copy(file, reader, local)
            if isinstance(copied, Failure):
                return copied
        found = changed_since(local, file)
        if found is not None:
            return Failure(stale_source(local, found))
        self._meter.finished(file.path)
        return Success(kind)

    def _link(self, file: LocalFile, local: str) -> LinkKind | None:
        """Give the file its staged name, if that needs no copy; None for a file that is moved."""
        row = ManifestFile(path=file.path, size_bytes=file.size_bytes, sha256=file.sha256)
        if isinstance(self._step.ladder, str):
            return self._move(file, local, row)
        if self._reflinks is None or not file.size_bytes:
            return "copy"
        ladder = self._reflinks

        try:
            self._receiver.put(row, lambda location: ladder.put(local, location))
        except OSError:
            if "copy" not in self._step.ladder:
                raise
            return "copy"
        return "reflink"

    def _move(self, file: LocalFile, local: str, row: ManifestFile) -> LinkKind | None:
        leave_link = self._step.ladder == "move and link"
        if leave_link and not file.size_bytes:
            return "copy"  # an empty file is no bytes twice, and stays what it is
        is_only_name = os.lstat(local).st_nlink == 1 and not os.path.islink(local)
        kind: LinkKind | None = "copy"
        if is_only_name:
            try:
                self._receiver.put(row, lambda location: os.link(local, location))
                kind = None
            except OSError:
                kind = "copy"
        self.moved.append(MovedFile(file, local, leave_link, is_same_inode=kind is None))
        return kind

    def _adopt_stream(self, file: LocalFile) -> Result[LinkKind | None, MlopusError]:
        """Copy a file that is on no disk; it cannot be moved."""
        if isinstance(self._step.ladder, str):
            return Failure(Unsupported(action="moving files that are on no disk", place="the cache"))
        opened = self._source.open(file.path)
        if isinstance(opened, Failure):
            return Failure(missing(file.path, "the source"))
        with opened.unwrap() as reader:
            copied = self._copy(file, reader, file.path)
        if isinstance(copied, Failure):
            return copied
        self._meter.finished(file.path)
        return Success("copy")

    def _copy(self, file: LocalFile, reader: BinaryIO, name: str) -> Result[None, MlopusError]:
        copied = self._receiver.copy_in(reader, file.path, file.sha256)
        if isinstance(copied, Failure):
            return copied
        return Success(None) if copied.unwrap() else Failure(stale_source(name, "another content"))


_COUNTED: tuple[LinkKind, ...] = ("reflink", "copy")
