"""What waits on the journal, each as the plan of sending it, drawn from what this machine knows."""

from __future__ import annotations

import attrs

from mlopus.api.core import ApiCore
from mlopus.api.showing import facts_of_waiting
from mlopus.domain.manifest import LocalFile, Manifest, RemoteTree
from mlopus.domain.records import RunRecord
from mlopus.errors import MlopusError
from mlopus.plans.facts import Facts, SourceFacts, StoreFacts
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_reports import PendingWrite
from mlopus.plans.names import provisional_names, renamed
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan
from mlopus.plans.requests import LogModelVersion, LogRunArtifact, PublishOptions
from mlopus.plans.verbs import title_of, verb_of
from mlopus.result import Failure, Result, Success, mapped

MODE = "queued"
"""What a plan says that is drawn before its facts are gathered."""
_ROOT = "<the run's artifact root>"


def waiting_writes(api: ApiCore) -> Result[tuple[PendingWrite, ...], MlopusError]:
    """The writes that wait, in order."""
    entries = api.repositories.journal.entries()
    if isinstance(entries, Failure):
        return entries
    called = called_now(api, entries.unwrap())
    return mapped(called, lambda found: tuple(_pending(api, entry) for entry in found))


def _pending(api: ApiCore, entry: JournalEntry) -> PendingWrite:
    drawn = _drawn(api, entry)
    return PendingWrite(
        id=entry.id,
        verb=verb_of(entry.request),
        title=title_of(entry.request),
        written_at=entry.written_at,
        error=entry.error,
        plan=None if isinstance(drawn, Failure) else drawn.unwrap(),
    )


def called_now(
    api: ApiCore, entries: tuple[JournalEntry, ...]
) -> Result[tuple[JournalEntry, ...], MlopusError]:
    """Entries whose requests name their entities as they are called now."""
    named = [provisional_names(entry.request) for entry in entries]
    wanted: frozenset[str] = frozenset[str]().union(*named)
    found = api.repositories.journal.replies(wanted)
    if isinstance(found, Failure):
        return found
    now = found.unwrap()
    return Success(
        tuple(
            entry if names.isdisjoint(now) else attrs.evolve(entry, request=renamed(entry.request, now))
            for entry, names in zip(entries, named, strict=True)
        )
    )


def _drawn(api: ApiCore, entry: JournalEntry) -> Result[Plan, MlopusError]:
    """The plan of sending an entry to a server that has nothing of it."""
    gathered = facts_of_waiting(entry, api.repositories, api.settings)
    if isinstance(gathered, Failure):
        return gathered
    facts = attrs.evolve(
        gathered.unwrap(), settings=attrs.evolve(gathered.unwrap().settings, mode="online"), cached_records=()
    )
    if entry.held is None:
        planned = plan(entry.request, facts)
    else:
        held = api.repositories.artifacts.manifest(entry.held)
        if isinstance(held, Failure):
            return held
        planned = plan(sendable(entry, ""), _before_a_publish(facts, held.unwrap()))
    title = title_of(entry.request)
    return mapped(planned, lambda drawn: attrs.evolve(drawn, mode=MODE, title=title))


def sendable(entry: JournalEntry, path: str) -> LogRunArtifact | LogModelVersion:
    """The request of a publish whose bytes are at a path of the cache, and stay there."""
    request = entry.request
    assert isinstance(request, LogRunArtifact | LogModelVersion)  # noqa: S101 (only these hold bytes)
    options = PublishOptions(keep_the_source=True, use_cache=request.options.use_cache)
    return attrs.evolve(request, source=path, from_callback=False, options=options)


def _before_a_publish(facts: Facts, held: Manifest) -> Facts:
    """Facts as if the store had nothing where the held tree is to be published."""
    location = facts.location
    assert location is not None  # noqa: S101 (gathered for every publish)
    run = next((record for record in facts.records if isinstance(record, RunRecord)), None)
    files = tuple(
        LocalFile(path=file.path, size_bytes=file.size_bytes, mtime_ns=0, sha256=file.sha256)
        for file in held.files
    )
    source = SourceFacts(path="", is_file=held.is_file, files=files, empty_folders=held.empty_folders)
    listing = RemoteTree(listed_at=facts.now)
    return attrs.evolve(
        facts,
        location=attrs.evolve(location, root_url=(run.repo if run is not None else "") or _ROOT),
        source=source,
        store=StoreFacts(scheme="", is_local=False, requests_cost=True, listing=listing),
    )
