"""Rows that go, that change together, or that are known by another key."""

# ruff: noqa: S608 (statements are put together from words of this package; values are parameters)

from __future__ import annotations

from collections.abc import Iterable

from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, key_of
from mlopus.domain.records import ExperimentRecord, Record, RunRecord
from mlopus.domain.status import EntityKind, LifecycleStage
from mlopus.repositories.sqlite.attributes import stored_text
from mlopus.repositories.sqlite.layout import stored_key
from mlopus.repositories.sqlite.rows import Rows, Stored
from mlopus.wire.rows import moment_from_us, record_to_text

_BESIDE = ("attr", "body")
"""The tables that hold more of an entity, by its row."""


def family(rows: Rows, key: ExperimentKey | ModelKey) -> list[Stored]:
    """The runs of an experiment, or the versions of a model."""
    kind: EntityKind = "run" if isinstance(key, ExperimentKey) else "model version"
    column = "exp_id" if isinstance(key, ExperimentKey) else "key"
    space = rows.space(kind)
    if space is None:
        return []
    found = rows.connection.execute(
        f"SELECT rid, as_of FROM entity WHERE sid = ? AND {column} = ? ORDER BY rid",
        (space.sid, stored_text(str(key))),
    ).fetchall()
    records = rows.bodies(kind, [rid for rid, _ in found])
    return [
        Stored(rid=rid, record=record, as_of=moment_from_us(as_of))
        for (rid, as_of), record in zip(found, records, strict=True)
    ]


def remove(rows: Rows, key: OwnKey, beside: tuple[str, ...] = ()) -> None:
    """Forget an entity, and a model with its versions; `beside` are more tables that know their rows."""
    own, name, number = stored_key(key)
    kinds: tuple[EntityKind, ...] = ("model", "model version") if isinstance(key, ModelKey) else (own,)
    for kind in kinds:
        space = rows.space(kind)
        if space is None:
            continue
        where = "sid = ? AND key = ?" if isinstance(key, ModelKey) else "sid = ? AND key = ? AND number = ?"
        parameters = (space.sid, stored_text(name), number)[: where.count("?")]
        for table in (*_BESIDE, *beside):
            statement = f"DELETE FROM {table} WHERE rid IN (SELECT rid FROM entity WHERE {where})"
            rows.connection.execute(statement, parameters)
        rows.connection.execute(f"DELETE FROM entity WHERE {where}", parameters)


def rewrite(rows: Rows, changed: Iterable[tuple[Stored, Record]]) -> None:
    """Let rows hold other records, maybe of other keys; they are as old as before."""
    staged: list[tuple[int, RunRecord]] = []
    for stored, record in changed:
        if isinstance(record, RunRecord) and _stage(record) != _stage(stored.record):
            staged.append((stored.rid, record))
            continue
        if key_of(record) != key_of(stored.record):
            _rekey(rows, stored.rid, key_of(record))
        rows.put((record,), stored.as_of)
    _restage(rows, staged)


def _stage(record: Record) -> LifecycleStage:
    return record.lifecycle_stage if isinstance(record, RunRecord | ExperimentRecord) else "active"


def _rekey(rows: Rows, rid: int, key: OwnKey) -> None:
    _, name, number = stored_key(key)
    rows.connection.execute(
        "UPDATE entity SET key = ?, number = ? WHERE rid = ?", (stored_text(name), number, rid)
    )


def _restage(rows: Rows, staged: list[tuple[int, RunRecord]]) -> None:
    """Mark runs: their stage is no value that searches look up, so there is little to write for many."""
    stages = ((record.lifecycle_stage, rid) for rid, record in staged)
    rows.connection.executemany("UPDATE entity SET stage = ? WHERE rid = ?", stages)
    bodies = ((record_to_text(record), rid) for rid, record in staged)
    rows.connection.executemany("UPDATE body SET record = ? WHERE rid = ?", bodies)
