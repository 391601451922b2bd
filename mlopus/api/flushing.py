"""Flushing the journal: each request in order is planned, sent and settled; what cannot be sent, waits."""

from __future__ import annotations

import logging
from datetime import timedelta
from http import HTTPStatus

import attrs

from mlopus.api.core import ApiCore
from mlopus.api.flush_sending import Sender
from mlopus.api.waiting import called_now
from mlopus.domain.keys import RunKey
from mlopus.domain.provisional import is_provisional_id
from mlopus.domain.records import Record, RunRecord
from mlopus.domain.status import RunStatus
from mlopus.errors import (
    MlopusError,
    NotFound,
    OfflineMode,
    ServerFailed,
    TimedOut,
    Unavailable,
    UnreadableReply,
)
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_groups import Group, grouped, logs_to
from mlopus.plans.journal_order import Thing, gives, takes
from mlopus.plans.journal_reports import Fate, FlushedWrite, FlushReport
from mlopus.plans.names import provisional_names
from mlopus.plans.queued import run_of
from mlopus.plans.requests import CreateRunIn, LogModelVersion, SetRunStatus
from mlopus.plans.verbs import title_of, verb_of
from mlopus.ports.journal import OpenRun
from mlopus.result import Failure, Result, Success

_LOGGER = logging.getLogger("mlopus")
_STOPPING = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def flush(api: ApiCore, *, mark_dead: bool, take_over: bool) -> Result[FlushReport, MlopusError]:
    """Send what waits, as `MlflowApi.flush` says."""
    if api.settings.offline_mode:
        return Failure(OfflineMode(action="flushing the journal"))
    journal = api.repositories.journal
    claimed = journal.claim(take_over=take_over)
    if isinstance(claimed, Failure):
        return claimed
    try:
        entries = journal.entries()
        if isinstance(entries, Failure):
            return entries
        flushing = _Flushing(api, claimed.unwrap())
        report = flushing.report(entries.unwrap())
        if isinstance(report, Failure) or not mark_dead:
            return report
        ended = flushing.end_the_abandoned(take_over=take_over)
        if isinstance(ended, Failure):
            return ended
        return Success(attrs.evolve(report.unwrap(), ended_runs=ended.unwrap()))
    finally:
        journal.release()


