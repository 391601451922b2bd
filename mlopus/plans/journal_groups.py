"""Which requests of a journal are sent together: what is logged to one run, in as few batches as it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, cast

import attrs
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import RunKey
from mlopus.domain.records import MetricSample
from mlopus.errors import InvalidValue, NotFound, ValueTooLong
from mlopus.plans.changes import LogBatch
from mlopus.plans.effects import point_identity
from mlopus.plans.facts import Facts
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.queued import points_of, timed
from mlopus.plans.requests import (
    LogCollected,
    LogMetricPoints,
    LogMetrics,
    LogParams,
    MetricPointAt,
    SetEntityTags,
    WriteRequest,
)
from mlopus.plans.tracking_changes import changes_of
from mlopus.result import Failure, Result, Success

Group: TypeAlias = tuple[JournalEntry, ...]
"""Entries in order; more than one only if all log to one run."""
LogRequest: TypeAlias = LogParams | LogMetrics | LogMetricPoints | LogCollected | SetEntityTags


def logs_to(request: WriteRequest) -> str | None:
    """The run that a request only logs to; None for any other request."""
    match request:
        case LogParams() | LogMetrics() | LogMetricPoints() | LogCollected():
            return request.run.id
        case SetEntityTags(on=RunKey(run_id)):
            return run_id
        case _:
            return None


def grouped(entries: Iterable[JournalEntry], most: int) -> Iterator[Group]:
    """Entries in groups to be sent one after another.

    What is logged to a run is grouped up to the next request of another kind: what is logged to
    different runs in between changes places, which nobody can tell. What was refused before goes
    alone, so that it takes no others along.

    Args:
        entries: What waits, in order.
        most: How many params, points and tags a group has at most; one request may have more.
    """
    open_groups: dict[str, list[JournalEntry]] = {}
    sizes: dict[str, int] = {}
    for entry in entries:
        run_id = None if entry.error is not None else logs_to(entry.request)
        if run_id is None:
            yield from map(tuple, open_groups.values())
            open_groups.clear()
            yield (entry,)
            continue
        size = _size(entry.request)
        if run_id in open_groups and sizes[run_id] + size > most:
            yield tuple(open_groups.pop(run_id))
        sizes[run_id] = size + (sizes[run_id] if run_id in open_groups else 0)
        open_groups.setdefault(run_id, []).append(entry)
    yield from map(tuple, open_groups.values())


def _size(request: WriteRequest) -> int:
    match request:
        case LogMetrics():
            return len(request.metrics)
        case LogMetricPoints():
            return len(request.points)
        case LogCollected():
            return len(request.metrics) + len(request.params) + len(request.tags)
        case LogParams():
            return len(request.params)
        case SetEntityTags():
            return len(request.tags)
        case _:
            return 1


def coalesced(
    requests: Sequence[LogRequest], facts: Facts
) -> Result[LogCollected | None, InvalidValue | ValueTooLong | NotFound]:
    """Requests that log to one run as one; None if they disagree about a param, which only one can win."""
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    metrics: list[MetricSample] = []
    for request in _points_together(requests, facts):
        changes = changes_of(request, facts)
        if isinstance(changes, Failure):
            return changes
        for batch in cast("tuple[LogBatch, ...]", changes.unwrap()):
            if any(params.get(key, text) != text for key, text in batch.params.items()):
                return Success(None)
            params |= batch.params
            tags |= batch.tags
            metrics += batch.metrics
    run_id = logs_to(requests[0]) or ""
    return Success(
        LogCollected(
            run=RunKey(run_id),
            params=immutabledict(params),
            metrics=tuple(metrics),
            tags=immutabledict(tags),
        )
    )


def _points_together(requests: Sequence[LogRequest], facts: Facts) -> Iterator[LogRequest]:
    """The requests with all their points in one: their order tells nothing, and each has its time."""
    points: list[MetricPointAt] = []
    for request in requests:
        if isinstance(request, LogMetrics | LogMetricPoints):
            points += (
                MetricPointAt(key=point.key, value=point.value, step=point.step, timestamp=point.timestamp)
                for point in points_of(timed(request, facts.now))
            )
        else:
            yield request
    if points:
        yield LogMetricPoints(run=RunKey(logs_to(requests[0]) or ""), points=tuple(points))


def without_points(request: LogCollected, histories: Mapping[str, tuple[MetricPoint, ...]]) -> LogCollected:
    """The request without points that the run has already."""
    there = {
        point_identity(MetricSample(key=key, value=point.value, step=point.step, timestamp=point.timestamp))
        for key, points in histories.items()
        for point in points
        if point.timestamp is not None
    }
    kept = tuple(sample for sample in request.metrics if point_identity(sample) not in there)
    return attrs.evolve(request, metrics=kept)
