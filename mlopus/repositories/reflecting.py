"""What a metadata cache keeps of a change that was made on the server."""

from __future__ import annotations

from collections.abc import Callable

from mlopus.domain.keys import OwnKey, key_of
from mlopus.plans.effects import applied, concerns
from mlopus.plans.pending import known
from mlopus.plans.steps import ReflectChange
from mlopus.ports.metadata_cache import CachedRecord


def reflected(step: ReflectChange, cached: Callable[[OwnKey], CachedRecord | None]) -> CachedRecord | None:
    """What to keep after a change; None if it concerns nothing that is cached.

    An entity that was changed keeps its time: the change is known, not what others did since. One
    that was created or ensured is as the server just answered it.
    """
    created = known(step.created)
    if created is not None:
        is_wanted = step.add or cached(key_of(created)) is not None
        return CachedRecord(record=created, as_of=step.taken_at) if is_wanted else None
    key = concerns(step.change)
    held = None if key is None else cached(key)
    if held is None:
        return None
    return CachedRecord(record=applied(held.record, step.change), as_of=held.as_of)
