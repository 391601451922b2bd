"""The artifact cache port: immutable trees, and entries that say which tree holds a path."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from mlopus.domain.manifest import ArtifactSubject, Entry, Manifest
from mlopus.errors import MlopusError
from mlopus.plans.outcomes import Committed, Transferred
from mlopus.plans.steps import CommitTree, PlacedFile, ReusedFile, StageFiles
from mlopus.ports.cache_care import CacheCare
from mlopus.ports.keeping import Keeping
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSink, TreeSource
from mlopus.result import Result


class Staging(TreeSink, Protocol):
    """A tree in the making, of one writer. Nobody else sees it before it is committed."""

    def reuse(self, files: tuple[ReusedFile, ...]) -> Result[None, MlopusError]:
        """Take files from committed trees, sharing their bytes."""
        ...

    def adopt(self, step: StageFiles, source: TreeSource, meter: Meter) -> Result[Transferred, MlopusError]:
        """Take files of the user's. One that is no longer what was hashed is StalePlan, left alone.

        What is moved keeps its place until the tree is committed.
        """
        ...

    def copy(
        self, files: tuple[PlacedFile, ...], source: TreeSource, meter: Meter
    ) -> Result[Transferred, MlopusError]:
        """Take copies of files of a tree, sharing nothing with it.

        One of another size or digest than is told is DigestMismatch; one that is gone is NotFound.
        """
        ...

    def commit(self, step: CommitTree) -> Result[Committed, MlopusError]:
        """Make the tree visible whole, then write its entry. An equal tree is used instead of this one.

        An equal tree that is damaged is mended with the files of this one.
        """
        ...

    def discard(self) -> None:
        """Drop the staged files. Committed ones stay. Safe to call at any time, more than once.

        What was being fetched from a URL, its content identified, is kept unseen for the next
        staging of that URL. Sinks that are still written to refuse from now on.
        """
        ...


class ArtifactCache(Protocol):
    """Trees and entries of one origin. Thread-safe; picklable; readers take no lock."""

    @property
    def cache_id(self) -> str:
        """Which cache this is, wherever its folder moves."""
        ...

    @property
    def is_writable(self) -> bool:
        """Whether trees can be committed."""
        ...

    @property
    def care(self) -> CacheCare:
        """Care of the whole cache, of every origin."""
        ...

    @property
    def keeping(self) -> Keeping:
        """Pins and recorded placements of the whole cache, of every origin."""
        ...

    def covering(
        self, subject: ArtifactSubject, path: str, *, with_validators: bool = True
    ) -> Result[tuple[Entry, ...], MlopusError]:
        """Entries at or above a path whose trees are there, newest first; of equally new ones, the deepest.

        Without validators, those of the entries are left empty: a hit is decided without reading them.
        """
        ...

    def overlapping(
        self, subject: ArtifactSubject, path: str, *, with_validators: bool = True
    ) -> Result[tuple[Entry, ...], MlopusError]:
        """Entries at, above and below a path, ordered as by `covering`. With path "": all of the subject."""
        ...

    def used(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Note that the trees of entries are used now; answers those entries that are still served.

        What is answered stays for the grace time, whoever evicts meanwhile. Noted at most once a minute
        for a tree, and not at all where nothing can be written.
        """
        ...

    def manifest(self, tree_key: str) -> Result[Manifest, MlopusError]:
        """What a committed tree holds. NotCached if there is no such tree."""
        ...

    def tree(self, tree_key: str) -> Result[TreeSource, MlopusError]:
        """The files of a committed tree. NotCached if there is no such tree."""
        ...

    def damaged(self, tree_key: str, path: str) -> Result[tuple[str, ...], MlopusError]:
        """Files at a path of a tree that are not what was committed, by their paths in the tree.

        Their sizes and modification times are compared; only a file of another time is hashed.
        """
        ...

    def stage(self, url: str | None = None) -> Result[Staging, MlopusError]:
        """A new, empty staging area. StoreFailed if nothing can be written here.

        Args:
            url: Where its files are fetched from, if they are. Its sinks then offer what a writer that
                stopped left of the same URL; of several at once, one gets it.
        """
        ...

    def withdraw(self, subject: ArtifactSubject, path: str) -> Result[tuple[str, ...], MlopusError]:
        """Remove entries at, above and below a path; answers their paths. Trees stay."""
        ...

    def can_reflink_from(self, path: str) -> bool:
        """Whether files of that folder's disk can share bytes with this cache, by trying."""
        ...

    def alone(self, subject: ArtifactSubject, path: str) -> AbstractContextManager[None]:
        """A block for one writer at a time, so that the same is not fetched twice; nothing depends on it."""
        ...
