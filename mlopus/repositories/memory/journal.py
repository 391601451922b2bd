"""A journal in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import attrs
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.records import MetricSample
from mlopus.errors import MlopusError
from mlopus.plans.effects import latest_points, point_identity, whole_ms
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_steps import QueueRequest, SettleRequests
from mlopus.plans.keeping import HeldTree
from mlopus.plans.queued import points_of, provisional_created_by, run_of
from mlopus.ports.journal import OpenRun
from mlopus.repositories.claims import held_tree, may_take, named_now, reply_of
from mlopus.result import Result, Success


@attrs.define(eq=False)
class JournalTables:
    """What is queued. A copy in another process is a journal of its own with the same content."""

    waiting: dict[int, JournalEntry] = attrs.field(factory=dict[int, JournalEntry])
    marks: dict[str, int] = attrs.field(factory=dict[str, int])
    provisional: dict[int, str] = attrs.field(factory=dict[int, str])
    replies: dict[str, str] = attrs.field(factory=dict[str, str])
    open_runs: dict[str, tuple[str, datetime]] = attrs.field(factory=dict[str, tuple[str, datetime]])
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        with self.lock:
            return {
                field.name: dict(getattr(self, field.name))
                for field in attrs.fields(JournalTables)
                if field.name != "lock"
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self.lock = threading.RLock()


@attrs.frozen
class MemoryJournal:
    """Writes that wait, gone with the object.

    Args:
        process: The name of the process that writes and claims; None is this one.
        tables: What others write to as well.
    """

    process: str | None = None
    tables: JournalTables = attrs.field(factory=JournalTables, repr=False)

    @property
    def is_writable(self) -> bool:
        """Always."""
        return True

    @property
    def _me(self) -> str:
        return self.process or named_now()

    def append(self, step: QueueRequest) -> Result[int, MlopusError]:
        """Queue a request; once per mark, ever."""
        with self.tables.lock:
            if step.mark in self.tables.marks:
                return Success(self.tables.marks[step.mark])
            entry_id = self.tables.marks[step.mark] = len(self.tables.marks) + 1
            self.tables.waiting[entry_id] = JournalEntry(
                id=entry_id,
                mark=step.mark,
                request=step.request,
                held=step.held,
                written_at=step.written_at,
            )
            name = provisional_created_by(step.request)
            if name is not None:
                self.tables.provisional[entry_id] = name
            self._note_run(step)
            return Success(entry_id)

    def _note_run(self, step: QueueRequest) -> None:
        concerned = run_of(step.request)
        if concerned is None:
            return
        run_id, change = concerned
        if change == "ends":
            self.tables.open_runs.pop(run_id, None)
        elif change == "starts" or run_id in self.tables.open_runs:
            self.tables.open_runs[run_id] = (self._me, step.written_at)

    def entries(self) -> Result[tuple[JournalEntry, ...], MlopusError]:
        """Requests that wait, in order."""
        with self.tables.lock:
            return Success(tuple(self.tables.waiting.values()))

    def marks(self) -> Result[tuple[str, ...], MlopusError]:
        """The marks of requests that wait, in order."""
        with self.tables.lock:
            return Success(tuple(entry.mark for entry in self.tables.waiting.values()))

    def claim(self, *, take_over: bool) -> Result[frozenset[int], MlopusError]:
        """Claim every request that waits for this process."""
        with self.tables.lock:
            mine = [
                entry
                for entry in self.tables.waiting.values()
                if may_take(entry.claimed_by, self._me, take_over=take_over)
            ]
            for entry in mine:
                self.tables.waiting[entry.id] = attrs.evolve(entry, claimed_by=self._me)
            return Success(frozenset(entry.id for entry in mine))

    def attempt(self, entry_ids: tuple[int, ...], at: datetime) -> Result[None, MlopusError]:
        """Note that requests are about to be sent."""
        with self.tables.lock:
            for entry_id in entry_ids:
                self._change(entry_id, attempted_at=at)
        return Success(None)

    def settle(self, step: SettleRequests) -> Result[None, MlopusError]:
        """Take requests off the queue that were carried out."""
        with self.tables.lock:
            if step.provisional is not None:
                reply = self.tables.replies[step.provisional] = reply_of(step)
                if step.provisional in self.tables.open_runs:
                    self.tables.open_runs[reply] = self.tables.open_runs.pop(step.provisional)
            self._take_off(step.entry_ids)
        return Success(None)

    def refuse(self, entry_id: int, error: str, *, in_doubt: bool = False) -> Result[None, MlopusError]:
        """Note why the server refused a request; it waits on."""
        with self.tables.lock:
            self._change(entry_id, error=error, **({} if in_doubt else {"attempted_at": None}))
        return Success(None)

    def _change(self, entry_id: int, **fields: Any) -> None:
        if entry_id in self.tables.waiting:
            self.tables.waiting[entry_id] = attrs.evolve(self.tables.waiting[entry_id], **fields)

    def drop(self, entry_ids: tuple[int, ...]) -> Result[None, MlopusError]:
        """Take requests off the queue."""
        with self.tables.lock:
            for entry_id in entry_ids:
                if entry_id in self.tables.waiting:
                    self.tables.open_runs.pop(self.tables.provisional.get(entry_id, ""), None)
            self._take_off(entry_ids)
        return Success(None)

    def _take_off(self, entry_ids: tuple[int, ...]) -> None:
        for entry_id in entry_ids:
            self.tables.waiting.pop(entry_id, None)

    def release(self) -> Result[None, MlopusError]:
        """Give up the claims of this process."""
        with self.tables.lock:
            for entry in tuple(self.tables.waiting.values()):
                if entry.claimed_by == self._me:
                    self._change(entry.id, claimed_by=None)
        return Success(None)

    def replies(self, names: Iterable[str]) -> Result[immutabledict[str, str], MlopusError]:
        """Provisional ids and versions to what they are now."""
        with self.tables.lock:
            held = self.tables.replies
            return Success(immutabledict({name: held[name] for name in names if name in held}))

    def history(self, run_id: str, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """The points that wait for a metric of a run, ordered by step, then time."""
        found = {point_identity(point): point for point in self._points(run_id) if point.key == metric}
        points = (MetricPoint(p.value, p.step, whole_ms(p.timestamp)) for p in found.values())
        return Success(tuple(sorted(points, key=lambda point: (point.step, point.timestamp))))

    def latest(
        self, run_id: str, metrics: Iterable[str]
    ) -> Result[immutabledict[str, MetricSample], MlopusError]:
        """Of these metrics of a run the latest point that waits."""
        wanted = frozenset(metrics)
        latest = latest_points(point for point in self._points(run_id) if point.key in wanted)
        return Success(
            immutabledict(
                {
                    key: attrs.evolve(point, timestamp=whole_ms(point.timestamp))
                    for key, point in latest.items()
                }
            )
        )

    def _points(self, run_id: str) -> tuple[MetricSample, ...]:
        with self.tables.lock:
            waiting = tuple(self.tables.waiting.values())
        of_run = (entry.request for entry in waiting if (run_of(entry.request) or ("",))[0] == run_id)
        return tuple(point for request in of_run for point in points_of(request))

    def held_trees(self) -> Result[tuple[HeldTree, ...], MlopusError]:
        """The trees whose bytes wait to be published, sorted by key."""
        with self.tables.lock:
            waiting = tuple(self.tables.waiting.values())
        trees = (held_tree(entry.held, entry.id) for entry in waiting if entry.held is not None)
        return Success(tuple(sorted(trees, key=lambda tree: tree.tree_key)))

    def open_runs(self, *, take_over: bool) -> Result[tuple[OpenRun, ...], MlopusError]:
        """Runs that were made RUNNING here and not ended since."""
        with self.tables.lock:
            held = sorted(self.tables.open_runs.items(), key=lambda item: (item[1][1], item[0]))
        return Success(
            tuple(
                OpenRun(
                    run_id=run_id,
                    last_at=last_at,
                    is_abandoned=writer != self._me and may_take(writer, self._me, take_over=take_over),
                )
                for run_id, (writer, last_at) in held
            )
        )

    def close_run(self, run_id: str) -> Result[None, MlopusError]:
        """Note that a run has ended."""
        with self.tables.lock:
            self.tables.open_runs.pop(run_id, None)
        return Success(None)
