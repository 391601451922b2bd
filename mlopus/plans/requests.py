"""Requests: each call of a verb that can be planned, as a value.

A request can be kept and planned later: it holds what the caller asked, nothing of what was found.
Nested values are already normalised (frozen, plain); keys name entities.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.frozen import Value
from mlopus.domain.keys import AliasKey, EntityKey, ExperimentKey, ModelKey, RunKey, VersionKey
from mlopus.domain.records import MetricSample, Texts
from mlopus.domain.status import RunStatus
from mlopus.plans.copy_requests import CopyRequest
from mlopus.plans.keeping_requests import KeepingRequest
from mlopus.plans.links import LinkKind
from mlopus.plans.upkeep_requests import UpkeepRequest

Nested: TypeAlias = immutabledict[str, Value]
LinkChoice: TypeAlias = bool | LinkKind


@attrs.frozen(kw_only=True)
class GetEntity:
    """Get one entity from whom the mode says, or from the server if `refresh`."""

    key: EntityKey
    refresh: bool = False


@attrs.frozen(kw_only=True)
class CacheMeta:
    """Fetch one entity and its parents into the metadata cache."""

    key: EntityKey


@attrs.frozen(kw_only=True)
class CreateExp:
    """Create an experiment; `ensure` takes the one of that name if there is one."""

    name: str
    tags: Nested
    operation_id: str
    ensure: bool


@attrs.frozen(kw_only=True)
class CreateRegisteredModel:
    """Create a registered model; `ensure` takes the one of that name if there is one."""

    name: str
    tags: Nested
    operation_id: str
    ensure: bool


@attrs.frozen(kw_only=True)
class CreateRunIn:
    """Create a run in an experiment. `start` makes it RUNNING since `at`; None is now."""

    exp: ExperimentKey
    name: str | None
    tags: Nested
    repo: str | None
    parent: RunKey | None
    start: bool
    operation_id: str
    at: datetime | None = None


@attrs.frozen(kw_only=True)
class SetRunStatus:
    """Resume a run (RUNNING, end time as it is) or end it (end time `at`; None is now)."""

    run: RunKey
    status: RunStatus
    at: datetime | None = None


@attrs.frozen(kw_only=True)
class SetEntityTags:
    """Set tags on an entity."""

    on: ExperimentKey | RunKey | ModelKey | VersionKey | AliasKey
    tags: Nested


@attrs.frozen(kw_only=True)
class LogParams:
    """Add params to a run."""

    run: RunKey
    params: Nested


@attrs.frozen(kw_only=True)
class LogMetrics:
    """Add one point to each of several metrics of a run; a `timestamp` of None is now."""

    run: RunKey
    metrics: immutabledict[str, float]
    step: int
    timestamp: datetime | None


@attrs.frozen(kw_only=True)
class MetricPointAt:
    """A point as `log_metric_points` takes it."""

    key: str
    value: float
    step: int
    timestamp: datetime | None


@attrs.frozen(kw_only=True)
class LogMetricPoints:
    """Add many points to metrics of a run."""

    run: RunKey
    points: tuple[MetricPointAt, ...]


@attrs.frozen(kw_only=True)
class LogCollected:
    """Add what was collected to a run, in as few requests as it takes: texts and points as they are sent."""

    run: RunKey
    params: Texts = immutabledict()
    metrics: tuple[MetricSample, ...] = ()
    tags: Texts = immutabledict()


@attrs.frozen(kw_only=True)
class ArtifactOf:
    """Whose artifact, and which path of it: relative to a run's root, or to a version's own."""

    owner: RunKey | VersionKey | AliasKey
    path: str = ""


@attrs.frozen(kw_only=True)
class CacheArtifact:
    """Make the cached artifact current."""

    artifact: ArtifactOf


@attrs.frozen(kw_only=True)
class GetArtifact:
    """Have the artifact on this disk: as cached, else fetched."""

    artifact: ArtifactOf


@attrs.frozen(kw_only=True)
class PlaceArtifact:
    """Put the artifact at the path that the root `target` stands for."""

    artifact: ArtifactOf
    target: str
    overwrite: bool
    link: LinkChoice


@attrs.frozen(kw_only=True)
class ExportMeta:
    """Write one entity and its parents into the cache folder that the root `target` stands for."""

    key: EntityKey
    target: str


@attrs.frozen(kw_only=True)
class ExportArtifact:
    """Copy an artifact, and the metadata that leads to it, into the cache folder `target`."""

    artifact: ArtifactOf
    target: str


@attrs.frozen(kw_only=True)
class CleanCachedArtifact:
    """Withdraw what is cached of an artifact."""

    artifact: ArtifactOf


@attrs.frozen(kw_only=True)
class PublishOptions:
    """The options of publishing, as the caller gave them; None leaves the choice to mlopus."""

    keep_the_source: bool | None = None
    allow_duplication: bool | None = None
    use_cache: bool | None = None


@attrs.frozen(kw_only=True)
class LogRunArtifact:
    """Publish the file or folder that the root `source` stands for, at a path of a run.

    `from_callback`: the source was written by a callback into the temporary folder.
    """

    run: RunKey
    source: str
    path_in_run: str
    from_callback: bool
    options: PublishOptions
    mirror: bool
    overwrite: bool


@attrs.frozen(kw_only=True)
class LogModelVersion:
    """Publish the source at a path of a run, then register it as a version of a model."""

    model: ModelKey
    run: RunKey
    source: str
    path_in_run: str
    from_callback: bool
    options: PublishOptions
    version: str | None
    tags: Nested
    overwrite: bool
    operation_id: str


@attrs.frozen(kw_only=True)
class DropQueued:
    """Take a write, and what depends on it, off the journal."""

    entry_id: int


FetchRequest: TypeAlias = GetEntity | CacheMeta
ArtifactRequest: TypeAlias = CacheArtifact | GetArtifact | CleanCachedArtifact
RecordingRequest: TypeAlias = (
    CreateExp
    | CreateRegisteredModel
    | CreateRunIn
    | SetRunStatus
    | SetEntityTags
    | LogParams
    | LogMetrics
    | LogMetricPoints
    | LogCollected
)
TrackingRequest: TypeAlias = RecordingRequest | UpkeepRequest
PublishRequest: TypeAlias = LogRunArtifact | LogModelVersion
ExportRequest: TypeAlias = ExportMeta | ExportArtifact
WriteRequest: TypeAlias = TrackingRequest | PublishRequest
Request: TypeAlias = (
    FetchRequest
    | ArtifactRequest
    | PlaceArtifact
    | ExportRequest
    | WriteRequest
    | DropQueued
    | KeepingRequest
    | CopyRequest
)
Family: TypeAlias = Literal["fetch", "cache", "place", "publish"]
