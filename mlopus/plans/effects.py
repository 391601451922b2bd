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

from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey, VersionKey, key_of
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
from mlopus.domain.values import metric_from_server
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    DeleteAlias,
    DeleteEntity,
    DeleteTags,
    EnsureExperiment,
    EnsureModel,
    LogBatch,
    RegisterVersion,
    RenameExperiment,
    RenameModel,
    RestoreEntity,
    SetAlias,
    SetTags,
    TrackingChange,
    UpdateDescription,
    UpdateRun,
)
from mlopus.plans.pending import known

CreatingChange: TypeAlias = (
    CreateExperiment | EnsureExperiment | CreateRun | CreateModel | EnsureModel | RegisterVersion
)

AnyRecord = TypeVar("AnyRecord", bound=Record)


def concerns(change: TrackingChange) -> OwnKey | None:
    """The key of the entity that must be there for a change; None for a change that creates one."""
    match change:
        case UpdateRun() | LogBatch():
            return RunKey(known(change.run_id))
        case SetTags() | UpdateDescription() | DeleteTags():
            return change.on
        case RenameExperiment():
            return ExperimentKey(change.exp_id)
        case RenameModel():
            return ModelKey(change.name)
        case SetAlias():
            return VersionKey(change.model_name, change.version)
        case DeleteAlias():
            return ModelKey(change.model_name)
        case DeleteEntity() | RestoreEntity():
            return change.key
        case _:
            return None


def reaches(change: TrackingChange) -> tuple[ExperimentKey | ModelKey, ...]:
    """Whose runs or versions a change reaches, besides the entity that it concerns.

    A model's own record is reached together with its versions, since both tell its aliases.
    """
    match change:
        case (
            DeleteEntity(key=ExperimentKey() | ModelKey() as key) | RestoreEntity(key=ExperimentKey() as key)
        ):
            return (key,)
        case DeleteEntity(key=VersionKey(name=name)):
            return (ModelKey(name),)
        case RenameModel():
            return (ModelKey(change.name),)
        case SetAlias() | DeleteAlias():
            return (ModelKey(change.model_name),)
        case _:
            return ()


def is_removed(record: Record, change: TrackingChange) -> bool:
    """Whether a record is gone after a change.

    Example:
        >>> version = VersionRecord(name="ranker", version="1", source="s3://b/1")
        >>> is_removed(version, DeleteEntity(key=ModelKey("ranker")))
        True
    """
    if not isinstance(change, DeleteEntity) or not isinstance(change.key, ModelKey | VersionKey):
        return False
    of_model = isinstance(record, VersionRecord) and change.key == ModelKey(record.name)
    return key_of(record) == change.key or of_model


def applied(record: AnyRecord, change: TrackingChange) -> AnyRecord:
    """The record after a change that does not remove it (`is_removed`).

    Of the points of a batch the greatest by step, time and value becomes the metric's value: where
    an earlier batch was at a later step, only a store that keeps the points knows better.

    Example:
        >>> run = RunRecord(id="r", exp_id="0", tags=immutabledict(a="1"))
        >>> applied(run, LogBatch(run_id="r", tags=immutabledict(b="2"))).tags
        immutabledict({'a': '1', 'b': '2'})
    """
    after: Record = record
    match record:
        case RunRecord():
            after = _run_after(record, change)
        case ExperimentRecord():
            after = _experiment_after(record, change)
        case ModelRecord():
            after = _model_after(record, change)
        case VersionRecord():
            after = _version_after(record, change)
    return cast("AnyRecord", after)


def _run_after(run: RunRecord, change: TrackingChange) -> RunRecord:
    above = ExperimentKey(run.exp_id)
    match change:
        case DeleteEntity(key=key) if key in {RunKey(run.id), above}:
            return attrs.evolve(run, lifecycle_stage="deleted")
        case RestoreEntity(key=key) if key in {RunKey(run.id), above}:
            return attrs.evolve(run, lifecycle_stage="active")
        case _ if concerns(change) != RunKey(run.id):
            return run
        case UpdateRun():
            return _updated(run, change)
        case LogBatch():
            return _logged(run, change)
        case DeleteTags():
            return attrs.evolve(run, tags=_without(run.tags, change.keys))
        case _:
            return run


