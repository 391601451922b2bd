"""The journal in `<cache_dir>/journal.db`: what waits for the server, kept through power failures."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.origin import Origin
from mlopus.domain.records import MetricSample
from mlopus.domain.scalars import epoch_ms
from mlopus.errors import MlopusError
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_steps import QueueRequest, SettleRequests
from mlopus.plans.keeping import HeldTree
from mlopus.plans.queued import points_of, provisional_created_by, run_of
from mlopus.plans.requests import WriteRequest
from mlopus.ports.journal import OpenRun
from mlopus.repositories.claims import held_tree, may_take, named_now, reply_of
from mlopus.repositories.sqlite.attributes import stored_text
from mlopus.repositories.sqlite.database import Database
from mlopus.repositories.sqlite.schema import JOURNAL_SCHEMA
from mlopus.result import Failure, Result, Success
from mlopus.wire.rows import moment_from_us, moment_to_us

T = TypeVar("T")

FILE_NAME: Final = "journal.db"
_REMEDY = (
    "It holds writes that no server has yet: copy it to a safe place before anything else. "
    "Nothing was changed in it."
)
_WAITING = "FROM request WHERE origin = ? AND state = 'waiting'"


def _database_of(journal: SqliteJournal) -> Database:
    path = Path(journal.folder) / FILE_NAME
    return Database(path=path, schema=JOURNAL_SCHEMA, is_durable=True, remedy=_REMEDY)


def _absolute(folder: str) -> str:
    return os.path.abspath(folder)


@attrs.frozen
class SqliteJournal:
    """Writes of one origin in a cache folder that others share. Nothing is made before one is queued.

    Args:
        folder: The cache folder.
        origin: The server that they are for.
        process: The name of the process that writes and claims; None is this one.
    """

    folder: str = attrs.field(converter=_absolute)
    origin: Origin
    process: str | None = None
    _database: Database = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_database_of, takes_self=True)
    )

    @property
    def is_writable(self) -> bool:
        """Whether anything can be queued."""
        return self._database.is_writable

    @property
    def _me(self) -> str:
        return self.process or named_now()

    @property
    def _origin(self) -> str:
        return json.dumps([self.origin.uri, self.origin.workspace])

    def append(self, step: QueueRequest) -> Result[int, MlopusError]:
        """Queue a request, written by this process, and answer its number. Once per mark, ever."""
        from mlopus.plans.serial import request_to_json  # noqa: PLC0415 (cattrs loads on use)

        def add(connection: sqlite3.Connection) -> Result[int, MlopusError]:
            there = connection.execute("SELECT id FROM request WHERE mark = ?", (step.mark,)).fetchone()
            if there is not None:
                return Success(int(there[0]))
            cursor = connection.execute(
                "INSERT INTO request (origin, mark, state, body, held, written_at, writer, provisional)"
                " VALUES (?, ?, 'waiting', ?, ?, ?, ?, ?)",
                (
                    self._origin,
                    step.mark,
                    request_to_json(step.request),
                    step.held,
                    moment_to_us(step.written_at),
                    self._me,
                    provisional_created_by(step.request),
                ),
            )
            entry_id = cursor.lastrowid
            assert entry_id is not None  # noqa: S101 (an INSERT gives one)
            self._note_run(connection, entry_id, step)
            return Success(entry_id)

        return self._database.write(add)

    def _note_run(self, connection: sqlite3.Connection, entry_id: int, step: QueueRequest) -> None:
        concerned = run_of(step.request)
        if concerned is None:
            return
        run_id, change = concerned
        run = (self._origin, stored_text(run_id))
        if change == "ends":
            connection.execute("DELETE FROM open_run WHERE origin = ? AND run = ?", run)
        elif change == "starts":
            connection.execute(
                "INSERT OR REPLACE INTO open_run (origin, run, writer, last_at) VALUES (?, ?, ?, ?)",
                (*run, self._me, moment_to_us(step.written_at)),
            )
        else:
            connection.execute(
                "UPDATE open_run SET writer = ?, last_at = ? WHERE origin = ? AND run = ?",
                (self._me, moment_to_us(step.written_at), *run),
            )
        connection.executemany(
            "INSERT OR IGNORE INTO point (origin, run, metric, step, time, value, is_nan, entry)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    *run,
                    stored_text(point.key),
                    point.step,
                    epoch_ms(point.timestamp),
                    0.0 if math.isnan(point.value) else point.value,
                    math.isnan(point.value),
                    entry_id,
                )
                for point in points_of(step.request)
            ),
        )

    def entries(self) -> Result[tuple[JournalEntry, ...], MlopusError]:
        """Requests that wait, in order. UnreadableCache if one cannot be read."""

        def look(connection: sqlite3.Connection) -> Result[tuple[JournalEntry, ...], MlopusError]:
            read = (
                "SELECT id, mark, body, held, written_at, error, attempted_at, claimed_by"
                f" {_WAITING} ORDER BY id"
            )
            found: list[JournalEntry] = []
            for row in connection.execute(read, (self._origin,)):
                entry = self._entry(row)
                if isinstance(entry, Failure):
                    return entry
                found.append(entry.unwrap())
            return Success(tuple(found))

        return self._database.read(look, lambda: Success(()))

    def _entry(self, row: tuple[Any, ...]) -> Result[JournalEntry, MlopusError]:
        entry_id, mark, body, held, written_at, error, attempted_at, claimed_by = row
        from mlopus.plans.serial import request_from_json  # noqa: PLC0415 (as above)

        read = request_from_json(body)
        if isinstance(read, Failure):
            return Failure(self._database.unreadable(f"entry {entry_id}: {read.failure()}"))
        request = read.unwrap()
        if not isinstance(request, WriteRequest):
            return Failure(self._database.unreadable(f"entry {entry_id} is no write"))
        return Success(
            JournalEntry(
                id=entry_id,
                mark=mark,
                request=request,
                held=held,
                written_at=moment_from_us(written_at),
                error=error,
                attempted_at=None if attempted_at is None else moment_from_us(attempted_at),
                claimed_by=claimed_by,
            )
        )

    def marks(self) -> Result[tuple[str, ...], MlopusError]:
        """The marks of requests that wait, in order."""

        def look(connection: sqlite3.Connection) -> Result[tuple[str, ...], MlopusError]:
            rows = connection.execute(f"SELECT mark {_WAITING} ORDER BY id", (self._origin,))
            return Success(tuple(mark for (mark,) in rows))

        return self._database.read(look, lambda: Success(()))

    def claim(self, *, take_over: bool) -> Result[frozenset[int], MlopusError]:
        """Claim every request that waits for this process; answers those that it has now."""
        me = self._me

        def take(connection: sqlite3.Connection) -> Result[frozenset[int], MlopusError]:
            rows = connection.execute(f"SELECT id, claimed_by {_WAITING}", (self._origin,)).fetchall()
            mine = [row for row in rows if may_take(row[1], me, take_over=take_over)]
            claims = ((me, entry_id) for entry_id, _ in mine)
            connection.executemany("UPDATE request SET claimed_by = ? WHERE id = ?", claims)
            return Success(frozenset(int(entry_id) for entry_id, _ in mine))

        return self._if_there(take, frozenset())

    def attempt(self, entry_ids: tuple[int, ...], at: datetime) -> Result[None, MlopusError]:
        """Note, durably, that requests are about to be sent."""
        when = moment_to_us(at)
        return self._each("UPDATE request SET attempted_at = ? WHERE id = ?", [(when, i) for i in entry_ids])

    def settle(self, step: SettleRequests) -> Result[None, MlopusError]:
        """Take requests off the queue that were carried out; see `SettleRequests`."""
        reply = None if step.provisional is None else reply_of(step)

        def finish(connection: sqlite3.Connection) -> Result[None, MlopusError]:
            self._take_off(connection, "settled", step.entry_ids)
            if reply is not None:
                connection.execute(
                    "UPDATE request SET reply = ? WHERE provisional = ?", (reply, step.provisional)
                )
                connection.execute(
                    "UPDATE OR REPLACE open_run SET run = ? WHERE origin = ? AND run = ?",
                    (reply, self._origin, step.provisional),
                )
            return Success(None)

        return self._database.write(finish)

    def refuse(self, entry_id: int, error: str, *, in_doubt: bool = False) -> Result[None, MlopusError]:
        """Note why the server refused a request; it waits on."""
        change = "UPDATE request SET error = ?, attempted_at = iif(?, attempted_at, NULL) WHERE id = ?"
        return self._each(change, [(stored_text(error), in_doubt, entry_id)])

    def drop(self, entry_ids: tuple[int, ...]) -> Result[None, MlopusError]:
        """Take requests off the queue; those that are not there are no fault."""

        def forget(connection: sqlite3.Connection) -> Result[None, MlopusError]:
            for entry_id in entry_ids:
                connection.execute(
                    "DELETE FROM open_run WHERE run IN (SELECT provisional FROM request"
                    " WHERE id = ? AND state = 'waiting')",
                    (entry_id,),
                )
            self._take_off(connection, "dropped", entry_ids)
            return Success(None)

        return self._if_there(forget, None)

    def _take_off(self, connection: sqlite3.Connection, state: str, entry_ids: tuple[int, ...]) -> None:
        connection.executemany(
            "UPDATE request SET state = ?, body = NULL, held = NULL, claimed_by = NULL, error = NULL"
            " WHERE id = ? AND state = 'waiting'",
            ((state, entry_id) for entry_id in entry_ids),
        )
        connection.executemany("DELETE FROM point WHERE entry = ?", ((entry_id,) for entry_id in entry_ids))

    def release(self) -> Result[None, MlopusError]:
        """Give up the claims of this process."""
        return self._each(
            "UPDATE request SET claimed_by = NULL WHERE state = 'waiting' AND origin = ? AND claimed_by = ?",
            [(self._origin, self._me)],
        )

    def replies(self, names: Iterable[str]) -> Result[immutabledict[str, str], MlopusError]:
        """Provisional ids and versions to what they are now, for those that are settled."""

        def look(connection: sqlite3.Connection) -> Result[immutabledict[str, str], MlopusError]:
            read = "SELECT reply FROM request WHERE provisional = ? AND reply IS NOT NULL"
            found: dict[str, str] = {}
            for name in names:
                row = connection.execute(read, (stored_text(name),)).fetchone()
                if row is not None:
                    found[name] = row[0]
            return Success(immutabledict(found))

        return self._database.read(look, lambda: Success(immutabledict()))

    def history(self, run_id: str, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """The points that wait for a metric of a run, ordered by step, then time."""

        def look(connection: sqlite3.Connection) -> Result[tuple[MetricPoint, ...], MlopusError]:
            rows = connection.execute(
                f"SELECT DISTINCT step, time, value, is_nan {_POINTS} ORDER BY step, time",
                (self._origin, stored_text(run_id), stored_text(metric)),
            )
            return Success(tuple(_point(*row) for row in rows))

        return self._database.read(look, lambda: Success(()))

    def latest(
        self, run_id: str, metrics: Iterable[str]
    ) -> Result[immutabledict[str, MetricSample], MlopusError]:
        """Of these metrics of a run the latest point that waits, where one does."""

        def look(connection: sqlite3.Connection) -> Result[immutabledict[str, MetricSample], MlopusError]:
            read = (
                f"SELECT step, time, value, is_nan {_POINTS}"
                " ORDER BY step DESC, time DESC, value DESC, is_nan LIMIT 1"
            )
            found: dict[str, MetricSample] = {}
            for metric in metrics:
                key = (self._origin, stored_text(run_id), stored_text(metric))
                row = connection.execute(read, key).fetchone()
                if row is not None:
                    point = _point(*row)
                    assert point.timestamp is not None  # noqa: S101 (every row has one)
                    found[metric] = MetricSample(
                        key=metric, value=point.value, step=point.step, timestamp=point.timestamp
                    )
            return Success(immutabledict(found))

        return self._database.read(look, lambda: Success(immutabledict()))

    def held_trees(self) -> Result[tuple[HeldTree, ...], MlopusError]:
        """The trees whose bytes wait to be published, for any origin of this place, sorted by key."""

        def look(connection: sqlite3.Connection) -> Result[tuple[HeldTree, ...], MlopusError]:
            of_all = "FROM request WHERE state = 'waiting' AND held IS NOT NULL ORDER BY held, id"
            found = connection.execute(f"SELECT held, id {of_all}")
            return Success(tuple(held_tree(held, entry_id) for held, entry_id in found))

        return self._database.read(look, lambda: Success(()))

    def open_runs(self, *, take_over: bool) -> Result[tuple[OpenRun, ...], MlopusError]:
        """Runs that were made RUNNING here and not ended since, flushed or not."""

        def look(connection: sqlite3.Connection) -> Result[tuple[OpenRun, ...], MlopusError]:
            read = "SELECT run, writer, last_at FROM open_run WHERE origin = ? ORDER BY last_at, run"
            return Success(
                tuple(
                    OpenRun(
                        run_id=run,
                        last_at=moment_from_us(last_at),
                        is_abandoned=writer != self._me and may_take(writer, self._me, take_over=take_over),
                    )
                    for run, writer, last_at in connection.execute(read, (self._origin,))
                )
            )

        return self._database.read(look, lambda: Success(()))

    def close_run(self, run_id: str) -> Result[None, MlopusError]:
        """Note that a run has ended."""
        return self._each(
            "DELETE FROM open_run WHERE origin = ? AND run = ?", [(self._origin, stored_text(run_id))]
        )

    def close(self) -> None:
        """Close the connections of this process; the next use opens them anew."""
        self._database.close()

    def _each(self, statement: str, parameters: list[tuple[object, ...]]) -> Result[None, MlopusError]:
        def change(connection: sqlite3.Connection) -> Result[None, MlopusError]:
            connection.executemany(statement, parameters)
            return Success(None)

        return self._if_there(change, None)

    def _if_there(
        self, change: Callable[[sqlite3.Connection], Result[T, MlopusError]], otherwise: T
    ) -> Result[T, MlopusError]:
        """Make a change, unless nothing was ever queued."""
        return self._database.write(change) if self._database.path.exists() else Success(otherwise)


_POINTS = "FROM point WHERE origin = ? AND run = ? AND metric = ?"


def _point(step: int, time_ms: int, value: float, is_nan: int) -> MetricPoint:
    return MetricPoint(math.nan if is_nan else value, step, moment_from_us(time_ms * 1000))
