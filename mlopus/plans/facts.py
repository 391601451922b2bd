"""Facts: what the repositories hold, as snapshots that planners read.

Gathered before planning, never changed. Simulation gives new facts: what a plan will have made of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import ArtifactLocation, Entry, LocalFile, Manifest, RemoteTree
from mlopus.domain.origin import Origin
from mlopus.domain.records import CachedRecord, MetricSample, Record, VersionRecord
from mlopus.domain.values import TextLimits
from mlopus.plans.copy_facts import CopyFacts
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_steps import QueueRequest
from mlopus.plans.keeping import KeepingFacts
from mlopus.plans.moving import InParts
from mlopus.plans.steps import TargetAbsent, TargetExpectation

Mode: TypeAlias = Literal["online", "cache-first", "offline"]
Told: TypeAlias = Literal["size", "validator", "sha256"]


@attrs.frozen(kw_only=True)
class BatchLimits:
    """What one request that logs to a run may carry."""

    params: int = 100
    metrics: int = 1000
    tags: int = 100
    total: int = 1000
    body_bytes: int = 900_000


@attrs.frozen(kw_only=True)
class TrackingFacts:
    """What a tracking store is like. `requests_cost`: whether a call to it crosses a network."""

    origin: Origin
    requests_cost: bool
    limits: BatchLimits = BatchLimits()
    texts: TextLimits = TextLimits()


@attrs.frozen(kw_only=True)
class SettingsFacts:
    """The settings that planners read."""

    mode: Mode = "online"
    max_age_s: float | None = None
    patience_s: float | None = None
    keep_on_read: bool = True
    text_codec: Literal["plain", "mlopus-1"] = "plain"
    always_pull: bool = False
    cache_local_artifacts: bool = False
    pull_offline: bool = False


@attrs.frozen(kw_only=True)
class CacheFacts:
    """What the artifact cache holds of a location: entries that cover or overlap it, newest first.

    `told` is all that the cache said: also of trees that are sound (`repair`), gone or damaged (the others),
    which `entries` leaves out. `manifests` are those of the entries' trees. `can_record`: whether
    placements can be recorded. `can_reflink`: whether files of the source's disk can share bytes with the
    cache; None if it was not probed.
    """

    cache_id: str
    is_writable: bool = True
    entries: tuple[Entry, ...] = ()
    manifests: immutabledict[str, Manifest] = immutabledict()
    can_record: bool = True
    can_reflink: bool | None = None
    told: tuple[Entry, ...] = ()


@attrs.frozen(kw_only=True)
class StoreFacts:
    """What the artifact store is like at a location, and what it lists there (None: not asked).

    `file_above` is the path, below the root URL, of a file that stands where a folder above the location
    has to be. `in_parts` is how it moves large files; None where it moves them whole, or a server decides.
    `tells` is what its listings say of a file; only simulation reads it.
    """

    scheme: str
    is_local: bool
    requests_cost: bool
    file_above: str | None = None
    in_parts: InParts | None = None
    listing: RemoteTree | None = None
    tells: tuple[Told, ...] = ("size", "validator")


@attrs.frozen(kw_only=True)
class SourceFacts:
    """What the root `source` holds: files hashed, sorted by path; a single file has path ""."""

    path: str
    is_file: bool
    files: tuple[LocalFile, ...]
    empty_folders: tuple[str, ...] = ()
    links_inside: tuple[str, ...] = ()
    links_leaving: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class TargetFile:
    """A file or link at the target, as seen; `links_to` names the committed file that a link shows."""

    path: str
    size_bytes: int
    sha256: str | None = None
    links_to: tuple[str, str] | None = None


@attrs.frozen(kw_only=True)
class TargetFacts:
    """What the root `target` holds."""

    path: str
    expectation: TargetExpectation = TargetAbsent()
    is_file: bool = False
    files: tuple[TargetFile, ...] = ()
    empty_folders: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class FolderFacts:
    """What a folder is that a cache may be written into.

    `cache_id` is that of the cache that it is, or would become. `others` are names of what is in it
    while it is no cache; a file has its own name there.
    """

    path: str
    cache_id: str
    is_cache: bool = False
    is_writable: bool = True
    others: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ExportFacts:
    """The folder that an export goes to, what is to be carried there, and what it holds of that.

    `rows` are the entities to carry, the one asked for first; `as_of` is when the oldest of them was
    taken if a cache gave it, else None. `held` are those that the folder has, `cache` what it has of
    the artifact.
    """

    folder: FolderFacts
    rows: tuple[CachedRecord, ...]
    as_of: datetime | None = None
    held: tuple[CachedRecord, ...] = ()
    cache: CacheFacts | None = None


@attrs.frozen(kw_only=True)
class ProtectedRoot:
    """A folder that users neither place into nor take from: its absolute path, links resolved.

    `temporary` is a folder in it where callbacks write: what is left there may be published.
    """

    path: str
    kind: Literal["cache", "store"]
    temporary: str | None = None


@attrs.frozen(kw_only=True)
class JournalFacts:
    """The journal that takes what is written offline.

    `mark` names the request that is planned. `latest` are the latest points that are queued for
    the metrics of its run. `waiting` is what is on the journal, where that matters. `queued` is what
    was queued since; only simulation knows it.
    """

    mark: str = ""
    waiting: tuple[JournalEntry, ...] = ()
    latest: immutabledict[str, MetricSample] = immutabledict()
    queued: tuple[QueueRequest, ...] = ()


@attrs.frozen(kw_only=True)
class Facts:
    """Everything that was gathered for one request; what it does not need is None.

    `records` are the entities that the request names, with their parents, as just seen.
    `cached_records` are those that the metadata cache holds. `uncached` are those, of what leads to an
    artifact or a new run, that it has no row of, be they given by the caller or read. `versions_of_run` are
    the registered versions of the run that is published to, each with its path in the run. `journal` is
    there where writes are queued. `keeping` is what the cache holds as a whole. `copying` is what both
    stores hold of what is copied; all else is of the store that is copied to.
    """

    now: datetime
    tracking: TrackingFacts
    settings: SettingsFacts = SettingsFacts()
    records: tuple[Record, ...] = ()
    cached_records: tuple[Record, ...] = ()
    uncached: tuple[Record, ...] = ()
    metadata_is_writable: bool = True
    protected: tuple[ProtectedRoot, ...] = ()
    location: ArtifactLocation | None = None
    cache: CacheFacts | None = None
    store: StoreFacts | None = None
    source: SourceFacts | None = None
    target: TargetFacts | None = None
    export: ExportFacts | None = None
    versions_of_run: tuple[tuple[VersionRecord, str], ...] = ()
    journal: JournalFacts | None = None
    keeping: KeepingFacts | None = None
    copying: CopyFacts | None = None
