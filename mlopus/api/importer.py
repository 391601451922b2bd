"""Importing item by item from a cache of mlOpus 1.x into the caches of an API."""

from __future__ import annotations

from immutabledict import immutabledict

from mlopus.api.import_reports import ImportedArtifact, ImportReport
from mlopus.domain.keys import OwnKey, key_of
from mlopus.domain.locations import path_of_version, run_subject
from mlopus.domain.manifest import ArtifactLocation, Manifest
from mlopus.domain.records import CachedRecord, Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError, UnreadableCache
from mlopus.execution.byte_steps import ByteInterpreter
from mlopus.execution.counting import CountingMeter
from mlopus.execution.repositories import Repositories
from mlopus.plans.facts import CacheFacts
from mlopus.plans.importing import ImportStage, OldArtifact, import_steps, whole_paths
from mlopus.plans.tables import path_fault
from mlopus.repositories.disk.mlopus1 import OldCache, time_of
from mlopus.result import Failure, Result, Success


class Importer:
    """One import: item by item, so that what cannot be read stops nothing else."""

    def __init__(
        self, old: OldCache, repositories: Repositories, cache_dir: str, *, whole_runs: bool
    ) -> None:
        self._old = old
        self._repositories = repositories
        self._cache_dir = cache_dir
        self._whole_runs = whole_runs
        self._entities = 0
        self._unchanged = 0
        self._artifacts: list[ImportedArtifact] = []
        self._faults: list[tuple[str, MlopusError]] = []
        self._repos: dict[str, str] = {}
        self._versions: dict[str, set[str]] = {}

    def run(self) -> Result[ImportReport, MlopusError]:
        """Metadata first, which says what the artifacts are."""
        for read in (self._metadata, self._all_artifacts):
            done = read()
            if isinstance(done, Failure):
                return done
        origin = self._repositories.tracking.origin
        return Success(
            ImportReport(
                folder=self._old.folder,
                cache_dir=self._cache_dir,
                tracking_uri=origin.uri,
                entities=self._entities,
                artifacts=tuple(self._artifacts),
                unchanged=self._unchanged,
                faults=tuple(self._faults),
            )
        )

    def _metadata(self) -> Result[None, MlopusError]:
        rows: dict[OwnKey, CachedRecord] = {}
        for entity in self._old.entities():
            if isinstance(entity.records, Failure):
                self._faults.append((entity.path, entity.records.failure()))
                continue
            for record in entity.records.unwrap():
                there = rows.get(key_of(record))
                if there is None or there.as_of <= entity.taken_at:
                    rows[key_of(record)] = CachedRecord(record=record, as_of=entity.taken_at)
        for row in rows.values():
            self._note(row.record)
            kept = self._keep(row)
            if isinstance(kept, Failure):
                return kept
        return Success(None)

    def _keep(self, row: CachedRecord) -> Result[None, MlopusError]:
        held = self._repositories.cache.get(key_of(row.record))
        if isinstance(held, Success):
            there = held.unwrap()
            if there.record == row.record or there.as_of > row.as_of:
                self._unchanged += 1
                return Success(None)
        self._entities += 1
        return self._repositories.cache.put((row.record,), row.as_of)

    def _note(self, record: Record) -> None:
        """Where runs have their artifacts, and which of them are versions."""
        if isinstance(record, RunRecord):
            self._repos[record.id] = record.repo
        if isinstance(record, VersionRecord) and record.run_id is not None:
            path = path_of_version(record.source, record.run_id, self._repos.get(record.run_id, ""))
            if path is not None:
                self._versions.setdefault(record.run_id, set()).add(path)

    def _all_artifacts(self) -> Result[None, MlopusError]:
        for run_id in self._old.runs():
            folder = self._old.artifacts(run_id)
            if folder is None:
                location = self._old.location(run_id)
                self._faults.append((location, UnreadableCache(path=location, reason="it is no folder")))
                continue
            versions = frozenset(self._versions.get(run_id, ()))
            for path in whole_paths(folder, versions, whole_run=self._whole_runs):
                done = self._artifact(run_id, path)
                if isinstance(done, Failure):
                    return done
        return Success(None)

    def _artifact(self, run_id: str, path: str) -> Result[None, MlopusError]:
        location = self._old.location(run_id, path)
        source = self._repositories.workspace.source_facts(location)
        fault = path_fault(path) if isinstance(source, Success) else source.failure()
        if fault is not None or isinstance(source, Failure):
            self._faults.append((location, fault or source.failure()))
            return Success(None)
        repo = self._repos.get(run_id, "")
        artifact = OldArtifact(
            run_id=run_id, path=path, repo=repo, source=source.unwrap(), taken_at=time_of(location)
        )
        at = ArtifactLocation(subject=run_subject(run_id), root_url=repo, path=path)
        held = self._held(at)
        if isinstance(held, Failure):
            return held
        stages = import_steps(artifact, held.unwrap())
        if not stages:
            self._unchanged += 1
            return Success(None)
        return self._adopted(artifact, stages, location)

    def _adopted(
        self, artifact: OldArtifact, stages: tuple[ImportStage, ...], location: str
    ) -> Result[None, MlopusError]:
        roots = immutabledict({"source": location})
        with ByteInterpreter(roots, self._repositories, CountingMeter()) as on_bytes:
            for step in (step for stage in stages for step in stage):
                done = on_bytes.perform(step)
                if isinstance(done, Failure):
                    return Failure(done.failure())
        files = artifact.source.files
        self._artifacts.append(
            ImportedArtifact(
                run_id=artifact.run_id,
                path=artifact.path,
                file_count=len(files),
                size_bytes=sum(file.size_bytes for file in files),
            )
        )
        return Success(None)

    def _held(self, location: ArtifactLocation) -> Result[CacheFacts, MlopusError]:
        cache = self._repositories.artifacts
        found = cache.covering(location.subject, location.path, with_validators=False)
        if isinstance(found, Failure):
            return found
        manifests: dict[str, Manifest] = {}
        for entry in found.unwrap():
            manifest = cache.manifest(entry.tree_key)
            if isinstance(manifest, Failure):
                return manifest
            manifests[entry.tree_key] = manifest.unwrap()
        return Success(
            CacheFacts(cache_id=cache.cache_id, entries=found.unwrap(), manifests=immutabledict(manifests))
        )
