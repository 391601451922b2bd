"""Large files of MLflow's artifact proxy, moved straight to and from its own store where it offers that.

The URLs are the server's, and let in whoever has them: what is told to the tracking server is not told
there. Where nothing is offered, or the store cannot be reached from here, the proxy itself is used.
"""

from __future__ import annotations

import threading
from typing import Final

from mlopus.concurrency.crews import for_each
from mlopus.domain.manifest import LocalFile
from mlopus.errors import MlopusError, StoreFailed, Unavailable
from mlopus.ports.streams import TreeSource
from mlopus.repositories.mlflow.endpoint import place_of
from mlopus.repositories.mlflow.policy import Fault, answer
from mlopus.repositories.mlflow.transport import Transport
from mlopus.repositories.stores.verified import Sent, verified
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.direct import (
    SignedUrl,
    abort_upload_request,
    begin_upload_request,
    begun_from_reply,
    complete_upload_request,
    part_request,
)
from mlopus.wire.mlflow.http import HttpReply

LARGE_BYTES: Final = 32 * 1024 * 1024
"""From this size on a file is worth the requests that moving it in parts takes."""
PART_BYTES: Final = 16 * 1024 * 1024
MOST_PARTS: Final = 10_000
PARTS_AT_ONCE: Final = 4
_FAILED: Final = 300


def upload_in_parts(
    transport: Transport, path: str, file: LocalFile, source: TreeSource
) -> Result[None, MlopusError] | None:
    """Send a large file in parts, a few at a time; None if that cannot be done here.

    It appears whole, once all of it is known to be what was hashed, or not at all.

    Fails with:
        StalePlan: The file is no longer what was hashed.
    """
    part_bytes = max(PART_BYTES, -(-file.size_bytes // MOST_PARTS))
    part_count = -(-file.size_bytes // part_bytes)
    begun = transport.call(begin_upload_request(path, part_count), begun_from_reply)
    if isinstance(begun, Failure):
        return None
    upload = begun.unwrap()
    sending = _Sending(transport, file)
    is_complete = False
    try:
        if len(upload.parts) != part_count:  # not all of the file would go
            return None
        opened = source.open(file.path)
        if isinstance(opened, Failure):
            return opened
        with opened.unwrap() as stream:
            parts = zip(verified(stream, file, part_bytes), upload.parts, strict=True)
            sent = for_each(sending.send, parts, PARTS_AT_ONCE)
        if isinstance(sent, Failure):
            return None if isinstance(sent.failure(), Unavailable) else sent
        done = transport.do(complete_upload_request(path, upload, sent.unwrap()))
        is_complete = isinstance(done, Success)
        return done
    except MlopusError as error:
        return Failure(error)
    finally:
        if not is_complete:
            sending.undo()
            transport.do(abort_upload_request(path, upload))


class _Sending:
    """The parts of one file on their way."""

    def __init__(self, transport: Transport, file: LocalFile) -> None:
        self._transport = transport
        self._file = file
        self._sent = Sent(transport.meter)
        self._lock = threading.Lock()

    def send(self, part: tuple[bytes, SignedUrl]) -> Result[str, MlopusError]:
        """Send one part; answers what the store says of it."""
        data, url = part
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
            self._sent.add(len(data))
        return Success(etag)

    def undo(self) -> None:
        """Take the bytes back that the meter was told of."""
        self._sent.undo()


def refused(place: str, action: str, reply: HttpReply) -> StoreFailed:
    """What a store says of a URL that its server gave. Its words are left out: they may hold a signature."""
    return StoreFailed(place=place, action=action, reason=f"it answers {reply.status}")
