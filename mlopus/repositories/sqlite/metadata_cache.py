"""The metadata cache in `<cache_dir>/metadata.db`."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeVar

import attrs

from mlopus.domain.keys import EntityKey, ExperimentKey, OwnKey, key_of, kind_of
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record
from mlopus.domain.text import codec_named
from mlopus.errors import MlopusError, NotCached
from mlopus.plans.reflections import shown_by
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.plans.steps import ReflectChange
from mlopus.ports.metadata_cache import CachedRecord
from mlopus.repositories.disk.layout import old_cache_fault
from mlopus.repositories.sqlite.database import Database
from mlopus.repositories.sqlite.rows import Rows
from mlopus.repositories.sqlite.schema import CACHE_SCHEMA
from mlopus.repositories.sqlite.shown import Shown
from mlopus.result import Failure, Result, Success

T = TypeVar("T")

FILE_NAME: Final = "metadata.db"
_REMEDY = (
    "Move the file away: what it held can be fetched again, or is found again beside it. "
    "Nothing was changed in it."
)


def _database_of(cache: SqliteMetadataCache) -> Database:
    path = Path(cache.folder) / FILE_NAME
    return Database(path=path, schema=CACHE_SCHEMA, wal=cache.wal, remedy=_REMEDY)


def _absolute(folder: str) -> str:
    return os.path.abspath(folder)


@attrs.frozen
class SqliteMetadataCache:
    """Entities of one origin in a cache folder. Nothing is made on disk before something is put.

    Args:
        folder: The cache folder, which other origins share.
        origin: Where the entities are from.
        text_codec: How queries read texts. A cache whose values were read by another one is
            searched all the same, row by row.
        wal: Whether to make the database with a write-ahead log; exports, which may be copied to
            places that are only read, have none.
    """

    folder: str = attrs.field(converter=_absolute)
    origin: Origin
    text_codec: Literal["plain", "mlopus-1"] = "plain"
    wal: bool = True
    _database: Database = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_database_of, takes_self=True)
    )

    @property
    def is_writable(self) -> bool:
        """Whether anything can be written; a folder that cannot be written is still read."""
        return self._database.is_writable

    def get(self, key: EntityKey) -> Result[CachedRecord, MlopusError]:
        """The entity of that key, without parents. NotCached if it never was."""

        def look(rows: Rows) -> Result[CachedRecord, MlopusError]:
            found = rows.get(key)
            if found is None:
                return self._never_cached(key)
            return Success(CachedRecord(record=found.record, as_of=found.as_of))

        return self._read(look, lambda: self._never_cached(key))

    def put(self, records: tuple[Record, ...], taken_at: datetime) -> Result[None, MlopusError]:
        """Keep entities as taken at that time: all of them or none. What was taken later stays."""

        def keep(rows: Rows) -> Result[None, MlopusError]:
            rows.put(records, taken_at)
            self._shown(rows).lose(key_of(record) for record in records)
            return Success(None)

        return self._write(keep)

    def reflect(self, step: ReflectChange) -> Result[None, MlopusError]:
        """Let what is cached follow a change; see `ReflectChange`. Rows that are not cached stay so."""
        from mlopus.repositories.sqlite.following import follow  # noqa: PLC0415 (writes load on use)

        def let_follow(rows: Rows) -> Result[None, MlopusError]:
            follow(rows, step)
            if step.entry is not None:
                self._shown(rows).add(step.entry, shown_by(step))
            return Success(None)

        return self._write(let_follow)

    def forget(self, keys: tuple[OwnKey, ...]) -> Result[None, MlopusError]:
        """Lose the rows of these entities, and with them what they showed of the journal's entries."""
        from mlopus.repositories.sqlite.moving import remove  # noqa: PLC0415 (as above)

        def lose(rows: Rows) -> Result[None, MlopusError]:
            for key in keys:
                remove(rows, key)
            self._shown(rows).lose(keys)
            return Success(None)

        return self._write(lose) if self._database.path.exists() else Success(None)

    def unshown(self, entries: tuple[str, ...]) -> Result[tuple[str, ...], MlopusError]:
        """Those of the journal's entries, by mark, that no row shows; nothing is remembered of others."""

        def look(rows: Rows) -> Result[tuple[str, ...], MlopusError]:
            shown = self._shown(rows)
            there = shown.all()
            shown.keep_only(entries)
            return Success(tuple(entry for entry in entries if entry not in there))

        if not self._database.path.exists() or not self.is_writable:
            return Success(entries)
        return self._write(look)

    def prepare(self, spec: SearchSpec) -> PushDown:
        """What the cache would evaluate of a search. No I/O."""
        from mlopus.repositories.sqlite.describe import describe  # noqa: PLC0415 (searches load on use)

        return describe(spec)

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page of a search over what is cached. An experiment never cached is NotCached."""
        from mlopus.repositories.sqlite.find import find_page  # noqa: PLC0415 (as above)

        def search(rows: Rows) -> Result[Page, MlopusError]:
            for exp_id in spec.exp_ids if spec.kind == "run" else ():
                key = ExperimentKey(exp_id)
                if rows.get(key) is None:
                    return self._never_cached(key)
            page = find_page(rows, spec, codec_named(self.text_codec), token)
            return Success(attrs.evolve(page, taken_at=rows.taken_at(page.records)))

        def nothing() -> Result[Page, MlopusError]:
            if spec.kind == "run" and spec.exp_ids:
                return self._never_cached(ExperimentKey(spec.exp_ids[0]))
            return Success(Page(records=()))

        return self._read(search, nothing)

    def oldest(self, spec: SearchSpec) -> Result[datetime | None, MlopusError]:
        """When the oldest row of the search's kind and experiments was taken; None if there is none."""

        def look(rows: Rows) -> Result[datetime | None, MlopusError]:
            return Success(rows.oldest(spec.kind, spec.exp_ids if spec.kind == "run" else (None,)))

        return self._read(look, lambda: Success(None))

    def has_rows(self) -> Result[bool, MlopusError]:
        """Whether any entity of this origin is kept."""
        return self._read(lambda rows: Success(rows.has_any()), lambda: Success(False))

    def clear(self) -> Result[None, MlopusError]:
        """Forget every entity of this origin."""

        def forget(rows: Rows) -> Result[None, MlopusError]:
            rows.clear()
            self._shown(rows).keep_only(())
            return Success(None)

        return self._write(forget) if self._database.path.exists() else Success(None)

    def close(self) -> None:
        """Close the connections of this process; the next use opens them anew."""
        self._database.close()

    def _shown(self, rows: Rows) -> Shown:
        return Shown(rows.connection, _origin_text(self.origin))

    def _rows(self, connection: sqlite3.Connection) -> Rows:
        return Rows(connection, _origin_text(self.origin), self.text_codec)

    def _read(
        self,
        use: Callable[[Rows], Result[T, MlopusError]],
        absent: Callable[[], Result[T, MlopusError]],
    ) -> Result[T, MlopusError]:
        def nothing() -> Result[T, MlopusError]:
            fault = old_cache_fault(self.folder)
            return absent() if fault is None else Failure(fault)

        return self._database.read(lambda connection: use(self._rows(connection)), nothing)

    def _write(self, use: Callable[[Rows], Result[T, MlopusError]]) -> Result[T, MlopusError]:
        fault = None if self._database.path.exists() else old_cache_fault(self.folder)
        if fault is not None:
            return Failure(fault)
        return self._database.write(lambda connection: use(self._rows(connection)))

    def _never_cached(self, key: EntityKey) -> Failure[MlopusError]:
        place = f"{self.folder} from {self.origin}"
        return Failure(NotCached(kind=kind_of(key), key=str(key), place=place))


