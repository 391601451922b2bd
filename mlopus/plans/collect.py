"""Planning what leaves a cache: by garbage collection, which spares what was used, or by cleaning it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import attrs

from mlopus.domain.paths import overlaps
from mlopus.errors import StoreFailed
from mlopus.plans.envelope import gathered, make_plan, read_only_cache
from mlopus.plans.facts import Facts
from mlopus.plans.headlines_keeping import path_in_words
from mlopus.plans.keeping import EntryAt, KeepingFacts, Pin, TreeFacts
from mlopus.plans.keeping_requests import CleanCache, CleanTemporary, CollectGarbage
from mlopus.plans.keeping_steps import (
    ClearMetadata,
    EvictedTree,
    EvictTrees,
    ForgetPlacements,
    KeptTree,
    RemoveTemporaries,
    SweepLeftovers,
)
from mlopus.plans.plan import Plan, ReceiptAnswer, Stage
from mlopus.plans.verbs import title_of
from mlopus.plans.words import human_size
from mlopus.result import Failure, Result, Success


def plan_collect(request: CollectGarbage, facts: Facts) -> Result[Plan, StoreFailed]:
    """Work out what is evicted: what nothing serves, what was unused for long, then the least recently used.

    Needs what the cache holds as a whole and what is to be kept of it.

    Returns:
        A plan that is empty where nothing is to go, or all that would go is needed.

    Fails with:
        StoreFailed: The cache cannot be written.
    """
    keeping = gathered(facts.keeping, "what the cache holds as a whole")
    holds = holds_of(keeping)
    recent = _used_within(keeping.grace_s, keeping, facts.now)
    choice = _Choice(keeping, {**recent, **holds})
    for tree in choice.in_order:
        reason = _why_it_may_go(tree, request, facts.now)
        if reason is not None:
            choice.let_go(tree, reason)
    if request.max_bytes is not None:
        for tree in choice.in_order:
            if choice.total_bytes <= request.max_bytes:
                break
            if choice.can_free(tree):
                choice.let_go(tree, "over the budget")
    stages = (
        _evictions(choice, keeping),
        (SweepLeftovers(leftovers=keeping.leftovers),) if keeping.leftovers else (),
    )
    return _planned(request, facts, stages, _why_still_over(choice, request))


def _why_still_over(choice: _Choice, request: CollectGarbage) -> tuple[str, ...]:
    """What to tell where the budget cannot be kept."""
    if request.max_bytes is None or choice.total_bytes <= request.max_bytes:
        return ()
    left = f"{human_size(choice.total_bytes)} stay, over the budget of {human_size(request.max_bytes)}"
    return (f"{left}: they are needed, or were used within the grace time",)


def plan_clean_cache(request: CleanCache, facts: Facts) -> Result[Plan, StoreFailed]:
    """Work out what goes with all that is cached of this origin; what others need of it stays.

    Needs the same, and whether there is metadata. Trees that nothing serves any more go too.

    Returns:
        A plan that is empty where nothing is cached but what is needed.

    Fails with:
        StoreFailed: The cache cannot be written.
    """
    keeping = gathered(facts.keeping, "what the cache holds as a whole")
    choice = _Choice(keeping, holds_of(keeping))
    for tree in choice.in_order:
        own = tuple(entry for entry in tree.entries if entry.origin_key == keeping.origin_key)
        if own or not tree.entries:
            choice.let_go(tree, "cleaned", own)
    metadata: Stage = (ClearMetadata(),) if keeping.has_metadata else ()
    return _planned(request, facts, (metadata, _evictions(choice, keeping)))


def plan_clean_temporary(request: CleanTemporary, facts: Facts) -> Result[Plan, StoreFailed]:
    """Work out which temporary folders go: all that no other living process made.

    Needs those folders.
    """
    keeping = gathered(facts.keeping, "what callbacks left")
    step = RemoveTemporaries(folders=keeping.temporaries)
    return Success(make_plan(request, facts, ((step,) if keeping.temporaries else (),), ReceiptAnswer()))


def holds_of(keeping: KeepingFacts) -> dict[str, str]:
    """By key: why a tree stays whatever is asked, in words."""
    reasons: dict[str, str] = {}
    for tree in keeping.trees:
        pin = next((pin for pin in keeping.pins if _is_pinned(tree, pin)), None)
        if pin is not None:
            reasons[tree.tree_key] = f"pinned: {path_in_words(pin)}"
    for seen in keeping.placements:
        if seen.state == "linked":
            reasons.setdefault(seen.placement.tree_key, f"linked from {seen.placement.target}")
    for held in keeping.held:
        reasons.setdefault(held.tree_key, held.reason)
    return reasons


def bytes_on_disk(trees: Iterable[TreeFacts]) -> int:
    """What trees take together: what they share counts once."""
    return sum({name: size for tree in trees for name, size in tree.blobs}.values())


def _is_pinned(tree: TreeFacts, pin: Pin) -> bool:
    return any(
        entry.origin_key == pin.origin_key and entry.subject == pin.subject and overlaps(entry.path, pin.path)
        for entry in tree.entries
    )


def _used_within(grace_s: float, keeping: KeepingFacts, now: datetime) -> dict[str, str]:
    first = now - timedelta(seconds=grace_s)
    return {
        tree.tree_key: f"used {_ago(now - tree.used_at)} ago"
        for tree in keeping.trees
        if tree.used_at > first
    }


def _why_it_may_go(tree: TreeFacts, request: CollectGarbage, now: datetime) -> str | None:
    if not tree.entries:
        return "nothing serves it any more"
    if request.unused_for_s is None or now - tree.used_at < timedelta(seconds=request.unused_for_s):
        return None
    return f"unused for {_ago(now - tree.used_at)}"


def _ago(span: timedelta) -> str:
    """A span in the largest unit that it fills.

    Example:
        >>> _ago(timedelta(hours=50)), _ago(timedelta(minutes=1)), _ago(timedelta(seconds=-1))
        ('2 d', '1 min', '0 s')
    """
    seconds = max(int(span.total_seconds()), 0)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


class _Choice:
    """Trees that go, in the order in which they do, and those that would if nobody needed them."""

    def __init__(self, keeping: KeepingFacts, needed: Mapping[str, str]) -> None:
        self.in_order = sorted(keeping.trees, key=lambda tree: (tree.used_at, tree.tree_key))
        self.total_bytes = bytes_on_disk(keeping.trees)
        self._sharers = Counter(name for tree in keeping.trees for name in dict(tree.blobs))
        self._needed = needed
        self._needed_files = {
            name for tree in keeping.trees if tree.tree_key in needed for name, _ in tree.blobs
        }
        self._going: dict[str, EvictedTree] = {}
        self._kept: dict[str, KeptTree] = {}

    def let_go(self, tree: TreeFacts, reason: str, entries: tuple[EntryAt, ...] | None = None) -> None:
        """Let a tree go, unless it is needed; with `entries` only these, if it has others."""
        if tree.tree_key in self._going:
            return
        listed = tree.entries if entries is None else entries
        needed = self._needed.get(tree.tree_key)
        if needed is not None:
            self._kept[tree.tree_key] = KeptTree(
                tree_key=tree.tree_key, entries=listed, total_bytes=tree.total_bytes, reason=needed
            )
            return
        stays = len(listed) < len(tree.entries)
        freed = 0 if stays else self._freed_by(tree)
        self.total_bytes -= freed
        self._going[tree.tree_key] = EvictedTree(
            tree_key=tree.tree_key,
            entries=listed,
            file_count=0 if stays else len(tree.blobs),
            freed_bytes=freed,
            used_at=tree.used_at,
            reason=reason,
            stays=stays,
        )

    def can_free(self, tree: TreeFacts) -> bool:
        """Whether the disk could get anything back: not where all of a tree is in others that stay.

        A needed tree itself is looked at all the same, so that it is named.
        """
        return tree.tree_key in self._needed or any(
            size and name not in self._needed_files for name, size in tree.blobs
        )

    def _freed_by(self, tree: TreeFacts) -> int:
        freed = 0
        for name, size in dict(tree.blobs).items():
            self._sharers[name] -= 1
            if not self._sharers[name]:
                freed += size
        return freed

    def going(self) -> tuple[EvictedTree, ...]:
        """Those that go, in the order in which they were let go."""
        return tuple(self._going.values())

    def kept(self) -> tuple[KeptTree, ...]:
        """Those that stay though they would go."""
        return tuple(self._kept.values())


def _evictions(choice: _Choice, keeping: KeepingFacts) -> Stage:
    """What goes, and the records of placements that this, or their users, made void."""
    going = choice.going()
    keys = {tree.tree_key for tree in going if not tree.stays}
    there = {tree.tree_key for tree in keeping.trees}
    void = tuple(
        seen.placement
        for seen in sorted(keeping.placements, key=lambda seen: seen.placement.order)
        if seen.state == "gone" or seen.placement.tree_key in keys or seen.placement.tree_key not in there
    )
    states = {seen.placement: seen.state for seen in keeping.placements}
    unseen = tuple(placement for placement in void if states[placement] == "unseen")
    evict: Stage = (EvictTrees(trees=going, kept=choice.kept(), unseen=unseen),) if going else ()
    forget: Stage = (ForgetPlacements(placements=void),) if void else ()
    return (*evict, *forget)


def _planned(
    request: CollectGarbage | CleanCache,
    facts: Facts,
    stages: tuple[Stage, ...],
    notes: tuple[str, ...] = (),
) -> Result[Plan, StoreFailed]:
    if any(stages) and (facts.cache is None or not facts.cache.is_writable):
        return Failure(read_only_cache(title_of(request)))
    return Success(attrs.evolve(make_plan(request, facts, stages, ReceiptAnswer()), notes=notes))
