"""Putting a tree at the user's path: made beside it under a hidden name, then swapped in whole.

Beside a target `model` stand `.mlopus-<of the target>-<of the writer>.new` while it is made, and `.old`
from the moment the old tree leaves its place until the new one has it. What a killed writer left is
put right by whoever looks at the target next.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os

import attrs

from mlopus.errors import DigestMismatch, MlopusError, StalePlan
from mlopus.plans.outcomes import Transferred
from mlopus.plans.steps import LinkKind, PlacedFile, PlaceTree, TargetAbsent, TargetExpectation
from mlopus.plans.tables import table_fault
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.files import CHUNK_BYTES, below, disk_failed, missing, remove_any
from mlopus.repositories.disk.links import READ_ONLY, Ladder
from mlopus.repositories.disk.owner import Owner, is_abandoned
from mlopus.repositories.disk.walk import Seen, walk_target
from mlopus.repositories.target_digest import TargetRow, expectation_of
from mlopus.result import Failure, Result, Success

_LOGGER = logging.getLogger("mlopus")
_IS_THERE = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR})
_LINK_KINDS: tuple[LinkKind, ...] = ("symlink", "hardlink", "reflink", "copy")


def rows_of(seen: tuple[Seen, ...]) -> list[TargetRow]:
    """What of a target's look counts."""
    return [(one.path, one.kind, one.size_bytes, one.mtime_ns, one.link) for one in seen]


