"""An artifact store in memory, as generous or as silent about its files as a test wants it."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO

import attrs
from immutabledict import immutabledict

from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import RemoteFile, RemoteTree, Validators
from mlopus.domain.paths import ancestors, base_name, join_url, scheme_of
from mlopus.errors import MlopusError, NotFound, StalePlan, Unsupported
from mlopus.plans.facts import StoreFacts, Told
from mlopus.plans.steps import UploadFiles
from mlopus.plans.tables import table_fault
from mlopus.ports.meter import Meter, NoMeter
from mlopus.ports.streams import Kept, TreeSink, TreeSource
from mlopus.repositories.stores.listing import folder_of, tree_of
from mlopus.repositories.stores.transfers import Opened, receive
from mlopus.result import Failure, Result, Success


@attrs.frozen(kw_only=True)
class StoredFile:
    """A file of the store; every write gives it another version."""

    content: bytes
    version: int
    modified_time: datetime


class StoredFiles:
    """What is under every URL. Shared by the copies of one store that count for others."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}
        self._folders: set[str] = set()
        self._version = 0
        self._lock = threading.Lock()

    def write(self, url: str, content: bytes) -> StoredFile:
        """Put a file at a URL, whatever the URL looks like."""
        with self._lock:
            self._version += 1
            file = StoredFile(content=content, version=self._version, modified_time=datetime.now(UTC))
            self._files[url] = file
            return file

    def make_folder(self, url: str) -> None:
        """Remember an empty folder."""
        with self._lock:
            self._folders.add(url)

    def read(self, url: str) -> StoredFile | None:
        """The file of a URL."""
        with self._lock:
            return self._files.get(url)

    def remove(self, url: str) -> bool:
        """Remove a file; whether there was one."""
        with self._lock:
            return self._files.pop(url, None) is not None

    def below(self, url: str) -> tuple[dict[str, StoredFile], list[str]]:
        """Files and empty folders at and below a URL, by what is left of theirs."""
        with self._lock:
            files = {_rest(other, url): file for other, file in self._files.items() if _is_at(other, url)}
            folders = [_rest(other, url) for other in self._folders if _is_at(other, url)]
        return files, folders

    def __getstate__(self) -> tuple[dict[str, StoredFile], set[str], int]:
        with self._lock:
            return dict(self._files), set(self._folders), self._version

    def __setstate__(self, state: tuple[dict[str, StoredFile], set[str], int]) -> None:
        self._files, self._folders, self._version = state
        self._lock = threading.Lock()


def _is_at(other: str, url: str) -> bool:
    return other == url or other.startswith(f"{url}/")


def _rest(other: str, url: str) -> str:
    return other[len(url) + 1 :]


