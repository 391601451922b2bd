"""What a change does to the record it concerns: one account for stores, caches and simulation.

Rules of this module: pure; a record that a change does not concern comes back unchanged; times are
cut to whole milliseconds, as every MLflow store keeps them.

The names of runs follow MLflow: a run's name and its tag `mlflow.runName` are the same thing, and
setting one sets the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import TypeAlias, TypeVar, assert_never, cast

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import OwnKey, RunKey, key_of
from mlopus.domain.records import (
    OPERATION_TAG,
    RUN_NAME_TAG,
    ExperimentRecord,
    MetricSample,
    ModelRecord,
    Record,
    RunRecord,
    Texts,
    VersionRecord,
)
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

CreatingChange: TypeAlias = (
    CreateExperiment | EnsureExperiment | CreateRun | CreateModel | EnsureModel | RegisterVersion
)

AnyRecord = TypeVar("AnyRecord", bound=Record)


def concerns(change: TrackingChange) -> OwnKey | None:
    """The key of the entity that a change changes; None for a change that creates one."""
    match change:
        case UpdateRun() | LogBatch():
            return RunKey(known(change.run_id))
        case SetTags():
            return change.on
        case _:
            return None


def applied(record: AnyRecord, change: TrackingChange) -> AnyRecord:
    """The record after a change.

    Of the points of a batch the greatest by step, time and value becomes the metric's value: where
    an earlier batch was at a later step, only a store that keeps the points knows better.

    Example:
        >>> run = RunRecord(id="r", exp_id="0", tags=immutabledict(a="1"))
        >>> applied(run, LogBatch(run_id="r", tags=immutabledict(b="2"))).tags
        immutabledict({'a': '1', 'b': '2'})
    """
    if concerns(change) != key_of(record):
        return record
    after: Record = record
    match record, change:
        case RunRecord(), UpdateRun():
            after = _updated(record, change)
        case RunRecord(), LogBatch():
            after = _logged(record, change)
        case ((ExperimentRecord() | ModelRecord() | VersionRecord()), SetTags()):
            after = attrs.evolve(record, tags=record.tags | change.tags)
        case _:
            return record
    return cast("AnyRecord", after)


def creation_tags(change: CreatingChange) -> Texts:
    """The tags with which an entity is created: those asked for, and the id of the operation."""
    return change.tags | {OPERATION_TAG: change.operation_id}


def created_record(change: CreatingChange, *, id: str, now: datetime, artifact_uri: str = "") -> Record:  # noqa: A002
    """The record that a creating change makes, where nothing of that name is there.

    Args:
        change: What creates.
        id: The id of the experiment or run, or the version; a model has none but its name.
        now: When it is created; a run starts when its change says.
        artifact_uri: Where the artifacts of the experiment or run will be.
    """
    now, tags = whole_ms(now), creation_tags(change)
    match change:
        case CreateExperiment() | EnsureExperiment():
            location = change.artifact_location if isinstance(change, CreateExperiment) else None
            return ExperimentRecord(
                id=id,
                name=change.name,
                tags=tags,
                artifact_location=location or artifact_uri or None,
                created_at=now,
                updated_at=now,
            )
        case CreateRun():
            name = change.name or tags.get(RUN_NAME_TAG)
            return RunRecord(
                id=id,
                exp_id=known(change.exp_id),
                name=name,
                status=change.status,
                start_time=change.start_time and whole_ms(change.start_time),
                artifact_uri=artifact_uri,
                tags=tags | {RUN_NAME_TAG: name} if name else tags,
            )
        case CreateModel() | EnsureModel():
            return ModelRecord(name=change.name, tags=tags, created_at=now, updated_at=now)
        case RegisterVersion():
            return VersionRecord(
                name=change.model_name,
                version=id,
                source=change.source,
                run_id=change.run_id,
                tags=tags,
                created_at=now,
                updated_at=now,
            )
        case _:
            assert_never(change)


def latest_points(samples: Iterable[MetricSample]) -> immutabledict[str, MetricSample]:
    """Of each metric the point that counts: the greatest by step, time and value."""
    latest: dict[str, MetricSample] = {}
    for sample in samples:
        held = latest.get(sample.key)
        if held is None or point_rank(sample) > point_rank(held):
            latest[sample.key] = sample
    return immutabledict(latest)


def point_rank(sample: MetricSample) -> tuple[int, datetime, float]:
    """What decides which point of a metric is the latest; NaN counts as 0 there, as in MLflow's stores."""
    value = 0.0 if math.isnan(sample.value) else sample.value
    return sample.step, whole_ms(sample.timestamp), value


def whole_ms(moment: datetime) -> datetime:
    """The moment without what is below a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _updated(run: RunRecord, change: UpdateRun) -> RunRecord:
    end_time = change.end_time and whole_ms(change.end_time)
    return attrs.evolve(
        run,
        status=change.status or run.status,
        end_time=end_time or run.end_time,
        name=change.name or run.name,
        tags=run.tags | {RUN_NAME_TAG: change.name} if change.name else run.tags,
    )


def _logged(run: RunRecord, batch: LogBatch) -> RunRecord:
    latest = {key: point.value for key, point in latest_points(batch.metrics).items()}
    return attrs.evolve(
        run,
        params=run.params | batch.params,
        metrics=run.metrics | latest,
        tags=run.tags | batch.tags,
        name=batch.tags.get(RUN_NAME_TAG) or run.name,
    )
