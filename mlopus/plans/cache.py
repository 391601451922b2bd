"""Planning the artifact cache: making it current, having an artifact at hand, forgetting one."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from mlopus.domain.paths import overlaps
from mlopus.errors import OfflineMode
from mlopus.plans.envelope import gathered, make_plan, read_only_cache, rows_to_cache
from mlopus.plans.facts import Facts
from mlopus.plans.plan import Plan, ReceiptAnswer, Stage, TreeAnswer
from mlopus.plans.proofs import newest_first
from mlopus.plans.requests import ArtifactRequest, CacheArtifact, CleanCachedArtifact, GetArtifact
from mlopus.plans.steps import WithdrawEntries
from mlopus.plans.trees import TreeRefusal, current_tree, may_ask_store, tree_to_have
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success

CacheRefusal: TypeAlias = TreeRefusal


def plan_cache(request: ArtifactRequest, facts: Facts) -> Result[Plan, CacheRefusal]:
    """Work out what brings an artifact into the cache, or out of it.

    Needs the location, what the cache holds there, and, where `mlopus.plans.needs` says so, the
    store's listing. Content is never taken to be unchanged by its size alone.

    Returns:
        A plan that is empty where what was asked is so already.

    Fails with:
        NotFound: The store has nothing there.
        NotCached: Offline, and never cached.
        OfflineMode: The store would have to be asked.
        IllegalPath: The store lists a path that no folder can safely hold.
        StoreFailed: The cache cannot be written.
    """
    match request:
        case CacheArtifact():
            return _refresh(request, facts)
        case GetArtifact():
            return _get(request, facts)
        case CleanCachedArtifact():
            return _clean(request, facts)
        case _:
            assert_never(request)


def _refresh(request: CacheArtifact, facts: Facts) -> Result[Plan, CacheRefusal]:
    if not may_ask_store(facts):
        return Failure(OfflineMode(action=title_of(request)))
    chosen = current_tree(request.artifact, facts)
    if isinstance(chosen, Failure):
        return chosen
    choice = chosen.unwrap()
    stages = with_rows(rows_to_cache(facts), choice.stages)
    return Success(make_plan(request, facts, stages, TreeAnswer(tree=choice.tree)))


def _get(request: GetArtifact, facts: Facts) -> Result[Plan, CacheRefusal]:
    chosen = tree_to_have(request.artifact, facts)
    if isinstance(chosen, Failure):
        return chosen
    choice = chosen.unwrap()
    rows = rows_to_cache(facts) if choice.stages and facts.settings.keep_on_read else ()
    return Success(make_plan(request, facts, with_rows(rows, choice.stages), TreeAnswer(tree=choice.tree)))


def with_rows(rows: Stage, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages, with metadata cached in the first."""
    return ((*rows, *stages[0]), *stages[1:]) if stages else (rows,)


def _clean(request: CleanCachedArtifact, facts: Facts) -> Result[Plan, CacheRefusal]:
    location = gathered(facts.location, "the location")
    entries = newest_first(facts.cache, location)
    if not any(overlaps(entry.path, location.path) for entry in entries):
        return Success(make_plan(request, facts, (), ReceiptAnswer()))
    if facts.cache is None or not facts.cache.is_writable:
        return Failure(read_only_cache(title_of(request)))
    step = WithdrawEntries(subject=location.subject, path=location.path)
    return Success(make_plan(request, facts, ((step,),), ReceiptAnswer()))
