"""Artifacts on this disk: used in place, and written without a moment in which half of a file is seen."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import BinaryIO

import attrs
from immutabledict import immutabledict

from mlopus.concurrency.crews import for_each
from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import RemoteFile, RemoteTree, Validators
from mlopus.domain.paths import ancestors
from mlopus.errors import IllegalPath, MlopusError, NotFound
from mlopus.plans.facts import StoreFacts
from mlopus.plans.steps import UploadFiles
from mlopus.plans.tables import table_fault
from mlopus.ports.meter import Meter, NoMeter
from mlopus.ports.streams import Kept, TreeSink, TreeSource
from mlopus.repositories.disk.files import below, disk_failed, folders_holding, remove_emptied
from mlopus.repositories.disk.folder_source import FolderSource
from mlopus.repositories.disk.walk import walk_source
from mlopus.repositories.stores.listing import folder_of, tree_of
from mlopus.repositories.stores.local_uploads import LocalUploads, validator_of
from mlopus.repositories.stores.transfers import Opened, receive, validator_fault
from mlopus.repositories.stores.urls import local_path_of
from mlopus.result import Failure, Result, Success, mapped

_WORKERS = 4


@attrs.frozen(kw_only=True)
class LocalStore:
    """Files under `file:` URLs and bare paths. Where that is not allowed, everything is IllegalPath.

    A file's validator is its modification time, size and inode number.
    """

    allowed: bool = True
    concurrency: int | None = None
    meter: Meter = attrs.field(factory=NoMeter, eq=False)

    def facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """A local store, whose listings cost no request."""
        facts = StoreFacts(scheme="file", is_local=True, requests_cost=False, tells=("size", "validator"))
        return mapped(self._root(url), lambda _: facts)

    def metered(self, meter: Meter) -> LocalStore:
        """The same, telling this meter of bytes."""
        return attrs.evolve(self, meter=meter)

    def list_tree(self, url: str) -> Result[RemoteTree, MlopusError]:
        """Every file at and below a URL. A link counts as what it leads to."""
        located = self._root(url)
        if isinstance(located, Failure):
            return located
        root = located.unwrap()
        try:
            walked = walk_source(root)
            if isinstance(walked, Failure):
                error = walked.failure()
                return tree_of(()) if isinstance(error, NotFound) else walked
            walk = walked.unwrap()
            return tree_of((_remote_file(below(root, path), path) for path in walk.files), walk.empty_folders)
        except OSError as error:
            return Failure(disk_failed(error, "listing", root))

    def file_above(self, url: str, path: str) -> Result[str | None, MlopusError]:
        """A file in the place of a folder."""
        located = self._root(url)
        return mapped(
            located,
            lambda root: next((one for one in ancestors(path) if os.path.isfile(below(root, one))), None),
        )

    def list_folder(self, url: str) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """What is directly in a folder."""
        located = self._root(url)
        if isinstance(located, Failure):
            return located
        root = located.unwrap()
        try:
            if os.path.isfile(root):
                return Success((_entry(root, "", os.path.basename(root)),))
            names = os.listdir(root)
            dangling = next((name for name in names if not os.path.exists(os.path.join(root, name))), None)
            if dangling is not None:
                return Failure(IllegalPath(path=dangling, reason="is a link that leads nowhere"))
            return folder_of(url, [_entry(os.path.join(root, name), name, name) for name in names])
        except (FileNotFoundError, NotADirectoryError):
            return Failure(NotFound(kind="artifact", key=url, place="the local disk"))
        except OSError as error:
            return Failure(disk_failed(error, "listing", root))

    def fetch(
        self, url: str, files: tuple[RemoteFile, ...], sink: TreeSink
    ) -> Result[Validators, MlopusError]:
        """Bring files into a sink; one that changes while it is read is dropped."""
        located = self._root(url)
        if isinstance(located, Failure):
            return located
        root = located.unwrap()

        def fetch_one(file: RemoteFile) -> Result[str, MlopusError]:
            return self._fetch_one(root, file, sink)

        fetched = for_each(fetch_one, files, self._workers)
        return mapped(fetched, lambda told: _by_path((file.path for file in files), told))

    def upload(self, step: UploadFiles, source: TreeSource) -> Result[Validators, MlopusError]:
        """Copy, clone or move files into the store, each under a hidden name until it is complete."""
        located = self._root(step.store_url)
        if isinstance(located, Failure):
            return located
        fault = table_fault((upload.file.path for upload in step.files), step.empty_folders)
        if fault is not None:
            return Failure(fault)
        root = located.unwrap()
        uploads = LocalUploads(root=root, source=source, move=step.move, meter=self.meter)
        prepared = uploads.prepare(step)
        if isinstance(prepared, Failure):
            return prepared
        sent = for_each(uploads.send, step.files, self._workers)
        if isinstance(sent, Success):
            uploads.finish()
        return mapped(sent, lambda told: _by_path((upload.file.path for upload in step.files), told))

    def remove(self, url: str, paths: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove files, and the folders that this empties."""
        located = self._root(url)
        if isinstance(located, Failure):
            return located
        fault = table_fault(paths)
        if fault is not None:
            return Failure(fault)
        root, removed, emptied = located.unwrap(), 0, set[str]()
        try:
            for path in paths:
                location = below(root, path)
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(location)
                    removed += 1
                emptied.update(folders_holding(location, path))
            remove_emptied(list(emptied))
        except OSError as error:
            return Failure(disk_failed(error, "removing files", root))
        return Success(removed)

    def open(self, url: str) -> Result[BinaryIO, MlopusError]:
        """One file."""
        located = self._root(url)
        if isinstance(located, Failure):
            return located
        opened = FolderSource(located.unwrap()).open("")
        if isinstance(opened, Failure) and isinstance(opened.failure(), NotFound):
            return Failure(NotFound(kind="artifact", key=url, place="the local disk"))
        return opened

    def local_source(self, url: str) -> TreeSource | None:
        """The files in place."""
        located = self._root(url)
        return None if isinstance(located, Failure) else FolderSource(located.unwrap())

    @property
    def _workers(self) -> int:
        return self.concurrency or _WORKERS

    def _root(self, url: str) -> Result[str, IllegalPath]:
        if not self.allowed:
            reason = "is on this machine's disk, and the server that names it is another machine"
            hint = "If you trust that server, connect with allow_local_artifacts=True."
            return Failure(IllegalPath(path=url, reason=reason, hint=hint))
        return mapped(local_path_of(url), os.path.abspath)

    def _fetch_one(self, root: str, file: RemoteFile, sink: TreeSink) -> Result[str, MlopusError]:
        location = below(root, file.path)
        try:
            with open(location, "rb") as held:
                validator = validator_of(os.fstat(held.fileno()))
                as_opened = attrs.evolve(file, validator=validator)

                def open_at(kept: Kept | None) -> Result[Opened, MlopusError]:
                    is_same = kept is not None and kept.validator == validator
                    reader = os.fdopen(os.dup(held.fileno()), "rb")
                    offset = reader.seek(kept.size_bytes if is_same and kept is not None else 0)
                    return Success(Opened(reader, validator, offset))

                received = receive(
                    open_at,
                    file,
                    sink,
                    self.meter,
                    place=root,
                    fault_after=lambda: validator_fault(
                        as_opened, validator_of(os.fstat(held.fileno())), root
                    ),
                )
        except (FileNotFoundError, NotADirectoryError):
            return Failure(NotFound(kind="artifact", key=file.path, place=root))
        except OSError as error:
            return Failure(disk_failed(error, f"reading {file.path!r}", root))
        return mapped(received, lambda _: validator)


def _remote_file(location: str, path: str) -> RemoteFile:
    found = os.stat(location)
    modified = datetime.fromtimestamp(found.st_mtime, UTC)
    return RemoteFile(
        path=path, size_bytes=found.st_size, validator=validator_of(found), modified_time=modified
    )


def _entry(location: str, path: str, name: str) -> ArtifactEntry:
    found = os.stat(location)
    is_dir = stat.S_ISDIR(found.st_mode)
    modified = None if is_dir else datetime.fromtimestamp(found.st_mtime, UTC)
    size_bytes = None if is_dir else found.st_size
    return ArtifactEntry(path=path, name=name, is_dir=is_dir, size_bytes=size_bytes, modified_time=modified)


def _by_path(paths: Iterable[str], told: tuple[str, ...]) -> Validators:
    return immutabledict(zip(paths, told, strict=True))
