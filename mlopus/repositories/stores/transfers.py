"""Bringing one file from a store into a sink, in chunks, and checking that it is the one listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import attrs

from mlopus.concurrency.crews import stop_if_told
from mlopus.domain.manifest import RemoteFile
from mlopus.errors import DigestMismatch, MlopusError, StalePlan
from mlopus.ports.meter import Meter
from mlopus.ports.streams import FileSink, Kept, TreeSink
from mlopus.result import Failure, Result, Success

CHUNK_BYTES = 1024 * 1024
PIECE_BYTES = 256 * 1024
"""What is received at a time: as much is lost of a file at most when the process is killed."""


@attrs.frozen
class Opened:
    """A file of a store, to be read and closed.

    Attributes:
        reader: The content, from the byte `offset` on.
        validator: What the store says of the content, if a later read can be bound to it; else None.
        offset: How many of the kept bytes it goes on after; 0 begins anew.
    """

    reader: BinaryIO
    validator: str | None = None
    offset: int = 0


def receive(
    open_at: Callable[[Kept | None], Result[Opened, MlopusError]],
    file: RemoteFile,
    sink: TreeSink,
    meter: Meter,
    *,
    place: str,
    fault_after: Callable[[], MlopusError | None] = lambda: None,
) -> Result[str | None, MlopusError]:
    """Copy a file into a sink, where it goes on with what is kept of the same content.

    It is completed there only if it is what was listed. A kept file that the listing itself shows to be
    whole and unchanged is not opened at all; one that may be whole is asked for from its last byte on.

    Args:
        open_at: Opens the file: right after the kept bytes (`Range` with `If-Range`) if it is given
            some and the content is theirs, otherwise from its first byte. Given None, from the first.
        file: What the store listed of it.
        sink: Where it goes, under the same path.
        meter: Told of the bytes; of none, in sum, if this fails.
        place: The store, for messages.
        fault_after: Asked once all bytes are read, where a store can tell that it changed meanwhile.

    Returns:
        The validator that came with the bytes.

    Fails with:
        StalePlan: It has another validator than when it was listed.
        DigestMismatch: The size or digest is not the listed one.
    """
    counted = _Counted(meter)
    try:
        with sink.create(file.path) as target:
            kept = usable(target.kept, file)
            if kept is not None and _is_listed_whole(kept, file):
                counted.resumed(kept, kept.size_bytes)
                _do(target.resume(kept.size_bytes))
                validator: str | None = kept.validator
                _do(target.identify(kept.validator))
            else:
                opened = _got(open_at(_asked_after(kept, file)))
                validator = _copied(opened, kept, file, target, counted, place=place)
            _raise(_size_fault(file, counted.size_bytes, place, is_whole=True))
            _raise(_digest_fault(file, target, place))
            _raise(fault_after())
    except BaseException as error:
        counted.undo()
        if not isinstance(error, MlopusError):
            raise
        return Failure(error)
    meter.finished(file.path)
    return Success(validator)


def usable(kept: Kept | None, file: RemoteFile) -> Kept | None:
    """What is kept, if it can be the beginning of the listed file."""
    if kept is None or file.validator not in (None, kept.validator):
        return None
    return None if file.size_bytes is not None and kept.size_bytes > file.size_bytes else kept


def validator_fault(file: RemoteFile, validator: str | None, place: str) -> StalePlan | None:
    """What is wrong if a file has another validator now than when it was listed."""
    if file.validator is None or validator is None or validator == file.validator:
        return None
    thing = f"{file.path!r} in {place}"
    return StalePlan(thing=thing, expected=f"version {file.validator}", found=f"version {validator}")


class _Counted:
    """The bytes of one file, and what the meter was told of them."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._received = 0
        self._resumed = 0
        self.size_bytes = 0

    def resumed(self, kept: Kept, size_bytes: int) -> None:
        """Bytes that need not come again; those of this same fetch have come, and count."""
        self.size_bytes = size_bytes
        if kept.is_own:
            self._received = size_bytes
            self._meter.received(size_bytes)
        else:
            self._resumed = size_bytes
            self._meter.resumed(size_bytes)

    def received(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        self._received += size_bytes
        self._meter.received(size_bytes)

    def undo(self) -> None:
        self._meter.received(-self._received)
        if self._resumed:
            self._meter.resumed(-self._resumed)


def _copied(
    opened: Opened, kept: Kept | None, file: RemoteFile, target: FileSink, counted: _Counted, *, place: str
) -> str | None:
    """Read the opened file to its end; answers its validator."""
    with opened.reader as reader:
        _raise(validator_fault(file, opened.validator, place))
        if kept is not None and opened.offset:
            counted.resumed(kept, opened.offset)
            _do(target.resume(opened.offset))
        if opened.validator is not None:
            _do(target.identify(opened.validator))
        while chunk := reader.read(PIECE_BYTES):
            stop_if_told()
            counted.received(len(chunk))
            _raise(_size_fault(file, counted.size_bytes, place, is_whole=False))
            _do(target.write(chunk))
    return opened.validator


def _is_listed_whole(kept: Kept, file: RemoteFile) -> bool:
    return file.validator == kept.validator and file.size_bytes == kept.size_bytes


def _asked_after(kept: Kept | None, file: RemoteFile) -> Kept | None:
    """After which bytes to ask: at least one is left, so that the store says whether they are current."""
    if kept is None or kept.size_bytes != file.size_bytes:
        return kept
    return attrs.evolve(kept, size_bytes=kept.size_bytes - 1) if kept.size_bytes > 1 else None


def _size_fault(file: RemoteFile, received: int, place: str, *, is_whole: bool) -> DigestMismatch | None:
    if (
        file.size_bytes is None
        or received == file.size_bytes
        or (received < file.size_bytes and not is_whole)
    ):
        return None
    expected, found = f"{file.size_bytes} bytes", f"{received} bytes{'' if is_whole else ' or more'}"
    return DigestMismatch(path=file.path, place=place, expected=expected, found=found)


def _digest_fault(file: RemoteFile, target: FileSink, place: str) -> DigestMismatch | None:
    if file.sha256 is None or target.sha256 == file.sha256:
        return None
    return DigestMismatch(path=file.path, place=place, expected=file.sha256, found=target.sha256)


def _got(opened: Result[Opened, MlopusError]) -> Opened:
    if isinstance(opened, Failure):
        raise opened.failure()
    return opened.unwrap()


def _do(done: Result[None, MlopusError]) -> None:
    _raise(done.failure() if isinstance(done, Failure) else None)


def _raise(error: MlopusError | None) -> None:
    """Leave the block that makes a file, so that it is not completed."""
    if error is not None:
        raise error
