"""From a request to the changes of a tracking store that it means, in texts and batches."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeAlias, assert_never

from mlopus.domain.keys import AliasKey, RunKey, VersionKey
from mlopus.domain.records import (
    OPERATION_TAG,
    PARENT_TAG,
    REPO_TAG,
    MetricSample,
    Texts,
    VersionRecord,
)
from mlopus.domain.status import RunStatus
from mlopus.domain.text import codec_named
from mlopus.domain.values import checked_key, encode_texts
from mlopus.errors import InvalidValue, NotFound, ValueTooLong
from mlopus.plans.batches import log_batches
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    EnsureExperiment,
    EnsureModel,
    SetTags,
    TrackingChange,
    UpdateRun,
)
from mlopus.plans.facts import Facts
from mlopus.plans.requests import (
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    LogCollected,
    LogMetricPoints,
    LogMetrics,
    LogParams,
    MetricPointAt,
    Nested,
    RecordingRequest,
    SetEntityTags,
    SetRunStatus,
)
from mlopus.result import Failure, Result, Success, mapped

BadValue: TypeAlias = InvalidValue | ValueTooLong
Changes: TypeAlias = tuple[TrackingChange, ...]


def changes_of(request: RecordingRequest, facts: Facts) -> Result[Changes, BadValue | NotFound]:
    """The changes that a request means, none of which depends on another."""
    match request:
        case CreateExp() | CreateRegisteredModel():
            tags = tag_texts(request.tags, facts, {OPERATION_TAG: request.operation_id})
            return mapped(tags, lambda texts: (_creation(request, texts),))
        case CreateRunIn():
            return mapped(_run_tags(request, facts), lambda texts: (_new_run(request, texts, facts),))
        case SetRunStatus():
            end_time = None if request.status in _UNFINISHED else request.at or facts.now
            return Success((UpdateRun(run_id=request.run.id, status=request.status, end_time=end_time),))
        case SetEntityTags():
            return _tag_changes(request, facts)
        case LogParams():
            params = encode_texts(
                "param", request.params, codec_named(facts.settings.text_codec), facts.tracking.texts
            )
            return mapped(
                params, lambda texts: log_batches(request.run.id, facts.tracking.limits, params=texts)
            )
        case LogMetrics():
            return _metric_changes(request.run, _points(request), facts)
        case LogMetricPoints():
            return _metric_changes(request.run, request.points, facts)
        case LogCollected():
            limits = facts.tracking.limits
            return Success(log_batches(request.run.id, limits, request.params, request.metrics, request.tags))
        case _:
            assert_never(request)


_UNFINISHED = (RunStatus.RUNNING, RunStatus.SCHEDULED)


def tag_texts(nested: Nested, facts: Facts, system: dict[str, str]) -> Result[Texts, BadValue]:
    """Tags as texts, with those that mlopus and MLflow read, which win."""
    limits = facts.tracking.texts
    texts = encode_texts("tag", nested, codec_named(facts.settings.text_codec), limits)
    if isinstance(texts, Failure):
        return texts
    for key, text in system.items():
        if len(text) > limits.tag:
            return Failure(ValueTooLong(kind="tag", key=key, length=len(text), limit=limits.tag))
    return Success(texts.unwrap() | system)


def _creation(request: CreateExp | CreateRegisteredModel, tags: Texts) -> TrackingChange:
    match request:
        case CreateExp():
            exp = EnsureExperiment if request.ensure else CreateExperiment
            return exp(name=request.name, tags=tags, operation_id=request.operation_id)
        case CreateRegisteredModel():
            model = EnsureModel if request.ensure else CreateModel
            return model(name=request.name, tags=tags, operation_id=request.operation_id)


def _run_tags(request: CreateRunIn, facts: Facts) -> Result[Texts, BadValue]:
    system = {OPERATION_TAG: request.operation_id}
    if request.parent is not None:
        system[PARENT_TAG] = request.parent.id
    if request.repo is not None:
        system[REPO_TAG] = request.repo
    return tag_texts(request.tags, facts, system)


def _new_run(request: CreateRunIn, tags: Texts, facts: Facts) -> CreateRun:
    return CreateRun(
        exp_id=request.exp.id,
        name=request.name,
        tags=tags,
        status=RunStatus.RUNNING if request.start else RunStatus.SCHEDULED,
        start_time=(request.at or facts.now) if request.start else None,
        operation_id=request.operation_id,
    )


def _tag_changes(request: SetEntityTags, facts: Facts) -> Result[Changes, BadValue | NotFound]:
    encoded = tag_texts(request.tags, facts, {})
    if isinstance(encoded, Failure):
        return encoded
    tags = encoded.unwrap()
    if not tags:
        return Success(())
    match request.on:
        case RunKey():
            return Success(log_batches(request.on.id, facts.tracking.limits, tags=tags))
        case AliasKey():
            version = version_of_alias(request.on, facts)
            return mapped(version, lambda key: (SetTags(on=key, tags=tags),))
        case _:
            return Success((SetTags(on=request.on, tags=tags),))


def version_of_alias(alias: AliasKey, facts: Facts) -> Result[VersionKey, NotFound]:
    """The version that an alias names, among the records that were gathered."""
    of_model = [r for r in facts.records if isinstance(r, VersionRecord) and r.name == alias.name]
    named = next((r for r in of_model if alias.alias in r.aliases), next(iter(of_model), None))
    if named is None:
        return Failure(NotFound(kind="model version", key=str(alias), place=str(facts.tracking.origin)))
    return Success(VersionKey(named.name, named.version))


def _points(request: LogMetrics) -> Iterable[MetricPointAt]:
    return (
        MetricPointAt(key=key, value=request.metrics[key], step=request.step, timestamp=request.timestamp)
        for key in sorted(request.metrics)
    )


def _metric_changes(
    run: RunKey, points: Iterable[MetricPointAt], facts: Facts
) -> Result[Changes, InvalidValue]:
    samples: list[MetricSample] = []
    checked: set[str] = set()
    for point in points:
        if point.key not in checked:
            key = checked_key("metric", point.key, facts.tracking.texts.key)
            if isinstance(key, Failure):
                return key
            checked.add(point.key)
        moment = _aware(point, facts)
        if isinstance(moment, Failure):
            return moment
        samples.append(
            MetricSample(key=point.key, value=point.value, step=point.step, timestamp=moment.unwrap())
        )
    return Success(log_batches(run.id, facts.tracking.limits, metrics=samples))


def _aware(point: MetricPointAt, facts: Facts) -> Result[datetime, InvalidValue]:
    if point.timestamp is None:
        return Success(facts.now)
    if point.timestamp.tzinfo is None:
        reason = "has a timestamp without a time zone"
        hint = "Give it one: datetime.now(timezone.utc)."
        return Failure(InvalidValue(kind="metric", key=point.key, reason=reason, hint=hint))
    return Success(point.timestamp)
