"""A tree in the making: filled from stores, from committed trees or from the user's files."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import BinaryIO

import attrs

from mlopus.concurrency.crews import stop_if_told
from mlopus.domain.manifest import ManifestFile
from mlopus.domain.paths import relative_path
from mlopus.errors import Conflict, Damaged, DigestMismatch, MlopusError, StoreFailed
from mlopus.plans.outcomes import Committed, Transferred
from mlopus.plans.steps import CommitTree, PlacedFile, ReusedFile, StageFiles
from mlopus.ports.meter import Meter
from mlopus.ports.streams import FileSink, TreeSource
from mlopus.repositories.disk.adopting import Adoption, MovedFile
from mlopus.repositories.disk.committing import Commit
from mlopus.repositories.disk.copying import Copying, other_content
from mlopus.repositories.disk.files import CHUNK_BYTES, below, disk_failed, remove_any
from mlopus.repositories.disk.layout import Layout
from mlopus.repositories.disk.leftovers import FetchLog, Left, Leftovers, size_left
from mlopus.repositories.disk.links import READ_ONLY, READ_WRITE
from mlopus.repositories.disk.manifests import RecentTrees, is_intact, read_tree
from mlopus.repositories.disk.marks import RecentMarks
from mlopus.repositories.disk.staged import OtherContentError, StagedFile
from mlopus.result import Failure, Result, Success

_LOGGER = logging.getLogger("mlopus")
_ENDED = "the transfer was stopped"


@attrs.frozen(kw_only=True)
class StagingPlace:
    """Where a tree is made, and of which cache it becomes a part.

    `write_protect` is off for caches that are made to be carried away.
    """

    layout: Layout
    origin_key: str
    folder: str
    recent: RecentTrees
    marks: RecentMarks
    write_protect: bool = True

    @property
    def tree(self) -> str:
        """What will become the folder of the tree."""
        return os.path.join(self.folder, "tree")

    @property
    def content(self) -> str:
        """The file or folder that the tree will be, before it has its name."""
        return os.path.join(self.folder, "tree", "content")

    @property
    def mode(self) -> int:
        """The mode of committed files, before the umask."""
        return READ_ONLY if self.write_protect else READ_WRITE


class DiskStaging:
    """The staging area of one writer, in a folder of its own.

    Of a fetch there are a log of what is fetched, and what earlier writers left of the same.
    """

    def __init__(
        self, place: StagingPlace, log: FetchLog | None = None, left: Leftovers | None = None
    ) -> None:
        self._place = place
        self._log = log
        self._left = left
        self._own_left: dict[str, Left] = {}
        self._open: set[StagedFile] = set()
        self._is_ended = False
        self._files: dict[str, ManifestFile] = {}
        self._moved: list[MovedFile] = []
        self._folders: set[str] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def create(self, path: str) -> Generator[FileSink]:
        """A new file of the tree."""
        with self._writing(path) as file:
            yield file

    def reuse(self, files: tuple[ReusedFile, ...]) -> Result[None, MlopusError]:
        """Link files of committed trees, or copy them where the disk cannot link."""
        by_tree: dict[str, list[ReusedFile]] = {}
        for file in files:
            by_tree.setdefault(file.tree_key, []).append(file)
        for tree_key, wanted in by_tree.items():
            reused = self._reuse_from(tree_key, wanted)
            if isinstance(reused, Failure):
                return reused
        return Success(None)

    def adopt(self, step: StageFiles, source: TreeSource, meter: Meter) -> Result[Transferred, MlopusError]:
        """Take files of the user's. Those that are moved leave their place when the tree is committed."""
        adoption = Adoption(step, source, meter, self, self._place.mode)
        adopted = adoption.run()
        self._moved.extend(adoption.moved)
        return adopted

    def copy(
        self, files: tuple[PlacedFile, ...], source: TreeSource, meter: Meter
    ) -> Result[Transferred, MlopusError]:
        """Take copies of files of a tree, sharing nothing with it."""
        return Copying(files=files, source=source, meter=meter, receiver=self).run()

    def receive(self, reader: BinaryIO, file: PlacedFile) -> Result[int, MlopusError]:
        """Add a copy of one file; answers its size."""
        copied = self.copy_in(reader, file.path, file.sha256)
        if isinstance(copied, Failure):
            return copied
        place = self._place.layout.folder
        if not copied.unwrap():
            return Failure(other_content(file, place, "another content"))
        size_bytes = self._files[file.path].size_bytes
        if file.size_bytes not in (None, size_bytes):
            return Failure(other_content(file, place, f"{size_bytes} bytes"))
        return Success(size_bytes)

    def commit(self, step: CommitTree) -> Result[Committed, MlopusError]:
        """Make the tree part of the cache, then write its entry."""
        place = self._place
        for path in self._own_left.keys() - self._files.keys():
            remove_any(self._own_left[path].location)
        committed = Commit(
            step=step,
            layout=place.layout,
            origin_key=place.origin_key,
            folder=place.folder,
            tree=place.tree,
            content=place.content,
            files=tuple(sorted(self._files.values(), key=lambda file: file.path)),
            moved=tuple(self._moved),
            recent=place.recent,
            marks=place.marks,
            share=place.write_protect,
        ).run()
        if isinstance(committed, Success):
            self._end(keep=False)
        return committed

    def discard(self) -> None:
        """Remove the staging folder, or leave it to the next fetch of the same."""
        self._end(keep=True)

    def _end(self, *, keep: bool) -> None:
        with self._lock:
            self._is_ended = True
            still_open, self._open = self._open, set()
            log, self._log = self._log, None
        for file in still_open:
            file.stop()
        self._files.clear()
        self._moved.clear()
        try:
            if log is not None and keep and self._is_worth_leaving(log):
                log.release(self._place.layout)
                return
            if log is not None:
                log.close()
            remove_any(self._place.folder)
        except OSError as error:
            _LOGGER.warning("%s was not removed: %s", self._place.folder, error)

    def _is_worth_leaving(self, log: FetchLog) -> bool:
        return not log.is_empty or (self._left is not None and not self._left.is_empty)

    def put(self, file: ManifestFile, fill: Callable[[str], object]) -> None:
        """Add a file that a function makes at the path it is given.

        Raises:
            OSError: What the function raises, or making the folders above.
        """
        fill(self._location(file.path))
        self._note(file)

    def copy_in(self, reader: BinaryIO, path: str, sha256: str | None) -> Result[bool, MlopusError]:
        """Copy a file into the tree; Success(False), and nothing there, if its content is not that one."""
        try:
            with self._writing(path) as file:
                while chunk := reader.read(CHUNK_BYTES):
                    stop_if_told()
                    written = file.write(chunk)
                    if isinstance(written, Failure):
                        raise written.failure()
                if sha256 is not None:
                    file.expect(sha256)
        except OtherContentError:
            return Success(False)
        except MlopusError as error:
            return Failure(error)
        except OSError as error:
            return Failure(disk_failed(error, f"reading {path!r}", self._place.layout.folder))
        return Success(True)

    @contextlib.contextmanager
    def _writing(self, path: str) -> Generator[StagedFile]:
        checked = relative_path(path)
        if isinstance(checked, Failure):
            raise checked.failure()
        if self._is_ended:
            raise StoreFailed(place=self._place.folder, action=f"creating {path!r}", reason=_ENDED)
        try:
            file = self._staged_file(path)
        except OSError as error:
            raise disk_failed(error, f"creating {path!r}", self._place.folder) from error
        try:
            yield file
            size_bytes, sha256 = file.complete()
        except BaseException as error:
            is_wrong = isinstance(error, Damaged | Conflict)
            if is_wrong or not file.leave():
                file.drop()
            else:
                self._leave(path, file)
            raise
        finally:
            with self._lock:
                self._open.discard(file)
        self._note(ManifestFile(path=path, size_bytes=size_bytes, sha256=sha256))

    def _staged_file(self, path: str) -> StagedFile:
        location, log = self._location(path), self._log
        own = self._own_left.pop(path, None)
        left = own or (None if self._left is None else self._left.of(path))
        note = None if log is None else partial(log.note, path)
        file = StagedFile(location, self._place.mode, left=left, note=note, is_own=own is not None)
        with self._lock:
            self._open.add(file)
        return file

    def _leave(self, path: str, file: StagedFile) -> None:
        """Offer what there is of a file to the next try at it."""
        assert file.validator is not None  # noqa: S101 (else it would not be left)
        left = Left(below(self._place.content, path), file.validator, file.size_bytes)
        if size_left(left) == left.size_bytes:
            self._own_left[path] = left

    def _note(self, file: ManifestFile) -> None:
        with self._lock:
            self._files[file.path] = file

    def _location(self, path: str) -> str:
        """Where a file of the tree is staged: its folders are there, itself is not."""
        location = below(self._place.content, path)
        folder = os.path.dirname(location)
        if folder not in self._folders:
            os.makedirs(folder, exist_ok=True)
            self._folders.add(folder)
        with self._lock:
            staged_before = self._files.pop(path, None)
        if staged_before is not None:
            os.unlink(location)
        return location

    def _reuse_from(self, tree_key: str, wanted: list[ReusedFile]) -> Result[None, MlopusError]:
        layout = self._place.layout
        read = read_tree(layout, tree_key, self._place.recent)
        if isinstance(read, Failure):
            return read
        tree = read.unwrap()
        rows = zip(tree.manifest.files, tree.mtimes_ns, strict=True)
        held = {file.path: (file, mtime_ns) for file, mtime_ns in rows}
        root = layout.content(tree_key, tree.manifest.name)
        for file in wanted:
            known = held.get(file.path_in_tree)
            is_sound = known is not None and known[0].sha256 == file.sha256 and is_intact(root, *known)
            if not is_sound:
                return Failure(self._mismatch(file, "a file that is gone, changed or another"))
            taken = self._take(file, below(root, file.path_in_tree))
            if isinstance(taken, Failure):
                return taken
        return Success(None)

    def _take(self, file: ReusedFile, original: str) -> Result[None, MlopusError]:
        row = ManifestFile(path=file.path, size_bytes=file.size_bytes, sha256=file.sha256)
        if self._place.write_protect and file.size_bytes and self._linked(row, original):
            return Success(None)
        try:
            with open(original, "rb") as reader:
                copied = self.copy_in(reader, file.path, file.sha256)
        except OSError as error:
            return Failure(disk_failed(error, f"reading {file.path_in_tree!r}", self._place.layout.folder))
        if isinstance(copied, Failure):
            return copied
        return Success(None) if copied.unwrap() else Failure(self._mismatch(file, "another content"))

    def _linked(self, row: ManifestFile, original: str) -> bool:
        """Whether a file could be linked: disks and files have limits to that, and then it is copied."""
        try:
            self.put(row, lambda location: os.link(original, location))
        except OSError:
            return False
        return True

    def _mismatch(self, file: ReusedFile, found: str) -> DigestMismatch:
        place = f"tree {file.tree_key[:12]} of {self._place.layout.folder}"
        return DigestMismatch(path=file.path_in_tree, place=place, expected=file.sha256, found=found)
