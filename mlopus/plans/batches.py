"""Splitting what is logged to a run into requests that a server takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TypeVar

from immutabledict import immutabledict

from mlopus.domain.records import MetricSample, Texts
from mlopus.plans.changes import LogBatch
from mlopus.plans.facts import BatchLimits

T = TypeVar("T")

_ENVELOPE_BYTES = 1_000
_TEXT_BYTES = 30
_SAMPLE_BYTES = 120
"""More than JSON needs around a key and its value; for a sample, its numbers included."""


def param_batches(run_id: str, params: Texts, limits: BatchLimits) -> tuple[LogBatch, ...]:
    """Params in batches, sorted by key."""
    most = min(limits.params, limits.total)
    return tuple(LogBatch(run_id=run_id, params=batch) for batch in _text_batches(params, most, limits))


def tag_batches(run_id: str, tags: Texts, limits: BatchLimits) -> tuple[LogBatch, ...]:
    """Tags of a run in batches, sorted by key."""
    most = min(limits.tags, limits.total)
    return tuple(LogBatch(run_id=run_id, tags=batch) for batch in _text_batches(tags, most, limits))


def metric_batches(run_id: str, samples: Iterable[MetricSample], limits: BatchLimits) -> tuple[LogBatch, ...]:
    """Metric points in batches, in their order."""
    weighed = ((sample, _json_bytes(sample.key) + _SAMPLE_BYTES) for sample in samples)
    most = min(limits.metrics, limits.total)
    return tuple(LogBatch(run_id=run_id, metrics=batch) for batch in _batches(weighed, most, limits))


def _text_batches(texts: Texts, most: int, limits: BatchLimits) -> Iterator[Texts]:
    weighed = (
        ((key, texts[key]), _json_bytes(key) + _json_bytes(texts[key]) + _TEXT_BYTES) for key in sorted(texts)
    )
    return (immutabledict(batch) for batch in _batches(weighed, most, limits))


def _batches(weighed: Iterable[tuple[T, int]], most: int, limits: BatchLimits) -> Iterator[tuple[T, ...]]:
    """Items in groups of at most so many, and of at most so many bytes; one too heavy goes alone."""
    batch: list[T] = []
    left = room = limits.body_bytes - _ENVELOPE_BYTES
    for item, size in weighed:
        if batch and (len(batch) == most or size > left):
            yield tuple(batch)
            batch, left = [], room
        batch.append(item)
        left -= size
    if batch:
        yield tuple(batch)


def _json_bytes(text: str) -> int:
    """The size of a text in JSON, at most."""
    return len(json.dumps(text))
