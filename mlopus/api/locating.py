"""Where artifacts are: whose they are, in which store, and what the cache holds of them."""

from __future__ import annotations

import attrs
from immutabledict import immutabledict

from mlopus.api.reading import Reader
from mlopus.domain.keys import AliasKey, RunKey, VersionKey
from mlopus.domain.locations import (
    location_of_source,
    run_subject,
    version_named_by,
)
from mlopus.domain.manifest import ArtifactLocation, Manifest
from mlopus.domain.paths import join_path
from mlopus.domain.records import RunRecord, VersionRecord
from mlopus.errors import MlopusError, NotCached
from mlopus.execution.repositories import Repositories
from mlopus.plans.facts import CacheFacts, SettingsFacts, StoreFacts
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
        return self._full_location(artifact, subject.unwrap())

    def cached(self, artifact: ArtifactOf) -> Result[tuple[ArtifactLocation, CacheFacts], MlopusError]:
        """Whose artifact it is, and what the cache holds of it; for a run nobody is asked."""
        subject = self._subject_location(artifact)
        if isinstance(subject, Failure):
            return subject
        held = self.cache_facts(subject.unwrap())
        return mapped(held, lambda facts: (subject.unwrap(), facts))

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
                can_reflink=None if source is None else artifacts.can_reflink_from(source),
            ),
        )

    def manifests(self, tree_keys: tuple[str, ...]) -> Result[immutabledict[str, Manifest], MlopusError]:
        """What these trees hold."""
        found: dict[str, Manifest] = {}
        for tree_key in tree_keys:
            manifest = self._repositories.artifacts.manifest(tree_key)
            if isinstance(manifest, Failure):
                return manifest
            found[tree_key] = manifest.unwrap()
        return Success(immutabledict(found))

    def store_facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """What the store of a URL is like, and what it lists there."""
        store = self._repositories.stores.facts(url)
        if isinstance(store, Failure):
            return store
        listing = self._repositories.stores.list_tree(url)
        return mapped(listing, lambda tree: attrs.evolve(store.unwrap(), listing=tree))

    def _subject_location(self, artifact: ArtifactOf) -> Result[ArtifactLocation, MlopusError]:
        """Whose artifact it is: for a run nothing is asked, for a version the version alone."""
        owner = artifact.owner
        if isinstance(owner, RunKey):
            return Success(ArtifactLocation(subject=run_subject(owner.id), root_url="", path=artifact.path))
        key: VersionKey | AliasKey = owner
        for _ in range(_MAX_SOURCE_HOPS):
            found = self._reader.get(key)
            if isinstance(found, Failure):
                return found
            version = found.unwrap()
            assert isinstance(version, VersionRecord)  # noqa: S101 (the kind of its key)
            run = self._run_of(version)
            if isinstance(run, Failure):
                return run
            record = run.unwrap()
            location = location_of_source(
                version.source, version.run_id, None if record is None else record.repo
            )
            if location is not None:
                return Success(attrs.evolve(location, path=join_path(location.path, artifact.path)))
            other = version_named_by(version.source)
            if other is None:
                if self._settings.mode == "offline":
                    place = "the cache, since only the server knows where its source is"
                    return Failure(NotCached(kind="artifact of", key=str(key), place=place))
                located = self._repositories.tracking.locate(version, record)
                return mapped(located, lambda at: attrs.evolve(at, path=join_path(at.path, artifact.path)))
            key = other
        place = f"{_MAX_SOURCE_HOPS} hops from version to version"
        return Failure(NotCached(kind="artifact of", key=str(owner), place=place, hint="Check its source."))

    def _run_of(self, version: VersionRecord) -> Result[RunRecord | None, MlopusError]:
        if version.run_id is None:
            return Success(None)
        found = self._reader.get_lasting(RunKey(version.run_id))
        if isinstance(found, Failure):
            return found
        run = found.unwrap()
        return Success(run if isinstance(run, RunRecord) else None)

    def _full_location(
        self, artifact: ArtifactOf, known: ArtifactLocation
    ) -> Result[ArtifactLocation, MlopusError]:
        """The location with its root URL, which for a logged model only the server knows."""
        found = self._reader.get(artifact.owner)
        if isinstance(found, Failure):
            return found
        owner = found.unwrap()
        if isinstance(owner, RunRecord):
            return Success(attrs.evolve(known, root_url=owner.repo))
        assert isinstance(owner, VersionRecord)  # noqa: S101 (only a run or a version has artifacts)
        run = self._run_of(owner)
        if isinstance(run, Failure):
            return run
        located = self._repositories.tracking.locate(owner, run.unwrap())
        return mapped(located, lambda place: attrs.evolve(place, path=join_path(place.path, artifact.path)))