class _Flushing:
    """One flush: what is missing so far, and what became of each entry."""

    def __init__(self, api: ApiCore, claimed: frozenset[int]) -> None:
        self._api = api
        self._repositories = api.repositories
        self._sender = Sender(api)
        self._claimed = claimed
        self._missing: frozenset[Thing] = frozenset()
        self._stopped_by: MlopusError | None = None
        self._fates: dict[int, tuple[Fate, MlopusError | None]] = {}
        self._called: dict[int, JournalEntry] = {}
        self._failure: MlopusError | None = None

    def report(self, entries: tuple[JournalEntry, ...]) -> Result[FlushReport, MlopusError]:
        """Take each group in its turn. Fails only where this machine fails."""
        most = self._repositories.tracking.facts.limits.total
        for group in grouped(entries, most):
            self._take(group)
            if self._failure is not None:
                return Failure(self._failure)
        left = called_now(self._api, tuple(entry for entry in entries if entry.id not in self._called))
        if isinstance(left, Failure):
            return left
        called = self._called | {entry.id: entry for entry in left.unwrap()}
        return Success(FlushReport(writes=tuple(self._told(called[entry.id]) for entry in entries)))

    def _told(self, entry: JournalEntry) -> FlushedWrite:
        fate, error = self._fates[entry.id]
        verb, title = verb_of(entry.request), title_of(entry.request)
        return FlushedWrite(id=entry.id, verb=verb, title=title, fate=fate, error=error)

    def _take(self, group: Group) -> None:
        for entry in group:
            fate, error = self._unsendable(entry)
            if fate is not None:
                self._put_off(entry, fate, error)
        left = tuple(entry for entry in group if entry.id not in self._fates)
        if not left:
            return
        called = called_now(self._api, left)
        if isinstance(called, Failure):
            self._failure = called.failure()
            return
        self._called.update((entry.id, entry) for entry in called.unwrap())
        self._send(left, called.unwrap())

    def _unsendable(self, entry: JournalEntry) -> tuple[Fate | None, MlopusError | None]:
        """Why an entry is not even tried."""
        if entry.id not in self._claimed:
            place = f"the journal, which process {entry.claimed_by} is flushing"
            hint = "Wait for it; where it is gone for good, flush(take_over=True)."
            return "unsent", NotFound(kind="claim on entry", key=str(entry.id), place=place, hint=hint)
        if self._stopped_by is not None:
            return "unsent", self._stopped_by
        if not self._missing.isdisjoint(takes(entry.request)):
            return "waits", None
        return None, None

    def _put_off(self, entry: JournalEntry, fate: Fate, error: MlopusError | None) -> None:
        self._missing |= gives(entry.request)
        self._fates[entry.id] = (fate, error)

    def _send(self, group: Group, called: Group) -> None:
        nameless = self._nameless(called)
        if nameless is not None:
            self._refuse(group, called, nameless)
            return
        in_doubt = self._wait_out_of_doubt(group)
        noted = self._repositories.journal.attempt(
            tuple(entry.id for entry in group), self._repositories.clock.now()
        )
        if isinstance(noted, Failure):
            self._failure = noted.failure()
            return
        sent = self._sender.send(called, in_doubt=in_doubt)
        if isinstance(sent, Failure) and _may_be_done(sent.failure()):
            self._repositories.clock.sleep(_patience_s(sent.failure(), self._api.settings.timeout_s))
            sent = self._sender.send(called, in_doubt=True)
        if isinstance(sent, Success):
            self._settle(group, sent.unwrap())
        elif _stops(sent.failure()):
            self._stopped_by = sent.failure()
            for entry in group:
                self._put_off(entry, "unsent", sent.failure())
        else:
            self._refuse(group, called, sent.failure())

    def _nameless(self, called: Group) -> MlopusError | None:
        """What names an entity that no entry of the journal creates any more."""
        lost = next((name for entry in called for name in provisional_names(entry.request)), None)
        if lost is None:
            return None
        place = f"the journal of {self._repositories.tracking.origin}"
        hint = "What created it was dropped: drop this too."
        return NotFound(kind="entity", key=lost, place=place, hint=hint)

    def _wait_out_of_doubt(self, group: Group) -> bool:
        """Whether an earlier flush may have sent a group; the server has then had the time to be done."""
        begun = [entry.attempted_at for entry in group if entry.attempted_at is not None]
        if not begun:
            return False
        if isinstance(group[0].request, CreateRunIn | LogModelVersion) or logs_to(group[0].request):
            timeout = timedelta(seconds=self._api.settings.timeout_s)
            left = max(begun) + timeout - self._repositories.clock.now()
            self._repositories.clock.sleep(min(left, timeout).total_seconds())
        return True

    def _settle(self, group: Group, record: Record | None) -> None:
        settled = self._sender.settle(group, record)
        if isinstance(settled, Failure):
            self._failure = settled.failure()
            return
        for entry in group:
            self._fates[entry.id] = ("sent", None)

    def _refuse(self, group: Group, called: Group, error: MlopusError) -> None:
        """Leave an entry with its error; of several, find which ones are meant."""
        entry, *others = group
        if others:
            for alone, one in zip(group, called, strict=True):
                self._send_alone(alone, one)
            return
        _LOGGER.error("%s, entry %d of the journal, was refused: %s", verb_of(entry.request), entry.id, error)
        noted = self._repositories.journal.refuse(entry.id, str(error), in_doubt=_may_be_done(error))
        if isinstance(noted, Failure):
            self._failure = noted.failure()
        self._put_off(entry, "refused", error)

    def _send_alone(self, entry: JournalEntry, called: JournalEntry) -> None:
        if self._failure is not None:
            return
        if self._stopped_by is not None:
            self._put_off(entry, "unsent", self._stopped_by)
            return
        sent = self._sender.send((called,), in_doubt=True)
        if isinstance(sent, Success):
            self._settle((entry,), sent.unwrap())
        elif _stops(sent.failure()):
            self._stopped_by = sent.failure()
            self._put_off(entry, "unsent", sent.failure())
        else:
            self._refuse((entry,), (called,), sent.failure())

    def end_the_abandoned(self, *, take_over: bool) -> Result[tuple[str, ...], MlopusError]:
        """End the runs whose process died, once all that it wrote to them is sent."""
        journal = self._repositories.journal
        found = journal.open_runs(take_over=take_over)
        if isinstance(found, Failure):
            return found
        busy = {run_of(entry.request) for entry in journal.entries().value_or(())}
        waiting = {concerned[0] for concerned in busy if concerned is not None}
        ended: list[str] = []
        for run in found.unwrap():
            if run.is_abandoned and run.run_id not in waiting and not is_provisional_id(run.run_id):
                was_running = self._end(run)
                if isinstance(was_running, Failure):
                    return was_running
                if was_running.unwrap():
                    ended.append(run.run_id)
        return Success(tuple(ended))

    def _end(self, run: OpenRun) -> Result[bool, MlopusError]:
        """Whether a run was still RUNNING, and is ended now."""
        held = self._repositories.tracking.get(RunKey(run.run_id))
        if isinstance(held, Failure) and not isinstance(held.failure(), NotFound):
            return held
        record = held.value_or(None)
        is_running = isinstance(record, RunRecord) and record.status is RunStatus.RUNNING
        if is_running:
            request = SetRunStatus(run=RunKey(run.run_id), status=RunStatus.FAILED, at=run.last_at)
            entry = JournalEntry(id=0, mark="", request=request, written_at=run.last_at)
            sent = self._sender.send((entry,), in_doubt=False)
            if isinstance(sent, Failure):
                return sent
        closed = self._repositories.journal.close_run(run.run_id)
        return closed if isinstance(closed, Failure) else Success(is_running)


def _may_be_done(error: MlopusError) -> bool:
    return isinstance(error, Unavailable | UnreadableReply)


def _patience_s(error: MlopusError, timeout_s: float) -> float:
    """How long a server may still be at what it did not answer."""
    is_gateways = isinstance(error, ServerFailed) and error.status == HTTPStatus.GATEWAY_TIMEOUT
    return timeout_s if is_gateways or isinstance(error, TimedOut | UnreadableReply) else 0.0


def _stops(error: MlopusError) -> bool:
    """Whether others would not fare better: nobody answers."""
    if isinstance(error, ServerFailed):
        return error.status in _STOPPING
    return isinstance(error, Unavailable | UnreadableReply)
