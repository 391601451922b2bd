"""Calls: what a caller asked, checked and made into a request, with what is known already.

One function a verb, with the verb's own arguments after the API. Bad input fails here, before
anything is looked at or done.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

import attrs
from immutabledict import immutabledict

from mlopus.api.core import ApiCore
from mlopus.api.references import (
    NAME_HINT,
    ExpRef,
    ModelRef,
    RunRef,
    VersionRef,
    exp_key,
    model_key,
    require,
    run_key,
    version_ref_key,
)
from mlopus.api.views import records_of
from mlopus.domain.entities import Entity, MetricPoint
from mlopus.domain.keys import EntityKey, ExperimentName, RunKey, why_no_model_name
from mlopus.domain.normal import AWARE_HINT, normalise_texts
from mlopus.domain.records import Record
from mlopus.domain.status import RunStatus
from mlopus.domain.text import codec_named
from mlopus.domain.values import encode_metrics
from mlopus.errors import InvalidValue, MlopusError
from mlopus.plans.requests import (
    CacheMeta,
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    GetEntity,
    LogMetricPoints,
    LogMetrics,
    LogParams,
    MetricPointAt,
    Nested,
    Request,
    SetEntityTags,
    SetRunStatus,
)
from mlopus.result import Failure, Result, Success, mapped

K = TypeVar("K")
Tags = Mapping[str, object] | None


@attrs.frozen(kw_only=True)
class Call:
    """A request on its way to a plan.

    Attributes:
        request: What was asked.
        known: Records of entities that the caller gave, so that nobody has to ask for them.
        writes: Whether the verb changes the server.
        roots: Folders that the request's roots stand for.
        to: The API that is copied to, by the verbs that copy.
    """

    request: Request
    known: tuple[Record, ...] = ()
    writes: bool = False
    roots: immutabledict[str, str] = immutabledict()
    to: ApiCore | None = None


def _operation_id() -> str:
    return uuid.uuid4().hex


def known_records(api: ApiCore, *given: object) -> tuple[Record, ...]:
    """The records of those arguments that are entities."""
    codec = codec_named(api.settings.text_codec)
    return tuple(
        record for entity in given if isinstance(entity, Entity) for record in records_of(entity, codec)
    )


def nested_tags(tags: Tags) -> Result[Nested, InvalidValue]:
    """Tags as frozen, plain values."""
    return Success(immutabledict()) if tags is None else normalise_texts("tag", tags)


def _get(key: Result[K, InvalidValue], *, refresh: bool) -> Result[Call, MlopusError]:
    return mapped(key, lambda found: Call(request=GetEntity(key=_any(found), refresh=refresh)))


def _cache_meta(key: Result[K, InvalidValue]) -> Result[Call, MlopusError]:
    return mapped(key, lambda found: Call(request=CacheMeta(key=_any(found))))


def _any(key: object) -> EntityKey:
    return key  # type: ignore[return-value]  # the functions below pass the key of their own kind


def get_exp(_: ApiCore, exp: ExpRef, refresh: bool = False) -> Result[Call, MlopusError]:
    """`get_exp`."""
    return _get(exp_key(exp), refresh=refresh)


def get_exp_by_name(_: ApiCore, name: str, refresh: bool = False) -> Result[Call, MlopusError]:
    """`get_exp_by_name`."""
    return _get(mapped(_exp_name(name), ExperimentName), refresh=refresh)


def get_run(_: ApiCore, run: RunRef, refresh: bool = False) -> Result[Call, MlopusError]:
    """`get_run`."""
    return _get(run_key(run), refresh=refresh)


def get_model(_: ApiCore, model: ModelRef, refresh: bool = False) -> Result[Call, MlopusError]:
    """`get_model`."""
    return _get(model_key(model), refresh=refresh)


def get_model_version(
    _: ApiCore, model_version: VersionRef, refresh: bool = False
) -> Result[Call, MlopusError]:
    """`get_model_version`."""
    return _get(version_ref_key(model_version), refresh=refresh)


def cache_exp_meta(_: ApiCore, exp: ExpRef) -> Result[Call, MlopusError]:
    """`cache_exp_meta`."""
    return _cache_meta(exp_key(exp))


def cache_run_meta(_: ApiCore, run: RunRef) -> Result[Call, MlopusError]:
    """`cache_run_meta`."""
    return _cache_meta(run_key(run))


def cache_model_meta(_: ApiCore, model: ModelRef) -> Result[Call, MlopusError]:
    """`cache_model_meta`."""
    return _cache_meta(model_key(model))


def cache_model_version_meta(_: ApiCore, model_version: VersionRef) -> Result[Call, MlopusError]:
    """`cache_model_version_meta`."""
    return _cache_meta(version_ref_key(model_version))


def _exp_name(name: str) -> Result[str, InvalidValue]:
    require(str, name, "an experiment's name is a str")
    if not name.strip():
        return Failure(InvalidValue(kind="experiment", key=name, reason="is an empty name", hint=NAME_HINT))
    return Success(name)


def create_exp(
    _: ApiCore, name: str, tags: Tags = None, *, ensure: bool = False
) -> Result[Call, MlopusError]:
    """`create_exp`."""
    checked, nested = _exp_name(name), nested_tags(tags)
    if isinstance(checked, Failure):
        return checked
    if isinstance(nested, Failure):
        return nested
    request = CreateExp(name=name, tags=nested.unwrap(), operation_id=_operation_id(), ensure=ensure)
    return Success(Call(request=request, writes=True))


def get_or_create_exp(api: ApiCore, name: str) -> Result[Call, MlopusError]:
    """`get_or_create_exp`."""
    return create_exp(api, name, ensure=True)


def create_model(
    _: ApiCore, name: str, tags: Tags = None, *, ensure: bool = False
) -> Result[Call, MlopusError]:
    """`create_model`."""
    require(str, name, "a model's name is a str")
    reason, nested = why_no_model_name(name), nested_tags(tags)
    if reason is not None:
        return Failure(InvalidValue(kind="model", key=name, reason=reason, hint=NAME_HINT))
    if isinstance(nested, Failure):
        return nested
    request = CreateRegisteredModel(
        name=name, tags=nested.unwrap(), operation_id=_operation_id(), ensure=ensure
    )
    return Success(Call(request=request, writes=True))


def get_or_create_model(api: ApiCore, name: str) -> Result[Call, MlopusError]:
    """`get_or_create_model`."""
    return create_model(api, name, ensure=True)


def create_run(
    api: ApiCore,
    exp: ExpRef,
    name: str | None = None,
    tags: Tags = None,
    repo: str | os.PathLike[str] | None = None,
    parent: RunRef | None = None,
    *,
    start: bool = False,
) -> Result[Call, MlopusError]:
    """`create_run`."""
    key, nested = exp_key(exp), nested_tags(tags)
    above: Result[RunKey | None, InvalidValue] = Success(None) if parent is None else run_key(parent)
    if isinstance(key, Failure):
        return key
    if isinstance(nested, Failure):
        return nested
    if isinstance(above, Failure):
        return above
    request = CreateRunIn(
        exp=key.unwrap(),
        name=name,
        tags=nested.unwrap(),
        repo=None if repo is None else os.fspath(repo),
        parent=above.unwrap(),
        start=start,
        operation_id=_operation_id(),
    )
    return Success(Call(request=request, known=known_records(api, exp), writes=True))


def start_run(
    api: ApiCore,
    exp: ExpRef,
    name: str | None = None,
    tags: Tags = None,
    repo: str | os.PathLike[str] | None = None,
    parent: RunRef | None = None,
) -> Result[Call, MlopusError]:
    """`start_run`."""
    return create_run(api, exp, name, tags, repo, parent, start=True)


def _set_status(api: ApiCore, run: RunRef, status: RunStatus) -> Result[Call, MlopusError]:
    return mapped(
        run_key(run),
        lambda key: Call(
            request=SetRunStatus(run=key, status=status),
            known=known_records(api, run),
            writes=True,
        ),
    )


def resume_run(api: ApiCore, run: RunRef) -> Result[Call, MlopusError]:
    """`resume_run`."""
    return _set_status(api, run, RunStatus.RUNNING)


def end_run(api: ApiCore, run: RunRef, succeeded: bool = True) -> Result[Call, MlopusError]:
    """`end_run`."""
    return _set_status(api, run, RunStatus.FINISHED if succeeded else RunStatus.FAILED)


def _set_tags(key: Result[K, InvalidValue], tags: Tags) -> Result[Call, MlopusError]:
    nested = nested_tags(tags)
    if isinstance(key, Failure):
        return key
    if isinstance(nested, Failure):
        return nested
    request = SetEntityTags(on=key.unwrap(), tags=nested.unwrap())  # type: ignore[arg-type]  # see _any
    return Success(Call(request=request, writes=True))


def set_tags_on_exp(_: ApiCore, exp: ExpRef, tags: Mapping[str, object]) -> Result[Call, MlopusError]:
    """`set_tags_on_exp`."""
    return _set_tags(exp_key(exp), tags)


def set_tags_on_run(_: ApiCore, run: RunRef, tags: Mapping[str, object]) -> Result[Call, MlopusError]:
    """`set_tags_on_run`."""
    return _set_tags(run_key(run), tags)


def set_tags_on_model(_: ApiCore, model: ModelRef, tags: Mapping[str, object]) -> Result[Call, MlopusError]:
    """`set_tags_on_model`."""
    return _set_tags(model_key(model), tags)


def set_tags_on_model_version(
    _: ApiCore, model_version: VersionRef, tags: Mapping[str, object]
) -> Result[Call, MlopusError]:
    """`set_tags_on_model_version`."""
    return _set_tags(version_ref_key(model_version), tags)


def log_params(_: ApiCore, run: RunRef, params: Mapping[str, object]) -> Result[Call, MlopusError]:
    """`log_params`."""
    key, nested = run_key(run), normalise_texts("param", params)
    if isinstance(key, Failure):
        return key
    if isinstance(nested, Failure):
        return nested
    request = LogParams(run=key.unwrap(), params=nested.unwrap())
    return Success(Call(request=request, writes=True))


def _aware(timestamp: datetime | None, metric: str) -> Result[datetime | None, InvalidValue]:
    if timestamp is not None and timestamp.tzinfo is None:
        reason = "has a timestamp without a time zone"
        return Failure(InvalidValue(kind="metric", key=metric, reason=reason, hint=AWARE_HINT))
    return Success(timestamp)


def log_metrics(
    _: ApiCore, run: RunRef, metrics: Mapping[str, object], step: int = 0, timestamp: datetime | None = None
) -> Result[Call, MlopusError]:
    """`log_metrics`."""
    key, floats = run_key(run), encode_metrics(metrics)
    if isinstance(key, Failure):
        return key
    if isinstance(floats, Failure):
        return floats
    moment = _aware(timestamp, ", ".join(floats.unwrap()) or "metrics")
    if isinstance(moment, Failure):
        return moment
    request = LogMetrics(run=key.unwrap(), metrics=floats.unwrap(), step=step, timestamp=moment.unwrap())
    return Success(Call(request=request, writes=True))


def log_metric_points(
    _: ApiCore, run: RunRef, points: Mapping[str, Iterable[MetricPoint]]
) -> Result[Call, MlopusError]:
    """`log_metric_points`."""
    key = run_key(run)
    if isinstance(key, Failure):
        return key
    taken: list[MetricPointAt] = []
    for metric, series in points.items():
        for point in series:
            floats, moment = encode_metrics({metric: point.value}), _aware(point.timestamp, metric)
            if isinstance(floats, Failure):
                return floats
            if isinstance(moment, Failure):
                return moment
            number = floats.unwrap()[metric]
            taken.append(MetricPointAt(key=metric, value=number, step=point.step, timestamp=moment.unwrap()))
    request = LogMetricPoints(run=key.unwrap(), points=tuple(taken))
    return Success(Call(request=request, writes=True))
