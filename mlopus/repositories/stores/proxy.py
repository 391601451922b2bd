"""Artifacts behind a tracking server: the store of `mlflow-artifacts:` URLs."""

from __future__ import annotations

import io
from functools import partial
from typing import BinaryIO, Final

import attrs
from immutabledict import immutabledict

from mlopus.concurrency.crews import for_each
from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import LocalFile, RemoteFile, RemoteTree, Validators
from mlopus.domain.paths import base_name, join_path, relative_path
from mlopus.errors import MlopusError, NotFound, Unavailable
from mlopus.plans.facts import StoreFacts
from mlopus.plans.steps import UploadFile, UploadFiles
from mlopus.ports.meter import Meter
from mlopus.ports.streams import Kept, TreeSink, TreeSource
from mlopus.repositories.mlflow.transport import Transport
from mlopus.repositories.process_local import PerProcess
from mlopus.repositories.stores.listing import folder_of, tree_of
from mlopus.repositories.stores.proxy_abilities import Abilities
from mlopus.repositories.stores.proxy_direct import LARGE_BYTES, upload_in_parts
from mlopus.repositories.stores.proxy_listing import file_above, list_files, list_one
from mlopus.repositories.stores.proxy_reader import ProxyReader
from mlopus.repositories.stores.proxy_signed import Direct, SignedFile
from mlopus.repositories.stores.proxy_upload import upload_file
from mlopus.repositories.stores.transfers import CHUNK_BYTES, PIECE_BYTES, Opened, receive
from mlopus.result import Failure, Result, Success, collect, mapped
from mlopus.wire.mlflow.artifacts import (
    SCHEME,
    ProxyRoot,
    delete_request,
    download_request,
    proxy_root,
    uploadable,
)
from mlopus.wire.mlflow.direct import DOWNLOADS, UPLOADS
from mlopus.wire.mlflow.http import HttpReply

DEFAULT_CONCURRENCY: Final = 16
LARGE_AT_ONCE: Final = 4
"""Large files are moved after the small ones, a few at a time: each has several requests under way."""
RESTARTS: Final = 3
"""How often a file is begun anew whose stream broke and could not go on."""
_NO_FILE: Final = (400, 500)
"""How servers answer for a folder, and old ones for what is not there, as for anything else that fails."""


