"""Gathering what planning an artifact request needs: in rounds, each asking only for what may decide."""

from __future__ import annotations

import attrs

from mlopus.api.locating import Locator
from mlopus.api.reading import Reader
from mlopus.domain.manifest import Entry
from mlopus.domain.paths import join_url, path_below
from mlopus.errors import DigestMismatch, MlopusError
from mlopus.execution.repositories import Repositories
from mlopus.plans.cache import TreeRequest, needed_manifests, needs_listing, needs_store
from mlopus.plans.facts import CacheFacts, Facts, ProtectedRoot
from mlopus.plans.proofs import covering
from mlopus.plans.requests import (
    CacheArtifact,
    CleanCachedArtifact,
    ExportArtifact,
    GetArtifact,
    PlaceArtifact,
)
from mlopus.plans.trees import hit, is_used_in_place
from mlopus.result import Failure, Result, Success, mapped


class TreeGathering:
    """Gathers facts for one request about an artifact that exists."""

    def __init__(self, repositories: Repositories, reader: Reader, locator: Locator) -> None:
        self._repositories = repositories
        self._reader = reader
        self._locator = locator

    def facts(self, base: Facts, request: TreeRequest) -> Result[Facts, MlopusError]:
        """What planning the request needs, beside what `base` holds."""
        if isinstance(request, GetArtifact):
            answered = self._of_hit(base, request)
            if isinstance(answered, Failure):
                return answered
            if (known := answered.unwrap()) is not None:
                return Success(known)
        held = self._locator.cached(request.artifact)
        if isinstance(held, Failure):
            return held
        location, cache = held.unwrap()
        if not isinstance(request, CleanCachedArtifact):
            cache = self._locator.in_use(location, cache)
        facts = attrs.evolve(base, location=location, cache=cache, protected=self._repositories.protected)
        rounds = (
            self._with_manifests,
            self._without_damaged,
            self._with_store,
            self._with_listing,
            self._with_manifests,
            self._without_damaged,
        )
        for gather_more in rounds:
            more = gather_more(facts, request)
            if isinstance(more, Failure):
                return more
            facts = more.unwrap()
        facts = attrs.evolve(facts, protected=(*facts.protected, *self._own_store(facts)))
        return self._with_target(facts, request) if isinstance(request, PlaceArtifact) else Success(facts)

    def _own_store(self, facts: Facts) -> tuple[ProtectedRoot, ...]:
        """The artifact's own root, where that is on this disk: nothing is placed among what it holds."""
        if facts.store is None or not facts.store.is_local or facts.location is None:
            return ()
        source = self._repositories.stores.local_source(facts.location.root_url)
        path = None if source is None else source.local_path("")
        if path is None:
            return ()
        return (ProtectedRoot(path=self._repositories.workspace.resolve(path), kind="store"),)

    def _of_hit(self, base: Facts, request: GetArtifact) -> Result[Facts | None, MlopusError]:
        """The facts where an entry of the very path answers, and nothing else is to be known; else None."""
        held = self._locator.covering(request.artifact)
        if isinstance(held, Failure):
            return held
        location, cache = held.unwrap()
        facts = attrs.evolve(base, location=location, cache=cache)
        may_ask = _pulls_offline(facts) or needs_store(request, facts) or needs_listing(request, facts)
        return Success(None if may_ask or hit(facts) is None else facts)

    def _with_manifests(self, facts: Facts, request: TreeRequest) -> Result[Facts, MlopusError]:
        cache = facts.cache
        assert cache is not None  # noqa: S101 (gathered before)
        read = self._locator.manifests(needed_manifests(request, facts))
        return mapped(
            read,
            lambda more: attrs.evolve(facts, cache=attrs.evolve(cache, manifests=cache.manifests | more)),
        )

    def _without_damaged(self, facts: Facts, request: TreeRequest) -> Result[Facts, MlopusError]:
        """The facts without entries whose files are not what was committed: these are fetched again.

        Having an artifact does not look at its files one by one; placing, exporting and refreshing do.
        """
        cache, location = facts.cache, facts.location
        assert cache is not None  # noqa: S101 (gathered before)
        assert location is not None  # noqa: S101 (as above)
        if not isinstance(request, PlaceArtifact | ExportArtifact | CacheArtifact):
            return Success(facts)
        sound: list[Entry] = []
        for entry in cache.entries:
            below = path_below(location.path, entry.path) or ""
            damaged = self._damaged(cache, entry, below)
            if isinstance(damaged, Failure):
                return damaged
            if not damaged.unwrap():
                sound.append(entry)
            elif facts.settings.mode == "offline":
                return Failure(_damage(entry, damaged.unwrap()[0]))
        return Success(attrs.evolve(facts, cache=attrs.evolve(cache, entries=tuple(sound))))

    def _damaged(self, cache: CacheFacts, entry: Entry, path: str) -> Result[tuple[str, ...], MlopusError]:
        """Files of an entry that are damaged; of one whose manifest was not needed, none are known."""
        if entry.tree_key not in cache.manifests:
            return Success(())
        return self._repositories.artifacts.damaged(entry.tree_key, path)

    def _with_store(self, facts: Facts, request: TreeRequest) -> Result[Facts, MlopusError]:
        """What the store is like, where that may decide who answers."""
        if not _pulls_offline(facts) and not needs_store(request, facts):
            return Success(facts)
        located = self._locator.located(request.artifact)
        if isinstance(located, Failure):
            return Success(facts) if facts.settings.mode == "offline" else located
        location = located.unwrap()
        store = self._repositories.stores.facts(join_url(location.root_url, location.path))
        return mapped(store, lambda found: attrs.evolve(facts, location=location, store=found))

    def _with_listing(self, facts: Facts, request: TreeRequest) -> Result[Facts, MlopusError]:
        """What the store lists, and the metadata that leads to it."""
        if not needs_listing(request, facts):
            return Success(facts)
        led = self._reader.with_parents(request.artifact.owner)
        if isinstance(led, Failure):
            return led
        located = self._locator.located(request.artifact)
        if isinstance(located, Failure):
            return located
        location = located.unwrap()
        listed = self._locator.store_facts(join_url(location.root_url, location.path))
        if isinstance(listed, Failure):
            return listed
        facts = attrs.evolve(facts, location=location, records=self._reader.fresh, store=listed.unwrap())
        uncached = self._reader.uncached(led.unwrap())
        return mapped(uncached, lambda missing: attrs.evolve(facts, uncached=missing))

    def _with_target(self, facts: Facts, request: PlaceArtifact) -> Result[Facts, MlopusError]:
        shown = _tree_to_be_shown(facts)
        found = self._repositories.workspace.target_facts(request.target, shown)
        return mapped(found, lambda target: attrs.evolve(facts, target=target))


def _pulls_offline(facts: Facts) -> bool:
    return facts.settings.mode == "offline" and facts.settings.pull_offline


def _damage(entry: Entry, path: str) -> DigestMismatch:
    hint = "Call cache_run_artifact or cache_model_artifact while online: it fetches again what is damaged."
    return DigestMismatch(
        path=path or entry.name,
        place=f"the cached {entry.subject}",
        expected="the file that was cached",
        found="one of another size or time",
        hint=hint,
    )


def _tree_to_be_shown(facts: Facts) -> str | None:
    """The key of the tree that links at a target would show, if the target holds the artifact already."""
    location = facts.location
    assert location is not None  # noqa: S101 (gathered before)
    if is_used_in_place(facts):
        return join_url(location.root_url, location.path)
    entry = covering(facts.cache, location)
    return None if entry is None else entry.tree_key
