"""Trees of files as values: what a store lists, what a folder holds, what the cache committed.

A path is relative to the tree. A tree that is a single file has one file of path "".
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from functools import cached_property
from typing import Literal, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.paths import path_below

Validators: TypeAlias = immutabledict[str, str]
"""Path to what the store says of the content (an ETag, a version): equal means unchanged."""


@attrs.frozen(kw_only=True)
class ArtifactSubject:
    """Whose artifacts: a run's, an MLflow 3 logged model's, or those of a plain URL."""

    kind: Literal["run", "logged model", "url"]
    key: str

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


@attrs.frozen(kw_only=True)
class ArtifactLocation:
    """A path of one subject's artifacts, and the URL of the subject's root in its store."""

    subject: ArtifactSubject
    root_url: str
    path: str = ""


@attrs.frozen(kw_only=True)
class RemoteFile:
    """A file as its store lists it; what the store does not say is None."""

    path: str
    size_bytes: int | None = None
    validator: str | None = None
    sha256: str | None = None
    modified_time: datetime | None = None


@attrs.frozen(kw_only=True)
class RemoteTree:
    """What a store lists at a path at one time, files sorted by path.

    Nothing there is a tree without files that is not a file; object stores have no folders.
    """

    listed_at: datetime
    files: tuple[RemoteFile, ...] = ()
    empty_folders: tuple[str, ...] = ()
    is_file: bool = False

    @property
    def exists(self) -> bool:
        """Whether anything is there."""
        return bool(self.files or self.empty_folders)


@attrs.frozen(kw_only=True)
class LocalFile:
    """A file on the user's disk: what it held when it was hashed."""

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str


@attrs.frozen(kw_only=True)
class ManifestFile:
    """A committed file."""

    path: str
    size_bytes: int
    sha256: str

    def is_of(self, content: bytes) -> bool:
        """Whether a content is that of the file."""
        return len(content) == self.size_bytes and hashlib.sha256(content).hexdigest() == self.sha256


@attrs.frozen(kw_only=True)
class Manifest:
    """The truth of a committed tree: every file with size and sha256, sorted by path.

    `name` is the last component of the path the tree was taken from, and of the path that a
    caller gets.
    """

    name: str
    is_file: bool
    files: tuple[ManifestFile, ...] = ()
    empty_folders: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        files: tuple[ManifestFile, ...],
        *,
        is_file: bool,
        empty_folders: tuple[str, ...] = (),
    ) -> Manifest:
        """The manifest of files in any order."""
        in_order = tuple(sorted(files, key=lambda file: file.path))
        return cls(name=name, is_file=is_file, files=in_order, empty_folders=tuple(sorted(empty_folders)))

    @cached_property
    def key(self) -> str:
        """The name of the tree in the cache: a digest of everything the manifest says."""
        lines = [self.name, self.is_file, [[f.path, f.size_bytes, f.sha256] for f in self.files]]
        text = json.dumps([*lines, self.empty_folders], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def total_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)

    def subtree(self, path: str) -> Manifest | None:
        """The part at a path, with paths relative to it; None if nothing is there."""
        if path == "":
            return self
        files = tuple(
            attrs.evolve(file, path=below)
            for file in self.files
            if (below := path_below(file.path, path)) is not None
        )
        folders = tuple(
            below for folder in self.empty_folders if (below := path_below(folder, path)) is not None
        )
        if not files and not folders:
            return None
        is_file = len(files) == 1 and files[0].path == ""
        kept = tuple(folder for folder in folders if folder)
        return Manifest(name=path.rpartition("/")[2], is_file=is_file, files=files, empty_folders=kept)


@attrs.frozen(kw_only=True)
class Entry:
    """The commit marker of a cached path: which tree holds it, from where and when it was taken."""

    subject: ArtifactSubject
    path: str
    tree_key: str
    name: str
    is_file: bool
    taken_at: datetime
    store_url: str
    validators: Validators = immutabledict()