@attrs.frozen(kw_only=True)
class MlflowArtifactsStore:
    """Files that a tracking server passes on to where it keeps them.

    A URL without a host is the tracking server's own, and so are the credentials; one that names
    another host is asked there without them.

    Attributes:
        transport: To the tracking server, with its connections.
        concurrency: How many files move at once; None is 16.
    """

    transport: Transport
    concurrency: int | None = None
    _abilities: PerProcess[Abilities] = attrs.field(
        factory=lambda: PerProcess(Abilities), eq=False, repr=False, alias="abilities"
    )

    @property
    def _workers(self) -> int:
        return DEFAULT_CONCURRENCY if self.concurrency is None else max(1, self.concurrency)

    def facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """A remote store, the listings of which tell sizes and nothing else."""
        root = proxy_root(url)
        if isinstance(root, Failure):
            return root
        return Success(StoreFacts(scheme=SCHEME, is_local=False, requests_cost=True, tells=("size",)))

    def metered(self, meter: Meter) -> MlflowArtifactsStore:
        """The same store on the same connections, telling this meter."""
        return attrs.evolve(self, transport=self.transport.metered(meter))

    def list_tree(self, url: str) -> Result[RemoteTree, MlopusError]:
        """Every file at and below a URL: a request a folder, and one more where nothing is listed."""
        root = proxy_root(url)
        if isinstance(root, Failure):
            return root
        listed = list_files(self.transport, root.unwrap(), self._workers)
        return listed if isinstance(listed, Failure) else tree_of(listed.unwrap())

    def file_above(self, url: str, path: str) -> Result[str | None, MlopusError]:
        """A file in the place of a folder: a request for each folder above the path that is there."""
        root = proxy_root(url)
        return root if isinstance(root, Failure) else file_above(self.transport, root.unwrap(), path)

    def list_folder(self, url: str) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """What is directly in a folder, or the file itself: one or two requests."""
        root = proxy_root(url)
        if isinstance(root, Failure):
            return root
        listed = list_one(self.transport, root.unwrap())
        if isinstance(listed, Failure):
            return listed
        found = listed.unwrap()
        if found is None:
            return Failure(NotFound(kind="artifact", key=root.unwrap().path, place=url))
        name = base_name(root.unwrap().path)
        entries = (
            ArtifactEntry(path=path, name=path or name, is_dir=entry.is_dir, size_bytes=entry.size_bytes)
            for path, entry in found
        )
        return folder_of(url, entries)

    def fetch(
        self, url: str, files: tuple[RemoteFile, ...], sink: TreeSink
    ) -> Result[Validators, MlopusError]:
        """Bring files into a sink, several at once. A broken stream goes on where the server allows it."""
        root = proxy_root(url)
        if isinstance(root, Failure):
            return root
        small = tuple(file for file in files if not _is_large(file.size_bytes))
        large = tuple(file for file in files if _is_large(file.size_bytes))
        said: dict[str, str] = {}
        with Direct.opened() as direct:
            work = partial(self._fetch_one, url, root.unwrap(), sink, direct)
            for some, workers in ((small, self._workers), (large, min(self._workers, LARGE_AT_ONCE))):
                fetched = for_each(work, some, min(workers, len(some)))
                if isinstance(fetched, Failure):
                    return fetched
                said |= {path: etag for path, etag in fetched.unwrap() if etag is not None}
        return Success(immutabledict(said))

    def _fetch_one(
        self, url: str, root: ProxyRoot, sink: TreeSink, direct: Direct, file: RemoteFile
    ) -> Result[tuple[str, str | None], MlopusError]:
        for _ in range(RESTARTS):
            received, has_begun = self._receive(url, root, sink, direct, file)
            if isinstance(received, Success) or not isinstance(received.failure(), Unavailable):
                return received
            if not has_begun:  # it was asked for as often as a request may be
                return received
        return self._receive(url, root, sink, direct, file)[0]

    def _receive(
        self, url: str, root: ProxyRoot, sink: TreeSink, direct: Direct, file: RemoteFile
    ) -> tuple[Result[tuple[str, str | None], MlopusError], bool]:
        """One try at a file, and whether its bytes began to come."""
        opened_readers: list[Opened] = []

        def open_at(kept: Kept | None) -> Result[Opened, MlopusError]:
            opened = self._opened_at(root, file, direct, kept)
            opened_readers.extend([opened.unwrap()] if isinstance(opened, Success) else [])
            return opened

        received = receive(open_at, file, sink, self.transport.meter, place=url)
        return mapped(received, lambda etag: (file.path, etag)), bool(opened_readers)

    def _opened_at(
        self, root: ProxyRoot, file: RemoteFile, direct: Direct, kept: Kept | None
    ) -> Result[Opened, MlopusError]:
        if root.host is None and _is_large(file.size_bytes) and self._offers(DOWNLOADS):
            signed = SignedFile.found(self.transport, join_path(root.path, file.path), file)
            found = None if signed is None else signed.opened(kept, direct)
            if found is not None:
                return Success(found)
        opened = self._open(root, file.path, kept)
        if isinstance(opened, Failure):
            return opened
        reader = opened.unwrap()
        return Success(Opened(io.BufferedReader(reader, PIECE_BYTES), reader.etag, reader.offset))

    def _open(self, root: ProxyRoot, path: str, kept: Kept | None = None) -> Result[ProxyReader, MlopusError]:
        whole_path = join_path(root.path, path)
        request = download_request(whole_path)

        def explain(reply: HttpReply) -> MlopusError | None:
            """Ask whether there is a file, where the reply does not tell."""
            if reply.status not in _NO_FILE:
                return None
            listed = list_one(self.transport, attrs.evolve(root, path=whole_path))
            if isinstance(listed, Failure) or any(not path for path, _ in listed.unwrap() or ()):
                return None
            return NotFound(kind="artifact", key=whole_path, place=self.transport.place)

        return ProxyReader.open(self.transport, request, root.host, explain, kept)

    def upload(self, step: UploadFiles, source: TreeSource) -> Result[Validators, MlopusError]:
        """Send files, several at once, each hashed on the way; folders without files are not kept."""
        root = proxy_root(step.store_url)
        if isinstance(root, Failure):
            return root
        names = collect(uploadable(root.unwrap().path, upload.file.path) for upload in step.files)
        if isinstance(names, Failure):
            return names

        def send(item: tuple[UploadFile, str]) -> Result[tuple[str, str | None], MlopusError]:
            upload, name = item
            sent = self._send_one(root.unwrap(), name, upload.file, source)
            return mapped(sent, lambda etag: (upload.file.path, etag))

        work = tuple(zip(step.files, names.unwrap(), strict=True))
        small = tuple(item for item in work if not _is_large(item[0].file.size_bytes))
        large = tuple(item for item in work if _is_large(item[0].file.size_bytes))
        said: dict[str, str] = {}
        for some, workers in ((small, self._workers), (large, min(self._workers, LARGE_AT_ONCE))):
            sent = for_each(send, some, min(workers, len(some)))
            if isinstance(sent, Failure):
                return sent
            said |= {path: etag for path, etag in sent.unwrap() if etag is not None}
        return Success(immutabledict(said))

    def _send_one(
        self, root: ProxyRoot, name: str, file: LocalFile, source: TreeSource
    ) -> Result[str | None, MlopusError]:
        if root.host is None and "/" in name and _is_large(file.size_bytes) and self._offers(UPLOADS):
            sent = upload_in_parts(self.transport, name, file, source)
            if sent is not None:
                return mapped(sent, lambda _: None)
        in_chunks = self._abilities.get().needs_chunks(root.host, self.transport)
        return upload_file(self.transport, root.host, name, file, source, in_chunks=in_chunks)

    def _offers(self, ability: str) -> bool:
        return self._abilities.get().has(ability, self.transport)

    def remove(self, url: str, paths: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove those of the files that are there: the server removes folders as readily."""
        root = proxy_root(url)
        if isinstance(root, Failure):
            return root
        checked = collect(map(relative_path, paths))
        if isinstance(checked, Failure):
            return checked
        listed = list_files(self.transport, root.unwrap(), self._workers)
        if isinstance(listed, Failure):
            return listed
        there = frozenset(file.path for file in listed.unwrap())
        present = tuple(path for path in dict.fromkeys(checked.unwrap()) if path in there)

        def delete(path: str) -> Result[None, MlopusError]:
            whole_path = join_path(root.unwrap().path, path)
            return self.transport.do(delete_request(whole_path))

        removed = for_each(delete, present, min(self._workers, len(present)))
        return removed if isinstance(removed, Failure) else Success(len(present))

    def open(self, url: str) -> Result[BinaryIO, MlopusError]:
        """One file as a stream; what goes wrong while it is read is raised, as errors of mlopus."""
        root = proxy_root(url)
        if isinstance(root, Failure):
            return root
        opened = self._open(root.unwrap(), "")
        if isinstance(opened, Failure):
            return opened
        return Success(io.BufferedReader(opened.unwrap(), CHUNK_BYTES))

    def local_source(self, url: str) -> TreeSource | None:  # noqa: ARG002 (no URL of this store is on this disk)
        """None: the files are the server's."""
        return None


def _is_large(size_bytes: int | None) -> bool:
    return size_bytes is not None and size_bytes >= LARGE_BYTES
