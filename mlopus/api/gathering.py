"""Gathering facts: the reading that one request needs before it can be planned. It changes nothing."""

from __future__ import annotations

from typing import TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.api.calls import Call
from mlopus.api.reading import Reader
from mlopus.domain.keys import AliasKey, EntityKey, ExperimentName, ModelKey, RunKey, VersionKey
from mlopus.domain.locations import (
    location_of_source,
    path_below_url,
    run_subject,
    version_named_by,
)
from mlopus.domain.manifest import ArtifactLocation, Manifest
from mlopus.domain.paths import join_path, join_url
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError, NotCached, NotFound
from mlopus.execution.fetching import RecentParents
from mlopus.execution.repositories import Repositories
from mlopus.plans.cache import needed_manifests, needs_listing, needs_store
from mlopus.plans.facts import CacheFacts, Facts, Mode, SettingsFacts, StoreFacts
from mlopus.plans.fetch import ask_by_mode
from mlopus.plans.proofs import covering
from mlopus.plans.requests import (
    ArtifactOf,
    CacheArtifact,
    CacheMeta,
    CleanCachedArtifact,
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    GetArtifact,
    GetEntity,
    LogModelVersion,
    LogRunArtifact,
    PlaceArtifact,
    SetEntityTags,
    SetRunStatus,
)
from mlopus.plans.search import SearchSpec
from mlopus.plans.trees import is_used_in_place
from mlopus.result import Failure, Result, Success, collect, mapped
from mlopus.settings import Settings

TreeRequest: TypeAlias = CacheArtifact | GetArtifact | PlaceArtifact | CleanCachedArtifact
_MAX_SOURCE_HOPS = 5


def settings_facts(settings: Settings) -> SettingsFacts:
    """What planners read of the settings."""
    mode: Mode = "online" if settings.max_age_s is None else "cache-first"
    return SettingsFacts(
        mode="offline" if settings.offline_mode else mode,
        max_age_s=settings.max_age_s,
        keep_on_read=settings.cache_metadata_on_read != "none",
        text_codec=settings.text_codec,
        always_pull=settings.always_pull_artifacts,
        cache_local_artifacts=settings.cache_local_artifacts,
        pull_offline=settings.pull_artifacts_in_offline_mode,
    )


def gather(
    call: Call, repositories: Repositories, settings: Settings, recent: RecentParents
) -> Result[Facts, MlopusError]:
    """Everything that planning this call needs to know."""
    base = Facts(
        now=repositories.clock.now(),
        tracking=repositories.tracking.facts,
        settings=settings_facts(settings),
        metadata_is_writable=repositories.cache.is_writable,
    )
    return _Gathering.of(call, repositories, settings, recent).facts(base)


def locate(
    call: Call, artifact: ArtifactOf, repositories: Repositories, settings: Settings, recent: RecentParents
) -> Result[ArtifactLocation, MlopusError]:
    """Where an artifact is in its store."""
    gathering = _Gathering.of(call, repositories, settings, recent)
    return gathering.located(artifact, settings_facts(settings))


def cached_facts(
    call: Call, artifact: ArtifactOf, repositories: Repositories, settings: Settings, recent: RecentParents
) -> Result[tuple[ArtifactLocation, CacheFacts], MlopusError]:
    """Whose artifact it is, and what the cache holds of it."""
    gathering = _Gathering.of(call, repositories, settings, recent)
    return gathering.cached(artifact, settings_facts(settings))


