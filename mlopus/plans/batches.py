"""Splitting what is logged to a run into requests that a server takes, as few as that needs."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import attrs
from immutabledict import immutabledict

from mlopus.domain.records import MetricSample, Texts
from mlopus.plans.changes import LogBatch
from mlopus.plans.facts import BatchLimits

T = TypeVar("T")

_ENVELOPE_BYTES = 1_000
_TEXT_BYTES = 30
_SAMPLE_BYTES = 120
"""More than JSON needs around a key and its value; for a sample, its numbers included."""


def log_batches(
    run_id: str,
    limits: BatchLimits,
    params: Texts = immutabledict(),
    metrics: Iterable[MetricSample] = (),
    tags: Texts = immutabledict(),
) -> tuple[LogBatch, ...]:
    """Values in batches: params and tags sorted by key, metric points in their order.

    Each batch takes what still fits of every kind, so that one request carries them together. A
    value too heavy for any request goes alone.
    """
    return tuple(_batches(run_id, limits, params, metrics, tags))


def _batches(
    run_id: str, limits: BatchLimits, params: Texts, metrics: Iterable[MetricSample], tags: Texts
) -> Iterator[LogBatch]:
    texts = [_Waiting(deque(_weighed(kind))) for kind in (params, tags)]
    points = _Waiting(deque((sample, _json_bytes(sample.key) + _SAMPLE_BYTES) for sample in metrics))
    while points or any(texts):
        room = _Room(items=limits.total, bytes=limits.body_bytes - _ENVELOPE_BYTES)
        yield LogBatch(
            run_id=run_id,
            params=immutabledict(texts[0].taken(limits.params, room)),
            tags=immutabledict(texts[1].taken(limits.tags, room)),
            metrics=tuple(points.taken(limits.metrics, room)),
        )


@attrs.define
class _Room:
    """What a request can still carry; one that carries nothing yet takes anything."""

    items: int
    bytes: int
    is_empty: bool = True

    def takes(self, weight: int) -> bool:
        """Whether an item of that many bytes went in."""
        if not self.is_empty and (not self.items or weight > self.bytes):
            return False
        self.items, self.bytes, self.is_empty = self.items - 1, self.bytes - weight, False
        return True


@attrs.define
class _Waiting(Generic[T]):
    """Items of one kind that no request carries yet, each with its bytes."""

    items: deque[tuple[T, int]]

    def __bool__(self) -> bool:
        return bool(self.items)

    def taken(self, most: int, room: _Room) -> list[T]:
        """At most so many items, as far as there is room; they wait no longer."""
        found: list[T] = []
        while self.items and len(found) < most and room.takes(self.items[0][1]):
            found.append(self.items.popleft()[0])
        return found


def _weighed(texts: Texts) -> Iterator[tuple[tuple[str, str], int]]:
    for key in sorted(texts):
        yield (key, texts[key]), _json_bytes(key) + _json_bytes(texts[key]) + _TEXT_BYTES


def _json_bytes(text: str) -> int:
    """The size of a text in JSON, at most."""
    return len(json.dumps(text))
