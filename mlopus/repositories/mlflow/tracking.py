"""The tracking port on MLflow's REST."""

from __future__ import annotations

from typing import Final, Literal

import attrs
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import (
    EntityKey,
    ModelKey,
    OwnKey,
    RunKey,
    VersionKey,
)
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError, UnreadableReply, Unsupported
from mlopus.plans.changes import (
    TrackingChange,
)
from mlopus.plans.facts import TrackingFacts
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.ports.meter import Meter
from mlopus.ports.tracking import ServerInfo
from mlopus.repositories.mlflow.endpoint import AuthCallable, Endpoint, origin_of, without_user
from mlopus.repositories.mlflow.operations import Operations
from mlopus.repositories.mlflow.policy import Policy
from mlopus.repositories.mlflow.transport import Transport
from mlopus.repositories.surroundings import Surroundings
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.experiments import (
    search_experiments_from_reply,
    search_experiments_request,
)
from mlopus.wire.mlflow.pages import PageRequest
from mlopus.wire.mlflow.runs import (
    get_run_request,
    run_from_reply,
)
from mlopus.wire.mlflow.server import (
    abilities_from_reply,
    server_info_request,
    version_from_body,
    version_request,
)
from mlopus.wire.mlflow.ui import page_of

_WORKERS: Final = 8
"""Requests at a time, where one change takes many."""


def _transport_of(tracking: MlflowTracking) -> Transport:
    return tracking.reaching(tracking.uri)


def _registry_of(tracking: MlflowTracking) -> Transport:
    uri = tracking.registry_uri
    return tracking.transport if uri in (None, tracking.uri) else tracking.reaching(uri)