class _Gathering:
    def __init__(self, call: Call, repositories: Repositories, reader: Reader) -> None:
        self._call = call
        self._repositories = repositories
        self._reader = reader

    @classmethod
    def of(
        cls, call: Call, repositories: Repositories, settings: Settings, recent: RecentParents
    ) -> _Gathering:
        ask = ask_by_mode(settings_facts(settings))
        return cls(call, repositories, Reader(repositories, recent, ask, call.known))

    def located(self, artifact: ArtifactOf, settings: SettingsFacts) -> Result[ArtifactLocation, MlopusError]:
        subject = self._subject_location(artifact, settings)
        if isinstance(subject, Failure) or subject.unwrap().root_url:
            return subject
        return self._full_location(artifact, subject.unwrap())

    def cached(
        self, artifact: ArtifactOf, settings: SettingsFacts
    ) -> Result[tuple[ArtifactLocation, CacheFacts], MlopusError]:
        subject = self._subject_location(artifact, settings)
        if isinstance(subject, Failure):
            return subject
        held = self._cache_facts(subject.unwrap())
        return mapped(held, lambda facts: (subject.unwrap(), facts))

    def facts(self, base: Facts) -> Result[Facts, MlopusError]:
        request = self._call.request
        offline = base.settings.mode == "offline"
        match request:
            case GetEntity() | CacheMeta():
                return Success(base)
            case CreateExp():
                return self._with_named(base, ExperimentName(request.name), ensure=request.ensure)
            case CreateRegisteredModel():
                return self._with_named(base, ModelKey(request.name), ensure=request.ensure)
            case CacheArtifact() | GetArtifact() | PlaceArtifact() | CleanCachedArtifact():
                return self._artifact(base, request)
            case _ if offline:
                return Success(base)
            case CreateRunIn():
                return self._with_records(base, self._reader.with_parents(request.exp))
            case SetRunStatus():
                return self._with_records(base, self._reader.with_parents(request.run))
            case SetEntityTags(on=AliasKey() as key):
                return self._with_records(base, collect([self._reader.get(key)]))
            case LogRunArtifact() | LogModelVersion():
                return self._publish(base, request)
            case _:
                return Success(base)

    def _with_named(self, base: Facts, key: EntityKey, *, ensure: bool) -> Result[Facts, MlopusError]:
        """Facts with the entity of a name, if there is one and it would do."""
        if not ensure:
            return Success(base)
        if base.settings.mode == "offline":
            cached = self._repositories.cache.get(key)
            held = () if isinstance(cached, Failure) else (cached.unwrap().record,)
            return Success(attrs.evolve(base, cached_records=held))
        found = self._repositories.tracking.get(key)
        if isinstance(found, Failure):
            return Success(base) if isinstance(found.failure(), NotFound) else found
        return Success(attrs.evolve(base, records=(found.unwrap(),)))

    def _with_records(
        self, base: Facts, records: Result[tuple[Record, ...], MlopusError]
    ) -> Result[Facts, MlopusError]:
        if isinstance(records, Failure):
            return records
        return Success(attrs.evolve(base, records=records.unwrap()))

    def _artifact(self, base: Facts, request: TreeRequest) -> Result[Facts, MlopusError]:
        held = self.cached(request.artifact, base.settings)
        if isinstance(held, Failure):
            return held
        location, cache = held.unwrap()
        facts = attrs.evolve(base, location=location, cache=cache, protected=self._repositories.protected)
        rounds = (self._with_manifests, self._with_store, self._with_listing, self._with_manifests)
        for gather_more in rounds:
            more = gather_more(facts, request)
            if isinstance(more, Failure):
                return more
            facts = more.unwrap()
        return self._with_target(facts, request) if isinstance(request, PlaceArtifact) else Success(facts)

    def _with_manifests(self, facts: Facts, request: TreeRequest) -> Result[Facts, MlopusError]:
        cache = facts.cache
        assert cache is not None  # noqa: S101 (gathered before)
        read = self._manifests(needed_manifests(request, facts))
        return mapped(
            read,
            lambda more: attrs.evolve(facts, cache=attrs.evolve(cache, manifests=cache.manifests | more)),
        )

    def _with_store(self, facts: Facts, request: TreeRequest) -> Result[Facts, MlopusError]:
        """What the store is like, where that may decide who answers."""
        pulls_offline = facts.settings.mode == "offline" and facts.settings.pull_offline
        if not pulls_offline and not needs_store(request, facts):
            return Success(facts)
        located = self.located(request.artifact, facts.settings)
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
        located = self.located(request.artifact, facts.settings)
        if isinstance(located, Failure):
            return located
        location = located.unwrap()
        listed = self._store(join_url(location.root_url, location.path))
        return mapped(
            listed,
            lambda store: attrs.evolve(facts, location=location, records=self._reader.fresh, store=store),
        )

    def _manifests(self, tree_keys: tuple[str, ...]) -> Result[immutabledict[str, Manifest], MlopusError]:
        found: dict[str, Manifest] = {}
        for tree_key in tree_keys:
            manifest = self._repositories.artifacts.manifest(tree_key)
            if isinstance(manifest, Failure):
                return manifest
            found[tree_key] = manifest.unwrap()
        return Success(immutabledict(found))

    def _store(self, url: str) -> Result[StoreFacts, MlopusError]:
        store = self._repositories.stores.facts(url)
        if isinstance(store, Failure):
            return store
        listing = self._repositories.stores.list_tree(url)
        return mapped(listing, lambda tree: attrs.evolve(store.unwrap(), listing=tree))

    def _subject_location(
        self, artifact: ArtifactOf, settings: SettingsFacts
    ) -> Result[ArtifactLocation, MlopusError]:
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
                if settings.mode == "offline":
                    place = "the cache, since only the server knows where its source is"
                    return Failure(NotCached(kind="artifact of", key=str(key), place=place))
                return self._repositories.tracking.locate(version, record)
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

    def _cache_facts(
        self, location: ArtifactLocation, source: str | None = None
    ) -> Result[CacheFacts, MlopusError]:
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

    def _with_target(self, facts: Facts, request: PlaceArtifact) -> Result[Facts, MlopusError]:
        shown = _tree_to_be_shown(facts)
        found = self._repositories.workspace.target_facts(request.target, shown)
        return mapped(found, lambda target: attrs.evolve(facts, target=target))

    def _publish(self, base: Facts, request: LogRunArtifact | LogModelVersion) -> Result[Facts, MlopusError]:
        source = self._repositories.workspace.source_facts(request.source)
        if isinstance(source, Failure):
            return source
        led = self._reader.with_parents(request.run)
        if isinstance(led, Failure):
            return led
        records = led.unwrap()
        if isinstance(request, LogModelVersion):
            model = self._reader.get(ModelKey(request.model.name))
            if isinstance(model, Failure):
                return model
            records = (model.unwrap(), *records)
        run = next(record for record in records if isinstance(record, RunRecord))
        location = ArtifactLocation(subject=run_subject(run.id), root_url=run.repo, path=request.path_in_run)
        url = join_url(location.root_url, location.path)
        listed = self._store(url)
        if isinstance(listed, Failure):
            return listed
        store = listed.unwrap()
        cached = self._cache_facts(location, request.source)
        if isinstance(cached, Failure):
            return cached
        manifests = self._manifests(tuple({entry.tree_key: None for entry in cached.unwrap().entries}))
        if isinstance(manifests, Failure):
            return manifests
        used = self._versions_of(run)
        if isinstance(used, Failure):
            return used
        return Success(
            attrs.evolve(
                base,
                records=records,
                location=location,
                source=source.unwrap(),
                store=store,
                cache=attrs.evolve(cached.unwrap(), manifests=manifests.unwrap()),
                protected=self._repositories.protected,
                versions_of_run=used.unwrap(),
            )
        )

    def _versions_of(self, run: RunRecord) -> Result[tuple[tuple[VersionRecord, str], ...], MlopusError]:
        """Registered versions whose bytes are under a run's root, with their paths there."""
        from mlopus.query import Sorting, parse

        query = parse({"run.id": run.id}).unwrap()
        spec = SearchSpec(kind="model version", query=query, sorting=Sorting())
        found: list[tuple[VersionRecord, str]] = []
        token: str | None = None
        while True:
            page = self._repositories.tracking.find(spec, token)
            if isinstance(page, Failure):
                return page
            for record in page.unwrap().records:
                if isinstance(record, VersionRecord):
                    path = path_below_url(record.source, run.repo)
                    if path is not None:
                        found.append((record, path))
            token = page.unwrap().next_token
            if token is None:
                return Success(tuple(found))


def _tree_to_be_shown(facts: Facts) -> str | None:
    """The key of the tree that links at a target would show, if the target holds the artifact already."""
    location = facts.location
    assert location is not None  # noqa: S101 (gathered before)
    if is_used_in_place(facts):
        return join_url(location.root_url, location.path)
    entry = covering(facts.cache, location)
    return None if entry is None else entry.tree_key
