"""Equal files of different trees share their bytes: an index of files by digest, and the linking.

The index is a hint. What it names is hashed before anything is linked to it, and the whole index can
be lost at any time: the next commit makes it anew from the manifests of all trees.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import attrs

from mlopus.domain.manifest import Manifest, ManifestFile
from mlopus.domain.paths import relative_path
from mlopus.repositories.database_file import make_file
from mlopus.repositories.disk.files import below, sha256_of
from mlopus.repositories.disk.layout import Layout, is_tree_key
from mlopus.repositories.disk.manifests import RecentTrees, read_tree
from mlopus.result import Success

T = TypeVar("T")

_LOGGER = logging.getLogger("mlopus")
_BUSY_TIMEOUT_S = 2.0
_BATCH = 500
_IS_MADE = "SELECT 1 FROM sqlite_master WHERE name = 'file'"
_OTHER_TABLES = "SQLITE_ERROR"
"""What SQLite says of a table that has other columns."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS file (sha256 BLOB PRIMARY KEY, tree_key TEXT NOT NULL, path TEXT NOT NULL)
WITHOUT ROWID
"""


@attrs.frozen
class FileIndex:
    """Where a committed file of a digest is. Every failure of SQLite means that nothing is known."""

    layout: Layout

    @property
    def path(self) -> str:
        """The database."""
        return self.layout.file_index

    def find(self, digests: Iterable[str]) -> dict[str, tuple[str, str]]:
        """By digest: the tree and the path in it, for those that are known."""
        wanted = [bytes.fromhex(digest) for digest in digests]
        if not wanted or not os.path.exists(self.path):
            return {}

        def read(database: sqlite3.Connection) -> dict[str, tuple[str, str]]:
            found: dict[str, tuple[str, str]] = {}
            for start in range(0, len(wanted), _BATCH):
                batch = wanted[start : start + _BATCH]
                marks = ",".join("?" * len(batch))
                rows = database.execute(
                    f"SELECT sha256, tree_key, path FROM file WHERE sha256 IN ({marks})",  # noqa: S608 (marks only)
                    batch,
                )
                found.update({sha256.hex(): (tree_key, path) for sha256, tree_key, path in rows})
            return found

        return self._asked(read) or {}

    def add(self, tree_key: str, manifest: Manifest) -> None:
        """Let later trees find the files of this one, in place of older ones of the same digests."""

        def write(database: sqlite3.Connection) -> None:
            is_new = database.execute(_IS_MADE).fetchone() is None
            database.execute(_SCHEMA)
            for key, held in (*(_all_trees(self.layout) if is_new else ()), (tree_key, manifest)):
                rows = ((bytes.fromhex(f.sha256), key, f.path) for f in held.files if f.size_bytes)
                database.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?)", rows)

        self._asked(write)

    def remove(self, tree_keys: Iterable[str]) -> None:
        """Forget the files of trees that are gone."""
        rows = [(key,) for key in tree_keys]
        if not rows or not os.path.exists(self.path):
            return

        def write(database: sqlite3.Connection) -> None:
            if database.execute(_IS_MADE).fetchone() is not None:
                database.executemany("DELETE FROM file WHERE tree_key = ?", rows)

        self._asked(write)

    def _asked(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """The outcome of one transaction; None where the index is busy, or damaged and so removed."""
        try:
            make_file(Path(self.path))
            with contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S)) as database:
                database.execute("PRAGMA synchronous=OFF")
                with database:
                    return work(database)
        except OSError as error:
            _LOGGER.info("files are not shared this time: %s: %s", self.path, error)
            return None
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorname != _OTHER_TABLES:
                _LOGGER.info("files are not shared this time: %s: %s", self.path, error)
                return None
            _LOGGER.warning("the index of files is damaged and begun anew: %s: %s", self.path, error)
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        return None


def _all_trees(layout: Layout) -> Iterator[tuple[str, Manifest]]:
    """Every committed tree that tells what it holds."""
    for key in sorted(filter(is_tree_key, os.listdir(layout.trees))):
        read = read_tree(layout, key, RecentTrees())
        if isinstance(read, Success):
            yield key, read.unwrap().manifest


def share_files(layout: Layout, content: str, files: Iterable[ManifestFile], scratch: str) -> int:
    """Let staged files be links to equal committed ones, and to each other; answers how many are.

    Args:
        layout: The cache.
        content: The staged file or folder.
        files: What it holds; empty files are never shared.
        scratch: A path on the same disk, for each new link until it takes the staged file's place.
    """
    by_digest: dict[str, list[ManifestFile]] = {}
    for file in files:
        if file.size_bytes:
            by_digest.setdefault(file.sha256, []).append(file)
    candidates = FileIndex(layout).find(by_digest)
    roots = {key: _content_of(layout, key) for key in {key for key, _ in candidates.values()}}
    shared = 0
    for digest, alike in by_digest.items():
        key, path = candidates.get(digest, ("", ""))
        root = roots.get(key)
        original = None if root is None else _sound(root, path, alike[0])
        if original is None:
            original = below(content, alike.pop().path)
        for file in alike:
            if not _linked(original, below(content, file.path), scratch):
                break
            shared += 1
    return shared


def _content_of(layout: Layout, tree_key: str) -> str | None:
    """What a tree holds: the one thing beside its manifest."""
    if not is_tree_key(tree_key):
        return None
    folder, manifest = layout.tree(tree_key), f"{tree_key}.json"
    try:
        names = [name for name in os.listdir(folder) if name != manifest]
    except OSError:
        return None
    return os.path.join(folder, names[0]) if len(names) == 1 else None


def _sound(root: str, path: str, file: ManifestFile) -> str | None:
    """The absolute path of a committed file, if it has this size and digest now."""
    if not isinstance(relative_path(path), Success):
        return None
    found = below(root, path)
    try:
        seen = os.lstat(found)
        is_sound = (
            stat.S_ISREG(seen.st_mode) and seen.st_size == file.size_bytes and sha256_of(found) == file.sha256
        )
    except OSError:
        return None
    return found if is_sound else None


def _linked(original: str, staged: str, scratch: str) -> bool:
    """Whether the staged file is a link to the original now: disks and files have limits to that."""
    try:
        if not os.path.samefile(original, staged):
            os.link(original, scratch)
            os.replace(scratch, staged)
    except OSError:
        return False
    return True
