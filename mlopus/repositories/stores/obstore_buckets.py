"""Buckets that one process has open: each with its own credentials, and its errors told in our words."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import RemoteFile
from mlopus.errors import DigestMismatch, InvalidValue, MlopusError, NotFound, StalePlan, StoreFailed
from mlopus.ports.meter import Meter
from mlopus.repositories.stores.obstore_aws import open_s3
from mlopus.repositories.stores.obstore_clouds import open_azure, open_gcs
from mlopus.repositories.stores.obstore_errors import object_error, plain_text
from mlopus.repositories.stores.obstore_options import Opening, Patience
from mlopus.repositories.stores.obstore_places import ObjectPlace
from mlopus.repositories.stores.obstore_runtime import native
from mlopus.result import Failure, Result, Success

T = TypeVar("T")

_PAGE = 1000
STREAM_CHUNK_BYTES = 1024 * 1024
_CLASSES = {"s3": "S3Store", "gs": "GCSStore", "az": "AzureStore"}


@attrs.frozen
class Piece:
    """Bytes of an object, and what came with them of the whole."""

    content: memoryview
    size_bytes: int
    validator: str | None


@attrs.frozen(kw_only=True)
class Bucket:
    """An opened bucket.

    Attributes:
        module: obstore, as this process has it.
        store: obstore's store.
        extras: Attributes and tags of every object that is written.
        patience: How long it waits.
    """

    module: Any
    store: Any
    extras: Mapping[str, Any] = immutabledict()
    patience: Patience

    def asked(self, place: str, action: str, work: Callable[[], T]) -> Result[T, MlopusError]:
        """What the store answered, its exceptions as errors of ours."""
        try:
            return Success(work())
        except MlopusError as error:
            return Failure(error)
        except (self.module.exceptions.BaseError, OSError, ValueError) as error:
            meant = object_error(error, place, action, self.patience.timeout_s)
            if meant is None:
                raise
            return Failure(meant)

    def find(self, prefix: str, meter: Meter) -> list[Mapping[str, Any]]:
        """Every object below a key."""
        meter.requested()
        listed: list[Mapping[str, Any]] = []
        for page in cast(
            "Iterator[list[Mapping[str, Any]]]",
            self.module.list(self.store, prefix or None, chunk_size=_PAGE),
        ):
            if listed:
                meter.requested()
            listed += page
        return listed

    def look(self, prefix: str, meter: Meter) -> tuple[list[Mapping[str, Any]], list[str]]:
        """The objects directly below a key, and the folders there."""
        meter.requested()
        listed = self.module.list_with_delimiter(self.store, prefix or None)
        return list(listed["objects"]), list(listed["common_prefixes"])

    def head(self, key: str, meter: Meter) -> Mapping[str, Any] | None:
        """What the store says of one object; None if there is none."""
        if not key:
            return None
        meter.requested()
        try:
            told = cast("Mapping[str, Any]", self.module.head(self.store, key))
        except FileNotFoundError:
            return None
        if told.get("e_tag") is None:
            hint = "Check that the endpoint is an object store, not a login page or another service."
            reason = "it answered without the ETag that every object has"
            raise StoreFailed(place=key, action="looking for an object", reason=reason, hint=hint)
        return told

    def read(self, key: str, begin: int, end: int | None, validator: str | None, meter: Meter) -> Piece:
        """Bytes of an object, of the version that is given if one is."""
        meter.requested()
        options: dict[str, Any] = {} if end is None else {"range": (begin, end)}
        if validator is not None:
            options["if_match"] = f'"{validator}"'
        got = self.module.get(self.store, key, options=options)
        meta = got.meta
        return Piece(memoryview(got.bytes()), int(meta["size"]), validator_of(meta))

    def stream(
        self, key: str, validator: str | None, meter: Meter
    ) -> tuple[Iterator[bytes], Mapping[str, Any]]:
        """An object from its first byte, in chunks as they come, and what the store says of it."""
        meter.requested()
        options = {} if validator is None else {"if_match": f'"{validator}"'}
        got = self.module.get(self.store, key, options=options)
        return cast("Iterator[bytes]", got.stream(min_chunk_size=STREAM_CHUNK_BYTES)), got.meta

    def put(self, key: str, content: Any, **how: Any) -> str | None:
        """Write an object; answers its validator."""
        return validator_of(self.module.put(self.store, key, content, **self.extras, **how))

    def delete(self, keys: list[str]) -> None:
        """Remove objects that are there."""
        self.module.delete(self.store, keys)


class OpenBuckets:
    """The buckets of one process, opened with the options of one API."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str | None, str, str], Bucket] = {}
        self._lock = threading.Lock()

    def bucket(
        self, place: ObjectPlace, scheme: str, options: Mapping[str, Any], patience: Patience
    ) -> Result[Bucket, MlopusError]:
        """The bucket of a place; its credentials are looked for when it is first asked for."""
        key = (place.kind, place.account, place.bucket, scheme)
        held = self._buckets.get(key)
        if held is not None:
            return Success(held)
        with self._lock:
            if key in self._buckets:
                return Success(self._buckets[key])
            opened = _opened(place, options, patience)
            if isinstance(opened, Success):
                self._buckets[key] = opened.unwrap()
            return opened


