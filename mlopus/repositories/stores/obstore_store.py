"""Artifacts in object stores: S3, Google Cloud Storage, Azure; on obstore."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, BinaryIO

import attrs
from immutabledict import immutabledict

from mlopus.concurrency.crews import for_each
from mlopus.concurrency.daemon_pool import DaemonPool
from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import RemoteFile, RemoteTree, Validators
from mlopus.domain.paths import ancestors, base_name, scheme_of
from mlopus.errors import IllegalPath, MlopusError, Unsupported
from mlopus.plans.facts import StoreFacts
from mlopus.plans.steps import UploadFile, UploadFiles
from mlopus.plans.tables import folders_of, table_fault
from mlopus.ports.meter import Meter, NoMeter
from mlopus.ports.streams import TreeSink, TreeSource
from mlopus.repositories.process_local import PerProcess
from mlopus.repositories.stores.listing import folder_of, tree_of
from mlopus.repositories.stores.obstore_buckets import Bucket, OpenBuckets, missing_object, remote_file
from mlopus.repositories.stores.obstore_options import Patience
from mlopus.repositories.stores.obstore_places import ObjectPlace, object_place
from mlopus.repositories.stores.obstore_receiving import Receiving
from mlopus.repositories.stores.obstore_runtime import is_installed, missing
from mlopus.repositories.stores.obstore_sending import Sending, in_parts
from mlopus.repositories.stores.ranges import RANGES_AT_ONCE, InFlight
from mlopus.result import Failure, Result, Success, mapped

_WORKERS = 8


@attrs.frozen(kw_only=True)
class ObjectStore:
    """Files under `s3:`, `gs:`, `az:` URLs and their like.

    Buckets are opened once a process, with the options of their scheme, and anew after a fork. Of a file
    that is being written nothing is seen until all of it is there and is what was hashed.

    Args:
        storage_options: By scheme: credentials, endpoint and more, as README and the functions that
            open each kind say; the names that obstore has for them, and those of s3fs, gcsfs and adlfs.
        concurrency: Files at once; None is 8. However many there are, no more than 64 MiB of their
            bytes are in memory.
        patience: How long answers are waited for.
        meter: Told of requests and bytes. Of requests that obstore repeats the first counts.

    Example:
        >>> ObjectStore().facts("s3://bucket/run").unwrap().tells
        ('size', 'validator')
    """

    storage_options: Mapping[str, Any] = attrs.field(factory=immutabledict, repr=False)
    concurrency: int | None = None
    patience: Patience = Patience()
    meter: Meter = attrs.field(factory=NoMeter, eq=False)
    _buckets: PerProcess[OpenBuckets] = attrs.field(
        factory=lambda: PerProcess(OpenBuckets), eq=False, repr=False, alias="buckets"
    )

    def facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """What is known without opening anything."""
        located = object_place(url)
        if isinstance(located, Failure):
            return located
        place = located.unwrap()
        if not is_installed():
            return Failure(missing(place.kind, place.shown))
        parts = in_parts(place.kind)
        return Success(StoreFacts(scheme=scheme_of(url), is_local=False, requests_cost=True, in_parts=parts))

    def metered(self, meter: Meter) -> ObjectStore:
        """The same buckets, telling this meter."""
        return attrs.evolve(self, meter=meter)

    def list_tree(self, url: str) -> Result[RemoteTree, MlopusError]:
        """Every object at and below a URL."""
        opened = self._opened(url)
        if isinstance(opened, Failure):
            return opened
        place, bucket = opened.unwrap()
        found = bucket.asked(place.shown, "listing", lambda: self._found(place, bucket))
        return found if isinstance(found, Failure) else tree_of(found.unwrap())

    def file_above(self, url: str, path: str) -> Result[str | None, MlopusError]:
        """An object in the place of a folder: a request for each folder above the path."""
        opened = self._opened(url)
        if isinstance(opened, Failure):
            return opened
        place, bucket = opened.unwrap()

        def is_file(above: str) -> Result[bool, MlopusError]:
            found = bucket.asked(
                place.shown, "looking for files", lambda: bucket.head(place.path(above), self.meter)
            )
            return mapped(found, lambda meta: meta is not None and not _is_marker(place, meta))

        folders = ancestors(path)
        looked = for_each(is_file, folders, min(self._workers, len(folders)))
        return mapped(looked, lambda files: next(itertools.compress(folders, files), None))

    def list_folder(self, url: str) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """What is directly below a URL."""
        opened = self._opened(url)
        if isinstance(opened, Failure):
            return opened
        place, bucket = opened.unwrap()
        found = bucket.asked(place.shown, "listing", lambda: self._directly_in(place, bucket))
        if isinstance(found, Failure):
            return found
        entries = found.unwrap()
        return folder_of(place.shown, entries) if entries else Failure(missing_object(place))

    def fetch(
        self, url: str, files: tuple[RemoteFile, ...], sink: TreeSink
    ) -> Result[Validators, MlopusError]:
        """Bring objects into a sink: several at once, large ones in ranges that come in parallel."""
        opened = self._opened(url)
        if isinstance(opened, Failure):
            return opened
        place, bucket = opened.unwrap()
        with DaemonPool(RANGES_AT_ONCE, "mlopus-ranges") as pool:
            receiving = Receiving(place=place, bucket=bucket, meter=self.meter, pool=pool)
            fetched = for_each(lambda file: receiving.receive(file, sink), files, self._workers)
        if isinstance(fetched, Failure):
            return fetched
        told = zip(files, fetched.unwrap(), strict=True)
        return Success(immutabledict({file.path: told for file, told in told if told is not None}))

    def upload(self, step: UploadFiles, source: TreeSource) -> Result[Validators, MlopusError]:
        """Send files, several at once, large ones in parts; folders without files are not kept."""
        opened = self._opened(step.store_url)
        if isinstance(opened, Failure):
            return opened
        place, bucket = opened.unwrap()
        if step.move:
            return Failure(Unsupported(action="moving files to", place=place.shown))
        fault = table_fault((upload.file.path for upload in step.files), step.empty_folders)
        if fault is None and step.is_file and not place.key:
            fault = IllegalPath(path=place.shown, reason="is a bucket, and no file can have its place")
        if fault is not None:
            return Failure(fault)
        sending = Sending(
            bucket=bucket,
            in_parts=in_parts(place.kind),
            source=source,
            meter=self.meter,
            room=InFlight(),
        )

        def send_one(upload: UploadFile) -> Result[str | None, MlopusError]:
            path = upload.file.path
            done = bucket.asked(
                place.shown, f"uploading {path!r}", lambda: sending.send(upload.file, place.path(path))
            )
            return done if isinstance(done, Failure) else done.unwrap()

        sent = for_each(send_one, step.files, self._workers)
        if isinstance(sent, Failure):
            return sent
        told = zip(step.files, sent.unwrap(), strict=True)
        return Success(immutabledict({upload.file.path: told for upload, told in told if told is not None}))

    def remove(self, url: str, paths: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove objects. Those that are there are looked for first: stores do not say what they removed."""
        opened = self._opened(url)
        if isinstance(opened, Failure):
            return opened
        fault = table_fault(paths)
        if fault is not None:
            return Failure(fault)
        place, bucket = opened.unwrap()
        return bucket.asked(place.shown, "removing files", lambda: self._removed(place, bucket, paths))

    def open(self, url: str) -> Result[BinaryIO, MlopusError]:
        """One object, as a file; all of it is of the version that was opened."""
        opened = self._opened(url)
        if isinstance(opened, Failure):
            return opened
        place, bucket = opened.unwrap()
        return Receiving(place=place, bucket=bucket, meter=self.meter).open()

    def local_source(self, url: str) -> TreeSource | None:  # noqa: ARG002 (no URL of these is on this disk)
        """None."""
        return None

    @property
    def _workers(self) -> int:
        return self.concurrency or _WORKERS

    def _opened(self, url: str) -> Result[tuple[ObjectPlace, Bucket], MlopusError]:
        located = object_place(url)
        if isinstance(located, Failure):
            return located
        place, scheme = located.unwrap(), scheme_of(url)
        options: Mapping[str, Any] = self.storage_options.get(scheme) or self.storage_options.get(
            place.kind, {}
        )
        bucket = self._buckets.get().bucket(place, scheme, options, self.patience)
        return bucket if isinstance(bucket, Failure) else Success((place, bucket.unwrap()))

    def _found(self, place: ObjectPlace, bucket: Bucket) -> list[RemoteFile]:
        listed = bucket.find(place.key, self.meter)
        files = [remote_file(place.relative(meta["path"]), meta) for meta in listed]
        files = _without_markers(files)
        if not files and (meta := bucket.head(place.key, self.meter)) is not None:
            files = [remote_file("", meta)]
        return files

    def _directly_in(self, place: ObjectPlace, bucket: Bucket) -> list[ArtifactEntry]:
        objects, folders = bucket.look(place.key, self.meter)
        names = [place.relative(folder) for folder in folders]
        files = [remote_file(place.relative(meta["path"]), meta) for meta in objects]
        shown = [_entry(file, base_name(file.path)) for file in files if file.path not in (*names, "")]
        shown += [ArtifactEntry(path=name, name=base_name(name), is_dir=True) for name in names]
        if not shown and (meta := bucket.head(place.key, self.meter)) is not None:
            shown = [_entry(remote_file("", meta), base_name(place.key))]
        return shown

    def _removed(self, place: ObjectPlace, bucket: Bucket, paths: tuple[str, ...]) -> int:
        there = {file.path for file in self._found(place, bucket)}
        keys = [place.path(path) for path in sorted(there.intersection(paths))]
        if keys:
            self.meter.requested()
            bucket.delete(keys)
        return len(keys)


def _is_marker(place: ObjectPlace, meta: Mapping[str, Any]) -> bool:
    """Whether an object may be what Azure has for a folder, where it has folders."""
    return place.kind == "az" and not meta["size"]


def _without_markers(files: list[RemoteFile]) -> list[RemoteFile]:
    """Without the empty objects that some tools put in the place of folders."""
    folders = folders_of(file.path for file in files)
    return [file for file in files if file.size_bytes or file.path not in folders]


def _entry(file: RemoteFile, name: str) -> ArtifactEntry:
    return ArtifactEntry(
        path=file.path,
        name=name,
        is_dir=False,
        size_bytes=file.size_bytes,
        modified_time=file.modified_time,
    )
