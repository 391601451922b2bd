"""The digest of a file in the making: of a large one on a thread of its own, while its bytes are written."""

from __future__ import annotations

import collections
import hashlib
from concurrent.futures import Future
from typing import Final

from mlopus.concurrency.daemon_pool import DaemonPool

APART_FROM_BYTES: Final = 4 * 1024 * 1024
"""So many bytes are hashed at once; a thread for fewer costs more than it saves."""
_BATCH_BYTES: Final = 1024 * 1024
_BATCHES_AHEAD: Final = 4


class Digest:
    """The sha256 of bytes that are given in order, by one thread at a time.

    Hashing and writing take about as long as each other, and neither needs the interpreter. What is given
    must stay as it is; no more than 5 MiB of it wait to be hashed.

    Example:
        >>> digest = Digest()
        >>> digest.update(b"hello")
        >>> digest.hexdigest()[:8]
        '2cf24dba'
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self._batch: list[bytes | memoryview] = []
        self._batch_bytes = 0
        self._pool: DaemonPool | None = None
        self._ahead: collections.deque[Future[None]] = collections.deque()

    def update(self, chunk: bytes | memoryview) -> None:
        """Add bytes."""
        self._size_bytes += len(chunk)
        if self._size_bytes <= APART_FROM_BYTES:
            self._hash.update(chunk)
            return
        self._batch.append(chunk)
        self._batch_bytes += len(chunk)
        if self._batch_bytes >= _BATCH_BYTES:
            self._send()
        while len(self._ahead) > _BATCHES_AHEAD:
            self._ahead.popleft().result()

    def hexdigest(self) -> str:
        """Of all bytes so far."""
        while self._ahead:
            self._ahead.popleft().result()
        self._hash_all(self._batch)
        self._batch, self._batch_bytes = [], 0
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let the thread end, after what it was given."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _send(self) -> None:
        if self._pool is None:
            self._pool = DaemonPool(1, "mlopus-digest")
        self._ahead.append(self._pool.submit(self._hash_all, self._batch))
        self._batch, self._batch_bytes = [], 0

    def _hash_all(self, chunks: list[bytes | memoryview]) -> None:
        for chunk in chunks:
            self._hash.update(chunk)
