"""What a cache holds as a whole, what must stay in it, and why: pins, placements, holds, a journal."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs

from mlopus.domain.manifest import ArtifactSubject, Entry, Manifest, RemoteTree

Holder: TypeAlias = Literal["pin", "placement", "hold", "journal"]
PlacementState: TypeAlias = Literal["linked", "gone", "unseen"]
Blob: TypeAlias = tuple[str, int]
"""A file as the disk holds it: a name that equal ones of several trees share, and its size in bytes."""


@attrs.frozen(kw_only=True)
class EntryAt:
    """Where an entry is: which origin's, whose artifacts, and which path of them."""

    origin_key: str
    subject: ArtifactSubject
    path: str

    @property
    def order(self) -> tuple[str, str, str, str]:
        """By what such places are sorted."""
        return self.origin_key, self.subject.kind, self.subject.key, self.path


@attrs.frozen(kw_only=True)
class Pin:
    """A path of a subject's artifacts: no tree that holds it, or a part of it, is evicted."""

    origin_key: str
    subject: ArtifactSubject
    path: str

    @property
    def order(self) -> tuple[str, str, str, str]:
        """By what pins are sorted."""
        return self.origin_key, self.subject.kind, self.subject.key, self.path


@attrs.frozen(kw_only=True)
class Placement:
    """A target of the user's whose files are links to the files at a path of a committed tree."""

    target: str
    tree_key: str
    path: str

    @property
    def order(self) -> tuple[str, str]:
        """By what placements are sorted; of one tree there is one at a target."""
        return self.target, self.tree_key


@attrs.frozen(kw_only=True)
class SeenPlacement:
    """A recorded placement as it is now: its links are there, or gone, or the folder around is not seen."""

    placement: Placement
    state: PlacementState


@attrs.frozen(kw_only=True)
class HeldTree:
    """A tree that somebody needs: by what it is held, and who or what that is, for people."""

    tree_key: str
    by: Holder
    reason: str


@attrs.frozen(kw_only=True)
class TreeFacts:
    """A committed tree, and which entries of any origin have it.

    Attributes:
        tree_key: Its name in the cache.
        blobs: Its files.
        used_at: When it was last returned, placed, pinned, held or committed, as far as that was noted.
        entries: Sorted; none for a tree that nothing serves any more.
    """

    tree_key: str
    blobs: tuple[Blob, ...]
    used_at: datetime
    entries: tuple[EntryAt, ...] = ()

    @property
    def total_bytes(self) -> int:
        """The size of its files together, shared or not."""
        return sum(size for _, size in self.blobs)


@attrs.frozen(kw_only=True)
class Leftover:
    """What a dead writer left in the cache's folder of work in progress."""

    name: str
    size_bytes: int


@attrs.frozen(kw_only=True)
class TemporaryFolder:
    """A folder that a callback wrote into, and that no living process but this one made."""

    name: str
    file_count: int
    size_bytes: int


@attrs.frozen(kw_only=True)
class Damage:
    """An entry whose tree is not what was committed.

    Attributes:
        entry: Of this origin.
        manifest: What the tree held; None where the tree is gone or does not tell any more.
        paths: Those of its files that are damaged or missing.
        listing: What the store lists now; None where it was not asked.
    """

    entry: Entry
    manifest: Manifest | None
    paths: tuple[str, ...] = ()
    listing: RemoteTree | None = None


@attrs.frozen(kw_only=True)
class KeepingFacts:
    """What the cache holds as a whole, of every origin, and what is to be kept of it.

    `grace_s` is for how long after its last use a tree stays; `origin_key` tells this origin's entries.
    """

    origin_key: str
    grace_s: float = 0.0
    trees: tuple[TreeFacts, ...] = ()
    held: tuple[HeldTree, ...] = ()
    pins: tuple[Pin, ...] = ()
    placements: tuple[SeenPlacement, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    temporaries: tuple[TemporaryFolder, ...] = ()
    has_metadata: bool = False
    damage: tuple[Damage, ...] = ()
