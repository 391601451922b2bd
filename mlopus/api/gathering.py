"""Gathering facts: the reading that one request needs before it can be planned. It changes nothing."""

from __future__ import annotations

import attrs

from mlopus.api.calls import Call
from mlopus.api.every import every
from mlopus.api.gathering_exports import ExportGathering
from mlopus.api.gathering_trees import TreeGathering
from mlopus.api.locating import Locator
from mlopus.api.reading import Reader
from mlopus.domain.keys import AliasKey, EntityKey, ExperimentName, ModelKey, key_of
from mlopus.domain.locations import (
    path_of_version,
    run_subject,
)
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.paths import join_url
from mlopus.domain.records import OPERATION_TAG, Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError, NotFound
from mlopus.execution.fetching import RecentParents
from mlopus.execution.repositories import Repositories
from mlopus.plans.facts import CacheFacts, Facts, JournalFacts, Mode, SettingsFacts, StoreFacts
from mlopus.plans.fetch import ask_by_mode
from mlopus.plans.keeping_requests import KeepingRequest
from mlopus.plans.requests import (
    ArtifactOf,
    CacheArtifact,
    CacheMeta,
    CleanCachedArtifact,
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    DropQueued,
    ExportArtifact,
    ExportMeta,
    GetArtifact,
    GetEntity,
    LogModelVersion,
    LogRunArtifact,
    PlaceArtifact,
    SetEntityTags,
    SetRunStatus,
    WriteRequest,
)
from mlopus.plans.search import SearchSpec
from mlopus.plans.upkeep_requests import AliasVersion, DeleteEntityTags, DeleteNamed, DescribeEntity
from mlopus.result import Failure, Result, Success, collect, mapped
from mlopus.settings import Settings