@attrs.frozen(kw_only=True)
class MemoryArtifactStore:
    """Files by URL, in memory, as a store across a network would keep them.

    Args:
        gives_digests: Listings have the sha256 of files.
        gives_sizes: Listings have their sizes.
        gives_validators: Listings, and the answers to uploads, have their versions.
        stored: The files; a back door for tests.
        meter: Told of bytes.

    Example:
        >>> store = MemoryArtifactStore()
        >>> _ = store.stored.write("mem://a/model/x", b"1")
        >>> [file.path for file in store.list_tree("mem://a").unwrap().files]
        ['model/x']
    """

    gives_digests: bool = False
    gives_sizes: bool = True
    gives_validators: bool = True
    stored: StoredFiles = attrs.field(factory=StoredFiles, eq=False, repr=False)
    meter: Meter = attrs.field(factory=NoMeter, eq=False)

    def facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """A store that is not of this disk, and that costs no request."""
        tells: list[Told] = []
        if self.gives_sizes:
            tells.append("size")
        if self.gives_validators:
            tells.append("validator")
        if self.gives_digests:
            tells.append("sha256")
        return Success(
            StoreFacts(scheme=scheme_of(url), is_local=False, requests_cost=False, tells=tuple(tells))
        )

    def metered(self, meter: Meter) -> MemoryArtifactStore:
        """The same files, telling this meter."""
        return attrs.evolve(self, meter=meter)

    def list_tree(self, url: str) -> Result[RemoteTree, MlopusError]:
        """Every file at and below a URL."""
        files, folders = self.stored.below(url.rstrip("/"))
        return tree_of((self._listed(path, file) for path, file in files.items()), folders)

    def file_above(self, url: str, path: str) -> Result[str | None, MlopusError]:
        """A file in the place of a folder: names here are only names, so there may be both."""
        above = (
            one for one in ancestors(path) if self.stored.read(join_url(url.rstrip("/"), one)) is not None
        )
        return Success(next(above, None))

    def list_folder(self, url: str) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """What is directly in a folder."""
        url = url.rstrip("/")
        files, folders = self.stored.below(url)
        if not files and not folders:
            return Failure(NotFound(kind="artifact", key=base_name(url), place=url))
        if "" in files:
            return Success((self._entry("", base_name(url), files[""]),))
        direct = {path: self._entry(path, path, file) for path, file in files.items() if "/" not in path}
        for path in (*files, *folders):
            name, slash, _ = path.partition("/")
            if name and (slash or path in folders):
                direct.setdefault(name, ArtifactEntry(path=name, name=name, is_dir=True))
        return folder_of(url, direct.values())

    def fetch(
        self, url: str, files: tuple[RemoteFile, ...], sink: TreeSink
    ) -> Result[Validators, MlopusError]:
        """Bring files into a sink."""
        told: dict[str, str] = {}
        for file in files:
            held = self.stored.read(join_url(url.rstrip("/"), file.path))
            if held is None:
                return Failure(NotFound(kind="artifact", key=file.path, place=url))
            received = receive(partial(self._opened, held), file, sink, self.meter, place=url)
            if isinstance(received, Failure):
                return received
            if self.gives_validators:
                told[file.path] = str(held.version)
        return Success(immutabledict(told))

    def upload(self, step: UploadFiles, source: TreeSource) -> Result[Validators, MlopusError]:
        """Take files as they were hashed."""
        url = step.store_url.rstrip("/")
        if step.move:
            return Failure(Unsupported(action="moving files to", place=url))
        fault = table_fault((upload.file.path for upload in step.files), step.empty_folders)
        if fault is not None:
            return Failure(fault)
        for folder in step.empty_folders:
            self.stored.make_folder(join_url(url, folder))
        told: dict[str, str] = {}
        for upload in step.files:
            path = upload.file.path
            content = _read(source, path)
            if isinstance(content, Failure):
                return content
            if hashlib.sha256(content.unwrap()).hexdigest() != upload.file.sha256:
                return Failure(
                    StalePlan(thing=path, expected="the file that was hashed", found="another content")
                )
            written = self.stored.write(join_url(url, path), content.unwrap())
            self.meter.sent(len(written.content))
            self.meter.finished(path)
            if self.gives_validators:
                told[path] = str(written.version)
        return Success(immutabledict(told))

    def remove(self, url: str, paths: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove files."""
        fault = table_fault(paths)
        if fault is not None:
            return Failure(fault)
        return Success(sum(self.stored.remove(join_url(url.rstrip("/"), path)) for path in paths))

    def open(self, url: str) -> Result[BinaryIO, MlopusError]:
        """One file."""
        held = self.stored.read(url.rstrip("/"))
        if held is None:
            return Failure(NotFound(kind="artifact", key=base_name(url), place=url))
        return Success(io.BytesIO(held.content))

    def local_source(self, url: str) -> TreeSource | None:  # noqa: ARG002 (nothing here is on a disk)
        """None: nothing here is on a disk."""
        return None

    def _opened(self, held: StoredFile, kept: Kept | None) -> Result[Opened, MlopusError]:
        version = str(held.version) if self.gives_validators else None
        is_same = kept is not None and kept.validator == version
        offset = kept.size_bytes if is_same and kept is not None else 0
        return Success(Opened(io.BytesIO(held.content[offset:]), version, offset))

    def _listed(self, path: str, file: StoredFile) -> RemoteFile:
        return RemoteFile(
            path=path,
            size_bytes=len(file.content) if self.gives_sizes else None,
            validator=str(file.version) if self.gives_validators else None,
            sha256=hashlib.sha256(file.content).hexdigest() if self.gives_digests else None,
            modified_time=file.modified_time,
        )

    def _entry(self, path: str, name: str, file: StoredFile) -> ArtifactEntry:
        size_bytes = len(file.content) if self.gives_sizes else None
        return ArtifactEntry(
            path=path, name=name, is_dir=False, size_bytes=size_bytes, modified_time=file.modified_time
        )


def modes() -> Iterable[dict[str, bool]]:
    """Every way in which a store can be silent, as keyword arguments."""
    flags = ("gives_digests", "gives_sizes", "gives_validators")
    for chosen in range(2 ** len(flags)):
        yield {flag: bool(chosen >> index & 1) for index, flag in enumerate(flags)}


def _read(source: TreeSource, path: str) -> Result[bytes, MlopusError]:
    opened = source.open(path)
    if isinstance(opened, Failure):
        return opened
    with opened.unwrap() as reader:
        return Success(reader.read())
