"""Sending one file as an object: in one request, or in parts that become an object at the very end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from mlopus.domain.manifest import LocalFile
from mlopus.errors import MlopusError
from mlopus.plans.moving import InParts, requests_to_send
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.adopting import changed_since, stale_source
from mlopus.repositories.stores.obstore_buckets import Bucket
from mlopus.repositories.stores.obstore_places import ObjectStoreKind
from mlopus.repositories.stores.ranges import RANGE_BYTES, InFlight
from mlopus.repositories.stores.verified import Sent, verified
from mlopus.result import Failure, Result, Success

PART_BYTES: Final = 8 * 1024 * 1024
PARTS_AT_ONCE: Final = 3
_MOST_PARTS: Final = 9_500
_AROUND_PARTS: Final[dict[ObjectStoreKind, int]] = {"s3": 2, "gs": 2, "az": 1}
"""An upload is begun and completed; in Azure its parts are what begins it."""


def in_parts(kind: ObjectStoreKind) -> InParts:
    """How a kind of store moves large files."""
    return InParts(
        part_bytes=PART_BYTES,
        most_parts=_MOST_PARTS,
        around_parts=_AROUND_PARTS[kind],
        range_bytes=RANGE_BYTES,
    )


@attrs.frozen(kw_only=True)
class Sending:
    """What the sendings of one upload share.

    Attributes:
        bucket: Where the files go.
        in_parts: How large ones go.
        source: Where they are.
        meter: Told of requests and bytes.
        room: Bounds the bytes that are in memory.
    """

    bucket: Bucket
    in_parts: InParts
    source: TreeSource
    meter: Meter
    room: InFlight

    def send(self, file: LocalFile, key: str) -> Result[str | None, MlopusError]:
        """Send a file over any object that is there; answers what the store says of it.

        Fails with:
            StalePlan: The file is no longer what was hashed; the object that was there is there still.
        """
        local = self.source.local_path(file.path)
        found = None if local is None else changed_since(local, file)
        if local is not None and found is not None:
            return Failure(stale_source(local, found))
        opened = self.source.open(file.path)
        if isinstance(opened, Failure):
            return opened
        sent = Sent(self.meter)
        part_bytes = self.in_parts.part_bytes_of(file.size_bytes)
        held_bytes = min(file.size_bytes, part_bytes * (PARTS_AT_ONCE + 2))
        self.room.take(held_bytes, wait=True)
        try:
            with opened.unwrap() as reader:
                content = sent.counted(verified(reader, file, part_bytes))
                told = self._sent(content, file, key, part_bytes)
        except BaseException:
            sent.undo()
            raise
        finally:
            self.room.give(held_bytes)
        self.meter.finished(file.path)
        return Success(told)

    def _sent(self, content: Iterator[bytes], file: LocalFile, key: str, part_bytes: int) -> str | None:
        if file.size_bytes <= part_bytes:
            whole = b"".join(content)
            self.meter.requested()
            return self.bucket.put(key, whole, use_multipart=False)
        self.meter.requested(requests_to_send(self.in_parts, file.size_bytes))
        return self.bucket.put(key, content, chunk_size=part_bytes, max_concurrency=PARTS_AT_ONCE)
