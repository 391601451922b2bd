"""The interpreter of steps that export: into the cache folder that the root `target` stands for."""

from __future__ import annotations

from itertools import groupby

from mlopus.errors import MlopusError, StalePlan
from mlopus.plans.outcomes import Cached, Committed
from mlopus.plans.steps import ExportRows, ExportTree
from mlopus.ports.cache_folders import CacheFolders
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.result import Failure, Result, Success


def export_tree(
    step: ExportTree, folder: str, source: TreeSource, folders: CacheFolders, meter: Meter
) -> Result[Committed, MlopusError]:
    """Copy a tree beside those of the folder, then commit it; what is cut before that is not seen."""
    made = _made(folder, step.into, folders)
    if isinstance(made, Failure):
        return made
    cache, commit = folders.artifacts(folder), step.commit
    there = cache.covering(commit.subject, commit.path, with_validators=False)
    if isinstance(there, Failure):
        return there
    if there.unwrap() and there.unwrap()[0].taken_at > commit.taken_at:
        found = f"one taken at {there.unwrap()[0].taken_at.isoformat(timespec='seconds')}"
        hint = "Export again: what was taken later stays."
        return Failure(StalePlan(thing=folder, expected="nothing newer", found=found, hint=hint))
    opened = cache.stage()
    if isinstance(opened, Failure):
        return opened
    staging = opened.unwrap()
    try:
        copied = staging.copy(step.files, source, meter)
        return copied if isinstance(copied, Failure) else staging.commit(commit)
    finally:
        staging.discard()


def export_rows(step: ExportRows, folder: str, folders: CacheFolders) -> Result[Cached, MlopusError]:
    """Write entities in the order of the step; those of one moment together."""
    made = _made(folder, step.into, folders)
    if isinstance(made, Failure):
        return made
    cache = folders.metadata(folder)
    for taken_at, rows in groupby(step.rows, key=lambda row: row.as_of):
        put = cache.put(tuple(row.record for row in rows), taken_at)
        if isinstance(put, Failure):
            return put
    return Success(Cached())


def _made(folder: str, expected_id: str | None, folders: CacheFolders) -> Result[None, MlopusError]:
    """See that the folder is still what the plan was made for, and a cache."""
    seen = folders.facts(folder)
    if isinstance(seen, Failure):
        return seen
    found = seen.unwrap()
    if expected_id is not None and not (found.is_cache and found.cache_id == expected_id):
        there = f"cache {found.cache_id}" if found.is_cache else "no cache"
        return Failure(StalePlan(thing=folder, expected=f"cache {expected_id}", found=there))
    if found.others:
        there = f"something else: {', '.join(sorted(found.others)[:3])}"
        return Failure(StalePlan(thing=folder, expected="an empty folder or a cache", found=there))
    return folders.create(folder)
