"""Where artifacts are: whose they are, in which store, and what the cache holds of them."""

from __future__ import annotations

import attrs
from immutabledict import immutabledict

from mlopus.api.reading import Reader
from mlopus.domain.keys import AliasKey, RunKey, VersionKey
from mlopus.domain.locations import (
    location_of_source,
    run_path_named_by,
    run_subject,
    url_subject,
    version_named_by,
)
from mlopus.domain.manifest import ArtifactLocation, Manifest
from mlopus.domain.paths import join_path, join_url, path_below
from mlopus.domain.records import RunRecord, VersionRecord
from mlopus.errors import MlopusError, NotCached, NotFound
from mlopus.execution.repositories import Repositories
from mlopus.plans.facts import CacheFacts, SettingsFacts, StoreFacts
from mlopus.plans.proofs import covering
from mlopus.plans.requests import (
    ArtifactOf,
)
from mlopus.result import Failure, Result, Success, mapped

_MAX_SOURCE_HOPS = 5


class Locator:
    """Finds artifacts for one call; what it reads on the way is read once."""

    def __init__(self, repositories: Repositories, reader: Reader, settings: SettingsFacts) -> None:
        self._repositories = repositories
        self._reader = reader
        self._settings = settings

    def located(self, artifact: ArtifactOf) -> Result[ArtifactLocation, MlopusError]:
        """Where an artifact is in its store."""
        subject = self._subject_location(artifact)
        if isinstance(subject, Failure) or subject.unwrap().root_url:
            return subject
        return self._full_location(artifact)

    def cached(self, artifact: ArtifactOf) -> Result[tuple[ArtifactLocation, CacheFacts], MlopusError]:
        """Whose artifact it is, and what the cache holds of it; for a run nobody is asked."""
        subject = self._subject_location(artifact)
        if isinstance(subject, Failure):
            return subject
        held = self.cache_facts(subject.unwrap())
        return mapped(held, lambda facts: (subject.unwrap(), facts))

    def covering(self, artifact: ArtifactOf) -> Result[tuple[ArtifactLocation, CacheFacts], MlopusError]:
        """As `cached`, of entries at and above the path alone and without validators: enough for a hit."""
        subject = self._subject_location(artifact)
        if isinstance(subject, Failure):
            return subject
        location, artifacts = subject.unwrap(), self._repositories.artifacts
        found = artifacts.covering(location.subject, location.path, with_validators=False)
        if isinstance(found, Failure):
            return found
        facts = CacheFacts(
            cache_id=artifacts.cache_id,
            is_writable=artifacts.is_writable,
            entries=found.unwrap(),
            told=found.unwrap(),
        )
        return Success((location, self.in_use(location, facts)))

    def in_use(self, location: ArtifactLocation, cache: CacheFacts) -> CacheFacts:
        """The same, the entries that may answer noted as used; those evicted by now are left out."""
        above = tuple(entry for entry in cache.entries if path_below(location.path, entry.path) is not None)
        there = {entry.path for entry in self._repositories.artifacts.used(above)}
        gone = {entry.path for entry in above} - there
        return attrs.evolve(cache, entries=tuple(e for e in cache.entries if e.path not in gone))

    def cache_facts(
        self, location: ArtifactLocation, source: str | None = None
    ) -> Result[CacheFacts, MlopusError]:
        """What the cache holds around a location, manifests apart; `source` may share its bytes with it."""
        artifacts = self._repositories.artifacts
        found = artifacts.overlapping(location.subject, location.path)
        return mapped(
            found,
            lambda entries: CacheFacts(
                cache_id=artifacts.cache_id,
                is_writable=artifacts.is_writable,
                entries=entries,
                told=entries,
                can_record=artifacts.keeping.is_writable,
                can_reflink=None if source is None else artifacts.can_reflink_from(source),
            ),
        )

    def manifests(self, tree_keys: tuple[str, ...]) -> Result[immutabledict[str, Manifest], MlopusError]:
        """What these trees hold."""
        found: dict[str, Manifest] = {}
        for tree_key in tree_keys:
            manifest = self._repositories.artifacts.manifest(tree_key)
            if isinstance(manifest, Success):
                found[tree_key] = manifest.unwrap()
            elif not isinstance(manifest.failure(), NotCached):  # it may have been evicted by now
                return manifest
        return Success(immutabledict(found))

    def store_facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """What the store of a URL is like, and what it lists there."""
        store = self._repositories.stores.facts(url)
        if isinstance(store, Failure):
            return store
        listing = self._repositories.stores.list_tree(url)
        return mapped(listing, lambda tree: attrs.evolve(store.unwrap(), listing=tree))

    def _subject_location(self, artifact: ArtifactOf) -> Result[ArtifactLocation, MlopusError]:
        """Whose artifact it is: for a run nothing is asked, for a version no more than has to be."""
        owner = artifact.owner
        if isinstance(owner, RunKey):
            return Success(ArtifactLocation(subject=run_subject(owner.id), root_url="", path=artifact.path))
        led = self._version_with_bytes(owner)
        if isinstance(led, Failure):
            return led
        version, run = led.unwrap()
        found = self._location_of(version, run)
        return mapped(found, lambda at: attrs.evolve(at, path=join_path(at.path, artifact.path)))

    def _version_with_bytes(
        self, owner: VersionKey | AliasKey
    ) -> Result[tuple[VersionRecord, RunRecord | None], MlopusError]:
        """The version whose source is no other version, where that of the owner leads, and its run."""
        key = owner
        for _ in range(_MAX_SOURCE_HOPS):
            found = self._reader.get(key)
            if isinstance(found, Failure):
                return found
            version = found.unwrap()
            assert isinstance(version, VersionRecord)  # noqa: S101 (the kind of its key)
            other = version_named_by(version.source)
            if other is None:
                run = self._run_of(version)
                return run if isinstance(run, Failure) else Success((version, run.unwrap()))
            key = other
        place = f"{_MAX_SOURCE_HOPS} hops from version to version"
        return Failure(NotCached(kind="artifact of", key=str(owner), place=place, hint="Check its source."))

    def _location_of(
        self, version: VersionRecord, run: RunRecord | None
    ) -> Result[ArtifactLocation, MlopusError]:
        """Where a version's own bytes are; the root URL is left empty where only the server knows it."""
        if (named := run_path_named_by(version.source)) is not None:
            return self._location_of_run_path(version, *named)
        location = location_of_source(version.source, version.run_id, None if run is None else run.repo)
        if location is not None:
            return Success(location)
        if self._settings.mode == "offline":
            key, place = f"{version.name}/{version.version}", str(self._repositories.tracking.origin)
            hint = f"Only the server knows where its source {version.source!r} is."
            return Failure(NotCached(kind="artifact of", key=key, place=place, hint=hint))
        return self._repositories.tracking.locate(version, run)

    def _location_of_run_path(
        self, version: VersionRecord, run_id: str, path: str
    ) -> Result[ArtifactLocation, MlopusError]:
        """Where a path is that a `runs:` source names: among the run's artifacts, or in a logged model.

        For a run that logged models only the server tells. What is had from there is cached under the
        source's own words, so that it answers offline and is never mixed up with files of the run.
        """
        known = self._run(run_id)
        if isinstance(known, Failure):
            return known
        run = known.unwrap()
        in_own_words = ArtifactLocation(subject=url_subject(version.source), root_url="")
        if run is not None and run.logged_model_ids:
            return Success(in_own_words)
        in_run = ArtifactLocation(
            subject=run_subject(run_id), root_url="" if run is None else run.repo, path=path
        )
        for place in (in_own_words, in_run):
            held = self._holds(place)
            if isinstance(held, Failure):
                return held
            if held.unwrap():
                return Success(place)
        return Success(in_run) if self._settings.mode == "offline" else self._asked(version, run)

    def _holds(self, location: ArtifactLocation) -> Result[bool, MlopusError]:
        """Whether the newest entry at or above a location has something there."""
        facts = self.cache_facts(location)
        if isinstance(facts, Failure):
            return facts
        entry = covering(facts.unwrap(), location)
        if entry is None or entry.path == location.path:
            return Success(entry is not None)
        manifest = self._repositories.artifacts.manifest(entry.tree_key)
        below = path_below(location.path, entry.path) or ""
        return mapped(manifest, lambda tree: tree.subtree(below) is not None)

    def _asked(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:
        """Where the server says that a version's own bytes are."""
        named = run_path_named_by(version.source)
        if named is not None:
            fresh = self._reader.get(RunKey(named[0]))  # it may have logged models since it was cached
            run = (
                found
                if isinstance(fresh, Success) and isinstance(found := fresh.unwrap(), RunRecord)
                else run
            )
        located = self._repositories.tracking.locate(version, run)
        if isinstance(located, Failure) or named is None:
            return located
        at = located.unwrap()
        if at.subject == run_subject(named[0]) and not (run is not None and run.logged_model_ids):
            return located
        root_url = join_url(at.root_url, at.path)
        return Success(ArtifactLocation(subject=url_subject(version.source), root_url=root_url))

    def _run_of(self, version: VersionRecord) -> Result[RunRecord | None, MlopusError]:
        return Success(None) if version.run_id is None else self._run(version.run_id)

    def _run(self, run_id: str) -> Result[RunRecord | None, MlopusError]:
        """A run that a version names, which may be gone: servers do not check that it exists."""
        found = self._reader.get_lasting(RunKey(run_id))
        if isinstance(found, Failure):
            return Success(None) if isinstance(found.failure(), NotFound) else found
        run = found.unwrap()
        return Success(run if isinstance(run, RunRecord) else None)

    def _full_location(self, artifact: ArtifactOf) -> Result[ArtifactLocation, MlopusError]:
        """The location with its root URL, which for a logged model only the server knows."""
        if isinstance(artifact.owner, RunKey):
            found = self._reader.get(artifact.owner)
            if isinstance(found, Failure):
                return found
            run = found.unwrap()
            assert isinstance(run, RunRecord)  # noqa: S101 (the kind of its key)
            subject = run_subject(run.id)
            return Success(ArtifactLocation(subject=subject, root_url=run.repo, path=artifact.path))
        led = self._version_with_bytes(artifact.owner)
        if isinstance(led, Failure):
            return led
        located = self._asked(*led.unwrap())
        return mapped(located, lambda at: attrs.evolve(at, path=join_path(at.path, artifact.path)))
