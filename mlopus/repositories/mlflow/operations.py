"""What a tracking store does, as requests to whoever answers them."""

from __future__ import annotations

from typing import assert_never

import attrs

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import (
    AliasKey,
    EntityKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    RunKey,
    VersionKey,
)
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.domain.text import codec_named
from mlopus.errors import MlopusError
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
from mlopus.plans.pending import known
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.repositories.mlflow.asking import Asking
from mlopus.repositories.mlflow.changing import keep_in_order
from mlopus.repositories.mlflow.creating import create_experiment, create_model, create_run, register_version
from mlopus.repositories.mlflow.finding import find
from mlopus.repositories.mlflow.locating import Locator
from mlopus.repositories.mlflow.tagging import set_tags
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.experiments import (
    get_experiment_by_name_request,
    get_experiment_from_reply,
    get_experiment_request,
)
from mlopus.wire.mlflow.filter import server_searches
from mlopus.wire.mlflow.models import (
    get_model_request,
    get_version_by_alias_request,
    get_version_request,
    model_from_reply,
    version_from_reply,
)
from mlopus.wire.mlflow.runs import (
    get_run_request,
    log_batch_request,
    metric_history_from_reply,
    metric_history_request,
    run_from_reply,
    update_run_request,
)


@attrs.frozen
class Operations:
    """Entities, changes, searches and histories; models and versions are asked of the registry.

    `text_codec` is how the texts of params and tags are read, which decides what can be pushed down.
    `workers` is how many requests one change may send at a time.
    """

    transport: Asking
    registry: Asking
    text_codec: str = "plain"
    workers: int = 1

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
        """Make a change: one request, one a tag for `SetTags`; more as `creating` and `changing` say."""
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
                is_of_registry = isinstance(change.on, ModelKey | VersionKey)
                return set_tags(self.registry if is_of_registry else self.transport, change, self.workers)
            case CreateModel() | EnsureModel():
                return create_model(self.registry, change)
            case RegisterVersion():
                return register_version(self.registry, change)
            case _:
                return keep_in_order(self.transport, self.registry, self.get, change)

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


def _step_and_time(point: MetricPoint) -> tuple[int, float]:
    return point.step, point.timestamp.timestamp() if point.timestamp is not None else 0.0
