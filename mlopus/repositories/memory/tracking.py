"""A tracking store in memory."""

from __future__ import annotations

import uuid

import attrs

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import EntityKey, OwnKey, RunKey
from mlopus.domain.locations import location_of_source
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.domain.text import TextCodec, codec_named
from mlopus.errors import MlopusError, NotFound
from mlopus.plans.changes import TrackingChange
from mlopus.plans.facts import TrackingFacts
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.ports.meter import Meter
from mlopus.ports.tracking import ServerInfo
from mlopus.repositories.memory.changing import PLACE, Changing, Tables
from mlopus.repositories.memory.rows import PREDICATE, page_of
from mlopus.repositories.refusals import Refusals
from mlopus.result import Failure, Result, Success


@attrs.frozen
class MemoryTracking:
    """A tracking store that is gone with its object; artifacts go to a memory artifact store.

    Example:
        >>> store = MemoryTracking()
        >>> store.get(RunKey("3f2a")).failure().message
        "run '3f2a' was not found in memory"
    """

    text_codec: str = "plain"
    _tables: Tables = attrs.field(
        factory=lambda: Tables(uuid.uuid4().hex), repr=False, alias="tables", kw_only=True
    )

    @property
    def origin(self) -> Origin:
        """A name of its own for each store."""
        return Origin(uri=f"memory://{self._tables.name}")

    @property
    def facts(self) -> TrackingFacts:
        """A store that costs no request."""
        return TrackingFacts(origin=self.origin, requests_cost=False)

    @property
    def _codec(self) -> TextCodec:
        return codec_named(self.text_codec)

    def metered(self, meter: Meter) -> MemoryTracking:  # noqa: ARG002 (nothing crosses a network)
        """The same store."""
        return self

    def hurried(self, timeout_s: float) -> MemoryTracking:  # noqa: ARG002 (nothing crosses a network)
        """The same store."""
        return self

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        """The entity of that key, without parents."""
        with self._tables.lock:
            found = self._tables.get(key)
        return Failure(Refusals(PLACE).not_found(key)) if found is None else Success(found)

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make a change, whole or not at all."""
        with self._tables.lock:
            return Changing(self._tables).make(change)

    def prepare(self, spec: SearchSpec) -> PushDown:  # noqa: ARG002 (every search is evaluated whole)
        """The whole query is evaluated, in memory."""
        return PREDICATE

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page of a search."""
        with self._tables.lock:
            records = tuple(self._tables.records.values())
            return Success(page_of(records, spec, token, self._codec, self._tables.records.get))

    def locate(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:
        """Where a version's source is."""
        location = location_of_source(version.source, version.run_id, None if run is None else run.repo)
        if location is None:
            return Failure(NotFound(kind="artifact at", key=version.source, place=PLACE))
        return Success(location)

    def metric_history(self, run: RunKey, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Every point of a metric, by step, then time."""
        found = self.get(run)
        if isinstance(found, Failure):
            return found
        with self._tables.lock:
            samples = tuple(self._tables.points.get((run.id, metric), {}).values())
        ordered = sorted(samples, key=lambda sample: (sample.step, sample.timestamp))
        return Success(tuple(MetricPoint(s.value, s.step, s.timestamp) for s in ordered))

    def url(self, key: OwnKey, exp_id: str | None = None) -> Result[str, MlopusError]:  # noqa: ARG002
        """Memory has no UI."""
        return Failure(NotFound(kind="page of", key=str(key), place=PLACE, hint="Only servers have a UI."))

    def ping(self) -> Result[ServerInfo, MlopusError]:
        """Always there."""
        return Success(ServerInfo(place=PLACE, version=None))
