"""Large files of MLflow's artifact proxy, moved straight to and from its own store where it offers that.

The URLs are the server's, and let in whoever has them: what is told to the tracking server is not told
there. Where nothing is offered, or the store cannot be reached from here, the proxy itself is used.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import BinaryIO, Final

from mlopus.concurrency.crews import for_each
from mlopus.domain.manifest import LocalFile
from mlopus.errors import MlopusError, NotFound, StalePlan, StoreFailed, Unavailable
from mlopus.ports.streams import TreeSource
from mlopus.repositories.mlflow.endpoint import place_of
from mlopus.repositories.mlflow.policy import Fault, answer
from mlopus.repositories.mlflow.transport import Transport
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.direct import (
    PartedUpload,
    SignedUrl,
    abort_upload_request,
    begin_upload_request,
    begun_from_reply,
    complete_upload_request,
    part_request,
)
from mlopus.wire.mlflow.http import HttpReply
from mlopus.wire.mlflow.server import abilities_from_reply, server_info_request

LARGE_BYTES: Final = 32 * 1024 * 1024
"""From this size on a file is worth the requests that moving it in parts takes."""
PART_BYTES: Final = 16 * 1024 * 1024
MOST_PARTS: Final = 10_000
PARTS_AT_ONCE: Final = 4
_FAILED: Final = 300


class Abilities:
    """What one server offers, asked once a process."""

    def __init__(self) -> None:
        self._known: frozenset[str] | None = None
        self._lock = threading.Lock()

    def has(self, ability: str, transport: Transport) -> bool:
        """Whether the server says that it has an ability. Those before MLflow 3 say nothing."""
        with self._lock:
            if self._known is None:
                told = transport.call(server_info_request(), abilities_from_reply)
                if isinstance(told, Failure):
                    self._known = frozenset() if isinstance(told.failure(), NotFound) else None
                    return False
                self._known = told.unwrap()
            return ability in self._known


def upload_in_parts(
    transport: Transport, path: str, file: LocalFile, source: TreeSource
) -> Result[None, MlopusError] | None:
    """Send a large file in parts, a few at a time; None if that cannot be done here.

    It appears whole, once all of it is known to be what was hashed, or not at all.

    Fails with:
        StalePlan: The file is no longer what was hashed.
    """
    part_bytes = max(PART_BYTES, -(-file.size_bytes // MOST_PARTS))
    begun = transport.call(begin_upload_request(path, -(-file.size_bytes // part_bytes)), begun_from_reply)
    if isinstance(begun, Failure):
        return None
    upload = begun.unwrap()
    sending = _Sending(transport, upload, file, part_bytes)
    is_complete = False
    try:
        opened = source.open(file.path)
        if isinstance(opened, Failure):
            return opened
        with opened.unwrap() as stream:
            sent = for_each(sending.send, sending.parts(stream), PARTS_AT_ONCE)
        if isinstance(sent, Failure):
            return None if isinstance(sent.failure(), Unavailable) else sent
        if (stale := sending.stale()) is not None:
            return Failure(stale)
        done = transport.do(complete_upload_request(path, upload, sent.unwrap()))
        is_complete = isinstance(done, Success)
        return done
    finally:
        if not is_complete:
            sending.undo()
            transport.do(abort_upload_request(path, upload))


class _Sending:
    """The parts of one file on their way."""

    def __init__(self, transport: Transport, upload: PartedUpload, file: LocalFile, part_bytes: int) -> None:
        self._transport = transport
        self._upload = upload
        self._file = file
        self._part_bytes = part_bytes
        self._digest = hashlib.sha256()
        self._read_bytes = 0
        self._sent_bytes = 0
        self._lock = threading.Lock()

    def parts(self, stream: BinaryIO) -> Iterator[tuple[SignedUrl, bytes]]:
        """Each part with its bytes, read and hashed when it is about to be sent."""
        for url in self._upload.parts:
            data = _exactly(stream, self._part_bytes, self._file)
            self._digest.update(data)
            self._read_bytes += len(data)
            if self._read_bytes > self._file.size_bytes:
                return
            yield url, data
        self._read_bytes += len(stream.read(1))

    def stale(self) -> StalePlan | None:
        """What is wrong if the bytes are not those that were hashed."""
        if self._read_bytes == self._file.size_bytes and self._digest.hexdigest() == self._file.sha256:
            return None
        found = "another content" if self._read_bytes == self._file.size_bytes else "another size"
        return StalePlan(thing=f"source file {self._file.path!r}", expected="what was hashed", found=found)

    def send(self, part: tuple[SignedUrl, bytes]) -> Result[str, MlopusError]:
        """Send one part; answers what the store says of it."""
        url, data = part
        request, place = part_request(), place_of(url.url)
        headers = {"Content-Length": str(len(data)), **url.headers}

        def attempt() -> HttpReply | Fault:
            incoming = self._transport.open_signed(request, url.url, headers=headers, content=data)
            return incoming if isinstance(incoming, Fault) else incoming.whole()

        outcome = answer(request, self._transport.policy, attempt)
        if isinstance(outcome, Fault):
            return Failure(outcome.error)
        etag = outcome.headers.get("etag")
        if outcome.status >= _FAILED or etag is None:
            return Failure(refused(place, f"uploading {self._file.path!r}", outcome))
        with self._lock:
            self._sent_bytes += len(data)
        self._transport.meter.sent(len(data))
        return Success(etag)

    def undo(self) -> None:
        """Take the bytes back that the meter was told of."""
        self._transport.meter.sent(-self._sent_bytes)


def refused(place: str, action: str, reply: HttpReply) -> StoreFailed:
    """What a store says of a URL that its server gave. Its words are left out: they may hold a signature."""
    return StoreFailed(place=place, action=action, reason=f"it answers {reply.status}")


def _exactly(stream: BinaryIO, size_bytes: int, file: LocalFile) -> bytes:
    try:
        return stream.read(size_bytes)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreFailed(place="the source", action=f"reading {file.path!r}", reason=reason) from error
