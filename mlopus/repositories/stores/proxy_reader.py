"""A file behind MLflow's artifact proxy, read as a stream that survives a lost connection."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Final

from immutabledict import immutabledict

from mlopus.errors import MlopusError, StalePlan
from mlopus.ports.streams import Kept
from mlopus.repositories.mlflow.policy import Fault, answer
from mlopus.repositories.mlflow.transport import Transport
from mlopus.repositories.stores.transfers import PIECE_BYTES
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.http import HttpReply, HttpRequest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from mlopus.repositories.mlflow.exchange import Incoming

_PART: Final = 206
_NO_SUCH_RANGE: Final = 416
_FAILED: Final = 300


class ProxyReader(io.RawIOBase):
    """Reads one file to its last byte: from its first, or right after those that are kept.

    Where the server names a version of the content (ETag), a broken stream goes on from where it
    broke, of the same version only. What cannot be mended is raised as the error of mlopus that it
    is; nothing of httpx is.
    """

    def __init__(
        self,
        transport: Transport,
        request: HttpRequest,
        host: str | None,
        explain: Callable[[HttpReply], MlopusError | None],
        kept: Kept | None = None,
    ) -> None:
        super().__init__()
        self._transport = transport
        self._request = request
        self._host = host
        self._explain = explain
        self._incoming: Incoming | None = None
        self._chunks: Iterator[Result[bytes, Fault]] = iter(())
        self._chunk = memoryview(b"")
        self._position = 0 if kept is None else kept.size_bytes
        self._began_at = self._position
        self._has_begun = False
        self.etag: str | None = None if kept is None else kept.validator
        """What the server says of the content; None if it says nothing that bytes could be bound to."""
        self.offset = 0
        """After how many of the kept bytes the stream goes on."""

    @classmethod
    def open(
        cls,
        transport: Transport,
        request: HttpRequest,
        host: str | None,
        explain: Callable[[HttpReply], MlopusError | None],
        kept: Kept | None = None,
    ) -> Result[ProxyReader, MlopusError]:
        """Ask for the file.

        Args:
            transport: To the tracking server.
            request: The download.
            host: Another host than the tracking server's.
            explain: Asked about a reply of failure: what it really means, None for what it says.
            kept: Bytes that are there already; the stream begins anew if they are of another content.
        """
        reader = cls(transport, request, host, explain, kept)
        fault = reader._ask()
        if fault is not None:
            return Failure(fault.error)
        reader.offset, reader._has_begun = reader._position, True
        return Success(reader)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read some bytes, 0 only at the end."""
        if not self._chunk:
            self._chunk = memoryview(self._next_chunk())
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._chunk))
        view[:size] = self._chunk[:size]
        self._chunk = self._chunk[size:]
        return size

    def close(self) -> None:
        """Give the connection back."""
        if self._incoming is not None:
            self._incoming.close()
            self._incoming = None
        super().close()

    def _next_chunk(self) -> bytes:
        while True:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            if isinstance(chunk, Failure):
                self._resume(chunk.failure())
            elif data := chunk.unwrap():
                self._position += len(data)
                return data

    def _resume(self, fault: Fault) -> None:
        """Go on after a broken stream, or raise why not: the same place is not tried twice."""
        if self.etag is None or self._position == self._began_at:
            raise fault.error
        again = self._ask()
        if again is not None:
            raise again.error

    def _ask(self) -> Fault | None:
        """Ask for what is left; None if it comes."""
        outcome = answer(self._request, self._transport.policy, self._attempt)
        if isinstance(outcome, Fault):
            return outcome
        if outcome.status >= _FAILED:
            return self._transport.fault_of(self._request, outcome)
        self._began_at = self._position
        return None

    def _attempt(self) -> HttpReply | Fault:
        if self._incoming is not None:
            self._incoming.close()
        incoming = self._transport.open(
            self._request, headers=self._headers(), host=self._host, leaves_home=True
        )
        if isinstance(incoming, Fault):
            return incoming
        if incoming.status == _NO_SUCH_RANGE and not self._has_begun and self._position:
            return self._anew(incoming)
        if incoming.status >= _FAILED:
            return self._refusal(incoming)
        self._incoming = incoming
        self._chunks = incoming.chunks(PIECE_BYTES)
        mismatch = self._align(incoming)
        if mismatch is not None:
            return mismatch if self._has_begun else self._anew(incoming)
        return HttpReply(status=incoming.status, headers=incoming.headers)

    def _headers(self) -> immutabledict[str, str]:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self._position and self.etag is not None:
            headers |= {"Range": f"bytes={self._position}-", "If-Range": self.etag}
        return immutabledict(headers)

    def _align(self, incoming: Incoming) -> Fault | None:
        """See to it that the next byte is the one that is wanted."""
        headers = incoming.headers
        is_as_stored = headers.get("content-encoding", "identity") == "identity"
        etag = headers.get("etag") if is_as_stored else None
        if etag is not None and etag.startswith("W/"):
            etag = None  # alike is not the same
        if not self._has_begun and incoming.status != _PART:
            self._position = self._began_at = 0
        if not self._position:
            self.etag = etag
            return None
        if etag != self.etag:
            return self._changed(f"version {etag}")
        if incoming.status != _PART:
            return self._skip(self._position)
        starts_there = headers.get("content-range", "").startswith(f"bytes {self._position}-")
        return None if starts_there else self._changed("another part than asked for")

    def _anew(self, incoming: Incoming) -> HttpReply | Fault:
        """Ask for the whole, where the kept bytes are no beginning of what is there now."""
        incoming.close()
        self._position, self._began_at, self.etag = 0, 0, None
        return self._attempt()

    def _skip(self, size_bytes: int) -> Fault | None:
        """Read past what was read before, from a server that starts anew."""
        for chunk in self._chunks:
            if isinstance(chunk, Failure):
                return chunk.failure()
            data = chunk.unwrap()
            if len(data) >= size_bytes:
                self._chunks = chain((Success(data[size_bytes:]),), self._chunks)
                return None
            size_bytes -= len(data)
        return self._changed("a shorter file")

    def _changed(self, found: str) -> Fault:
        thing = f"{self._request.name} of {self._transport.place}"
        return Fault(
            error=StalePlan(thing=thing, expected=f"version {self.etag}", found=found), is_final=True
        )

    def _refusal(self, incoming: Incoming) -> HttpReply | Fault:
        reply = incoming.whole()
        if isinstance(reply, Fault):
            return reply
        meant = self._explain(reply)
        return reply if meant is None else Fault(error=meant, is_final=True)
