"""Receiving objects: asked for in one request or in ranges, going on where an earlier fetch stopped."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import BinaryIO, cast

import attrs

from mlopus.concurrency.daemon_pool import DaemonPool
from mlopus.domain.manifest import RemoteFile
from mlopus.domain.paths import base_name
from mlopus.errors import MlopusError, NotFound, StalePlan, Unsupported
from mlopus.ports.meter import Meter
from mlopus.ports.streams import Kept, TreeSink
from mlopus.repositories.stores.obstore_buckets import Bucket, Piece, piece_fault, remote_file, validator_of
from mlopus.repositories.stores.obstore_places import ObjectPlace
from mlopus.repositories.stores.obstore_reading import ObjectFile, StreamReader, buffered
from mlopus.repositories.stores.ranges import RANGE_BYTES, InFlight, RangesReader
from mlopus.repositories.stores.transfers import Opened, receive
from mlopus.result import Failure, Result, Success


@attrs.frozen(kw_only=True)
class Receiving:
    """What the transfers of one fetch share.

    Attributes:
        place: The URL that the files are below.
        bucket: Where it is.
        meter: Told of requests and bytes.
        pool: Runs the requests for further ranges.
        room: Bounds the bytes that are in memory.
    """

    place: ObjectPlace
    bucket: Bucket
    meter: Meter
    pool: Executor = attrs.field(factory=lambda: DaemonPool(1, "mlopus-ahead"))
    room: InFlight = attrs.field(factory=InFlight)

    def receive(self, file: RemoteFile, sink: TreeSink) -> Result[str | None, MlopusError]:
        """Bring one object into a sink; answers the validator that came with it."""
        return receive(lambda kept: self._open_at(file, kept), file, sink, self.meter, place=self.place.shown)

    def open(self) -> Result[BinaryIO, MlopusError]:
        """The object of the place itself, as a file: sought in where the store gives parts."""
        told = self._said_of(RemoteFile(path=""))
        if isinstance(told, Failure):
            return told
        file = told.unwrap()
        opened = self._open_from(file, 0, file.validator)
        if isinstance(opened, Failure):
            return opened
        reader = cast("RangesReader | StreamReader", opened.unwrap().reader)
        if isinstance(reader, RangesReader) and (file.size_bytes or 0) <= RANGE_BYTES:
            return Success(io.BytesIO(reader.read()))
        if isinstance(reader, RangesReader):
            reader.close()
            raw = ObjectFile(self._ranges_of(file, file.validator), file.size_bytes or 0)
            return Success(buffered(raw))
        return Success(buffered(reader))

    def _ranges_of(self, file: RemoteFile, validator: str | None) -> Callable[[int, int], memoryview]:
        """Gives bytes of an object, of that version only; raises errors of ours."""

        def fetch(begin: int, end: int) -> memoryview:
            got = self._piece(file, begin, end, validator)
            if isinstance(got, Failure):
                raise got.failure()
            return got.unwrap().content

        return fetch

    def _open_at(self, file: RemoteFile, kept: Kept | None) -> Result[Opened, MlopusError]:
        told = Success(file) if file.size_bytes is not None else self._said_of(file)
        if isinstance(told, Failure):
            return told
        file = attrs.evolve(file, size_bytes=told.unwrap().size_bytes)
        if kept is None:
            return self._open_from(file, 0, file.validator)
        opened = self._open_from(file, kept.size_bytes, kept.validator)
        if file.validator is None and isinstance(opened, Failure) and isinstance(opened.failure(), StalePlan):
            return self._open_from(file, 0, None)
        return opened

    def _said_of(self, file: RemoteFile) -> Result[RemoteFile, MlopusError]:
        key, place = self._key(file), self.place
        asked = self.bucket.asked(place.shown, "opening", lambda: self.bucket.head(key, self.meter))
        if isinstance(asked, Failure):
            return asked
        meta = asked.unwrap()
        if meta is None:
            return Failure(NotFound(kind="artifact", key=base_name(key), place=place.shown))
        return Success(remote_file(file.path, meta))

    def _open_from(self, file: RemoteFile, start: int, validator: str | None) -> Result[Opened, MlopusError]:
        """The object from a byte on, of the version that is given if one is."""
        size_bytes = file.size_bytes or 0
        first_bytes = min(RANGE_BYTES, size_bytes - start)
        self.room.take(first_bytes, wait=True)
        is_whole = start == 0 and size_bytes <= RANGE_BYTES
        got = self._piece(file, start, None if is_whole else start + first_bytes, validator)
        if isinstance(got, Failure):
            self.room.give(first_bytes)
            gives_parts = not isinstance(got.failure(), Unsupported)
            return got if gives_parts else self._open_stream(file, file.validator)
        piece = got.unwrap()
        reader = RangesReader(
            self._ranges_of(file, piece.validator),
            start=start,
            size_bytes=size_bytes,
            first=piece.content,
            room_held=first_bytes,
            pool=self.pool,
            room=self.room,
        )
        return Success(Opened(cast("BinaryIO", reader), piece.validator, start))

    def _open_stream(self, file: RemoteFile, validator: str | None) -> Result[Opened, MlopusError]:
        """The whole object in one reply, of a store that gives no parts."""
        action, key = f"reading {file.path!r}", self._key(file)
        asked = self.bucket.asked(
            self.place.shown, action, lambda: self.bucket.stream(key, validator, self.meter)
        )
        if isinstance(asked, Failure):
            return asked
        chunks, meta = asked.unwrap()

        def following() -> bytes | None:
            got = self.bucket.asked(self.place.shown, action, lambda: next(chunks, None))
            if isinstance(got, Failure):
                raise got.failure()
            return got.unwrap()

        def content() -> Iterator[bytes]:
            """One chunk comes while the one before is hashed and written."""
            ahead = self.pool.submit(following)
            while (chunk := ahead.result()) is not None:
                ahead = self.pool.submit(following)
                yield chunk

        return Success(Opened(cast("BinaryIO", StreamReader(content())), validator_of(meta)))

    def _piece(
        self, file: RemoteFile, begin: int, end: int | None, validator: str | None
    ) -> Result[Piece, MlopusError]:
        got = self.bucket.asked(
            self.place.shown,
            f"reading {file.path!r}",
            lambda: self.bucket.read(self._key(file), begin, end, validator, self.meter),
        )
        if isinstance(got, Failure):
            return got
        fault = piece_fault(file, got.unwrap(), self.place.shown, validator=validator, begin=begin, end=end)
        return got if fault is None else Failure(fault)

    def _key(self, file: RemoteFile) -> str:
        return self.place.path(file.path)
