"""Bringing one file from a store into a sink, in chunks, and checking that it is the one listed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import BinaryIO

from mlopus.domain.manifest import RemoteFile
from mlopus.errors import DigestMismatch, MlopusError, StalePlan
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSink
from mlopus.result import Failure, Result, Success

CHUNK_BYTES = 1024 * 1024


def receive(
    reader: BinaryIO,
    file: RemoteFile,
    sink: TreeSink,
    meter: Meter,
    *,
    place: str,
    fault_after: Callable[[], MlopusError | None] = lambda: None,
) -> Result[None, MlopusError]:
    """Copy an opened file into a sink; it is dropped there unless it is what was listed.

    Args:
        reader: The file, from its first byte.
        file: What the store listed of it.
        sink: Where it goes, under the same path.
        meter: Told of the bytes; of none, in sum, if this fails.
        place: The store, for messages.
        fault_after: Asked once all bytes are read, where a store can tell that it changed meanwhile.

    Fails with:
        DigestMismatch: The size or digest is not the listed one.
    """
    received = 0
    digest = hashlib.sha256() if file.sha256 is not None else None
    try:
        with sink.create(file.path) as target:
            while chunk := reader.read(CHUNK_BYTES):
                received += len(chunk)
                meter.received(len(chunk))
                _raise(_size_fault(file, received, place, is_whole=False))
                if digest is not None:
                    digest.update(chunk)
                written = target.write(chunk)
                _raise(written.failure() if isinstance(written, Failure) else None)
            _raise(_size_fault(file, received, place, is_whole=True))
            _raise(None if digest is None else _digest_fault(file, digest.hexdigest(), place))
            _raise(fault_after())
    except MlopusError as error:
        meter.received(-received)
        return Failure(error)
    meter.finished(file.path)
    return Success(None)


def validator_fault(file: RemoteFile, validator: str | None, place: str) -> StalePlan | None:
    """What is wrong if a file has another validator now than when it was listed."""
    if file.validator is None or validator is None or validator == file.validator:
        return None
    thing = f"{file.path!r} in {place}"
    return StalePlan(thing=thing, expected=f"version {file.validator}", found=f"version {validator}")


def _size_fault(file: RemoteFile, received: int, place: str, *, is_whole: bool) -> DigestMismatch | None:
    if (
        file.size_bytes is None
        or received == file.size_bytes
        or (received < file.size_bytes and not is_whole)
    ):
        return None
    expected, found = f"{file.size_bytes} bytes", f"{received} bytes{'' if is_whole else ' or more'}"
    return DigestMismatch(path=file.path, place=place, expected=expected, found=found)


def _digest_fault(file: RemoteFile, found: str, place: str) -> DigestMismatch | None:
    if file.sha256 is None or found == file.sha256:
        return None
    return DigestMismatch(path=file.path, place=place, expected=file.sha256, found=found)


def _raise(error: MlopusError | None) -> None:
    """Leave the block that makes a file, so that it is dropped."""
    if error is not None:
        raise error
