"""The journal port: writes that wait for the server, in order, for one origin."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import attrs
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.records import MetricSample
from mlopus.errors import MlopusError
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_steps import QueueRequest, SettleRequests
from mlopus.plans.keeping import HeldTree
from mlopus.result import Result


@attrs.frozen(kw_only=True)
class OpenRun:
    """A run that was made RUNNING here and not ended: by which process, and when it last wrote."""

    run_id: str
    last_at: datetime
    is_abandoned: bool


class Journal(Protocol):
    """Requests of one origin that wait to be flushed. Thread-safe; picklable.

    What was appended survives a power failure, once `append` has returned.
    """

    @property
    def is_writable(self) -> bool:
        """Whether anything can be queued."""
        ...

    def append(self, step: QueueRequest) -> Result[int, MlopusError]:
        """Queue a request, written by this process, and answer its number. Once per mark, ever."""
        ...

    def entries(self) -> Result[tuple[JournalEntry, ...], MlopusError]:
        """Requests that wait, in order. UnreadableCache if one cannot be read."""
        ...

    def marks(self) -> Result[tuple[str, ...], MlopusError]:
        """The marks of requests that wait, in order."""
        ...

    def claim(self, *, take_over: bool) -> Result[frozenset[int], MlopusError]:
        """Claim every request that waits for this process; answers those that it has now.

        Those of a process of this machine that is dead are taken over; those of any other only with
        `take_over`.
        """
        ...

    def attempt(self, entry_ids: tuple[int, ...], at: datetime) -> Result[None, MlopusError]:
        """Note, durably, that requests are about to be sent."""
        ...

    def settle(self, step: SettleRequests) -> Result[None, MlopusError]:
        """Take requests off the queue that were carried out; see `SettleRequests`."""
        ...

    def refuse(self, entry_id: int, error: str, *, in_doubt: bool = False) -> Result[None, MlopusError]:
        """Note why the server refused a request; it waits on. Without doubt it was not carried out."""
        ...

    def drop(self, entry_ids: tuple[int, ...]) -> Result[None, MlopusError]:
        """Take requests off the queue; those that are not there are no fault."""
        ...

    def release(self) -> Result[None, MlopusError]:
        """Give up the claims of this process."""
        ...

    def replies(self, names: Iterable[str]) -> Result[immutabledict[str, str], MlopusError]:
        """Provisional ids and versions to what they are now, for those that are settled."""
        ...

    def history(self, run_id: str, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """The points that wait for a metric of a run, ordered by step, then time."""
        ...

    def latest(
        self, run_id: str, metrics: Iterable[str]
    ) -> Result[immutabledict[str, MetricSample], MlopusError]:
        """Of these metrics of a run the latest point that waits, where one does."""
        ...

    def held_trees(self) -> Result[tuple[HeldTree, ...], MlopusError]:
        """The trees whose bytes wait to be published, for any origin of this place, sorted by key."""
        ...

    def open_runs(self, *, take_over: bool) -> Result[tuple[OpenRun, ...], MlopusError]:
        """Runs that were made RUNNING here and not ended since, flushed or not.

        One is abandoned if its process is dead, as far as this machine knows; with `take_over` also if
        it is of another machine.
        """
        ...

    def close_run(self, run_id: str) -> Result[None, MlopusError]:
        """Note that a run has ended."""
        ...
