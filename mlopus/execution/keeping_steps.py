"""The interpreter of steps that keep a cache in order."""

from __future__ import annotations

from typing import assert_never

from immutabledict import immutabledict

from mlopus.errors import MlopusError, NotCached
from mlopus.execution.byte_steps import root_of
from mlopus.execution.repositories import Repositories
from mlopus.plans.keeping import Placement
from mlopus.plans.keeping_steps import (
    ClearMetadata,
    EvictTrees,
    ForgetPlacements,
    KeepingStep,
    PinPath,
    RecordPlacement,
    RemovePins,
    RemoveTemporaries,
    SweepLeftovers,
)
from mlopus.plans.outcomes import Cached, Kept, Outcome, Removed
from mlopus.plans.pending import known
from mlopus.result import Failure, Result, Success, mapped


def perform_keeping(
    step: KeepingStep, roots: immutabledict[str, str], repositories: Repositories
) -> Result[Outcome, MlopusError]:
    """Carry out one step."""
    artifacts = repositories.artifacts
    match step:
        case EvictTrees():
            return artifacts.care.evict(step)
        case SweepLeftovers():
            names = tuple(leftover.name for leftover in step.leftovers)
            return mapped(artifacts.care.sweep(names), lambda count: Removed(file_count=count))
        case RecordPlacement():
            root = root_of(step.root, roots)
            return root if isinstance(root, Failure) else _recorded(step, root.unwrap(), repositories)
        case ForgetPlacements():
            return mapped(artifacts.keeping.forget(step.placements), lambda _: Kept())
        case PinPath():
            pinned = artifacts.keeping.pin(step.pin)
            if isinstance(pinned, Failure):
                return pinned
            artifacts.care.mark_used(step.tree_keys)
            return Success(Kept())
        case RemovePins():
            return mapped(artifacts.keeping.unpin(step.pins), lambda _: Kept())
        case RemoveTemporaries():
            removed = repositories.workspace.remove_temporaries(tuple(f.name for f in step.folders))
            return mapped(removed, lambda count: Removed(file_count=count))
        case ClearMetadata():
            return mapped(repositories.cache.clear(), lambda _: Cached())
        case _:
            assert_never(step)


def _recorded(step: RecordPlacement, root: str, repositories: Repositories) -> Result[Kept, MlopusError]:
    """Record first, then see that the tree is still there: an eviction looks the other way round."""
    artifacts, key = repositories.artifacts, known(step.tree_key)
    target = repositories.workspace.resolve(root)
    done = artifacts.keeping.record(Placement(target=target, tree_key=key, path=step.path))
    if isinstance(done, Failure):
        return done
    if artifacts.care.mark_used((key,)) != (key,):
        return Failure(NotCached(kind="tree", key=key, place="the cache", hint="It was evicted: call again."))
    return Success(Kept())
