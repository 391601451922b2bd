"""What a request on the journal says of runs: its points, and which run it starts, ends or writes to."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs

from mlopus.domain.keys import ExperimentKey, OwnKey, RunKey, VersionKey
from mlopus.domain.provisional import provisional_id, provisional_version
from mlopus.domain.records import MetricSample
from mlopus.domain.status import RunStatus
from mlopus.plans.requests import (
    CreateExp,
    CreateRunIn,
    LogCollected,
    LogMetricPoints,
    LogMetrics,
    LogModelVersion,
    LogParams,
    LogRunArtifact,
    SetEntityTags,
    SetRunStatus,
    WriteRequest,
)

RunChange: TypeAlias = Literal["starts", "ends", "writes"]


def timed(request: WriteRequest, now: datetime) -> WriteRequest:
    """The request with the time at which it was made wherever it means "now".

    Example:
        >>> from datetime import UTC
        >>> moment = datetime(2026, 3, 1, tzinfo=UTC)
        >>> timed(SetRunStatus(run=RunKey("r"), status=RunStatus.FINISHED), moment).at == moment
        True
    """
    match request:
        case CreateRunIn(at=None) | SetRunStatus(at=None):
            return attrs.evolve(request, at=now)
        case LogMetrics(timestamp=None):
            return attrs.evolve(request, timestamp=now)
        case LogMetricPoints():
            points = (
                point if point.timestamp is not None else attrs.evolve(point, timestamp=now)
                for point in request.points
            )
            return attrs.evolve(request, points=tuple(points))
        case _:
            return request


def created_by(request: WriteRequest) -> OwnKey | None:
    """The provisional key of the entity that a request creates; None for one that its name names."""
    match request:
        case CreateExp():
            return ExperimentKey(provisional_id(request.operation_id))
        case CreateRunIn():
            return RunKey(provisional_id(request.operation_id))
        case LogModelVersion():
            return VersionKey(request.model.name, provisional_version(request.operation_id))
        case _:
            return None


def provisional_created_by(request: WriteRequest) -> str | None:
    """The provisional id or version of what a request creates."""
    match created_by(request):
        case ExperimentKey(name) | RunKey(name) | VersionKey(version=name):
            return name
        case _:
            return None


def run_of(request: WriteRequest) -> tuple[str, RunChange] | None:
    """The run that a request writes to, and whether it starts or ends it; None if it concerns no run."""
    match request:
        case CreateRunIn():
            return provisional_id(request.operation_id), "starts" if request.start else "writes"
        case SetRunStatus():
            return request.run.id, "starts" if request.status is RunStatus.RUNNING else "ends"
        case LogParams() | LogMetrics() | LogMetricPoints() | LogCollected():
            return request.run.id, "writes"
        case LogRunArtifact() | LogModelVersion():
            return request.run.id, "writes"
        case SetEntityTags(on=RunKey(run_id)):
            return run_id, "writes"
        case _:
            return None


def points_of(request: WriteRequest) -> tuple[MetricSample, ...]:
    """The metric points of a request whose times are known (`timed`)."""
    match request:
        case LogMetrics(timestamp=datetime() as timestamp):
            return tuple(
                MetricSample(key=key, value=request.metrics[key], step=request.step, timestamp=timestamp)
                for key in sorted(request.metrics)
            )
        case LogMetricPoints():
            return tuple(
                MetricSample(key=point.key, value=point.value, step=point.step, timestamp=point.timestamp)
                for point in request.points
                if point.timestamp is not None
            )
        case LogCollected():
            return request.metrics
        case _:
            return ()
