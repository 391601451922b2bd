"""Entities of one origin as rows, inside one transaction: an entity and its values change together."""

# ruff: noqa: S608 (statements are put together from words of this package; values are parameters)

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

import attrs

from mlopus.domain.documents import document_of
from mlopus.domain.keys import AliasKey, EntityKey, ExperimentName, VersionKey, key_of
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord, VersionRecord
from mlopus.domain.scalars import epoch_ms
from mlopus.domain.status import EntityKind
from mlopus.domain.text import TextCodec, codec_named
from mlopus.repositories.sqlite.attributes import NULL, STRING, SqlValue, attribute_rows, stored_text
from mlopus.repositories.sqlite.layout import LAYOUTS, stored_key
from mlopus.repositories.sqlite.opening import Unusable
from mlopus.wire.rows import kind_of_record, moment_from_us, moment_to_us, record_from_text, record_to_text

_Found = tuple[int, int, str]
_ValueRow = tuple[int, int, SqlValue, int, int]


@attrs.frozen(kw_only=True)
class Space:
    """A kind of entity of one origin; its values were read from text by `codec`."""

    sid: int
    kind: EntityKind
    codec: str


@attrs.frozen
class _Changes:
    """What a batch does to the tables, but for the entities themselves.

    Attributes:
        added: Rows of `attr` that are new, or hold another value.
        dropped: Which rows of `attr` go; a trigger counts them.
        made: New entities of each space.
        present: How many more values each path has through what is added.
    """

    added: list[_ValueRow] = attrs.field(factory=list[_ValueRow])
    dropped: list[tuple[int, int, int]] = attrs.field(factory=list[tuple[int, int, int]])
    made: Counter[int] = attrs.field(factory=Counter[int])
    present: Counter[int] = attrs.field(factory=Counter[int])

    def write(self, connection: sqlite3.Connection) -> None:
        """Change the rows of values and the counts."""
        connection.executemany("DELETE FROM attr WHERE rid = ? AND kid = ? AND ord = ?", self.dropped)
        self.added.sort()  # as the index is: its neighbours are written together
        connection.executemany(
            "INSERT OR REPLACE INTO attr (kid, t, v, rid, ord) VALUES (?, ?, ?, ?, ?)", self.added
        )
        for table, key, column, counts in (
            ("space", "sid", "entities", self.made),
            ("attribute", "kid", "present", self.present),
        ):
            statement = f"UPDATE {table} SET {column} = {column} + ? WHERE {key} = ?"
            connection.executemany(statement, [(count, number) for number, count in counts.items()])


@attrs.frozen(kw_only=True)
class Stored:
    """A row that was found."""

    rid: int
    record: Record
    as_of: datetime


