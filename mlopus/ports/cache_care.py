"""The port of a cache's own care: what it holds as a whole, whether that is sound, and what leaves it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from mlopus.domain.checks import TreeCheck
from mlopus.domain.manifest import Entry
from mlopus.errors import MlopusError
from mlopus.plans.keeping import HeldTree, Leftover, TreeFacts
from mlopus.plans.keeping_steps import EvictTrees
from mlopus.plans.outcomes import Evicted
from mlopus.result import Result


class CacheCare(Protocol):
    """Care of all trees of a cache, and of the entries of every origin. Thread-safe; picklable."""

    @property
    def origin_key(self) -> str:
        """By what the entries of this origin are told from others."""
        ...

    def inventory(self) -> Result[tuple[TreeFacts, ...], MlopusError]:
        """Every committed tree, sorted by key. No file is read for it."""
        ...

    def entries(self) -> Result[tuple[Entry, ...], MlopusError]:
        """Every entry of this origin, also those whose tree is gone, sorted by subject and path."""
        ...

    def leftovers(self, kept_for_s: float) -> Result[tuple[Leftover, ...], MlopusError]:
        """What writers left that are dead, sorted by name; not what a fetch can go on with for so long."""
        ...

    def check(self, tree_key: str) -> Result[TreeCheck, MlopusError]:
        """Hash every file of a tree and compare it with what was committed; what was added is told too."""
        ...

    def tree_at(self, path: str) -> str | None:
        """The key of the tree that a path is in, links followed; None if it is in none of this cache."""
        ...

    def mark_used(self, tree_keys: tuple[str, ...]) -> tuple[str, ...]:
        """Note at once that trees are used; answers those that are there."""
        ...

    def hold(self, tree_key: str) -> AbstractContextManager[None]:
        """A block in which nobody evicts a tree, not even another process.

        Raises:
            NotCached: The tree is not there any more.
            StoreFailed: The cache cannot be written, so that nobody could see the hold.
        """
        ...

    def held_trees(self) -> Result[tuple[HeldTree, ...], MlopusError]:
        """The trees that blocks of living processes hold, sorted by key."""
        ...

    def evict(self, step: EvictTrees) -> Result[Evicted, MlopusError]:
        """Remove the entries of trees, then the trees that no entry is left of.

        A tree that was used since the step was made stays whole, with its entries. A reader whose
        entries `used` answered sees no file of theirs go.
        """
        ...

    def sweep(self, names: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove leftovers by name, of dead writers only; answers how many files went."""
        ...
