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

from mlopus.errors import DigestMismatch, MlopusError, StalePlan, Unsupported
from mlopus.plans.links import LinkKind
from mlopus.plans.outcomes import Transferred
from mlopus.plans.steps import PlacedFile, PlaceTree, TargetAbsent, TargetExpectation
from mlopus.plans.tables import table_fault
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.files import CHUNK_BYTES, disk_failed, errno_of, missing, remove_any
from mlopus.repositories.disk.links import DISK_CANNOT, READ_ONLY, Ladder
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
            return Failure(self._unsupported(error) or disk_failed(error, "placing", self.target))
        finally:
            _removed(staged)

    def _unsupported(self, error: OSError) -> Unsupported | None:
        """The error of a kind of link that was asked for by name and that these disks do not offer."""
        kinds = self.step.ladder
        if "copy" in kinds or errno_of(error) not in DISK_CANNOT:
            return None
        action = f"placing files of the cache by {' or '.join(kinds)}"
        hint = "Pass link=False for a reflink where the disk can and a copy elsewhere, or link='copy'."
        return Unsupported(action=action, place=f"the disk of {self.target}", hint=hint)

    def _stale(self, location: str) -> StalePlan | None:
        found = expectation_of(rows_of(walk_target(location)))
        if found == self.step.expect:
            return None
        return StalePlan(thing=self.target, expected=_told(self.step.expect), found=_told(found))

    def _make(self, staged: str) -> Result[Transferred, MlopusError]:
        """Everything that the target will be, at the hidden name."""
        if not self.step.is_file:
            os.mkdir(staged)
            folders = {file.path.rpartition("/")[0] for file in self.step.files}
            for folder in sorted(folders.union(self.step.empty_folders) - {""}):
                os.makedirs(f"{staged}/{folder}", exist_ok=True)
        local = self.source.local_path("")
        maker = _Maker(self.step.ladder, self.source, None if local is None else os.path.abspath(local))
        total_bytes = 0
        try:
            for file in self.step.files:
                maker.put(file, f"{staged}/{file.path}" if file.path else staged)
                total_bytes += file.size_bytes or 0
                self.meter.finished(file.path)
        except MlopusError as error:
            return Failure(error)
        return Success(
            Transferred(file_count=len(self.step.files), total_bytes=total_bytes, links=maker.counts())
        )

    def _swap(self, staged: str, old: str) -> StalePlan | None:
        """Give the tree its place. What was there is looked at again once nobody can reach it by name."""
        if isinstance(self.step.expect, TargetAbsent):
            return self._reveal(staged)
        try:
            os.rename(self.target, old)
            stale = self._stale(old) or self._reveal(staged)
        except BaseException as error:  # Ctrl-C too: the process lives on, and nobody else puts things right
            if isinstance(error, FileNotFoundError) and not os.path.lexists(old):
                return self._stale(self.target)
            self._put_back(old)
            raise
        if stale is not None:
            self._put_back(old)
            return stale
        _removed(old)
        return None

    def _put_back(self, old: str) -> None:
        if os.path.lexists(old) and not os.path.lexists(self.target):
            os.rename(old, self.target)

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


class _Maker:
    """Makes the files of one target, each in the first way that works."""

    def __init__(self, kinds: tuple[LinkKind, ...], source: TreeSource, root: str | None) -> None:
        self._source = source
        self._root = root
        self._ladder = Ladder(kinds, READ_ONLY)
        self._counts = dict.fromkeys(_LINK_KINDS, 0)
        self._names: dict[str, frozenset[str]] = {}

    def counts(self) -> tuple[tuple[LinkKind, int], ...]:
        """How many files were made in each way."""
        return tuple((kind, count) for kind, count in self._counts.items() if count)

    def put(self, file: PlacedFile, location: str) -> None:
        """Make one file.

        Raises:
            MlopusError: It is not in the tree, or not of the size it should have.
            OSError: The disk refused it.
        """
        path, root = file.path, self._root
        copied: int | None
        if file.size_bytes == 0:
            os.close(os.open(location, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_ONLY))
            self._counts["copy"] += 1
            return
        if root is None:
            kind, copied = self._stream(path, location)
        else:
            original = f"{root}/{path}" if path else root
            if not self._is_there(original):
                raise missing(path, root)
            kind, copied = self._ladder.put(original, location)
        self._counts[kind] += 1
        if copied is not None and file.size_bytes not in (None, copied):
            expected, found = f"{file.size_bytes} bytes", f"{copied} bytes"
            raise DigestMismatch(path=path, place="the placed copy", expected=expected, found=found)

    def _is_there(self, original: str) -> bool:
        """Whether a file has a name in the tree: asked of whole folders, which costs less than of files."""
        folder, _, name = original.rpartition("/")
        names = self._names.get(folder)
        if names is None:
            names = frozenset(os.listdir(folder)) if os.path.isdir(folder) else frozenset[str]()
            self._names[folder] = names
        return name in names

    def _stream(self, path: str, location: str) -> tuple[LinkKind, int]:
        """Copy a file that is on no disk."""
        opened = self._source.open(path)
        if isinstance(opened, Failure):
            raise opened.failure()
        copied = 0
        handle = os.open(location, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_ONLY)
        with opened.unwrap() as reader, os.fdopen(handle, "wb") as writer:
            while chunk := reader.read(CHUNK_BYTES):
                copied += writer.write(chunk)
        return "copy", copied


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