def put_right(target: str) -> None:
    """Undo or finish what a killed writer began at a target.

    Without a target its old tree goes back; beside one, leftovers are removed.
    """
    parent, prefix = os.path.dirname(target), _prefix(target)
    try:
        names = [name for name in os.listdir(parent) if name.startswith(prefix)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in sorted(names, reverse=True):
        path = os.path.join(parent, name)
        owner = Owner.of_name(name[len(prefix) :].rpartition(".")[0])
        if owner is None or not is_abandoned(owner, path):
            continue
        if name.endswith(".old") and not os.path.lexists(target):
            _LOGGER.warning("%s was being replaced when its writer died; the old content is put back", target)
            os.rename(path, target)
        else:
            remove_any(path)


def _prefix(target: str) -> str:
    name = os.path.basename(target).encode("utf-8", "surrogateescape")
    return f".mlopus-{hashlib.sha256(name).hexdigest()[:12]}-"


@attrs.frozen(kw_only=True)
class Placement:
    """One step at one target."""

    step: PlaceTree
    target: str
    source: TreeSource
    meter: Meter

    def run(self) -> Result[Transferred, MlopusError]:
        """Make the tree, then swap it in."""
        fault = table_fault((file.path for file in self.step.files), self.step.empty_folders)
        if fault is not None:
            return Failure(fault)
        beside = os.path.join(os.path.dirname(self.target), _prefix(self.target) + Owner.current().new_name())
        staged, old = f"{beside}.new", f"{beside}.old"
        try:
            os.makedirs(os.path.dirname(self.target), exist_ok=True)
            put_right(self.target)
            stale = self._stale(self.target)
            if stale is not None:
                return Failure(stale)
            made = self._make(staged)
            if isinstance(made, Failure):
                return made
            stale = self._swap(staged, old)
            return made if stale is None else Failure(stale)
        except OSError as error:
            return Failure(disk_failed(error, "placing", self.target))
        finally:
            _removed(staged)

    def _stale(self, location: str) -> StalePlan | None:
        found = expectation_of(rows_of(walk_target(location)))
        if found == self.step.expect:
            return None
        return StalePlan(thing=self.target, expected=_told(self.step.expect), found=_told(found))

    def _make(self, staged: str) -> Result[Transferred, MlopusError]:
        """Everything that the target will be, at the hidden name."""
        if not self.step.is_file:
            os.mkdir(staged)
            folders = {os.path.dirname(file.path) for file in self.step.files} | set(self.step.empty_folders)
            for folder in sorted(folders - {""}):
                os.makedirs(os.path.join(staged, folder), exist_ok=True)
        ladder = Ladder(self.step.ladder, READ_ONLY)
        local = self.source.local_path("")
        root = None if local is None else os.path.abspath(local)
        counts: dict[LinkKind, int] = {}
        total_bytes = 0
        for file in self.step.files:
            put = self._put(file, below(staged, file.path), root, ladder)
            if isinstance(put, Failure):
                return put
            kind = put.unwrap()
            counts[kind] = counts.get(kind, 0) + 1
            total_bytes += file.size_bytes or 0
            self.meter.finished(file.path)
        links: tuple[tuple[LinkKind, int], ...] = tuple(
            (kind, counts[kind]) for kind in _LINK_KINDS if kind in counts
        )
        return Success(Transferred(file_count=len(self.step.files), total_bytes=total_bytes, links=links))

    def _put(
        self, file: PlacedFile, location: str, root: str | None, ladder: Ladder
    ) -> Result[LinkKind, MlopusError]:
        original = None if root is None else below(root, file.path)
        try:
            if file.size_bytes == 0:
                os.close(os.open(location, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_ONLY))
                return Success("copy")
            kind = self._stream(file, location) if original is None else ladder.put(original, location)
        except MlopusError as error:
            return Failure(error)
        except OSError:
            if original is not None and not os.path.exists(original):
                return Failure(missing(file.path, original))
            raise
        if kind == "copy" and file.size_bytes is not None:
            found = os.lstat(location).st_size
            if found != file.size_bytes:
                expected, seen = f"{file.size_bytes} bytes", f"{found} bytes"
                return Failure(
                    DigestMismatch(path=file.path, place=self.target, expected=expected, found=seen)
                )
        return Success(kind)

    def _stream(self, file: PlacedFile, location: str) -> LinkKind:
        """Copy a file that is on no disk."""
        opened = self.source.open(file.path)
        if isinstance(opened, Failure):
            raise opened.failure()
        handle = os.open(location, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_ONLY)
        with opened.unwrap() as reader, os.fdopen(handle, "wb") as writer:
            while chunk := reader.read(CHUNK_BYTES):
                writer.write(chunk)
        return "copy"

    def _swap(self, staged: str, old: str) -> StalePlan | None:
        """Give the tree its place. What was there is looked at again once nobody can reach it by name."""
        if isinstance(self.step.expect, TargetAbsent):
            return self._reveal(staged)
        try:
            os.rename(self.target, old)
        except FileNotFoundError:
            return self._stale(self.target)
        stale = self._stale(old) or self._reveal(staged)
        if stale is not None:
            if not os.path.lexists(self.target):
                os.rename(old, self.target)
            return stale
        _removed(old)
        return None

    def _reveal(self, staged: str) -> StalePlan | None:
        """Rename to the target, never over anything that has come there meanwhile."""
        try:
            if os.path.isdir(staged) and not os.path.islink(staged):
                if os.path.lexists(self.target):
                    raise FileExistsError(errno.EEXIST, "it is there", self.target)
                os.rename(staged, self.target)
            else:
                _rename_file(staged, self.target)
        except OSError as error:
            if error.errno not in _IS_THERE:
                raise
            return StalePlan(thing=self.target, expected=_told(TargetAbsent()), found="something new there")
        return None


def _rename_file(staged: str, target: str) -> None:
    """Rename a file or link unless something is there; a link made first tells, where disks have them."""
    try:
        os.link(staged, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "it is there", target) from None
        os.rename(staged, target)


def _removed(path: str) -> None:
    """Remove a leftover; what cannot be removed now is removed by whoever looks at the target next."""
    try:
        remove_any(path)
    except OSError as error:
        _LOGGER.warning("%s was not removed: %s", path, error)


def _told(expectation: TargetExpectation) -> str:
    if isinstance(expectation, TargetAbsent):
        return "nothing there"
    return f"{expectation.file_count} files as of {expectation.digest[:12]}"
