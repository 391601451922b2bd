"""Gathering what a write needs that waits on the journal: all of it is in the cache, and on this disk."""

from __future__ import annotations

import uuid

import attrs
from immutabledict import immutabledict

from mlopus.api.locating import Locator
from mlopus.api.reading import Reader
from mlopus.domain.keys import AliasKey, EntityKey, ExperimentName, ModelKey
from mlopus.domain.locations import run_subject
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.records import MetricSample, Record
from mlopus.errors import MlopusError, NotCached
from mlopus.execution.repositories import Repositories
from mlopus.plans.facts import Facts, JournalFacts
from mlopus.plans.queued import points_of, run_of, timed
from mlopus.plans.requests import (
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    LogModelVersion,
    LogRunArtifact,
    PublishRequest,
    SetEntityTags,
    SetRunStatus,
    WriteRequest,
)
from mlopus.plans.upkeep_requests import AliasVersion, DeleteEntityTags, DeleteNamed, DescribeEntity
from mlopus.result import Failure, Result, Success, collect, mapped


class QueuedGathering:
    """Gathers facts for one write of an API that is offline and has a journal."""

    def __init__(self, repositories: Repositories, reader: Reader, locator: Locator) -> None:
        self._repositories = repositories
        self._reader = reader
        self._locator = locator

    def facts(
        self, base: Facts, request: WriteRequest, mark: str | None = None
    ) -> Result[Facts, MlopusError]:
        """What planning the write needs. `mark` names an entry that is queued already."""
        latest = self._latest(base, request)
        if isinstance(latest, Failure):
            return latest
        base = self.with_journal(base, latest.unwrap(), mark or uuid.uuid4().hex)
        match request:
            case CreateExp():
                return self._with_named(base, ExperimentName(request.name))
            case CreateRegisteredModel():
                return self._with_named(base, ModelKey(request.name))
            case CreateRunIn():
                return _with_records(base, self._reader.with_parents(request.exp))
            case SetRunStatus():
                return _with_records(base, self._reader.with_parents(request.run))
            case (
                SetEntityTags(on=AliasKey() as key)
                | DescribeEntity(on=AliasKey() as key)
                | AliasVersion(version=AliasKey() as key)
                | DeleteNamed(key=AliasKey() as key)
                | DeleteEntityTags(on=key)
            ):
                return _with_records(base, collect([self._reader.get(key)]))
            case LogRunArtifact() | LogModelVersion():
                return self._publish(base, request)
            case _:
                return Success(base)

    @staticmethod
    def with_journal(base: Facts, latest: immutabledict[str, MetricSample], mark: str) -> Facts:
        """Facts with a journal that takes the request under a mark."""
        return attrs.evolve(base, journal=JournalFacts(mark=mark, latest=latest))

    def _latest(
        self, base: Facts, request: WriteRequest
    ) -> Result[immutabledict[str, MetricSample], MlopusError]:
        concerned, points = run_of(request), points_of(timed(request, base.now))
        if concerned is None or not points:
            return Success(immutabledict())
        return self._repositories.journal.latest(concerned[0], dict.fromkeys(point.key for point in points))

    def _with_named(self, base: Facts, key: EntityKey) -> Result[Facts, MlopusError]:
        """Facts with the entity of a name, if the cache has one."""
        cached = self._repositories.cache.get(key)
        if isinstance(cached, Failure):
            return Success(base) if isinstance(cached.failure(), NotCached) else cached
        return Success(attrs.evolve(base, cached_records=(cached.unwrap().record,)))

    def _publish(self, base: Facts, request: PublishRequest) -> Result[Facts, MlopusError]:
        led = self.run_and_model(base, request)
        if isinstance(led, Failure):
            return led
        source = self._repositories.workspace.source_facts(request.source)
        if isinstance(source, Failure):
            return source
        can_reflink = self._repositories.artifacts.can_reflink_from(request.source)
        facts = attrs.evolve(led.unwrap(), source=source.unwrap(), protected=self._repositories.protected)
        assert facts.cache is not None  # noqa: S101 (just gathered)
        return Success(attrs.evolve(facts, cache=attrs.evolve(facts.cache, can_reflink=can_reflink)))

    def run_and_model(self, base: Facts, request: PublishRequest) -> Result[Facts, MlopusError]:
        """Facts with the records that a publish leads to, and what the cache holds of the run."""
        led = self._reader.with_parents(request.run)
        if isinstance(led, Failure):
            return led
        records = led.unwrap()
        if isinstance(request, LogModelVersion):
            model = self._reader.get(request.model)
            if isinstance(model, Failure):
                return model
            records = (model.unwrap(), *records)
        location = ArtifactLocation(
            subject=run_subject(request.run.id), root_url="", path=request.path_in_run
        )
        held = self._locator.cache_facts(location)
        if isinstance(held, Failure):
            return held
        cache = held.unwrap()
        keys = tuple(dict.fromkeys(entry.tree_key for entry in cache.entries))
        manifests = self._locator.manifests(keys)
        return mapped(
            manifests,
            lambda found: attrs.evolve(
                base, records=records, location=location, cache=attrs.evolve(cache, manifests=found)
            ),
        )


def _with_records(
    base: Facts, records: Result[tuple[Record, ...], MlopusError]
) -> Result[Facts, MlopusError]:
    return mapped(records, lambda found: attrs.evolve(base, records=found))
