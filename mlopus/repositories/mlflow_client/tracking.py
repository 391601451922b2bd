"""The tracking port through the `mlflow` package, for stores that no server stands before."""

from __future__ import annotations

from typing import Literal

import attrs

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import EntityKey, OwnKey, RunKey
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError, NotFound
from mlopus.plans.changes import TrackingChange
from mlopus.plans.facts import TrackingFacts
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.ports.meter import Meter
from mlopus.ports.tracking import ServerInfo
from mlopus.repositories.mlflow.operations import Operations
from mlopus.repositories.mlflow.policy import Policy
from mlopus.repositories.mlflow_client.answering import Answering
from mlopus.repositories.mlflow_client.opening import Opening
from mlopus.repositories.mlflow_uris import family_of, folder_of, origin_of, without_secrets
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.experiments import search_experiments_from_reply, search_experiments_request
from mlopus.wire.mlflow.pages import PageRequest


def _answering_of(tracking: MlflowClientTracking) -> Answering:
    opening = Opening(
        uri=tracking.uri,
        registry_uri=tracking.registry_uri,
        artifact_root=tracking.artifact_root,
        connect_timeout_s=tracking.connect_timeout_s,
    )
    policy = Policy(
        max_retries=tracking.max_retries, backoff_s=tracking.backoff_s, retry_for_s=tracking.retry_for_s
    )
    return Answering(opening=opening, policy=policy, requests_cost=not _is_local(tracking.uri))


def _is_local(uri: str) -> bool:
    return folder_of(uri) is not None or family_of(uri) == "sqlite"


@attrs.frozen(kw_only=True)
class MlflowClientTracking:
    """A database, an `mlruns` folder, or a workspace of Databricks, as MLflow's own stores keep it.

    The requests are those of an MLflow server, answered in this process by what such a server calls.
    Nothing global of MLflow's is set, and it is given no credentials: it finds its own, as ever. The
    package is loaded by the first request.

    Attributes:
        uri: As MLflow has it, with absolute paths.
        registry_uri: Where models are kept, if not there.
        artifact_root: Where a new experiment of a database keeps artifacts; None is `mlruns` in the
            current folder of the first request, as in MLflow.
        connect_timeout_s: Longest wait for a database server.
        retry_for_s: Nothing is tried again after this long.
        text_codec: How texts of params and tags are read, which decides what the store can filter.
    """

    uri: str = attrs.field(repr=lambda uri: repr(without_secrets(uri)))
    registry_uri: str | None = attrs.field(default=None, repr=lambda uri: repr(uri and without_secrets(uri)))
    artifact_root: str | None = None
    connect_timeout_s: float = 5.0
    max_retries: int = 5
    backoff_s: float = 0.5
    retry_for_s: float = 60.0
    text_codec: Literal["plain", "mlopus-1"] = "plain"
    answering: Answering = attrs.field(
        default=attrs.Factory(_answering_of, takes_self=True), eq=False, repr=False
    )

    @property
    def origin(self) -> Origin:
        """The store without secrets; a folder has the origin that an embedded store there would have."""
        return origin_of(self.uri)

    @property
    def facts(self) -> TrackingFacts:
        """The limits are those of MLflow's own stores."""
        return TrackingFacts(origin=self.origin, requests_cost=self.answering.requests_cost)

    def metered(self, meter: Meter) -> MlflowClientTracking:
        """The same stores, telling this meter of what crosses a network."""
        return attrs.evolve(self, answering=self.answering.metered(meter))

    def hurried(self, timeout_s: float) -> MlflowClientTracking:  # noqa: ARG002 (the package waits as it does)
        """The same stores: how long a database is waited for, its address says."""
        return self

    @property
    def _operations(self) -> Operations:
        return Operations(self.answering, self.answering, self.text_codec)

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        """The entity of that key."""
        return self._operations.get(key)

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make a change, as on a server."""
        return self._operations.send(change)

    def prepare(self, spec: SearchSpec) -> PushDown:
        """What the store is asked, in MLflow's own filter language."""
        return self._operations.prepare(spec)

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page."""
        return self._operations.find(spec, token)

    def locate(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:
        """Where a version's bytes are."""
        return self._operations.locate(version, run)

    def metric_history(self, run: RunKey, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Every point of a metric."""
        return self._operations.metric_history(run, metric)

    def url(self, key: OwnKey, exp_id: str | None = None) -> Result[str, MlopusError]:  # noqa: ARG002 (the port's)
        """A store has no UI."""
        hint = f"Run `mlflow server --backend-store-uri` on {self.answering.place} for a UI."
        return Failure(NotFound(kind="page of", key=str(key), place=self.answering.place, hint=hint))

    def ping(self) -> Result[ServerInfo, MlopusError]:
        """Open the store and look for an experiment; the version is that of the package."""
        page = search_experiments_request(PageRequest(page_size=1), "active")
        found = self.answering.call(page, search_experiments_from_reply)
        if isinstance(found, Failure):
            return found
        opened = self.answering.stores()
        if isinstance(opened, Failure):
            return opened
        stores = opened.unwrap()
        has_models = hasattr(stores.tracking, "search_logged_models")
        abilities = frozenset({"logged_models"} if has_models else ())
        return Success(ServerInfo(place=self.answering.place, version=stores.version, abilities=abilities))
