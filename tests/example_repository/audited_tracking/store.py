"""A store that keeps everything in a folder, and a line in `audit.log` for each change."""

from __future__ import annotations

import getpass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import attrs

from mlopus import MetricPoint, Result, Settings
from mlopus.domain.keys import EntityKey, OwnKey, RunKey
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError
from mlopus.plans.changes import TrackingChange
from mlopus.plans.facts import TrackingFacts
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.ports.meter import Meter
from mlopus.ports.tracking import ServerInfo
from mlopus.repositories.embedded import EmbeddedTracking


def open_store(uri: str, settings: Settings) -> AuditedTracking:
    """The store of a URI, as the entry-point group `mlopus.repositories` asks for it."""
    folder = unquote(urlsplit(uri).path)
    return AuditedTracking(uri=uri, kept=EmbeddedTracking(folder, text_codec=settings.text_codec))


@attrs.frozen(kw_only=True)
class AuditedTracking:
    """A tracking store, by shape: nothing is inherited from mlopus."""

    uri: str
    kept: EmbeddedTracking

    @property
    def origin(self) -> Origin:
        return Origin.of(self.uri)

    @property
    def facts(self) -> TrackingFacts:
        return attrs.evolve(self.kept.facts, origin=self.origin)

    def metered(self, meter: Meter) -> AuditedTracking:
        return attrs.evolve(self, kept=self.kept.metered(meter))

    def hurried(self, timeout_s: float) -> AuditedTracking:
        return attrs.evolve(self, kept=self.kept.hurried(timeout_s))

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        return self.kept.send(change).map(lambda record: self._written_down(change, record))

    def _written_down(self, change: TrackingChange, record: Record | None) -> Record | None:
        with (Path(self.kept.folder) / "audit.log").open("a") as log:
            log.write(f"{getpass.getuser()} {type(change).__name__}\n")
        return record

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        return self.kept.get(key)

    def prepare(self, spec: SearchSpec) -> PushDown:
        return self.kept.prepare(spec)

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        return self.kept.find(spec, token)

    def locate(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:
        return self.kept.locate(version, run)

    def metric_history(self, run: RunKey, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        return self.kept.metric_history(run, metric)

    def url(self, key: OwnKey, exp_id: str | None = None) -> Result[str, MlopusError]:
        return self.kept.url(key, exp_id)

    def ping(self) -> Result[ServerInfo, MlopusError]:
        return self.kept.ping()
