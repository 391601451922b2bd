"""Artifacts behind any filesystem of fsspec, file by file, with bounded memory."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, BinaryIO, TypeVar, cast

import attrs
from immutabledict import immutabledict

from mlopus.concurrency.crews import for_each
from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import RemoteFile, RemoteTree, Validators
from mlopus.domain.paths import ancestors, base_name, scheme_of
from mlopus.errors import MlopusError, NotFound, StoreFailed, Unsupported
from mlopus.plans.facts import StoreFacts
from mlopus.plans.steps import UploadFile, UploadFiles
from mlopus.plans.tables import table_fault
from mlopus.ports.meter import Meter, NoMeter
from mlopus.ports.streams import Kept, TreeSink, TreeSource
from mlopus.repositories.disk.files import folders_above
from mlopus.repositories.process_local import PerProcess
from mlopus.repositories.stores.fsspec_infos import entry, remote_file, shows_folder, told_with, validator_of
from mlopus.repositories.stores.fsspec_systems import (
    OpenSystems,
    Place,
    can_be_written,
    check_scheme,
    crosses_network,
    gives_parts,
    may_hold_both,
    tells_sizes,
    told_by,
    workers_for,
)
from mlopus.repositories.stores.fsspec_uploads import send
from mlopus.repositories.stores.listing import folder_of, tree_of
from mlopus.repositories.stores.local_store import LocalStore
from mlopus.repositories.stores.transfers import Opened, receive
from mlopus.repositories.stores.urls import shown
from mlopus.result import Failure, Result, Success

T = TypeVar("T")

_BLOCK_BYTES = 4 * 1024 * 1024


@attrs.frozen(kw_only=True)
class FsspecStore:
    """Files under every URL that fsspec has a filesystem for; those of this disk go to `LocalStore`.

    Filesystems are opened once a process and host; their listings are never cached. What an upload
    sends is hashed on the way, and where the store cannot make files appear whole, it has another
    name until it is complete.

    Args:
        storage_options: By scheme: what fsspec's filesystem takes.
        concurrency: Files at once; None is 8, and 4 on this disk and where each takes a connection.
        allow_local: Whether `file:` URLs and bare paths may be opened.
        meter: Told of requests and bytes.

    Example:
        >>> FsspecStore().list_tree("memory://nothing-here").unwrap().exists
        False
    """

    storage_options: Mapping[str, Any] = attrs.field(factory=immutabledict)
    concurrency: int | None = None
    allow_local: bool = True
    meter: Meter = attrs.field(factory=NoMeter, eq=False)
    _systems: PerProcess[OpenSystems] = attrs.field(
        factory=lambda: PerProcess(OpenSystems), eq=False, repr=False, alias="systems"
    )

    def facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """What is known of the URL's scheme."""
        if self._is_local(url):
            return self._local.facts(url)
        scheme = scheme_of(url)
        lacking = check_scheme(scheme)
        if lacking is not None:
            hint = lacking or "Schemes can be replaced by others: connect with scheme_map."
            return Failure(Unsupported(action=f"artifacts at {shown(url)}", place="fsspec", hint=hint))
        cost = crosses_network(scheme)
        return Success(StoreFacts(scheme=scheme, is_local=False, requests_cost=cost, tells=told_by(scheme)))

    def metered(self, meter: Meter) -> FsspecStore:
        """The same filesystems, telling this meter."""
        return attrs.evolve(self, meter=meter)

    def list_tree(self, url: str) -> Result[RemoteTree, MlopusError]:
        """Every file at and below a URL."""
        if self._is_local(url):
            return self._local.list_tree(url)
        listed = self._asked(url, "listing", lambda: self._found(self._place(url)))
        if isinstance(listed, Failure):
            return tree_of(()) if isinstance(listed.failure(), NotFound) else listed
        files, folders = listed.unwrap()
        return tree_of(files, folders)

    def file_above(self, url: str, path: str) -> Result[str | None, MlopusError]:
        """A file in the place of a folder, where the scheme does not say that there cannot be both."""
        if self._is_local(url):
            return self._local.file_above(url, path)
        if not may_hold_both(scheme_of(url)):
            return Success(None)
        return self._asked(url, "looking for files", lambda: self._file_above(self._place(url), path))

    def list_folder(self, url: str) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """What is directly in a folder."""
        if self._is_local(url):
            return self._local.list_folder(url)
        listed = self._asked(url, "listing", lambda: self._directly_in(self._place(url), url))
        return listed if isinstance(listed, Failure) else folder_of(shown(url), listed.unwrap())

    def fetch(
        self, url: str, files: tuple[RemoteFile, ...], sink: TreeSink
    ) -> Result[Validators, MlopusError]:
        """Bring files into a sink, several at once."""
        if self._is_local(url):
            return self._local.fetch(url, files, sink)

        def fetch_one(file: RemoteFile) -> Result[str | None, MlopusError]:
            got = self._asked(url, f"reading {file.path!r}", lambda: self._fetch_one(url, file, sink))
            return got.unwrap() if isinstance(got, Success) else got

        fetched = for_each(fetch_one, files, self._workers(url))
        if isinstance(fetched, Failure):
            return fetched
        told = zip(files, fetched.unwrap(), strict=True)
        return Success(immutabledict({file.path: told for file, told in told if told is not None}))

    def upload(self, step: UploadFiles, source: TreeSource) -> Result[Validators, MlopusError]:
        """Send files, several at once.

        Nothing is answered of what the store says of them: fsspec does not pass on the reply to a
        write, and a later listing may tell of another writer's.
        """
        url = step.store_url
        if self._is_local(url):
            return self._local.upload(step, source)
        if step.move:
            return Failure(Unsupported(action="moving files to", place=shown(url)))
        fault = self._read_only(url, "uploading files") or table_fault(
            (upload.file.path for upload in step.files), step.empty_folders
        )
        if fault is not None:
            return Failure(fault)

        def send_one(upload: UploadFile) -> Result[None, MlopusError]:
            path = upload.file.path
            sent = self._asked(url, f"uploading {path!r}", lambda: self._send_one(url, upload, source))
            return sent.unwrap() if isinstance(sent, Success) else sent

        made = self._asked(url, "making folders", lambda: self._make_folders(self._place(url), step))
        sent = made if isinstance(made, Failure) else for_each(send_one, step.files, self._workers(url))
        return sent if isinstance(sent, Failure) else Success(immutabledict())

    def remove(self, url: str, paths: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove files, several at once."""
        if self._is_local(url):
            return self._local.remove(url, paths)
        fault = table_fault(paths) or self._read_only(url, "removing files")
        if fault is not None:
            return Failure(fault)

        def remove_one(path: str) -> Result[bool, MlopusError]:
            done = self._asked(url, f"removing {path!r}", lambda: self._remove_one(self._place(url), path))
            return Success(False) if isinstance(done, Failure) and _is_gone(done) else done

        removed = for_each(remove_one, sorted(paths), self._workers(url))
        if isinstance(removed, Failure):
            return removed
        pruned = self._asked(url, "removing folders", lambda: self._prune(self._place(url), paths))
        return pruned if isinstance(pruned, Failure) else Success(sum(removed.unwrap()))

    def open(self, url: str) -> Result[BinaryIO, MlopusError]:
        """One file, as a stream. Why a folder cannot be opened each filesystem says in its own words."""
        if self._is_local(url):
            return self._local.open(url)
        opened = self._asked(url, "opening", lambda: self._opened_alone(self._place(url, alone=True)))
        if isinstance(opened, Success) or not isinstance(opened.failure(), StoreFailed):
            return opened
        looked = self._asked(url, "opening", lambda: self._is_folder(self._place(url)))
        return Failure(_missing(url)) if looked.value_or(False) else opened

    def local_source(self, url: str) -> TreeSource | None:
        """The files in place, for a URL of this disk."""
        return self._local.local_source(url) if self._is_local(url) else None

    @property
    def _local(self) -> LocalStore:
        return LocalStore(allowed=self.allow_local, concurrency=self.concurrency, meter=self.meter)

    def _is_local(self, url: str) -> bool:
        return scheme_of(url) == "file"

    def _read_only(self, url: str, action: str) -> MlopusError | None:
        if can_be_written(scheme_of(url)):
            return None
        hint = "What is there is only read; publish to another store."
        return Unsupported(action=action, place=shown(url), hint=hint)

    def _workers(self, url: str) -> int:
        return self.concurrency or workers_for(scheme_of(url))

    def _place(self, url: str, *, alone: bool = False) -> Place:
        options = self.storage_options.get(scheme_of(url), {})
        return self._systems.get().place(url, options, alone=alone)

    def _count(self, place: Place, requests: int = 1) -> None:
        if crosses_network(place.scheme):
            self.meter.requested(requests)

    def _found(self, place: Place) -> tuple[tuple[RemoteFile, ...], tuple[str, ...]]:
        self._count(place)
        listing = place.system.find(place.root, withdirs=True, detail=True)
        found = cast("dict[str, dict[str, Any]]", listing)
        files: list[RemoteFile] = []
        folders: list[str] = []
        for name, info in found.items():
            path = place.relative(str(name))
            if info.get("type") == "directory" or str(name).endswith("/"):
                folders.append(path.rstrip("/") if path.strip("/") else "")
            else:
                files.append(remote_file(path, info))
        if place.takes_folders_for_files and len(files) > 1:
            files = [file for file in files if file.path]
        if [file.path for file in files] == [""] and files[0].size_bytes is None:
            self._count(place)  # some filesystems list a single file without saying anything of it
            files = [remote_file("", place.system.info(place.root))]
        return tuple(files), tuple(folders)

    def _file_above(self, place: Place, path: str) -> str | None:
        for above in ancestors(path):
            self._count(place)
            if place.system.isfile(place.path(above)):
                return above
        return None

    def _directly_in(self, place: Place, url: str) -> tuple[ArtifactEntry, ...]:
        self._count(place)
        try:
            listed = cast("list[dict[str, Any]]", place.system.ls(place.root, detail=True))
        except (FileNotFoundError, NotADirectoryError):
            listed = []
        entries = [entry(place.relative(str(info["name"])), info, url) for info in listed]
        inside = tuple(shown for shown in entries if shown.path)
        return inside or self._itself(place, url)

    def _itself(self, place: Place, url: str) -> tuple[ArtifactEntry, ...]:
        """A file as what it shows; an empty folder shows nothing."""
        self._count(place)
        info = cast("dict[str, Any]", place.system.info(place.root))
        return () if info.get("type") == "directory" else (entry("", info, url),)

    def _fetch_one(self, url: str, file: RemoteFile, sink: TreeSink) -> Result[str | None, MlopusError]:
        place = self._place(url)

        def open_at(kept: Kept | None) -> Result[Opened, MlopusError]:
            after = None if kept is None else self._opened_after(place, file, kept)
            if after is not None:
                return Success(after)
            reader = self._opened(place, file)
            return Success(Opened(reader, validator_of(told_with(reader))))

        return receive(open_at, file, sink, self.meter, place=shown(url))

    def _opened(self, place: Place, file: RemoteFile) -> BinaryIO:
        self._count(place)
        path = place.path(file.path)
        if place.scheme == "memory":  # its files are shared between readers, positions too
            return io.BytesIO(place.system.cat_file(path))
        if not tells_sizes(place.scheme):  # a stream; given any size, fsspec does not ask for it first
            return cast("BinaryIO", place.system.open(path, "rb", block_size=0, size=file.size_bytes or 1))
        return cast("BinaryIO", place.system.open(path, "rb", block_size=_BLOCK_BYTES))

    def _opened_alone(self, place: Place) -> BinaryIO:
        """The place itself, if it is a file: some servers open a folder, or send a page that shows it."""
        reader = self._opened(place, RemoteFile(path=""))
        if shows_folder(reader):
            reader.close()
            raise FileNotFoundError(place.root)
        return reader

    def _is_folder(self, place: Place) -> bool:
        self._count(place)
        return bool(place.system.isdir(place.root))

    def _opened_after(self, place: Place, file: RemoteFile, kept: Kept) -> Opened | None:
        """The file right after kept bytes of the same content; None where that cannot be had."""
        if not gives_parts(place.scheme):
            return None
        from aiohttp import ClientResponseError  # noqa: PLC0415 (it is installed: the place is open)

        self._count(place)
        headers = {"Range": f"bytes={kept.size_bytes}-", "If-Range": f'"{kept.validator}"'}
        try:
            reader: Any = place.system.open(
                place.path(file.path), "rb", block_size=0, size=1, headers=headers
            )
        except ClientResponseError as error:
            if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            is_whole = validator_of(error.headers or {}) == kept.validator
            return Opened(io.BytesIO(), kept.validator, kept.size_bytes) if is_whole else None
        validator = validator_of(told_with(reader))
        is_part = reader.r.status == HTTPStatus.PARTIAL_CONTENT
        if is_part and validator != kept.validator:
            reader.close()
            return None
        return Opened(cast("BinaryIO", reader), validator, kept.size_bytes if is_part else 0)

    def _send_one(self, url: str, upload: UploadFile, source: TreeSource) -> Result[None, MlopusError]:
        place = self._place(url)
        self._count(place)
        return send(place, upload.file, source, self.meter)

    def _make_folders(self, place: Place, step: UploadFiles) -> None:
        """The folders of the step."""
        paths = [upload.file.path for upload in step.files]
        folders = {path.rpartition("/")[0] for path in paths if path} | set(step.empty_folders)
        above = place.root.rpartition("/")[0]
        for path in [above] if step.is_file else [place.path(folder) for folder in sorted(folders)]:
            if path:
                self._count(place)
                place.system.makedirs(path, exist_ok=True)

    def _remove_one(self, place: Place, path: str) -> bool:
        self._count(place)
        place.system.rm_file(place.path(path))
        return True

    def _prune(self, place: Place, paths: tuple[str, ...]) -> None:
        """Remove the folders that are empty now."""
        folders = {above for path in paths if path for above in ("", *folders_above(path))}
        for folder in sorted(folders, key=len, reverse=True):
            self._count(place)
            with contextlib.suppress(OSError):  # it is not empty, or was no folder of its own
                place.system.rmdir(place.path(folder))

    def _asked(self, url: str, action: str, work: Callable[[], T]) -> Result[T, MlopusError]:
        """What a filesystem answered, its exceptions as errors of ours."""
        place = shown(url)
        try:
            return Success(work())
        except MlopusError as error:
            return Failure(error)
        except FileNotFoundError:
            return Failure(_missing(url))
        except PermissionError as error:
            hint = "Check the credentials and what they allow."
            return Failure(StoreFailed(place=place, action=action, reason=_reason(error, url), hint=hint))
        except OSError as error:
            return Failure(StoreFailed(place=place, action=action, reason=_reason(error, url)))
        except Exception as error:  # noqa: BLE001 (the errors of fsspec's filesystems cannot be listed)
            reason = f"{type(error).__name__}: {_reason(error, url)}"
            return Failure(StoreFailed(place=place, action=action, reason=reason))


def _missing(url: str) -> NotFound:
    return NotFound(kind="artifact", key=base_name(shown(url)) or shown(url), place=shown(url))


def _reason(error: Exception, url: str) -> str:
    return str(error).replace(url, shown(url)) or type(error).__name__


def _is_gone(failure: Failure[MlopusError]) -> bool:
    return isinstance(failure.failure(), NotFound)
