"""Cached rows that follow a change of the server."""

from __future__ import annotations

from collections.abc import Iterator

from mlopus.domain.keys import key_of
from mlopus.plans.changes import TrackingChange
from mlopus.plans.effects import reaches
from mlopus.plans.reflections import counted_change
from mlopus.plans.steps import ReflectChange
from mlopus.repositories.reflecting import created_by, keys_looked_up, outdated_by, reflected
from mlopus.repositories.sqlite.moving import family, remove, rewrite
from mlopus.repositories.sqlite.rows import Rows, Stored


def follow(rows: Rows, step: ReflectChange) -> None:
    """Let rows follow a change; those that are not there stay so, except what is to be added."""
    created = created_by(step, lambda key: rows.get(key) is not None)
    if created is not None:
        rows.put((created.record,), created.as_of)
        return
    change = counted_change(step)
    stored = {key_of(found.record): found for found in _reached_by(rows, change)}
    after = reflected(change, {key: found.record for key, found in stored.items()})
    outdated = outdated_by(change)
    if outdated is not None:
        remove(rows, outdated)
    rewrite(rows, ((stored[key], record) for key, record in after.changed))
    for key in after.gone:
        remove(rows, key)


def _reached_by(rows: Rows, change: TrackingChange) -> Iterator[Stored]:
    for key in keys_looked_up(change):
        found = rows.get(key)
        if found is not None:
            yield found
    for key in reaches(change):
        yield from family(rows, key)
