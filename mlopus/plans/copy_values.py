"""What a copy's texts and points lack, and whether a store takes them."""

from __future__ import annotations

from collections.abc import Iterable

from immutabledict import immutabledict

from mlopus.domain.records import MetricSample, Texts
from mlopus.domain.values import TextKind, TextLimits, checked_key
from mlopus.errors import InvalidValue, ValueTooLong
from mlopus.plans.effects import point_identity
from mlopus.result import Failure


def texts_lacking(wanted: Texts, there: Texts) -> Texts:
    """Those texts that are to be set: what the copy lacks, or has otherwise."""
    return immutabledict({key: text for key, text in wanted.items() if there.get(key) != text})


def points_lacking(wanted: Iterable[MetricSample], there: Iterable[MetricSample]) -> tuple[MetricSample, ...]:
    """Those points that the copy lacks, each once; in the order of metric, step and time."""
    held = {point_identity(sample) for sample in there}
    lacking = {identity: sample for sample in wanted if (identity := point_identity(sample)) not in held}
    return tuple(lacking[identity] for identity in sorted(lacking))


def text_fault(kind: TextKind, texts: Texts, limits: TextLimits) -> InvalidValue | ValueTooLong | None:
    """Why the target does not take one of these texts; None if it takes all."""
    for key in sorted(texts):
        checked = checked_key(kind, key, limits.key)
        if isinstance(checked, Failure):
            return checked.failure()
        length = len(texts[key])
        if length > limits.of(kind):
            return ValueTooLong(kind=kind, key=key, length=length, limit=limits.of(kind))
    return None


def metric_fault(points: Iterable[MetricSample], limits: TextLimits) -> InvalidValue | None:
    """Why the target does not take one of these metrics; None if it takes all."""
    for key in sorted({sample.key for sample in points}):
        checked = checked_key("metric", key, limits.key)
        if isinstance(checked, Failure):
            return checked.failure()
    return None
