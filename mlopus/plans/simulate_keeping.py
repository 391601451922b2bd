"""What steps that keep a cache in order make of facts."""

from __future__ import annotations

from typing import assert_never

import attrs

from mlopus.plans.facts import CacheFacts, Facts
from mlopus.plans.keeping import EntryAt, KeepingFacts, Placement, SeenPlacement, TreeFacts
from mlopus.plans.keeping_steps import (
    ClearMetadata,
    EvictedTree,
    EvictTrees,
    ForgetPlacements,
    KeepingStep,
    PinPath,
    RecordPlacement,
    RemovePins,
    RemoveTemporaries,
    SweepLeftovers,
)
from mlopus.plans.pending import known


def simulate_keeping(facts: Facts, step: KeepingStep) -> Facts:
    """The facts after a step. What the cache holds as a whole changes only where it was gathered."""
    keeping = facts.keeping
    if isinstance(step, ClearMetadata):
        facts = attrs.evolve(facts, cached_records=())
    if isinstance(step, EvictTrees) and facts.cache is not None and keeping is not None:
        facts = attrs.evolve(facts, cache=_without_entries(facts.cache, step, keeping.origin_key))
    return facts if keeping is None else attrs.evolve(facts, keeping=_after(keeping, facts, step))


def _after(keeping: KeepingFacts, facts: Facts, step: KeepingStep) -> KeepingFacts:
    match step:
        case EvictTrees():
            going = {tree.tree_key: tree for tree in step.trees}
            left = (_left_of(tree, going.get(tree.tree_key)) for tree in keeping.trees)
            return attrs.evolve(keeping, trees=tuple(tree for tree in left if tree is not None))
        case SweepLeftovers():
            swept = frozenset(step.leftovers)
            return attrs.evolve(keeping, leftovers=tuple(x for x in keeping.leftovers if x not in swept))
        case RecordPlacement():
            root = facts.source if step.root == "source" else facts.target
            if root is None:
                return keeping
            made = Placement(target=root.path, tree_key=known(step.tree_key), path=step.path)
            others = (seen for seen in keeping.placements if seen.placement.order != made.order)
            return attrs.evolve(keeping, placements=(*others, SeenPlacement(placement=made, state="linked")))
        case ForgetPlacements():
            void = frozenset(step.placements)
            kept = tuple(seen for seen in keeping.placements if seen.placement not in void)
            return attrs.evolve(keeping, placements=kept)
        case PinPath():
            return attrs.evolve(keeping, pins=(*keeping.pins, step.pin))
        case RemovePins():
            return attrs.evolve(keeping, pins=tuple(pin for pin in keeping.pins if pin not in step.pins))
        case RemoveTemporaries():
            gone = frozenset(step.folders)
            return attrs.evolve(keeping, temporaries=tuple(f for f in keeping.temporaries if f not in gone))
        case ClearMetadata():
            return attrs.evolve(keeping, has_metadata=False)
        case _:
            assert_never(step)


def _left_of(tree: TreeFacts, evicted: EvictedTree | None) -> TreeFacts | None:
    if evicted is None:
        return tree
    if not evicted.stays:
        return None
    gone = frozenset(evicted.entries)
    return attrs.evolve(tree, entries=tuple(entry for entry in tree.entries if entry not in gone))


def _without_entries(cache: CacheFacts, step: EvictTrees, origin_key: str) -> CacheFacts:
    gone = {entry for tree in step.trees for entry in tree.entries}
    kept = tuple(
        entry
        for entry in cache.entries
        if EntryAt(origin_key=origin_key, subject=entry.subject, path=entry.path) not in gone
    )
    return attrs.evolve(cache, entries=kept)