class Rows:
    """The entities of one origin, seen through a connection that is in a transaction.

    Args:
        connection: Its transaction belongs to the caller.
        origin: The key of the origin.
        codec: The codec of spaces that are made here; one that is there keeps its own.
        shown: What readers see of a record; only for rows that are not written back.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        origin: str,
        codec: str,
        shown: Callable[[Record], Record] | None = None,
    ) -> None:
        self.connection = connection
        self._shown = shown
        self._origin = origin
        self._codec = codec
        self._spaces: dict[EntityKind, Space] = {}
        self._kids: dict[tuple[int, str], int] = {}

    def space(self, kind: EntityKind) -> Space | None:
        """The space of a kind; None if nothing of it was ever kept."""
        if kind not in self._spaces:
            found = self.connection.execute(
                "SELECT sid, codec FROM space WHERE origin = ? AND kind = ?", (self._origin, kind)
            ).fetchone()
            if found is None:
                return None
            self._spaces[kind] = Space(sid=found[0], kind=kind, codec=found[1])
        return self._spaces[kind]

    def attribute(self, space: Space, path: str) -> int | None:
        """The id of a path; None if no entity of the space ever had it."""
        kid = self._kids.get((space.sid, path))
        if kid is None:
            found = self.connection.execute(
                "SELECT kid FROM attribute WHERE sid = ? AND path = ?", (space.sid, stored_text(path))
            ).fetchone()
            if found is None:
                return None
            kid = self._kids[space.sid, path] = int(found[0])
        return kid

    def get(self, key: EntityKey) -> Stored | None:
        """The entity of a key. Of experiments that had the same name, the one that was taken last."""
        match key:
            case ExperimentName():
                return self._one(
                    "experiment", "e.sid = ? AND e.name = ? ORDER BY e.as_of DESC", (stored_text(key.name),)
                )
            case AliasKey():
                return self._aliased(key)
            case _:
                kind, name, number = stored_key(key)
                return self._one(
                    kind, "e.sid = ? AND e.key = ? AND e.number = ?", (stored_text(name), number)
                )

    def _aliased(self, key: AliasKey) -> Stored | None:
        """The version that the model says; where the model is not kept, the one that says so itself."""
        model = self._one("model", "e.sid = ? AND e.key = ?", (stored_text(key.name),))
        if model is not None and isinstance(model.record, ModelRecord):
            version = model.record.aliases.get(key.alias)
            return None if version is None else self.get(VersionKey(key.name, version))
        space = self.space("model version")
        kid = None if space is None else self.attribute(space, "aliases")
        where = (
            "e.sid = ? AND e.key = ? AND e.rid IN (SELECT rid FROM attr WHERE kid = ? AND t = ? AND v = ?)"
        )
        return self._one("model version", where, (stored_text(key.name), kid, STRING, stored_text(key.alias)))

    def put(self, records: Iterable[Record], taken_at: datetime) -> None:
        """Keep records as taken at that time, of one entity the last; rows taken later stay as they are."""
        as_of = moment_to_us(taken_at)
        changes = _Changes()
        for record in {key_of(record): record for record in records}.values():
            space = self._ensured(kind_of_record(record))
            rid, is_new = self._upsert(space, record, as_of)
            if rid is not None:
                self._note(changes, space, rid, record, is_new=is_new)
        changes.write(self.connection)

    def oldest(self, kind: EntityKind, exp_ids: Iterable[str | None]) -> datetime | None:
        """When the oldest entity of a kind in these experiments (None: in no experiment) was taken."""
        space = self.space(kind)
        if space is None:
            return None
        read = "SELECT min(as_of) FROM entity WHERE sid = ? AND exp_id IS ?"
        ages = (
            self.connection.execute(read, (space.sid, exp_id and stored_text(exp_id))).fetchone()[0]
            for exp_id in exp_ids
        )
        oldest = min((age for age in ages if age is not None), default=None)
        return None if oldest is None else moment_from_us(oldest)

    def has_any(self) -> bool:
        """Whether there is any entity of the origin."""
        any_of = "SELECT EXISTS (SELECT 1 FROM entity e JOIN space s USING (sid) WHERE s.origin = ?)"
        return bool(self.connection.execute(any_of, (self._origin,)).fetchone()[0])

    def clear(self) -> None:
        """Forget every entity of the origin."""
        of_origin = "(SELECT e.rid FROM entity e JOIN space s USING (sid) WHERE s.origin = ?)"
        for table in ("attr", "body", "entity"):
            self.connection.execute(f"DELETE FROM {table} WHERE rid IN {of_origin}", (self._origin,))
        self.connection.execute("UPDATE space SET codec = ? WHERE origin = ?", (self._codec, self._origin))
        self._spaces.clear()

    def bodies(self, kind: EntityKind, rids: list[int]) -> list[Record]:
        """The records of rows, in their order."""
        read = "SELECT record FROM body WHERE rid = ?"
        return [self._read(kind, self.connection.execute(read, (rid,)).fetchone()[0]) for rid in rids]

    def taken_at(self, records: Iterable[Record]) -> tuple[datetime, ...]:
        """When each of these records, which are rows, was taken."""
        read = "SELECT as_of FROM entity WHERE sid = ? AND key = ? AND number = ?"
        taken: list[datetime] = []
        for record in records:
            kind, key, number = stored_key(key_of(record))
            space = self._ensured(kind)
            found = self.connection.execute(read, (space.sid, stored_text(key), number)).fetchone()
            taken.append(moment_from_us(found[0]))
        return tuple(taken)

    def _one(self, kind: EntityKind, where: str, parameters: tuple[object, ...]) -> Stored | None:
        space = self.space(kind)
        if space is None:
            return None
        statement = f"SELECT e.rid, e.as_of, b.record FROM entity e JOIN body b USING (rid) WHERE {where}"
        found = self.connection.execute(statement, (space.sid, *parameters)).fetchone()
        if found is None:
            return None
        return Stored(rid=found[0], as_of=moment_from_us(found[1]), record=self._read(kind, found[2]))

    def _read(self, kind: EntityKind, text: str) -> Record:
        try:
            record = record_from_text(kind, text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"the row of a {kind} is not what mlopus writes ({type(error).__name__}: {error})"
            raise Unusable(reason) from error
        return record if self._shown is None else self._shown(record)

    def _ensured(self, kind: EntityKind) -> Space:
        space = self.space(kind)
        if space is None:
            self.connection.execute(
                "INSERT INTO space (origin, kind, codec) VALUES (?, ?, ?)", (self._origin, kind, self._codec)
            )
            space = self.space(kind)
        assert space is not None  # noqa: S101 (it was just made)
        return space

    def _upsert(self, space: Space, record: Record, as_of: int) -> tuple[int | None, bool]:
        """Write the entity and its record. The row's id is None where a later one stays."""
        _, key, number = stored_key(key_of(record))
        key_text = stored_text(key)
        found = self.connection.execute(
            "SELECT rid, as_of FROM entity WHERE sid = ? AND key = ? AND number = ?",
            (space.sid, key_text, number),
        ).fetchone()
        columns = _columns(record)
        if found is None:
            cursor = self.connection.execute(_INSERT, (space.sid, key_text, number, as_of, *columns))
            rid = cursor.lastrowid
            assert rid is not None  # noqa: S101 (an INSERT gives one)
        elif found[1] > as_of:
            return None, False
        else:
            rid = int(found[0])
            self.connection.execute(_UPDATE, (as_of, *columns, rid))
        self.connection.execute(
            "INSERT OR REPLACE INTO body (rid, record) VALUES (?, ?)", (rid, record_to_text(record))
        )
        return rid, found is None

    def _note(self, changes: _Changes, space: Space, rid: int, record: Record, *, is_new: bool) -> None:
        """Note which values a record has that its rows have not, and the other way round."""
        layout = LAYOUTS[space.kind]
        document = document_of(record, self._codec_of(space))
        new = {
            (self._ensured_attribute(space, path), ord_): (t, v)
            for path, ord_, t, v in attribute_rows(document, mappings=layout.mappings, values=layout.values)
        }
        old: dict[tuple[int, int], tuple[int, SqlValue]] = {}
        if is_new:
            changes.made[space.sid] += 1
        else:
            rows = self.connection.execute("SELECT kid, ord, t, v FROM attr WHERE rid = ?", (rid,))
            old = {(kid, ord_): (t, v) for kid, ord_, t, v in rows}
        changes.dropped.extend((rid, kid, ord_) for kid, ord_ in old.keys() - new.keys())
        for (kid, ord_), value in new.items():
            before = old.get((kid, ord_))
            if before != value:
                changes.added.append((kid, *value, rid, ord_))
                changes.present[kid] += (value[0] > NULL) - (before is not None and before[0] > NULL)

    def _codec_of(self, space: Space) -> TextCodec:
        return codec_named(space.codec)

    def _ensured_attribute(self, space: Space, path: str) -> int:
        kid = self.attribute(space, path)
        if kid is None:
            cursor = self.connection.execute(
                "INSERT INTO attribute (sid, path) VALUES (?, ?)", (space.sid, stored_text(path))
            )
            kid = cursor.lastrowid
            assert kid is not None  # noqa: S101 (an INSERT gives one)
            self._kids[space.sid, path] = kid
        return kid


_INSERT = """INSERT INTO entity
    (sid, key, number, as_of, stage, exp_id, start_time, end_time, status, run_id, name)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_UPDATE = """UPDATE entity SET as_of = ?, stage = ?, exp_id = ?, start_time = ?, end_time = ?, status = ?,
    run_id = ?, name = ? WHERE rid = ?"""


def _columns(record: Record) -> tuple[object, ...]:
    match record:
        case RunRecord():
            return (
                record.lifecycle_stage,
                stored_text(record.exp_id),
                None if record.start_time is None else epoch_ms(record.start_time),
                None if record.end_time is None else epoch_ms(record.end_time),
                record.status and record.status.value,
                None,
                record.name and stored_text(record.name),
            )
        case ExperimentRecord():
            return (record.lifecycle_stage, None, None, None, None, None, stored_text(record.name))
        case VersionRecord():
            run_id = record.run_id and stored_text(record.run_id)
            return ("active", None, None, None, None, run_id, None)
        case ModelRecord():
            return ("active", None, None, None, None, None, None)