def settings_facts(settings: Settings) -> SettingsFacts:
    """What planners read of the settings."""
    mode: Mode = "online" if settings.max_age_s is None else "cache-first"
    return SettingsFacts(
        mode="offline" if settings.offline_mode else mode,
        max_age_s=settings.max_age_s,
        patience_s=settings.connect_timeout_s,
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
    base = base_facts(repositories, settings)
    reader, locator = locator_of(call, repositories, settings, recent)
    if settings.queues_writes and isinstance(call.request, WriteRequest):
        from mlopus.api.gathering_queued import QueuedGathering

        return QueuedGathering(repositories, reader, locator).facts(base, call.request)
    if isinstance(call.request, DropQueued):
        waiting = repositories.journal.entries()
        return mapped(waiting, lambda found: attrs.evolve(base, journal=JournalFacts(waiting=found)))
    if isinstance(call.request, KeepingRequest):
        from mlopus.api.gathering_keeping import KeepingGathering

        return KeepingGathering(repositories, locator, settings.grace_s).facts(base, call.request)
    return _Gathering(call, repositories, reader, locator).facts(base)


def base_facts(repositories: Repositories, settings: Settings) -> Facts:
    """What every request needs."""
    return Facts(
        now=repositories.clock.now(),
        tracking=repositories.tracking.facts,
        settings=settings_facts(settings),
        metadata_is_writable=repositories.cache.is_writable,
    )


def locator_of(
    call: Call, repositories: Repositories, settings: Settings, recent: RecentParents
) -> tuple[Reader, Locator]:
    """What reads entities, and what finds artifacts, for one call."""
    chosen = settings_facts(settings)
    reader = Reader(repositories, recent, ask_by_mode(chosen), call.known)
    return reader, Locator(repositories, reader, chosen)


def locate(
    call: Call, artifact: ArtifactOf, repositories: Repositories, settings: Settings, recent: RecentParents
) -> Result[ArtifactLocation, MlopusError]:
    """Where an artifact is in its store."""
    return locator_of(call, repositories, settings, recent)[1].located(artifact)


def cached_facts(
    call: Call, artifact: ArtifactOf, repositories: Repositories, settings: Settings, recent: RecentParents
) -> Result[tuple[ArtifactLocation, CacheFacts], MlopusError]:
    """Whose artifact it is, and what the cache holds of it, which is noted as used."""
    locator = locator_of(call, repositories, settings, recent)[1]
    held = locator.cached(artifact)
    return mapped(held, lambda found: (found[0], locator.in_use(*found)))


class _Gathering:
    def __init__(self, call: Call, repositories: Repositories, reader: Reader, locator: Locator) -> None:
        self._call = call
        self._repositories = repositories
        self._reader = reader
        self._locator = locator

    def facts(self, base: Facts) -> Result[Facts, MlopusError]:  # noqa: C901 (a case per kind)
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
                return TreeGathering(self._repositories, self._reader, self._locator).facts(base, request)
            case ExportMeta() | ExportArtifact():
                return ExportGathering(self._repositories, self._reader, self._locator).facts(base, request)
            case _ if offline:
                return Success(base)
            case CreateRunIn():
                return self._with_parent(base, self._reader.with_parents(request.exp))
            case SetRunStatus():
                return self._with_records(base, self._reader.with_parents(request.run))
            case (
                SetEntityTags(on=AliasKey() as key)
                | DescribeEntity(on=AliasKey() as key)
                | AliasVersion(version=AliasKey() as key)
                | DeleteNamed(key=AliasKey() as key)
                | DeleteEntityTags(on=key)
            ):
                return self._with_current(base, key)
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

    def _with_current(self, base: Facts, key: EntityKey) -> Result[Facts, MlopusError]:
        """Facts with an entity as the server has it now: what is changed is never chosen by old rows."""
        return self._with_records(base, collect([self._repositories.tracking.get(key)]))

    def _with_records(
        self, base: Facts, records: Result[tuple[Record, ...], MlopusError]
    ) -> Result[Facts, MlopusError]:
        if isinstance(records, Failure):
            return records
        return Success(attrs.evolve(base, records=records.unwrap()))

    def _with_parent(
        self, base: Facts, records: Result[tuple[Record, ...], MlopusError]
    ) -> Result[Facts, MlopusError]:
        """Facts with what a new entity is in, and whether the metadata cache has a row of that."""
        found = self._with_records(base, records)
        if isinstance(found, Failure):
            return found
        uncached = self._reader.uncached(found.unwrap().records)
        return mapped(uncached, lambda missing: attrs.evolve(found.unwrap(), uncached=missing))

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
        listed = self._locator.store_facts(url)
        if isinstance(listed, Failure):
            return listed
        above = self._file_above(location, listed.unwrap())
        if isinstance(above, Failure):
            return above
        store = attrs.evolve(listed.unwrap(), file_above=above.unwrap())
        cached = self._cache_at(location, request.source)
        if isinstance(cached, Failure):
            return cached
        used, uncached = self._versions_of(run, request), self._reader.uncached(records)
        if isinstance(used, Failure):
            return used
        if isinstance(uncached, Failure):
            return uncached
        return Success(
            attrs.evolve(
                base,
                records=records,
                uncached=uncached.unwrap(),
                location=location,
                source=source.unwrap(),
                store=store,
                cache=cached.unwrap(),
                protected=self._repositories.protected,
                versions_of_run=used.unwrap(),
            )
        )

    def _file_above(self, location: ArtifactLocation, store: StoreFacts) -> Result[str | None, MlopusError]:
        """A file in the place of a folder above the location; what holds something already is in folders."""
        if store.listing is not None and store.listing.exists:
            return Success(None)
        return self._repositories.stores.file_above(location.root_url, location.path)

    def _cache_at(self, location: ArtifactLocation, source: str) -> Result[CacheFacts, MlopusError]:
        """What the cache holds where a source is published to, with manifests."""
        cached = self._locator.cache_facts(location, source)
        if isinstance(cached, Failure):
            return cached
        keys = tuple(dict.fromkeys(entry.tree_key for entry in cached.unwrap().entries))
        manifests = self._locator.manifests(keys)
        return mapped(manifests, lambda found: attrs.evolve(cached.unwrap(), manifests=found))

    def _versions_of(
        self, run: RunRecord, request: LogRunArtifact | LogModelVersion
    ) -> Result[tuple[tuple[VersionRecord, str], ...], MlopusError]:
        """Registered versions whose bytes are under a run's root, with their paths there.

        Aliases are asked for of the one version that may be answered, not of all.
        """
        from mlopus.query import Sorting, parse

        query = parse({"run.id": run.id}).unwrap()
        spec = SearchSpec(kind="model version", query=query, sorting=Sorting(), with_aliases=False)
        found = every(self._repositories.tracking, spec, VersionRecord)
        if isinstance(found, Failure):
            return found
        operation = request.operation_id if isinstance(request, LogModelVersion) else None
        versions = collect(self._whole(version, operation) for version in found.unwrap())
        if isinstance(versions, Failure):
            return versions
        placed = ((record, path_of_version(record.source, run.id, run.repo)) for record in versions.unwrap())
        return Success(tuple((record, path) for record, path in placed if path is not None))

    def _whole(self, version: VersionRecord, operation: str | None) -> Result[VersionRecord, MlopusError]:
        """A version; with its aliases if it is what this operation registered before."""
        if version.tags.get(OPERATION_TAG) != operation or operation is None:
            return Success(version)
        found = self._repositories.tracking.get(key_of(version))
        return mapped(found, lambda record: record if isinstance(record, VersionRecord) else version)
