"""Writing to a store on this disk: cloned where the disk can, copied, or moved where asked.

A copy has a hidden name until it is complete. A moved file is renamed straight to its place: under no
other name could it be taken for something unfinished and be removed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Generator

from mlopus.concurrency.crews import stop_if_told
from mlopus.errors import MlopusError
from mlopus.plans.steps import UploadFile, UploadFiles
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.adopting import changed_since, stale_source
from mlopus.repositories.disk.files import (
    CHUNK_BYTES,
    below,
    disk_failed,
    folders_holding,
    remove_emptied,
    remove_hollow,
    sync_file,
)
from mlopus.repositories.disk.links import READ_WRITE, Ladder
from mlopus.repositories.disk.owner import Owner, is_abandoned
from mlopus.repositories.stores.listing import UNFINISHED_PREFIX, UNFINISHED_SUFFIX, is_unfinished
from mlopus.result import Failure, Result, Success


def validator_of(found: os.stat_result) -> str:
    """What changes whenever a file is written or replaced."""
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


class LocalUploads:
    """The files of one step, on their way to one folder."""

    def __init__(self, *, root: str, source: TreeSource, move: bool, meter: Meter) -> None:
        self._root = root
        self._source = source
        self._move = move
        self._meter = meter
        self._owner = Owner.current()
        self._ladder = Ladder(("reflink", "copy"), READ_WRITE)

    def prepare(self, step: UploadFiles) -> Result[None, MlopusError]:
        """Make the folders, and remove what dead writers left unfinished in them."""
        folders = {os.path.dirname(below(self._root, upload.file.path)) for upload in step.files}
        folders |= {below(self._root, folder) for folder in step.empty_folders}
        try:
            for folder in folders:
                os.makedirs(folder, exist_ok=True)
                _remove_abandoned(folder)
        except OSError as error:
            return Failure(disk_failed(error, "uploading", self._root))
        return Success(None)

    def finish(self) -> None:
        """Remove the folders of the source, once every file of it was moved."""
        root = self._source.local_path("") if self._move else None
        if root is not None and os.path.isdir(root):
            remove_hollow(root)

    def send(self, upload: UploadFile) -> Result[str, MlopusError]:
        """Write one file; answers its validator."""
        try:
            sent = self._sent(upload)
        except OSError as error:
            return Failure(disk_failed(error, f"uploading {upload.file.path!r}", self._root))
        if isinstance(sent, Success):
            self._meter.sent(upload.file.size_bytes)
            self._meter.finished(upload.file.path)
        return sent

    def _sent(self, upload: UploadFile) -> Result[str, MlopusError]:
        file, target = upload.file, below(self._root, upload.file.path)
        local = self._source.local_path(file.path)
        if local is None:
            return self._streamed(upload, target)
        found = changed_since(local, file)
        if found is not None:
            return Failure(stale_source(local, found))
        if self._move and _renamed(local, target):
            remove_emptied(folders_holding(local, file.path))
            return Success(validator_of(os.stat(target)))
        with _unfinished(target, self._owner) as part:
            self._ladder.put(local, part)
            found = changed_since(local, file)
            if found is not None:
                return Failure(stale_source(local, found))
            if self._move:
                sync_file(part)
            validator = validator_of(os.stat(part))
            os.replace(part, target)
        if self._move:
            os.unlink(local)
            remove_emptied(folders_holding(local, file.path))
        return Success(validator)

    def _streamed(self, upload: UploadFile, target: str) -> Result[str, MlopusError]:
        """Copy a file that is on no disk."""
        opened = self._source.open(upload.file.path)
        if isinstance(opened, Failure):
            return opened
        digest = hashlib.sha256()
        with opened.unwrap() as reader, _unfinished(target, self._owner) as part:
            with open(part, "xb") as writer:
                while chunk := reader.read(CHUNK_BYTES):
                    stop_if_told()
                    digest.update(chunk)
                    writer.write(chunk)
            if digest.hexdigest() != upload.file.sha256:
                return Failure(stale_source(upload.file.path, "another content"))
            validator = validator_of(os.stat(part))
            os.replace(part, target)
        return Success(validator)


def _renamed(local: str, target: str) -> bool:
    """Whether a file could be moved by its name alone; a link, or one of another disk, is copied first."""
    if os.path.islink(local):
        return False
    try:
        os.replace(local, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


@contextlib.contextmanager
def _unfinished(target: str, owner: Owner) -> Generator[str]:
    """A name beside a target, for its content until it is complete; nothing has it afterwards."""
    name = f"{UNFINISHED_PREFIX}{owner.new_name()}{UNFINISHED_SUFFIX}"
    part = os.path.join(os.path.dirname(target), name)
    try:
        yield part
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def _remove_abandoned(folder: str) -> None:
    for name in os.listdir(folder):
        if is_unfinished(name):
            owner = Owner.of_name(name.removeprefix(UNFINISHED_PREFIX).removesuffix(UNFINISHED_SUFFIX))
            path = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):
                if owner is not None and is_abandoned(owner, path):
                    os.unlink(path)
