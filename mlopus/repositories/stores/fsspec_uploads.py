"""Sending one file through fsspec, so that it appears whole or not at all."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from mlopus.domain.manifest import LocalFile
from mlopus.errors import MlopusError
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.adopting import changed_since, stale_source
from mlopus.repositories.stores.fsspec_systems import Place
from mlopus.repositories.stores.listing import UNFINISHED_PREFIX, UNFINISHED_SUFFIX
from mlopus.repositories.stores.transfers import CHUNK_BYTES
from mlopus.repositories.stores.verified import Sent, verified
from mlopus.result import Failure, Result, Success


def send(place: Place, file: LocalFile, source: TreeSource, meter: Meter) -> Result[None, MlopusError]:
    """Copy a file of a source to a place.

    Fails with:
        StalePlan: The file is no longer what was hashed; what was there before is there still.
    """
    local = source.local_path(file.path)
    found = None if local is None else changed_since(local, file)
    if local is not None and found is not None:
        return Failure(stale_source(local, found))
    opened = source.open(file.path)
    if isinstance(opened, Failure):
        return opened
    sent = Sent(meter)
    try:
        with opened.unwrap() as reader:
            _Renamed(place, file).write(sent.counted(verified(reader, file, CHUNK_BYTES)))
    except MlopusError as error:
        sent.undo()
        return Failure(error)
    except BaseException:
        sent.undo()
        raise
    meter.finished(file.path)
    return Success(None)


class _Renamed:
    """A file that has another name until it is complete."""

    def __init__(self, place: Place, file: LocalFile) -> None:
        self._system = place.system
        self._file = file
        self._target = place.path(file.path)
        name = f"{UNFINISHED_PREFIX}{secrets.token_hex(8)}{UNFINISHED_SUFFIX}"
        self._part = f"{self._target.rpartition('/')[0]}/{name}"

    def write(self, content: Iterator[bytes]) -> None:
        try:
            with self._system.open(self._part, "wb") as handle:
                handle.writelines(content)
            self._rename()
        except BaseException:
            self._drop()
            raise

    def _rename(self) -> None:
        from fsspec import AbstractFileSystem  # noqa: PLC0415 (it is loaded: this is one)

        generic: Any = AbstractFileSystem
        if self._system.mv.__func__ is generic.mv:  # which takes brackets in names for patterns
            self._system.cp_file(self._part, self._target)
            self._drop()
        else:
            self._system.mv(self._part, self._target)

    def _drop(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._part)
