"""From stages to a plan: the envelope that every planner fills alike; and what facts must hold."""

from __future__ import annotations

from typing import TypeVar

from immutabledict import immutabledict

from mlopus.domain.keys import OwnKey, key_of
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record
from mlopus.errors import StoreFailed
from mlopus.plans.facts import Facts
from mlopus.plans.keeping_steps import (
    EvictTrees,
    ForgetPlacements,
    PinPath,
    RecordPlacement,
    RemovePins,
    SweepLeftovers,
)
from mlopus.plans.plan import Answer, Plan, Stage, TreeAnswer
from mlopus.plans.requests import Request
from mlopus.plans.steps import (
    CachedTree,
    CacheRows,
    CommitTree,
    ExportTree,
    FetchFiles,
    PlaceTree,
    StageFiles,
    Step,
    WithdrawEntries,
)
from mlopus.plans.totals import totals_of
from mlopus.plans.verbs import title_of, verb_of

T = TypeVar("T")


def make_plan(
    request: Request,
    facts: Facts,
    stages: tuple[Stage, ...],
    answer: Answer,
    roots: immutabledict[str, str] = immutabledict(),
    *,
    source: Origin | None = None,
) -> Plan:
    """The plan of these stages; empty ones are dropped."""
    kept = tuple(stage for stage in stages if stage)
    touches_cache = any(_touches_cache(step) for stage in kept for step in stage) or (
        isinstance(answer, TreeAnswer) and isinstance(answer.tree, CachedTree)
    )
    return Plan(
        verb=verb_of(request),
        title=title_of(request),
        request=request,
        origin=facts.tracking.origin,
        mode=facts.settings.mode,
        stages=kept,
        answer=answer,
        totals=totals_of(kept, facts),
        source=source,
        cache_id=facts.cache.cache_id if touches_cache and facts.cache is not None else None,
        roots=roots,
    )


def _touches_cache(step: Step) -> bool:
    if isinstance(step, PlaceTree | ExportTree):
        return isinstance(step.tree, CachedTree)
    return isinstance(
        step,
        FetchFiles
        | StageFiles
        | CommitTree
        | WithdrawEntries
        | EvictTrees
        | SweepLeftovers
        | RecordPlacement
        | ForgetPlacements
        | PinPath
        | RemovePins,
    )


def gathered(fact: T | None, name: str) -> T:
    """A fact that the request needs.

    Raises:
        ValueError: It was not gathered, which is a mistake of whoever gathers.
    """
    if fact is None:
        raise ValueError(f"the facts lack {name}, which this request needs")
    return fact


def record_of(facts: Facts, key: OwnKey) -> Record | None:
    """The record of that key among those gathered."""
    return next((record for record in facts.records if key_of(record) == key), None)


def rows_to_cache(facts: Facts) -> tuple[Step, ...]:
    """The step that caches the gathered records, if the metadata cache lacks any of them as they are."""
    return _rows((*facts.records, *facts.uncached), facts)


def rows_not_cached(facts: Facts) -> tuple[Step, ...]:
    """The step that caches what leads to an artifact, of which the metadata cache has nothing."""
    return _rows(facts.uncached, facts)


def _rows(records: tuple[Record, ...], facts: Facts) -> tuple[Step, ...]:
    missing = tuple(dict.fromkeys(record for record in records if record not in facts.cached_records))
    if not missing or not facts.metadata_is_writable:
        return ()
    return (CacheRows(records=missing, taken_at=facts.now),)


def read_only_cache(action: str) -> StoreFailed:
    """The error of a request that has to write into a cache that cannot be written."""
    return StoreFailed(
        place="the cache",
        action=action,
        reason="its folder cannot be written",
        hint="Make it writable, or use another cache_dir.",
    )