def _opened(
    place: ObjectPlace, options: Mapping[str, Any], patience: Patience
) -> Result[Bucket, MlopusError]:
    loaded = native(place.kind, place.shown)
    if isinstance(loaded, Failure):
        return loaded
    found = _opening(place, options, patience)
    if isinstance(found, Failure):
        return found
    module, opening = loaded.unwrap(), found.unwrap()
    try:
        store = getattr(module._store, _CLASSES[place.kind])(  # noqa: SLF001 (the classes of `obstore.store` are these)
            place.bucket,
            config=dict(opening.config),
            client_options=dict(opening.client),
            retry_config=patience.retry(),
            credential_provider=opening.credentials,
        )
    except (module.exceptions.BaseError, ValueError, TypeError, OSError) as error:
        return Failure(InvalidValue(kind="storage option", key=place.kind, reason=plain_text(error)))
    return Success(Bucket(module=module, store=store, extras=opening.extras, patience=patience))


def _opening(
    place: ObjectPlace, options: Mapping[str, Any], patience: Patience
) -> Result[Opening, MlopusError]:
    match place.kind:
        case "s3":
            return open_s3(place.bucket, options, os.environ, patience)
        case "gs":
            return open_gcs(options, os.environ, patience)
        case "az":
            return open_azure(place, options, os.environ, patience)


def validator_of(meta: Mapping[str, Any]) -> str | None:
    """What changes with an object's content; weak ones are none."""
    told = cast("str | None", meta.get("e_tag"))
    return None if told is None or told.startswith("W/") else told.strip('"')


def remote_file(path: str, meta: Mapping[str, Any]) -> RemoteFile:
    """A listed object as a file."""
    return RemoteFile(
        path=path,
        size_bytes=int(meta["size"]),
        validator=validator_of(meta),
        modified_time=cast("datetime", meta["last_modified"]),
    )


def piece_fault(
    file: RemoteFile, piece: Piece, place: str, *, validator: str | None, begin: int, end: int | None
) -> MlopusError | None:
    """Why a piece is not what was asked of the listed file; None if it is."""
    if validator is not None and piece.validator != validator:
        thing = f"{file.path!r} in {place}"
        return StalePlan(thing=thing, expected=f"version {validator}", found=f"version {piece.validator}")
    expected, found = piece.size_bytes if file.size_bytes is None else file.size_bytes, piece.size_bytes
    if expected == found:
        expected, found = (found if end is None else end) - begin, len(piece.content)
    if expected == found:
        return None
    return DigestMismatch(path=file.path, place=place, expected=f"{expected} bytes", found=f"{found} bytes")


def missing_object(place: ObjectPlace) -> NotFound:
    """Nothing is at a URL."""
    key = place.key.rpartition("/")[2] or place.bucket
    return NotFound(kind="artifact", key=key, place=place.shown)
