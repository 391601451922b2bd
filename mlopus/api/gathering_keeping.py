"""Gathering what keeping a cache in order needs to know: what it holds, and who needs what of it."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from mlopus.api.locating import Locator
from mlopus.domain.checks import TreeCheck
from mlopus.domain.manifest import Entry
from mlopus.errors import MlopusError
from mlopus.execution.repositories import Repositories
from mlopus.plans.facts import CacheFacts, Facts
from mlopus.plans.keeping import Damage, HeldTree, KeepingFacts, SeenPlacement
from mlopus.plans.keeping_requests import (
    CleanCache,
    CleanTemporary,
    CollectGarbage,
    KeepingRequest,
    PinArtifact,
    RepairCache,
    UnpinArtifact,
)
from mlopus.plans.requests import ArtifactOf
from mlopus.plans.trees import may_ask_store
from mlopus.result import Failure, Result, Success, mapped

Gathered: TypeAlias = Result[KeepingFacts, MlopusError]


class WholeCache:
    """Gathers what a cache holds as a whole, and who needs what of it."""

    def __init__(self, repositories: Repositories, grace_s: float) -> None:
        self._repositories = repositories
        self._grace_s = grace_s

    def facts(self) -> Gathered:
        """What the cache holds as a whole, who needs what of it, and what lies around."""
        artifacts = self._repositories.artifacts
        trees, pins, held = artifacts.care.inventory(), artifacts.keeping.pins(), self._held()
        placements, leftovers = self._placements(), artifacts.care.leftovers(self._grace_s)
        if isinstance(trees, Failure):
            return trees
        if isinstance(pins, Failure):
            return pins
        if isinstance(held, Failure):
            return held
        if isinstance(placements, Failure):
            return placements
        if isinstance(leftovers, Failure):
            return leftovers
        facts = attrs.evolve(
            self.nothing,
            trees=trees.unwrap(),
            pins=pins.unwrap(),
            held=held.unwrap(),
            placements=placements.unwrap(),
            leftovers=leftovers.unwrap(),
        )
        return mapped(self.temporaries(), lambda left: attrs.evolve(facts, temporaries=left.temporaries))

    @property
    def nothing(self) -> KeepingFacts:
        """The facts before anything is gathered."""
        return KeepingFacts(origin_key=self._repositories.artifacts.care.origin_key, grace_s=self._grace_s)

    def temporaries(self) -> Gathered:
        """What callbacks left."""
        found = self._repositories.workspace.temporaries()
        return mapped(found, lambda folders: attrs.evolve(self.nothing, temporaries=folders))

    def _held(self) -> Result[tuple[HeldTree, ...], MlopusError]:
        """What anybody who may hold trees holds; one who cannot tell lets nothing be evicted."""
        found: list[HeldTree] = []
        for holder in (self._repositories.artifacts.care, self._repositories.journal):
            held = holder.held_trees()
            if isinstance(held, Failure):
                return held
            found.extend(held.unwrap())
        return Success(tuple(found))

    def _placements(self) -> Result[tuple[SeenPlacement, ...], MlopusError]:
        artifacts, workspace = self._repositories.artifacts, self._repositories.workspace
        recorded = artifacts.keeping.placements()
        if isinstance(recorded, Failure):
            return recorded
        return Success(
            tuple(
                SeenPlacement(
                    placement=placement,
                    state=workspace.seen(placement, artifacts.tree(placement.tree_key).value_or(None)),
                )
                for placement in recorded.unwrap()
            )
        )

    def with_metadata(self) -> Gathered:
        """The same, and whether there is metadata."""
        gathered = self.facts()
        if isinstance(gathered, Failure):
            return gathered
        return mapped(
            self._repositories.cache.has_rows(),
            lambda found: attrs.evolve(gathered.unwrap(), has_metadata=found),
        )


class KeepingGathering:
    """Gathers facts for one request that keeps the cache in order."""

    def __init__(self, repositories: Repositories, locator: Locator, grace_s: float) -> None:
        self._repositories = repositories
        self._locator = locator
        self._whole = WholeCache(repositories, grace_s)

    def facts(self, base: Facts, request: KeepingRequest) -> Result[Facts, MlopusError]:
        """What planning the request needs, beside what `base` holds."""
        artifacts = self._repositories.artifacts
        cache = CacheFacts(cache_id=artifacts.cache_id, is_writable=artifacts.is_writable)
        base = attrs.evolve(base, cache=cache)
        match request:
            case PinArtifact() | UnpinArtifact():
                return self._pinned(base, request)
            case RepairCache():
                return self._damaged(base)
            case CleanTemporary():
                return _with(base, self._whole.temporaries())
            case CollectGarbage():
                return _with(base, self._whole.facts())
            case CleanCache():
                return _with(base, self._whole.with_metadata())

    def _pinned(self, base: Facts, request: PinArtifact | UnpinArtifact) -> Result[Facts, MlopusError]:
        held = self._locator.cached(ArtifactOf(owner=request.owner, path=request.path))
        if isinstance(held, Failure):
            return held
        location, cache = held.unwrap()
        pins = self._repositories.artifacts.keeping.pins()
        facts = attrs.evolve(base, location=location, cache=cache)
        return _with(facts, mapped(pins, lambda found: attrs.evolve(self._whole.nothing, pins=found)))

    def _damaged(self, base: Facts) -> Result[Facts, MlopusError]:
        """Facts with the entries of this origin whose trees are not sound, and what their stores list."""
        entries = self._repositories.artifacts.care.entries()
        if isinstance(entries, Failure):
            return entries
        checks: dict[str, TreeCheck] = {}
        damage: list[Damage] = []
        for entry in entries.unwrap():
            if entry.tree_key not in checks:
                check = self._repositories.artifacts.care.check(entry.tree_key)
                if isinstance(check, Failure):
                    return check
                checks[entry.tree_key] = check.unwrap()
            if checks[entry.tree_key].wrong:
                damage.append(self._damage_of(entry, checks[entry.tree_key]))
        assert base.cache is not None  # noqa: S101 (gathered before)
        held = tuple(found.entry for found in damage)
        facts = attrs.evolve(base, cache=attrs.evolve(base.cache, entries=held, told=entries.unwrap()))
        keeping = attrs.evolve(self._whole.nothing, damage=tuple(damage))
        return self._listed(attrs.evolve(facts, keeping=keeping), damage)

    def _damage_of(self, entry: Entry, check: TreeCheck) -> Damage:
        manifest = self._repositories.artifacts.manifest(entry.tree_key).value_or(None)
        return Damage(entry=entry, manifest=manifest, paths=check.wrong)

    def _listed(self, facts: Facts, damage: list[Damage]) -> Result[Facts, MlopusError]:
        listed: list[Damage] = []
        for found in damage:
            store = self._repositories.stores.facts(found.entry.store_url)
            if isinstance(store, Failure):
                return store
            facts = attrs.evolve(facts, store=store.unwrap())
            if not may_ask_store(facts):
                return Success(facts)
            listing = self._repositories.stores.list_tree(found.entry.store_url)
            if isinstance(listing, Failure):
                return listing
            listed.append(attrs.evolve(found, listing=listing.unwrap()))
        assert facts.keeping is not None  # noqa: S101 (set above)
        return Success(attrs.evolve(facts, keeping=attrs.evolve(facts.keeping, damage=tuple(listed))))


def _with(facts: Facts, keeping: Gathered) -> Result[Facts, MlopusError]:
    return mapped(keeping, lambda found: attrs.evolve(facts, keeping=found))
