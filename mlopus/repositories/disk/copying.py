"""Taking copies of a tree's files into a staged tree: each is hashed as it is copied."""

from __future__ import annotations

from typing import BinaryIO, Protocol

import attrs

from mlopus.concurrency.crews import for_each
from mlopus.errors import DigestMismatch, MlopusError
from mlopus.plans.links import LinkKind
from mlopus.plans.outcomes import Transferred
from mlopus.plans.steps import PlacedFile
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.result import Failure, Result, Success

_WORKERS = 4


class Receiver(Protocol):
    """Where copies go."""

    def receive(self, reader: BinaryIO, file: PlacedFile) -> Result[int, MlopusError]:
        """Add a file; answers its size. DigestMismatch if its content is another than is told."""
        ...


@attrs.frozen(kw_only=True)
class Copying:
    """The copies of one tree."""

    files: tuple[PlacedFile, ...]
    source: TreeSource
    meter: Meter
    receiver: Receiver

    def run(self) -> Result[Transferred, MlopusError]:
        """Copy every file; what was copied before a failure is dropped with the staging area."""
        copied = for_each(self._copy, self.files, min(_WORKERS, max(1, len(self.files))))
        if isinstance(copied, Failure):
            return copied
        sizes, count = copied.unwrap(), len(self.files)
        links: tuple[tuple[LinkKind, int], ...] = (("copy", count),) if count else ()
        return Success(Transferred(file_count=count, total_bytes=sum(sizes), links=links))

    def _copy(self, file: PlacedFile) -> Result[int, MlopusError]:
        opened = self.source.open(file.path)
        if isinstance(opened, Failure):
            return opened
        with opened.unwrap() as reader:
            received = self.receiver.receive(reader, file)
        if isinstance(received, Success):
            self.meter.finished(file.path)
        return received


def other_content(file: PlacedFile, place: str, found: str) -> DigestMismatch:
    """The error of a copy that is not what was told."""
    expected = file.sha256 or f"{file.size_bytes} bytes"
    return DigestMismatch(path=file.path, place=place, expected=expected, found=found)
