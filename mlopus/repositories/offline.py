"""The gate of offline mode: a tracking store and an artifact store that cannot be asked.

Offline, an API holds these in place of the real ones, so that no code path can reach a server.
"""

from __future__ import annotations

from typing import BinaryIO

import attrs

from mlopus.domain.entities import ArtifactEntry, MetricPoint
from mlopus.domain.keys import EntityKey, OwnKey, RunKey, kind_of
from mlopus.domain.manifest import ArtifactLocation, RemoteFile, RemoteTree, Validators
from mlopus.domain.origin import Origin
from mlopus.domain.paths import scheme_of
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError, OfflineMode
from mlopus.plans.changes import TrackingChange
from mlopus.plans.facts import StoreFacts, TrackingFacts
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.plans.steps import UploadFiles
from mlopus.ports.artifact_store import ArtifactStore
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSink, TreeSource
from mlopus.ports.tracking import ServerInfo
from mlopus.result import Failure, Result, Success

_PROXY_SCHEME = "mlflow-artifacts"


def _offline(action: str) -> Failure[MlopusError]:
    return Failure(OfflineMode(action=action))


@attrs.frozen(kw_only=True)
class OfflineTracking:
    """Knows which store it stands for, and refuses to ask it."""

    origin: Origin
    facts: TrackingFacts

    def metered(self, meter: Meter) -> OfflineTracking:  # noqa: ARG002 (nothing is ever sent)
        """The same."""
        return self

    def hurried(self, timeout_s: float) -> OfflineTracking:  # noqa: ARG002 (nothing is ever sent)
        """The same."""
        return self

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        """Refused."""
        return _offline(f"asking for {kind_of(key)} {str(key)!r}")

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Refused."""
        return _offline(type(change).__name__)

    def prepare(self, spec: SearchSpec) -> PushDown:
        """Nothing is evaluated by a server."""
        return PushDown(is_exact=False, is_sorted=False, evaluated=(), rechecked=(f"all {spec.kind}s",))

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:  # noqa: ARG002
        """Refused."""
        return _offline(f"searching for {spec.kind}s on the server")

    def locate(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:  # noqa: ARG002
        """Refused."""
        return _offline(f"asking where the bytes of {version.name}/{version.version} are")

    def metric_history(self, run: RunKey, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Refused."""
        return _offline(f"the history of metric {metric!r} of run {run.id}")

    def url(self, key: OwnKey, exp_id: str | None = None) -> Result[str, MlopusError]:  # noqa: ARG002
        """Refused."""
        return _offline(f"the page of {kind_of(key)} {str(key)!r}")

    def ping(self) -> Result[ServerInfo, MlopusError]:
        """Refused."""
        return _offline("ping")


@attrs.frozen(kw_only=True)
class OfflineStore:
    """Refuses every transfer, unless artifacts may be pulled; the server's proxy is always refused.

    `store` is what may be pulled from; None where nothing may.
    """

    store: ArtifactStore | None

    def facts(self, url: str) -> Result[StoreFacts, MlopusError]:
        """What the store is like: no I/O. What is behind the server is told, and never asked."""
        if self.store is not None and scheme_of(url) == _PROXY_SCHEME:
            return Success(StoreFacts(scheme=_PROXY_SCHEME, is_local=False, requests_cost=True))
        return _offline(f"looking at {url}") if self.store is None else self.store.facts(url)

    def metered(self, meter: Meter) -> OfflineStore:
        """The same, counting."""
        return OfflineStore(store=None if self.store is None else self.store.metered(meter))

    def _readable(self, url: str) -> ArtifactStore | None:
        return None if scheme_of(url) == _PROXY_SCHEME else self.store

    def list_tree(self, url: str) -> Result[RemoteTree, MlopusError]:
        """Refused, unless artifacts may be pulled."""
        store = self._readable(url)
        return _offline(f"listing {url}") if store is None else store.list_tree(url)

    def file_above(self, url: str, path: str) -> Result[str | None, MlopusError]:
        """Refused, unless artifacts may be pulled."""
        store = self._readable(url)
        return _offline(f"looking at {url}") if store is None else store.file_above(url, path)

    def list_folder(self, url: str) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """Refused, unless artifacts may be pulled."""
        store = self._readable(url)
        return _offline(f"listing {url}") if store is None else store.list_folder(url)

    def fetch(
        self, url: str, files: tuple[RemoteFile, ...], sink: TreeSink
    ) -> Result[Validators, MlopusError]:
        """Refused, unless artifacts may be pulled."""
        store = self._readable(url)
        return _offline(f"fetching {url}") if store is None else store.fetch(url, files, sink)

    def upload(self, step: UploadFiles, source: TreeSource) -> Result[Validators, MlopusError]:  # noqa: ARG002
        """Refused."""
        return _offline(f"uploading to {step.store_url}")

    def remove(self, url: str, paths: tuple[str, ...]) -> Result[int, MlopusError]:  # noqa: ARG002
        """Refused."""
        return _offline(f"removing from {url}")

    def open(self, url: str) -> Result[BinaryIO, MlopusError]:
        """Refused, unless artifacts may be pulled."""
        store = self._readable(url)
        return _offline(f"opening {url}") if store is None else store.open(url)

    def local_source(self, url: str) -> TreeSource | None:
        """Files of this disk, where artifacts may be pulled."""
        store = self._readable(url)
        return None if store is None else store.local_source(url)
