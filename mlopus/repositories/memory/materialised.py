"""Trees of a cache in memory as folders of the real disk, in a temporary folder that cleans up."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import weakref
from collections.abc import Mapping

from mlopus.domain.manifest import Manifest


class Materialised:
    """One temporary folder, made when it is first needed, removed with this object."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self._lock = threading.Lock()

    def path_of(self, key: str, manifest: Manifest) -> str | None:
        """Where a tree is; None if it was not made."""
        if self._folder is None:
            return None
        path = _content(self._folder, key, manifest)
        return path if os.path.lexists(path) else None

    def mend(self, key: str, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
        """Write again what is not as committed of a tree that was made."""
        folder = self.path_of(key, manifest)
        if folder is None:
            return
        for file in manifest.files:
            path = os.path.join(folder, file.path) if file.path else folder
            if not has_content(folder, file.path, contents[file.path]):
                _write_anew(path, contents[file.path])

    def remove(self, key: str, manifest: Manifest) -> None:
        """Remove a tree from the disk, if it was made."""
        with self._lock:
            path = self.path_of(key, manifest)
            if path is not None:
                shutil.rmtree(os.path.dirname(path))

    def make(self, key: str, manifest: Manifest, contents: Mapping[str, bytes]) -> str:
        """Where a tree is, made whole if it was not made before; its files are read-only."""
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.mkdtemp(prefix="mlopus-")
                weakref.finalize(self, _remove, self._folder, os.getpid())
            target = _content(self._folder, key, manifest)
            if os.path.lexists(target):
                return target
            staged = os.path.join(self._folder, secrets.token_hex(8))
            content = os.path.join(staged, os.path.basename(target))
            os.makedirs(staged)
            os.makedirs(os.path.dirname(os.path.dirname(target)), exist_ok=True)
            if not manifest.is_file:
                os.makedirs(content)
            for folder in manifest.empty_folders:
                os.makedirs(os.path.join(content, folder), exist_ok=True)
            for file in manifest.files:
                _write_anew(os.path.join(content, file.path) if file.path else content, contents[file.path])
            os.rename(staged, os.path.dirname(target))
            return target


def _write_anew(path: str, content: bytes) -> None:
    """Write a read-only file, in place of one that is there."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    with os.fdopen(handle, "wb") as writer:
        writer.write(content)


def has_content(folder: str, path: str, content: bytes) -> bool:
    """Whether a file of a tree that was made has this content."""
    try:
        with open(os.path.join(folder, path) if path else folder, "rb") as file:
            return file.read() == content
    except OSError:
        return False


def _content(folder: str, key: str, manifest: Manifest) -> str:
    """As in a cache on the disk, so that links to a tree look the same."""
    return os.path.join(folder, "trees", key, manifest.name or "artifacts")


def _remove(folder: str, pid: int) -> None:
    if os.getpid() == pid:  # a forked child leaves what its parent uses
        shutil.rmtree(folder, ignore_errors=True)
