"""Showing in the cache what waits on the journal, where a crash or a fetch came in between."""

from __future__ import annotations

import logging

import attrs
from immutabledict import immutabledict

from mlopus.api.calls import Call
from mlopus.api.gathering import base_facts, locator_of
from mlopus.api.gathering_queued import QueuedGathering
from mlopus.errors import MlopusError
from mlopus.execution.counting import CountingMeter
from mlopus.execution.execute import execute
from mlopus.execution.fetching import RecentParents
from mlopus.execution.repositories import Repositories
from mlopus.plans.facts import Facts
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.names import provisional_names, renamed
from mlopus.plans.plan import Plan
from mlopus.plans.requests import LogModelVersion, LogRunArtifact
from mlopus.plans.showing import plan_showing
from mlopus.result import Failure, Result
from mlopus.settings import Settings

_LOGGER = logging.getLogger("mlopus")


def show_waiting(repositories: Repositories, settings: Settings) -> None:
    """Show what the cache does not show yet. What cannot be shown still waits, and is logged."""
    marks = repositories.journal.marks()
    if isinstance(marks, Failure) or not marks.unwrap():
        return
    missing = repositories.cache.unshown(marks.unwrap())
    if isinstance(missing, Failure) or not missing.unwrap():
        return
    unshown = frozenset(missing.unwrap())
    entries = repositories.journal.entries().value_or(())
    for entry in entries:
        if entry.mark in unshown:
            shown = _show(entry, repositories, settings)
            if isinstance(shown, Failure):
                _LOGGER.warning("entry %d of the journal is not shown: %s", entry.id, shown.failure())


def _show(entry: JournalEntry, repositories: Repositories, settings: Settings) -> Result[object, MlopusError]:
    names = repositories.journal.replies(provisional_names(entry.request))
    if isinstance(names, Failure):
        return names
    called = attrs.evolve(entry, request=renamed(entry.request, names.unwrap()))
    planned = _planned(called, repositories, settings)
    if isinstance(planned, Failure):
        return planned
    return execute(planned.unwrap(), repositories, RecentParents(), CountingMeter())


def _planned(
    entry: JournalEntry, repositories: Repositories, settings: Settings
) -> Result[Plan, MlopusError]:
    facts = facts_of_waiting(entry, repositories, settings)
    if isinstance(facts, Failure):
        return facts
    held = None if entry.held is None else repositories.artifacts.manifest(entry.held)
    if isinstance(held, Failure):
        return held
    return plan_showing(entry.request, None if held is None else held.unwrap(), facts.unwrap())


def facts_of_waiting(
    entry: JournalEntry, repositories: Repositories, settings: Settings
) -> Result[Facts, MlopusError]:
    """What the cache knows around a request that waits, as of when it was made."""
    offline = attrs.evolve(settings, offline_mode=True, journal=True)
    call = Call(request=entry.request, writes=True)
    gathering = QueuedGathering(repositories, *locator_of(call, repositories, offline, RecentParents()))
    base = attrs.evolve(base_facts(repositories, offline), now=entry.written_at)
    if isinstance(entry.request, LogRunArtifact | LogModelVersion):
        return gathering.run_and_model(
            gathering.with_journal(base, immutabledict(), entry.mark), entry.request
        )
    return gathering.facts(base, entry.request, entry.mark)
