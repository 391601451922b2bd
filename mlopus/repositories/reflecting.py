"""What a metadata cache keeps of a change that was made on the server.

An entity that was changed keeps its time: the change is known, not what others did since. One that
was created or ensured is as the server just answered it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlopus.domain.keys import ModelKey, OwnKey, key_of
from mlopus.domain.records import Record
from mlopus.plans.changes import TrackingChange
from mlopus.plans.effects import concerns, reaches
from mlopus.plans.pending import known
from mlopus.plans.steps import ReflectChange
from mlopus.ports.metadata_cache import CachedRecord
from mlopus.repositories.reaching import Reached, is_done, name_wanted, reached


def created_by(step: ReflectChange, is_cached: Callable[[OwnKey], bool]) -> CachedRecord | None:
    """What to keep of an entity that was created; None if it is not wanted and not cached."""
    created = known(step.created)
    if created is None or not (step.add or is_cached(key_of(created))):
        return None
    return CachedRecord(record=created, as_of=step.taken_at)


def keys_looked_up(change: TrackingChange) -> tuple[OwnKey, ...]:
    """The entities that a change concerns or reaches by name; runs and versions below them come besides."""
    own = concerns(change)
    return tuple(dict.fromkeys((*(() if own is None else (own,)), *reaches(change))))


def reflected(change: TrackingChange, held: Mapping[OwnKey, Record]) -> Reached:
    """What a change makes of what is cached of the entities that it reaches; any of them may be missing."""
    own = concerns(change)
    record = None if own is None else held.get(own)
    if record is not None and is_done(change, record):
        return Reached(gone=(), changed=())
    return reached(change, held.values())


def outdated_by(change: TrackingChange) -> ModelKey | None:
    """A model that cannot be there any more, since the server gave its name to another."""
    name = name_wanted(change)
    return name if isinstance(name, ModelKey) and name != concerns(change) else None
