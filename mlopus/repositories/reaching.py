"""What a change makes of all the records that it reaches, for stores and caches of our own."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from mlopus.domain.keys import ExperimentName, ModelKey, OwnKey, key_of
from mlopus.domain.records import ExperimentRecord, Record, RunRecord
from mlopus.plans.changes import (
    DeleteEntity,
    RenameExperiment,
    RenameModel,
    RestoreEntity,
    TrackingChange,
)
from mlopus.plans.effects import applied, is_removed


@attrs.frozen(kw_only=True)
class Reached:
    """The keys of the records that are gone, and the records that are others now, by the keys they had."""

    gone: tuple[OwnKey, ...]
    changed: tuple[tuple[OwnKey, Record], ...]


def reached(change: TrackingChange, records: Iterable[Record]) -> Reached:
    """What a change makes of records; those that it leaves as they are, are left out."""
    gone: list[OwnKey] = []
    changed: list[tuple[OwnKey, Record]] = []
    for record in records:
        key = key_of(record)
        if is_removed(record, change):
            gone.append(key)
        elif (after := applied(record, change)) != record:
            changed.append((key, after))
    return Reached(gone=tuple(gone), changed=tuple(changed))


def is_done(change: TrackingChange, record: Record) -> bool:
    """Whether an entity is deleted, or restored, already.

    An experiment is deleted with its runs, and restored with them, when it changes itself: a run
    that was restored alone stays so when its deleted experiment is deleted again.
    """
    if not isinstance(record, RunRecord | ExperimentRecord):
        return False
    match change:
        case DeleteEntity():
            return record.lifecycle_stage == "deleted"
        case RestoreEntity():
            return record.lifecycle_stage == "active"
        case _:
            return False


def name_wanted(change: TrackingChange) -> ExperimentName | ModelKey | None:
    """The key that nothing else may have when a change gives an entity another name."""
    match change:
        case RenameExperiment():
            return ExperimentName(change.name)
        case RenameModel():
            return ModelKey(change.new_name)
        case _:
            return None
