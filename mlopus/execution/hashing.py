"""A sink of one file's bytes that keeps their digest and nothing else."""

from __future__ import annotations

import hashlib

from mlopus.errors import MlopusError
from mlopus.ports.streams import Kept
from mlopus.result import Result, Success


class HashingSink:
    """Hashes bytes as they come. Nothing of them is left for another try."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def kept(self) -> Kept | None:
        """Nothing."""
        return None

    def resume(self, size_bytes: int) -> Result[None, MlopusError]:
        """Begin with no bytes: none are kept."""
        assert size_bytes == 0, "nothing was kept"  # noqa: S101
        return Success(None)

    def identify(self, validator: str) -> Result[None, MlopusError]:  # noqa: ARG002 (of no use without bytes)
        """Not noted."""
        return Success(None)

    @property
    def sha256(self) -> str:
        """The digest of all bytes so far."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes | memoryview) -> Result[None, MlopusError]:
        """Add bytes."""
        self._digest.update(chunk)
        self.size_bytes += len(chunk)
        return Success(None)

    def restart(self) -> Result[None, MlopusError]:
        """Begin anew."""
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        return Success(None)
