"""The tracking port on MLflow's REST."""

from __future__ import annotations

from typing import Literal, assert_never

import attrs
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import (
    AliasKey,
    EntityKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    OwnKey,
    RunKey,
    VersionKey,
)
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.domain.text import codec_named
from mlopus.errors import MlopusError, UnreadableReply, Unsupported
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    EnsureExperiment,
    EnsureModel,
    LogBatch,
    RegisterVersion,
    SetTags,
    TrackingChange,
    UpdateRun,
)
from mlopus.plans.facts import TrackingFacts
from mlopus.plans.pending import known
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.ports.meter import Meter
from mlopus.ports.tracking import ServerInfo
from mlopus.repositories.mlflow.creating import create_experiment, create_model, create_run, register_version
from mlopus.repositories.mlflow.endpoint import AuthCallable, Endpoint, origin_of, without_user
from mlopus.repositories.mlflow.finding import find
from mlopus.repositories.mlflow.locating import Locator
from mlopus.repositories.mlflow.policy import Policy
from mlopus.repositories.mlflow.transport import Transport
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.experiments import (
    get_experiment_by_name_request,
    get_experiment_from_reply,
    get_experiment_request,
    search_experiments_from_reply,
    search_experiments_request,
    set_experiment_tag_request,
)
from mlopus.wire.mlflow.filter import server_searches
from mlopus.wire.mlflow.models import (
    get_model_request,
    get_version_by_alias_request,
    get_version_request,
    model_from_reply,
    set_model_tag_request,
    set_version_tag_request,
    version_from_reply,
)
from mlopus.wire.mlflow.pages import PageRequest
from mlopus.wire.mlflow.runs import (
    get_run_request,
    log_batch_request,
    metric_history_from_reply,
    metric_history_request,
    run_from_reply,
    update_run_request,
)
from mlopus.wire.mlflow.server import (
    abilities_from_reply,
    server_info_request,
    version_from_body,
    version_request,
)
from mlopus.wire.mlflow.ui import page_of


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
        )
        if origin_of(uri) != origin_of(self.uri):
            endpoint = Endpoint(uri=uri)
            return Transport(
                endpoint=endpoint, policy=policy, verify_tls=self.verify_tls, ca_cert=self.ca_cert
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

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        """The entity of that key: one request."""
        match key:
            case ExperimentKey(exp_id):
                return self.transport.call(get_experiment_request(exp_id), get_experiment_from_reply)
            case ExperimentName(name):
                return self.transport.call(get_experiment_by_name_request(name), get_experiment_from_reply)
            case RunKey(run_id):
                return self.transport.call(get_run_request(run_id), run_from_reply)
            case ModelKey(name):
                return self.registry.call(get_model_request(name), model_from_reply)
            case VersionKey(name, version):
                return self.registry.call(get_version_request(name, version), version_from_reply)
            case AliasKey(name, alias):
                return self.registry.call(get_version_by_alias_request(name, alias), version_from_reply)
            case _:
                assert_never(key)

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make a change: one request, one a tag for `SetTags`; what creates, as `creating` describes."""
        match change:
            case CreateExperiment() | EnsureExperiment():
                return create_experiment(self.transport, change)
            case CreateRun():
                return create_run(self.transport, change)
            case UpdateRun():
                return self.transport.do(
                    update_run_request(known(change.run_id), change.status, change.end_time, change.name)
                )
            case LogBatch():
                return self.transport.do(log_batch_request(known(change.run_id), change))
            case SetTags():
                return self._set_tags(change)
            case CreateModel() | EnsureModel():
                return create_model(self.registry, change)
            case RegisterVersion():
                return register_version(self.registry, change)
            case _:
                assert_never(change)

    def _set_tags(self, change: SetTags) -> Result[None, MlopusError]:
        for key, value in change.tags.items():
            match change.on:
                case ExperimentKey(exp_id):
                    done = self.transport.do(set_experiment_tag_request(exp_id, key, value))
                case ModelKey(name):
                    done = self.registry.do(set_model_tag_request(name, key, value))
                case VersionKey(name, version):
                    done = self.registry.do(set_version_tag_request(name, version, key, value))
                case _:
                    assert_never(change.on)
            if isinstance(done, Failure):
                return done
        return Success(None)

    def prepare(self, spec: SearchSpec) -> PushDown:
        """What the server is asked, as `mlopus.wire.mlflow.filter` decides."""
        return server_searches(spec, codec_named(self.text_codec)).push_down

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page: usually one request; for versions one more for their models' aliases."""
        is_of_registry = spec.kind in ("model", "model version")
        transport = self.registry if is_of_registry else self.transport
        return find(transport, spec, self.text_codec, token)

    def locate(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:
        """Where a version's bytes are: no request where its source lies under its run's artifacts."""
        return Locator(tracking=self.transport, registry=self.registry).locate(version, run)

    def metric_history(self, run: RunKey, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Every point of a metric: one request for each 25,000; if there are none, one for the run."""
        points: list[MetricPoint] = []
        token: PageToken = None
        while True:
            request = metric_history_request(run.id, metric, token)
            answered = self.transport.call(request, metric_history_from_reply)
            if isinstance(answered, Failure):
                return answered
            more, token = answered.unwrap()
            points += more
            if token is None:
                break
        if not points:  # servers say nothing of a run that is not there
            there = self.transport.call(get_run_request(run.id), run_from_reply)
            return there if isinstance(there, Failure) else Success(())
        return Success(tuple(sorted(points, key=_step_and_time)))

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


def _step_and_time(point: MetricPoint) -> tuple[int, float]:
    return point.step, point.timestamp.timestamp() if point.timestamp is not None else 0.0
