"""Gathering what an export needs: what is to be carried, and what the folder holds of it already."""

from __future__ import annotations

import attrs
from immutabledict import immutabledict

from mlopus.api.gathering_trees import TreeGathering
from mlopus.api.locating import Locator
from mlopus.api.reading import Reader
from mlopus.domain.keys import key_of
from mlopus.domain.manifest import ArtifactLocation, Entry, Manifest
from mlopus.domain.paths import path_below
from mlopus.domain.records import CachedRecord, Record, VersionRecord
from mlopus.errors import MlopusError, NotCached, UnreadableCache
from mlopus.execution.repositories import Repositories
from mlopus.plans.facts import CacheFacts, ExportFacts, Facts
from mlopus.plans.requests import ExportMeta, ExportRequest
from mlopus.ports.artifact_cache import ArtifactCache
from mlopus.result import Failure, Result, Success, mapped


class ExportGathering:
    """Gathers facts for one export."""

    def __init__(self, repositories: Repositories, reader: Reader, locator: Locator) -> None:
        self._repositories = repositories
        self._reader = reader
        self._locator = locator

    def facts(self, base: Facts, request: ExportRequest) -> Result[Facts, MlopusError]:
        """What planning the export needs, beside what `base` holds."""
        folder = self._repositories.cache_folders.facts(request.target)
        if isinstance(folder, Failure):
            return folder
        key = request.key if isinstance(request, ExportMeta) else request.artifact.owner
        led = self._reader.with_parents(key)
        if isinstance(led, Failure):
            return led
        facts = attrs.evolve(base, protected=self._repositories.protected)
        if not isinstance(request, ExportMeta):
            trees = TreeGathering(self._repositories, self._reader, self._locator)
            gathered = trees.facts(base, request)
            if isinstance(gathered, Failure):
                return gathered
            facts = gathered.unwrap()
        records = self._with_hops(led.unwrap())
        if isinstance(records, Failure):
            return records
        export = self._export(base, ExportFacts(folder=folder.unwrap(), rows=()), records.unwrap())
        if isinstance(export, Failure):
            return export
        held = self._held_of_artifact(facts.location, export.unwrap())
        return mapped(held, lambda found: attrs.evolve(facts, export=found))

    def _with_hops(self, led: tuple[Record, ...]) -> Result[tuple[Record, ...], MlopusError]:
        """The entity and its parents, and the versions that its source led to, with theirs."""
        records = {key_of(record): record for record in led}
        for record in self._reader.seen:
            if isinstance(record, VersionRecord) and key_of(record) not in records:
                more = self._reader.with_parents(key_of(record))
                if isinstance(more, Failure):
                    return more
                records |= {key_of(found): found for found in more.unwrap()}
        return Success(tuple(records.values()))

    def _export(
        self, base: Facts, export: ExportFacts, records: tuple[Record, ...]
    ) -> Result[ExportFacts, MlopusError]:
        taken = {key_of(record): self._reader.taken_at(record) for record in records}
        rows = tuple(
            CachedRecord(record=record, as_of=taken[key_of(record)] or base.now) for record in records
        )
        as_of = min((moment for moment in taken.values() if moment is not None), default=None)
        held = self._held_rows(export.folder.path, rows) if export.folder.is_cache else Success(())
        return mapped(held, lambda found: attrs.evolve(export, rows=rows, as_of=as_of, held=found))

    def _held_rows(
        self, folder: str, rows: tuple[CachedRecord, ...]
    ) -> Result[tuple[CachedRecord, ...], MlopusError]:
        """What the folder has of these entities."""
        cache = self._repositories.cache_folders.metadata(folder)
        held: list[CachedRecord] = []
        for row in rows:
            found = cache.get(key_of(row.record))
            if isinstance(found, Success):
                held.append(found.unwrap())
            elif not isinstance(found.failure(), NotCached):
                return found
        return Success(tuple(held))

    def _held_of_artifact(
        self, location: ArtifactLocation | None, export: ExportFacts
    ) -> Result[ExportFacts, MlopusError]:
        """What the folder has of the artifact, without what is damaged there: that is copied again."""
        if location is None:
            return Success(export)
        cache = self._repositories.cache_folders.artifacts(export.folder.path)
        found = cache.covering(location.subject, location.path)
        if isinstance(found, Failure):
            return found
        sound: list[Entry] = []
        manifests: dict[str, Manifest] = {}
        for entry in found.unwrap():
            manifest = _sound_manifest(cache, entry, path_below(location.path, entry.path) or "")
            if isinstance(manifest, Failure):
                return manifest
            known = manifest.unwrap()
            if known is not None:
                sound.append(entry)
                manifests[entry.tree_key] = known
        facts = CacheFacts(
            cache_id=export.folder.cache_id, entries=tuple(sound), manifests=immutabledict(manifests)
        )
        return Success(attrs.evolve(export, cache=facts))


def _sound_manifest(cache: ArtifactCache, entry: Entry, path: str) -> Result[Manifest | None, MlopusError]:
    """What an entry's tree holds; None if files of it at a path are damaged, or the manifest is."""
    damaged = cache.damaged(entry.tree_key, path)
    if isinstance(damaged, Failure):
        unreadable = isinstance(damaged.failure(), UnreadableCache | NotCached)
        return Success(None) if unreadable else damaged
    return Success(None) if damaged.unwrap() else cache.manifest(entry.tree_key)
