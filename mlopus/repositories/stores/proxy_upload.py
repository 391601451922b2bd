"""A file sent through MLflow's artifact proxy: as it was hashed, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from mlopus.concurrency.crews import stop_if_told
from mlopus.domain.manifest import LocalFile
from mlopus.errors import MlopusError, StalePlan, StoreFailed
from mlopus.ports.streams import TreeSource
from mlopus.repositories.mlflow.policy import Fault, answer
from mlopus.repositories.mlflow.transport import Transport
from mlopus.repositories.stores.transfers import CHUNK_BYTES
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.artifacts import upload_request
from mlopus.wire.mlflow.http import HttpReply

_FAILED: Final = 300


class _Stopped(Exception):
    """Leaves a request whose body must not be completed; the server then keeps nothing of it."""

    def __init__(self, error: MlopusError) -> None:
        super().__init__(str(error))
        self.error = error


def upload_file(
    transport: Transport, host: str | None, path: str, file: LocalFile, source: TreeSource
) -> Result[str | None, MlopusError]:
    """Send a file over any that is there. Answers the server's ETag, if it gives one.

    The last bytes are held back until all of them are known to be those that were hashed.

    Fails with:
        StalePlan: The file is no longer what was hashed.
    """
    request = upload_request(path)
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.size_bytes)}

    def attempt() -> HttpReply | Fault:
        opened = source.open(file.path)
        if isinstance(opened, Failure):
            return Fault(error=opened.failure(), is_final=True)
        with opened.unwrap() as stream:
            sent = 0

            def content() -> Iterator[bytes]:
                nonlocal sent
                for chunk in _verified(stream, file):
                    sent += len(chunk)
                    transport.meter.sent(len(chunk))
                    yield chunk

            try:
                incoming = transport.open(request, headers=headers, content=content, host=host)
                outcome = incoming if isinstance(incoming, Fault) else incoming.whole()
            except _Stopped as stopped:
                outcome = Fault(error=stopped.error, is_final=True)
            except BaseException:
                transport.meter.sent(-sent)
                raise
            if isinstance(outcome, Fault) or outcome.status >= _FAILED:
                transport.meter.sent(-sent)
            return outcome

    outcome = answer(request, transport.policy, attempt)
    if isinstance(outcome, Fault):
        return Failure(outcome.error)
    if outcome.status >= _FAILED:
        return Failure(transport.fault_of(request, outcome).error)
    transport.meter.finished(file.path)
    return Success(outcome.headers.get("etag"))


def _verified(stream: BinaryIO, file: LocalFile) -> Iterator[bytes]:
    """The file's bytes; the last piece only if all are what was hashed."""
    digest = hashlib.sha256()
    left = file.size_bytes
    held = b""
    while chunk := _read(stream, file):
        stop_if_told()
        digest.update(chunk)
        left -= len(chunk)
        if left < 0:
            break
        if held:
            yield held
        held = chunk
    if left != 0 or digest.hexdigest() != file.sha256:
        found = "another content" if left == 0 else "another size"
        raise _Stopped(StalePlan(thing=f"source file {file.path!r}", expected="what was hashed", found=found))
    yield held


def _read(stream: BinaryIO, file: LocalFile) -> bytes:
    try:
        return stream.read(CHUNK_BYTES)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _Stopped(
            StoreFailed(place="the source", action=f"reading {file.path!r}", reason=reason)
        ) from error
