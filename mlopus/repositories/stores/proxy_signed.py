"""A large file behind MLflow's artifact proxy, read from the store itself by a URL that the server gives."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Generator
from concurrent.futures import Executor
from typing import BinaryIO, Final, cast

import attrs

from mlopus.concurrency.crews import as_own_crew
from mlopus.concurrency.daemon_pool import DaemonPool
from mlopus.domain.manifest import RemoteFile
from mlopus.errors import MlopusError, NotFound, StalePlan, StoreFailed
from mlopus.ports.streams import Kept
from mlopus.repositories.mlflow.endpoint import place_of
from mlopus.repositories.mlflow.policy import Fault, answer
from mlopus.repositories.mlflow.transport import Transport
from mlopus.repositories.stores.proxy_direct import refused
from mlopus.repositories.stores.ranges import RANGE_BYTES, InFlight, RangesReader
from mlopus.repositories.stores.transfers import Opened
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.direct import SignedUrl, piece_request, signed_download_request, signed_from_reply
from mlopus.wire.mlflow.http import HttpReply

_THREADS: Final = 8
_FAILED: Final = 300
_FORBIDDEN: Final = 403
_PRECONDITION_FAILED: Final = 412
_NO_SUCH_RANGE: Final = 416
_SPAN: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@attrs.frozen(kw_only=True)
class Direct:
    """What the transfers of one fetch share: threads for pieces, and room for their bytes."""

    pool: Executor
    room: InFlight = attrs.field(factory=InFlight)

    @classmethod
    @contextlib.contextmanager
    def opened(cls) -> Generator[Direct]:
        """A block with threads, which are started when they are wanted."""
        with DaemonPool(_THREADS, "mlopus-piece") as pool:
            yield cls(pool=pool)


class SignedFile:
    """One file of a store, for which its server gives URLs. Thread-safe."""

    def __init__(self, transport: Transport, path: str, file: RemoteFile, url: SignedUrl) -> None:
        self._transport = transport
        self._path = path
        self._file = file
        self._url = url
        self._lock = threading.Lock()
        self.etag: str | None = None

    @classmethod
    def found(cls, transport: Transport, path: str, file: RemoteFile) -> SignedFile | None:
        """The file, if the server gives a URL for it."""
        signed = transport.call(signed_download_request(path), signed_from_reply)
        return None if isinstance(signed, Failure) else cls(transport, path, file, signed.unwrap())

    def opened(self, kept: Kept | None, direct: Direct) -> Opened | None:
        """The file as a stream, right after the kept bytes if they are of this content; None if it cannot be.

        Pieces come ahead, several at once, as long as there is room for them.

        Raises:
            MlopusError: It is not there, or not of the listed size.
        """
        size_bytes = self._file.size_bytes
        assert size_bytes is not None  # noqa: S101 (it is large, so its size is known)
        offset = 0 if kept is None else kept.size_bytes
        self.etag = None if kept is None else kept.validator
        direct.room.take(first_bytes := min(RANGE_BYTES, size_bytes - offset), wait=True)
        first = self._piece(offset, offset + first_bytes)
        if isinstance(first, Success):
            reader = RangesReader(
                as_own_crew(self._piece_or_raise),
                start=offset,
                size_bytes=size_bytes,
                first=memoryview(first.unwrap()),
                room_held=first_bytes,
                pool=direct.pool,
                room=direct.room,
            )
            return Opened(cast("BinaryIO", reader), self.etag, offset)
        direct.room.give(first_bytes)
        if isinstance(first.failure(), StalePlan) and kept is not None:
            return self.opened(None, direct)
        if isinstance(first.failure(), NotFound):
            raise first.failure()
        return None

    def _piece_or_raise(self, begin: int, end: int) -> memoryview:
        piece = self._piece(begin, end)
        if isinstance(piece, Failure):
            raise piece.failure()
        return memoryview(piece.unwrap())

    def _piece(self, begin: int, end: int) -> Result[bytes, MlopusError]:
        """The bytes of one span, of the content that the first piece was of; a URL too old is replaced."""
        url = self._url
        reply = self._asked(url, begin, end)
        if isinstance(reply, HttpReply) and reply.status == _FORBIDDEN:
            renewed = self._renewed(url)
            reply = reply if renewed is None else self._asked(renewed, begin, end)
        if isinstance(reply, Fault):
            return Failure(reply.error)
        place = place_of(url.url)
        if reply.status in (_PRECONDITION_FAILED, _NO_SUCH_RANGE):
            return Failure(self._changed("another version or size"))
        if reply.status >= _FAILED:
            return Failure(refused(place, f"reading {self._file.path!r}", reply))
        span = _SPAN.fullmatch(reply.headers.get("content-range", ""))
        etag = reply.headers.get("etag")
        if span is None or etag is None or int(span[1]) != begin or len(reply.body) != end - begin:
            reason = "it answers another part than was asked for"
            return Failure(StoreFailed(place=place, action=f"reading {self._file.path!r}", reason=reason))
        if int(span[3]) != self._file.size_bytes or (self.etag is not None and etag != self.etag):
            return Failure(self._changed(f"version {etag} of {span[3]} bytes"))
        self.etag = etag
        return Success(reply.body)

    def _asked(self, url: SignedUrl, begin: int, end: int) -> HttpReply | Fault:
        request = piece_request()
        headers = {"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity", **url.headers}
        if self.etag is not None:
            headers["If-Match"] = self.etag

        def attempt() -> HttpReply | Fault:
            incoming = self._transport.open_signed(request, url.url, headers=headers)
            return incoming if isinstance(incoming, Fault) else incoming.whole()

        return answer(request, self._transport.policy, attempt)

    def _renewed(self, old: SignedUrl) -> SignedUrl | None:
        """Another URL than one that is too old; threads that come together ask once."""
        with self._lock:
            if self._url is old:
                signed = self._transport.call(signed_download_request(self._path), signed_from_reply)
                if isinstance(signed, Failure):
                    return None
                self._url = signed.unwrap()
            return self._url

    def _changed(self, found: str) -> StalePlan:
        expected = f"version {self.etag} of {self._file.size_bytes} bytes"
        return StalePlan(thing=f"{self._file.path!r}", expected=expected, found=found)
