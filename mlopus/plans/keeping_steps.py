"""Steps that keep a cache in order: evicting, pinning, recording placements, sweeping."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs

from mlopus.plans.keeping import EntryAt, Leftover, Pin, Placement, TemporaryFolder
from mlopus.plans.pending import Pending


@attrs.frozen(kw_only=True)
class EvictedTree:
    """A tree that goes, as it was when the plan was made: one that was used since stays.

    Attributes:
        tree_key: Its name in the cache.
        entries: What stops being served.
        file_count: How many files it has.
        freed_bytes: What the disk gets back once those before it in the table are gone: what other
            trees share stays.
        used_at: When it was last used.
        reason: Why it goes, for people.
        stays: Others have entries of it, so that only these entries go.
    """

    tree_key: str
    entries: tuple[EntryAt, ...]
    file_count: int
    freed_bytes: int
    used_at: datetime
    reason: str
    stays: bool = False


@attrs.frozen(kw_only=True)
class KeptTree:
    """A tree that would go, were it not needed, and by whom."""

    tree_key: str
    entries: tuple[EntryAt, ...]
    total_bytes: int
    reason: str


@attrs.frozen(kw_only=True)
class EvictTrees:
    """Stop serving trees, then remove them, those least recently used first.

    `unseen` are recorded placements of these trees that are on no disk that can be seen now: should
    they come back, their links lead nowhere.
    """

    trees: tuple[EvictedTree, ...]
    kept: tuple[KeptTree, ...] = ()
    unseen: tuple[Placement, ...] = ()


@attrs.frozen(kw_only=True)
class SweepLeftovers:
    """Remove what dead writers left in the folder of work in progress."""

    leftovers: tuple[Leftover, ...]


@attrs.frozen(kw_only=True)
class RecordPlacement:
    """Record that a root of the plan is to show a tree by links, so that the tree stays."""

    root: Literal["source", "target"]
    tree_key: str | Pending
    path: str


@attrs.frozen(kw_only=True)
class ForgetPlacements:
    """Forget recorded placements: their links are gone, or their trees are."""

    placements: tuple[Placement, ...]


@attrs.frozen(kw_only=True)
class PinPath:
    """Let nothing evict what is cached at a path."""

    pin: Pin
    tree_keys: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RemovePins:
    """Let what is pinned here be evicted again."""

    pins: tuple[Pin, ...]


@attrs.frozen(kw_only=True)
class RemoveTemporaries:
    """Remove what callbacks wrote and no publish took."""

    folders: tuple[TemporaryFolder, ...]


@attrs.frozen(kw_only=True)
class ClearMetadata:
    """Forget every cached entity of this origin."""


KeepingStep: TypeAlias = (
    EvictTrees
    | SweepLeftovers
    | RecordPlacement
    | ForgetPlacements
    | PinPath
    | RemovePins
    | RemoveTemporaries
    | ClearMetadata
)
