"""A tree in the making, in memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Generator
from typing import BinaryIO

from mlopus.domain.manifest import Entry, LocalFile, Manifest, ManifestFile
from mlopus.domain.paths import relative_path
from mlopus.errors import (
    Conflict,
    Damaged,
    DigestMismatch,
    IllegalPath,
    MlopusError,
    NotCached,
    StalePlan,
    Unsupported,
)
from mlopus.plans.links import LinkKind
from mlopus.plans.outcomes import Committed, Transferred
from mlopus.plans.pending import known
from mlopus.plans.steps import CommitTree, PlacedFile, ReusedFile, StageFiles
from mlopus.ports.meter import Meter
from mlopus.ports.streams import FileSink, Kept, TreeSource
from mlopus.repositories.disk.adopting import changed_since, stale_source
from mlopus.repositories.disk.copying import Copying, other_content
from mlopus.repositories.disk.files import folders_holding, remove_emptied
from mlopus.repositories.disk.layout import is_content_name
from mlopus.repositories.memory.artifact_cache import HeldTree, HeldTrees, LeftBytes
from mlopus.repositories.memory.files import MemorySource, TreeLink
from mlopus.result import Failure, Result, Success


class StagedBytes:
    """The content of one file, growing."""

    def __init__(self, left: LeftBytes | None, *, is_own: bool) -> None:
        self.content = bytearray()
        self.validator: str | None = None
        self._left = left
        self._is_own = is_own

    @property
    def kept(self) -> Kept | None:
        """What is left of an earlier try."""
        left = self._left
        if left is None:
            return None
        return Kept(size_bytes=len(left.content), validator=left.validator, is_own=self._is_own)

    @property
    def sha256(self) -> str:
        """The digest of all bytes so far."""
        return _sha256(bytes(self.content))

    def resume(self, size_bytes: int) -> Result[None, MlopusError]:
        """Begin with what is left."""
        assert self._left is not None, "there is nothing to resume"  # noqa: S101 (a caller's mistake)
        self.content += self._left.content[:size_bytes]
        return Success(None)

    def identify(self, validator: str) -> Result[None, MlopusError]:
        """Remember of which content the bytes are."""
        self.validator = validator
        return Success(None)

    def write(self, chunk: bytes | memoryview) -> Result[None, MlopusError]:
        """Add bytes."""
        self.content += chunk
        return Success(None)

    def restart(self) -> Result[None, MlopusError]:
        """Begin again."""
        self.content.clear()
        return Success(None)


class MemoryStaging:
    """The staging area of one writer."""

    def __init__(self, held: HeldTrees, url: str | None = None) -> None:
        self._held = held
        self._url = url
        self._left = {} if url is None else held.left.pop(url, {})
        self._own_left: dict[str, LeftBytes] = {}
        self._contents: dict[str, bytes] = {}
        self._leaving: list[Callable[[str, Manifest], None]] = []

    @contextlib.contextmanager
    def create(self, path: str) -> Generator[FileSink]:
        """A new file of the tree."""
        checked = relative_path(path)
        if isinstance(checked, Failure):
            raise checked.failure()
        own = self._own_left.pop(path, None)
        file = StagedBytes(own or self._left.get(path), is_own=own is not None)
        try:
            yield file
        except BaseException as error:
            if not isinstance(error, Damaged | Conflict):
                self._leave(path, file)
            raise
        self._leave(path, file)
        self._contents[path] = bytes(file.content)

    def _leave(self, path: str, file: StagedBytes) -> None:
        """Offer what there is of a file to the next try at it, if its content is known."""
        if file.validator is not None and file.content:
            self._own_left[path] = LeftBytes(file.validator, bytes(file.content))

    def reuse(self, files: tuple[ReusedFile, ...]) -> Result[None, MlopusError]:
        """Take files from committed trees."""
        for file in files:
            tree = self._held.trees.get(file.tree_key)
            if tree is None:
                place = "the cache in memory"
                return Failure(NotCached(kind="tree", key=file.tree_key, place=place))
            content = tree.contents.get(file.path_in_tree)
            if content is None or _sha256(content) != file.sha256:
                found = "a file that is gone, changed or another"
                place = f"tree {file.tree_key[:12]}"
                return Failure(
                    DigestMismatch(path=file.path_in_tree, place=place, expected=file.sha256, found=found)
                )
            self._contents[file.path] = content
        return Success(None)

    def adopt(self, step: StageFiles, source: TreeSource, meter: Meter) -> Result[Transferred, MlopusError]:
        """Take files of the user's, by copy or by moving them."""
        if not isinstance(step.ladder, str) and not {"reflink", "copy"}.intersection(step.ladder):
            return Failure(
                Unsupported(action=f"adopting files by {' or '.join(step.ladder)}", place="the cache")
            )
        leaving: list[Callable[[str, Manifest], None]] = []
        for file in step.files:
            adopted = self._adopt(step, file, source, leaving)
            if isinstance(adopted, Failure):
                return adopted
            meter.finished(file.path)
        self._leaving.extend(leaving)
        count, size_bytes = len(step.files), sum(file.size_bytes for file in step.files)
        is_copied = bool(count) and not isinstance(step.ladder, str)
        links: tuple[tuple[LinkKind, int], ...] = (("copy", count),) if is_copied else ()
        return Success(Transferred(file_count=count, total_bytes=size_bytes, links=links))

    def copy(
        self, files: tuple[PlacedFile, ...], source: TreeSource, meter: Meter
    ) -> Result[Transferred, MlopusError]:
        """Take copies of files of a tree."""
        return Copying(files=files, source=source, meter=meter, receiver=self).run()

    def receive(self, reader: BinaryIO, file: PlacedFile) -> Result[int, MlopusError]:
        """Add a copy of one file; answers its size."""
        content = reader.read()
        if file.sha256 not in (None, _sha256(content)):
            return Failure(other_content(file, "the cache in memory", _sha256(content)))
        if file.size_bytes not in (None, len(content)):
            return Failure(other_content(file, "the cache in memory", f"{len(content)} bytes"))
        self._contents[file.path] = content
        return Success(len(content))

    def commit(self, step: CommitTree) -> Result[Committed, MlopusError]:
        """Make the tree and its entry part of the cache."""
        if not is_content_name(step.name):
            return Failure(IllegalPath(path=step.name, reason="cannot be the name of a tree"))
        if step.is_file != (list(self._contents) == [""]):
            wanted = "a file" if step.is_file else "a folder"
            return Failure(
                IllegalPath(path=step.path, reason=f"was to be {wanted}, and was staged otherwise")
            )
        rows = tuple(
            ManifestFile(path=p, size_bytes=len(c), sha256=_sha256(c)) for p, c in self._contents.items()
        )
        manifest = Manifest.of(step.name, rows, is_file=step.is_file, empty_folders=step.empty_folders)
        entry = Entry(
            subject=step.subject,
            path=step.path,
            tree_key=manifest.key,
            name=step.name,
            is_file=step.is_file,
            taken_at=step.taken_at,
            store_url=step.store_url,
            validators=known(step.validators),
        )
        with self._held.lock:
            self._held.trees[manifest.key] = HeldTree(manifest, dict(self._contents))
            self._held.entries.setdefault(step.subject, {})[step.path] = entry
            self._held.mark(manifest.key)
            self._held.materialised.mend(manifest.key, manifest, self._contents)
        for leave in self._leaving:
            leave(manifest.key, manifest)
        self._url = None
        self.discard()
        return Success(Committed(tree_key=manifest.key, manifest=manifest))

    def discard(self) -> None:
        """Drop what is staged, or leave it to the next fetch of the same."""
        left = {**self._left, **self._own_left}
        if self._url is not None and left:
            self._held.left[self._url] = left
        self._url = None
        self._left, self._own_left = {}, {}
        self._contents.clear()
        self._leaving.clear()

    def _adopt(
        self,
        step: StageFiles,
        file: LocalFile,
        source: TreeSource,
        leaving: list[Callable[[str, Manifest], None]],
    ) -> Result[None, MlopusError]:
        local = source.local_path(file.path)
        found = _changed(source, local, file)
        if found is not None:
            return Failure(stale_source(local or file.path, found))
        opened = source.open(file.path)
        if isinstance(opened, Failure):
            return opened
        with opened.unwrap() as reader:
            content = reader.read()
        if _sha256(content) != file.sha256:
            return Failure(
                StalePlan(thing=file.path, expected="the file that was hashed", found="another content")
            )
        self._contents[file.path] = content
        if isinstance(step.ladder, str) and (content or step.ladder == "move"):
            leaves_link = step.ladder == "move and link"
            if isinstance(source, MemorySource):
                leaving.append(lambda key, _: _take(source, file, content, key if leaves_link else None))
            elif local is not None:
                leaving.append(
                    lambda key, manifest: self._leave_disk(local, file, key, manifest, leaves_link)
                )
            else:
                return Failure(Unsupported(action="moving files that are on no disk", place="the cache"))
        return Success(None)

    def _leave_disk(self, local: str, file: LocalFile, key: str, manifest: Manifest, link: bool) -> None:
        if changed_since(local, file) is not None:
            return
        os.unlink(local)
        if link:
            folder = self._held.materialised.make(key, manifest, self._held.trees[key].contents)
            os.symlink(os.path.join(folder, file.path) if file.path else folder, local)
        else:
            remove_emptied(folders_holding(local, file.path))


def _take(source: MemorySource, file: LocalFile, content: bytes, key: str | None) -> None:
    link = None if key is None else TreeLink(key, file.path, content, source.files.tick())
    source.take(file.path, link)


def _changed(source: TreeSource, local: str | None, file: LocalFile) -> str | None:
    """What is there instead of the file that was hashed; None if it is still there."""
    if isinstance(source, MemorySource):
        mtime_ns = source.mtime_ns(file.path)
        return (
            None if mtime_ns == file.mtime_ns else "nothing" if mtime_ns is None else "a file modified since"
        )
    return None if local is None else changed_since(local, file)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