def _experiment_after(exp: ExperimentRecord, change: TrackingChange) -> ExperimentRecord:
    if concerns(change) != ExperimentKey(exp.id):
        return exp
    match change:
        case SetTags():
            return attrs.evolve(exp, tags=exp.tags | change.tags)
        case DeleteTags():
            return attrs.evolve(exp, tags=_without(exp.tags, change.keys))
        case RenameExperiment():
            return attrs.evolve(exp, name=change.name)
        case DeleteEntity():
            return attrs.evolve(exp, lifecycle_stage="deleted")
        case RestoreEntity():
            return attrs.evolve(exp, lifecycle_stage="active")
        case _:
            return exp


def _model_after(model: ModelRecord, change: TrackingChange) -> ModelRecord:
    match change:
        case DeleteEntity(key=VersionKey(name=model.name, version=version)):
            kept = {alias: named for alias, named in model.aliases.items() if named != version}
            return attrs.evolve(model, aliases=immutabledict(kept))
        case SetAlias() if change.model_name == model.name:
            return attrs.evolve(model, aliases=model.aliases | {change.alias: change.version})
        case _ if concerns(change) != ModelKey(model.name):
            return model
        case SetTags():
            return attrs.evolve(model, tags=model.tags | change.tags)
        case DeleteTags():
            return attrs.evolve(model, tags=_without(model.tags, change.keys))
        case UpdateDescription():
            return attrs.evolve(model, description=change.description or None)
        case RenameModel():
            return attrs.evolve(model, name=change.new_name)
        case DeleteAlias():
            return attrs.evolve(model, aliases=_without(model.aliases, (change.alias,)))
        case _:
            return model


def _version_after(version: VersionRecord, change: TrackingChange) -> VersionRecord:
    match change:
        case RenameModel() if change.name == version.name:
            return attrs.evolve(version, name=change.new_name)
        case SetAlias() | DeleteAlias() if change.model_name == version.name:
            others = {alias for alias in version.aliases if alias != change.alias}
            is_named = isinstance(change, SetAlias) and change.version == version.version
            return attrs.evolve(
                version, aliases=tuple(sorted(others | ({change.alias} if is_named else set())))
            )
        case _ if concerns(change) != VersionKey(version.name, version.version):
            return version
        case SetTags():
            return attrs.evolve(version, tags=version.tags | change.tags)
        case DeleteTags():
            return attrs.evolve(version, tags=_without(version.tags, change.keys))
        case UpdateDescription():
            return attrs.evolve(version, description=change.description or None)
        case _:
            return version


def _without(texts: Texts, keys: Iterable[str]) -> Texts:
    gone = frozenset(keys)
    return immutabledict({key: text for key, text in texts.items() if key not in gone})


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
    ranks: dict[str, tuple[int, datetime, float]] = {}
    for sample in samples:
        key, rank = sample.key, point_rank(sample)
        if key not in ranks or rank > ranks[key]:
            latest[key], ranks[key] = sample, rank
    return immutabledict(latest)


def point_rank(sample: MetricSample) -> tuple[int, datetime, float]:
    """What decides which point of a metric is the latest; NaN counts as 0 there, as in MLflow's stores."""
    value = 0.0 if math.isnan(sample.value) else sample.value
    return sample.step, whole_ms(sample.timestamp), value


def point_identity(sample: MetricSample) -> tuple[str, int, datetime, str]:
    """What makes two points one: stores keep milliseconds, and infinities as the largest numbers."""
    value = metric_from_server(sample.value)
    text = "NaN" if math.isnan(value) else (value + 0.0).hex()
    return sample.key, sample.step, whole_ms(sample.timestamp), text


def whole_ms(moment: datetime) -> datetime:
    """The moment without what is below a millisecond."""
    below_ms = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - below_ms) if below_ms else moment


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
