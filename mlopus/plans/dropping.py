"""Planning to drop what waits on the journal, with all that depends on it."""

from __future__ import annotations

from mlopus.domain.keys import ModelKey, OwnKey, RunKey
from mlopus.domain.locations import run_subject
from mlopus.domain.provisional import is_provisional_id
from mlopus.errors import NotFound
from mlopus.plans.envelope import gathered, make_plan
from mlopus.plans.facts import Facts
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_order import dependents
from mlopus.plans.journal_steps import DropRequests, ForgetRows
from mlopus.plans.plan import Plan, ReceiptAnswer
from mlopus.plans.queued import created_by, run_of
from mlopus.plans.queueing_bytes import held_subject
from mlopus.plans.requests import CreateRegisteredModel, DropQueued
from mlopus.plans.steps import Step, WithdrawEntries
from mlopus.result import Failure, Result, Success


def plan_dropping(request: DropQueued, facts: Facts) -> Result[Plan, NotFound]:
    """Drop an entry and what depends on it, and forget what the cache shows of them.

    Rows that came from the server stay as they are shown: only a new fetch tells what it holds.

    Fails with:
        NotFound: No such entry waits.
    """
    waiting = gathered(facts.journal, "the journal").waiting
    dropped = dependents(waiting, request.entry_id)
    if not dropped:
        place = f"the journal of {facts.tracking.origin}"
        hint = "pending() lists what waits; what was flushed or dropped is there no more."
        return Failure(NotFound(kind="entry", key=str(request.entry_id), place=place, hint=hint))
    forget = ForgetRows(keys=_shown_only_here(dropped))
    drop = DropRequests(entry_ids=tuple(entry.id for entry in dropped))
    stages = ((drop,), (forget, *_withdrawn(dropped)))
    return Success(make_plan(request, facts, stages, ReceiptAnswer()))


def _shown_only_here(dropped: tuple[JournalEntry, ...]) -> tuple[OwnKey, ...]:
    """Entities that no server knows, and that are gone, or otherwise, without these entries."""
    keys: dict[OwnKey, None] = {}
    for entry in dropped:
        created = created_by(entry.request)
        concerned = run_of(entry.request)
        if created is not None:
            keys[created] = None
        if isinstance(entry.request, CreateRegisteredModel):
            keys[ModelKey(entry.request.name)] = None
        if concerned is not None and is_provisional_id(concerned[0]):
            keys[RunKey(concerned[0])] = None
    return tuple(keys)


def _withdrawn(dropped: tuple[JournalEntry, ...]) -> tuple[Step, ...]:
    held = (WithdrawEntries(subject=held_subject(entry.mark), path="") for entry in dropped if entry.held)
    runs = dict.fromkeys(
        run_subject(concerned[0])
        for entry in dropped
        if (concerned := run_of(entry.request)) is not None and is_provisional_id(concerned[0])
    )
    return (*held, *(WithdrawEntries(subject=subject, path="") for subject in runs))