def _origin_text(origin: Origin) -> str:
    """An origin as rows hold it, so that a cache that was copied tells where its entities are from."""
    return json.dumps([origin.uri, origin.workspace])


def only_origin(folder: str) -> Origin:
    """The origin of everything that a cache folder holds.

    Where it holds nothing, or entities of several origins, an origin that nothing is from: what is
    then asked for is `NotCached`, with a place that says why.
    """
    held = origins_in(folder)
    if len(held) == 1:
        return held[0]
    why = "of several servers" if held else "empty"
    return Origin(uri=f"no tracking URI (the cache is {why}: name the server's URI)")


def origins_in(folder: str) -> tuple[Origin, ...]:
    """Where the entities of a cache folder are from; nowhere, if it holds none or cannot be read."""

    def distinct(connection: sqlite3.Connection) -> Result[tuple[str, ...], MlopusError]:
        return Success(tuple(text for (text,) in connection.execute("SELECT DISTINCT origin FROM space")))

    database = Database(path=Path(folder) / FILE_NAME, schema=CACHE_SCHEMA, remedy=_REMEDY)
    held = database.read(distinct, lambda: Success(())).value_or(())
    database.close()
    named = (json.loads(text) for text in held)
    return tuple(Origin(uri=uri, workspace=workspace) for uri, workspace in named)
