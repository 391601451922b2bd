"""Planning the artifact cache: making it current, having an artifact at hand, forgetting one.

What a request needs to know depends on what is known already: `needs_store`, `needs_listing` and
`needed_manifests` say what to gather next, cheapest first.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from mlopus.domain.paths import overlaps
from mlopus.errors import OfflineMode
from mlopus.plans.envelope import gathered, make_plan, read_only_cache, rows_to_cache
from mlopus.plans.facts import Facts
from mlopus.plans.plan import Plan, ReceiptAnswer, Stage, TreeAnswer
from mlopus.plans.proofs import covering, newest_first
from mlopus.plans.requests import (
    ArtifactRequest,
    CacheArtifact,
    CleanCachedArtifact,
    ExportArtifact,
    GetArtifact,
    PlaceArtifact,
)
from mlopus.plans.steps import WithdrawEntries
from mlopus.plans.trees import (
    TreeRefusal,
    current_tree,
    hit,
    is_used_in_place,
    may_ask_store,
    must_revalidate,
    tree_to_have,
)
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success

CacheRefusal: TypeAlias = TreeRefusal
TreeRequest: TypeAlias = ArtifactRequest | PlaceArtifact | ExportArtifact


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


def needs_store(request: TreeRequest, facts: Facts) -> bool:
    """Whether to find out what the store is like, though the cache may have the answer.

    Files on this disk are used in place, not from the cache; a tracking store that costs no request
    tells where they are.
    """
    if not isinstance(request, GetArtifact | PlaceArtifact | ExportArtifact) or facts.store is not None:
        return False
    is_free = not facts.tracking.requests_cost and not facts.settings.cache_local_artifacts
    return is_free and may_ask_store(facts)


def needs_listing(request: TreeRequest, facts: Facts) -> bool:
    """Whether the store has to be asked what it holds, given what else is known."""
    if facts.store is not None and facts.store.listing is not None:
        return False
    match request:
        case CleanCachedArtifact():
            return False
        case CacheArtifact():
            return may_ask_store(facts)
        case GetArtifact() | PlaceArtifact() | ExportArtifact():
            is_answered = hit(facts) is not None and not must_revalidate(facts)
            return may_ask_store(facts) and (is_used_in_place(facts) or not is_answered)
        case _:
            assert_never(request)


def needed_manifests(request: TreeRequest, facts: Facts) -> tuple[str, ...]:
    """The trees whose manifests the request needs and the facts lack: none for a hit on its very path."""
    location = gathered(facts.location, "the location")
    if facts.cache is None or isinstance(request, CleanCachedArtifact):
        return ()
    entries = newest_first(facts.cache, location)
    if facts.store is None or facts.store.listing is None:
        newest = covering(facts.cache, location)
        is_exact = newest is not None and newest.path == location.path
        if newest is None or (is_exact and isinstance(request, GetArtifact)):
            return ()
        entries = (newest,)
    keys = dict.fromkeys(entry.tree_key for entry in entries)
    return tuple(key for key in keys if key not in facts.cache.manifests)
