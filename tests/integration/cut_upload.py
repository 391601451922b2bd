"""Sends a file through a server's proxy and dies on the way: `python -m tests.integration.cut_upload`.

Its arguments are the server, the folder's URL, how many bytes the file has, and at which read of it to die.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import BinaryIO

from mlopus.errors import MlopusError
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.repositories.stores.proxy import MlflowArtifactsStore
from mlopus.result import Result, Success
from mlopus.testing.contracts.artifact_store import upload_of


class DeadlyFile(io.BytesIO):
    """Kills the process that reads it too often."""

    def __init__(self, content: bytes, read: int) -> None:
        super().__init__(content)
        self._reads_left = read

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads_left -= 1
        if self._reads_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(size)


class DeadlySource:
    """A folder with one such file."""

    def __init__(self, content: bytes, read: int) -> None:
        self._content, self._read = content, read

    def open(self, path: str) -> Result[BinaryIO, MlopusError]:  # noqa: ARG002 (it has one file)
        return Success(DeadlyFile(self._content, self._read))

    def local_path(self, path: str) -> str | None:  # noqa: ARG002 (it is on no disk)
        return None


def main(uri: str, url: str, size_bytes: int, read: int) -> None:
    """Send it as far as that."""
    store, content = MlflowArtifactsStore(transport=MlflowTracking(uri=uri).transport), bytes(size_bytes)
    store.upload(upload_of(url, {"weights": content}), DeadlySource(content, read)).unwrap()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
