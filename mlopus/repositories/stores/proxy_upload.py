"""A file sent through MLflow's artifact proxy: as it was hashed, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import chain
from typing import Final

from mlopus.domain.manifest import LocalFile
from mlopus.errors import MlopusError
from mlopus.ports.streams import TreeSource
from mlopus.repositories.mlflow.policy import Fault, answer
from mlopus.repositories.mlflow.transport import Transport
from mlopus.repositories.stores.transfers import CHUNK_BYTES
from mlopus.repositories.stores.verified import Sent, verified
from mlopus.result import Failure, Result, Success, or_raise
from mlopus.wire.mlflow.artifacts import upload_request
from mlopus.wire.mlflow.http import HttpReply

_FAILED: Final = 300


def upload_file(
    transport: Transport,
    host: str | None,
    path: str,
    file: LocalFile,
    source: TreeSource,
    *,
    in_chunks: bool,
) -> Result[str | None, MlopusError]:
    """Send a file over any that is there. Answers the server's ETag, if it gives one.

    The last bytes are held back until all of them are known to be those that were hashed; a file that is
    one chunk is not begun before. It is sent with its length, or in chunks whose end is told.

    Fails with:
        StalePlan: The file is no longer what was hashed.
    """
    request = upload_request(path)
    length = {} if in_chunks else {"Content-Length": str(file.size_bytes)}
    headers = {"Content-Type": "application/octet-stream", **length}

    def attempt() -> HttpReply | Fault:
        sent = Sent(transport.meter)
        with contextlib.ExitStack() as opened:

            def body() -> Iterator[bytes]:
                sent.undo()
                stream = opened.enter_context(or_raise(source.open(file.path)))
                chunks = verified(stream, file, CHUNK_BYTES)
                return sent.counted(chain((next(chunks),), chunks))

            try:
                incoming = transport.open(request, headers=headers, content=body, host=host)
                outcome = incoming if isinstance(incoming, Fault) else incoming.whole()
            except MlopusError as error:  # leaves a request whose body is not complete: nothing is kept of it
                outcome = Fault(error=error, is_final=True)
            except BaseException:
                sent.undo()
                raise
        if isinstance(outcome, Fault) or outcome.status >= _FAILED:
            sent.undo()
        return outcome

    outcome = answer(request, transport.policy, attempt)
    if isinstance(outcome, Fault):
        return Failure(outcome.error)
    if outcome.status >= _FAILED:
        return Failure(transport.fault_of(request, outcome).error)
    transport.meter.finished(file.path)
    return Success(outcome.headers.get("etag"))
