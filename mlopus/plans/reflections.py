"""Which changes steps make, or show before they are made."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from mlopus.domain.keys import OwnKey, key_of
from mlopus.plans.changes import LogBatch, TrackingChange
from mlopus.plans.effects import concerns
from mlopus.plans.pending import known
from mlopus.plans.steps import ReflectChange, Step


def changes_in(steps: Iterable[Step]) -> tuple[TrackingChange, ...]:
    """The changes that steps send; where they only queue, those that they show."""
    steps = tuple(steps)
    sent = tuple(step for step in steps if isinstance(step, TrackingChange))
    return sent or tuple(step.change for step in steps if isinstance(step, ReflectChange))


def effects_in(steps: Iterable[Step]) -> tuple[TrackingChange, ...]:
    """As `changes_in`, without metric points of which later ones are known."""
    steps = tuple(steps)
    sent = tuple(step for step in steps if isinstance(step, TrackingChange))
    return sent or tuple(counted_change(step) for step in steps if isinstance(step, ReflectChange))


def counted_change(step: ReflectChange) -> TrackingChange:
    """The change without points that are outranked by others, which are known."""
    change = step.change
    if not isinstance(change, LogBatch) or not step.outranked:
        return change
    kept = tuple(point for point in change.metrics if point.key not in step.outranked)
    return attrs.evolve(change, metrics=kept)


def shown_by(step: ReflectChange) -> OwnKey | None:
    """The entity whose row shows the change."""
    created = known(step.created)
    return concerns(step.change) if created is None else key_of(created)