@attrs.frozen(kw_only=True)
class MlflowTracking:
    """An MLflow server, over HTTP.

    Credentials, extra headers and the workspace are told to the origin of `uri` only; a registry on
    another origin is told the user and password of its own address, if it has them. No request is
    sent, and httpx is not loaded, before something is asked.

    Attributes:
        uri: `http(s)://…`, with any path that the server is behind.
        workspace: Of MLflow 3's workspaces; None for the default one.
        registry_uri: Where models are kept, if not at `uri`.
        auth: Gives the headers of each request; called on the thread that asks.
        ca_cert: Path of the PEM file of authorities to trust instead of the usual ones.
        client_cert: Path of a PEM file with a certificate and its key.
        timeout_s: How long each answer may take, and each pause within one.
        retry_for_s: Nothing is tried again after this long.
        text_codec: How texts of params and tags are read, which decides what the server can filter.
        surroundings: How this machine reaches servers: proxies and authorities, from the environment.
    """

    uri: str = attrs.field(repr=lambda uri: repr(without_user(uri)))
    workspace: str | None = None
    registry_uri: str | None = attrs.field(default=None, repr=lambda uri: repr(uri and without_user(uri)))
    headers: immutabledict[str, str] = attrs.field(default=immutabledict(), repr=False)
    username: str | None = attrs.field(default=None, repr=False)
    password: str | None = attrs.field(default=None, repr=False)
    token: str | None = attrs.field(default=None, repr=False)
    auth: AuthCallable | None = attrs.field(default=None, repr=False)
    verify_tls: bool = True
    ca_cert: str | None = None
    client_cert: str | None = None
    timeout_s: float = 120.0
    connect_timeout_s: float = 5.0
    max_retries: int = 5
    backoff_s: float = 0.5
    retry_for_s: float = 60.0
    text_codec: Literal["plain", "mlopus-1"] = "plain"
    surroundings: Surroundings = Surroundings()
    transport: Transport = attrs.field(
        default=attrs.Factory(_transport_of, takes_self=True), eq=False, repr=False
    )
    registry: Transport = attrs.field(
        default=attrs.Factory(_registry_of, takes_self=True), eq=False, repr=False
    )

    def reaching(self, uri: str) -> Transport:
        """A transport to an address; it carries the credentials if the address is of this origin."""
        policy = Policy(
            timeout_s=self.timeout_s,
            connect_timeout_s=self.connect_timeout_s,
            max_retries=self.max_retries,
            backoff_s=self.backoff_s,
            retry_for_s=self.retry_for_s,
            jitter_s=self.surroundings.jitter_s,
            respects_retry_after=self.surroundings.respects_retry_after,
        )
        if origin_of(uri) != origin_of(self.uri):
            endpoint = Endpoint(uri=uri)
            return Transport(
                endpoint=endpoint,
                policy=policy,
                verify_tls=self.verify_tls,
                ca_cert=self.ca_cert,
                surroundings=self.surroundings,
                asks_plugins=False,
            )
        endpoint = Endpoint(
            uri=uri,
            workspace=self.workspace,
            headers=self.headers,
            username=self.username,
            password=self.password,
            token=self.token,
            auth=self.auth,
        )
        return Transport(
            endpoint=endpoint,
            policy=policy,
            verify_tls=self.verify_tls,
            ca_cert=self.ca_cert,
            client_cert=self.client_cert,
            surroundings=self.surroundings,
        )

    @property
    def origin(self) -> Origin:
        """Which server and workspace."""
        return Origin.of(self.uri, self.workspace)

    @property
    def facts(self) -> TrackingFacts:
        """The limits are those of MLflow's own stores."""
        return TrackingFacts(origin=self.origin, requests_cost=True)

    def metered(self, meter: Meter) -> MlflowTracking:
        """The same server on the same connections, telling this meter."""
        return attrs.evolve(
            self, transport=self.transport.metered(meter), registry=self.registry.metered(meter)
        )

    def hurried(self, timeout_s: float) -> MlflowTracking:
        """The same server on the same connections: one try, and no longer than that."""
        transport, registry = self.transport.hurried(timeout_s), self.registry.hurried(timeout_s)
        return attrs.evolve(self, transport=transport, registry=registry)

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        """The entity of that key: one request."""
        return self._operations.get(key)

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make a change: one request, one a tag for tags; else as `creating` and `changing` describe."""
        return self._operations.send(change)

    def prepare(self, spec: SearchSpec) -> PushDown:
        """What the server is asked, as `mlopus.wire.mlflow.filter` decides."""
        return self._operations.prepare(spec)

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page: usually one request; for versions one more for their models' aliases."""
        return self._operations.find(spec, token)

    def locate(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:
        """Where a version's bytes are: no request where its source lies under its run's artifacts."""
        return self._operations.locate(version, run)

    def metric_history(self, run: RunKey, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Every point of a metric: one request for each 25,000; if there are none, one for the run."""
        return self._operations.metric_history(run, metric)

    @property
    def _operations(self) -> Operations:
        return Operations(self.transport, self.registry, self.text_codec, _WORKERS)

    def url(self, key: OwnKey, exp_id: str | None = None) -> Result[str, MlopusError]:
        """The page of an entity in MLflow's UI; the experiment of a run is asked for if it is not given."""
        if isinstance(key, RunKey) and exp_id is None:
            run = self.transport.call(get_run_request(key.id), run_from_reply)
            return run if isinstance(run, Failure) else self.url(key, run.unwrap().exp_id)
        transport = self.registry if isinstance(key, ModelKey | VersionKey) else self.transport
        return Success(transport.endpoint.url_of(page_of(key, exp_id, self.workspace)))

    def ping(self) -> Result[ServerInfo, MlopusError]:
        """Ask for abilities and version, then something that needs the credentials: three requests."""
        abilities = self.transport.call(server_info_request(), abilities_from_reply)
        if isinstance(abilities, Failure) and not isinstance(abilities.failure(), Unsupported):
            return abilities
        version = self._version()
        if isinstance(version, Failure):
            return version
        page = search_experiments_request(PageRequest(page_size=1), "active")
        let_in = self.transport.call(page, search_experiments_from_reply)
        if isinstance(let_in, Failure):
            return let_in
        names = frozenset({"logged_models"}) | abilities.unwrap() if isinstance(abilities, Success) else None
        info = ServerInfo(
            place=self.transport.place, version=version.unwrap(), abilities=names or frozenset()
        )
        return Success(info)

    def _version(self) -> Result[str | None, MlopusError]:
        """The server's version; None if it does not tell, as a gateway before it may not let it."""
        request = version_request()
        replied = self.transport.ask(request)
        if isinstance(replied, Failure):
            error = replied.failure().error
            return Success(None) if isinstance(error, Unsupported | UnreadableReply) else Failure(error)
        read = version_from_body(replied.unwrap().body)
        return Success(None) if isinstance(read, Failure) else Success(read.unwrap())
