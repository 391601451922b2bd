"""Cache folders in memory, by their paths."""

from __future__ import annotations

import posixpath

import attrs

from mlopus.errors import MlopusError, StoreFailed
from mlopus.plans.facts import FolderFacts
from mlopus.ports.artifact_cache import ArtifactCache
from mlopus.ports.metadata_cache import MetadataCache
from mlopus.repositories.memory.artifact_cache import MemoryArtifactCache
from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache
from mlopus.result import Failure, Result, Success

_HOME = "/home/user"


@attrs.frozen
class MemoryFolder:
    """A cache that has a path."""

    artifacts: MemoryArtifactCache
    metadata: MemoryMetadataCache = attrs.field(factory=MemoryMetadataCache)


@attrs.frozen
class MemoryCacheFolders:
    """Folders that are caches from the moment they are written.

    Args:
        others: Names of what is in folders that are no caches, by path.
        read_only: Folders that cannot be written.

    Example:
        >>> folders = MemoryCacheFolders(others={"/data": ("notes.txt",)})
        >>> folders.facts("/data").unwrap().others
        ('notes.txt',)
    """

    others: dict[str, tuple[str, ...]] = attrs.field(factory=dict[str, tuple[str, ...]], eq=False)
    read_only: frozenset[str] = frozenset()
    _made: dict[str, MemoryFolder] = attrs.field(
        factory=dict[str, MemoryFolder], eq=False, repr=False, alias="made", kw_only=True
    )
    _created: set[str] = attrs.field(factory=set[str], eq=False, repr=False, alias="created", kw_only=True)

    def resolve(self, folder: str) -> str:
        """The absolute form of a path."""
        if folder == "~" or folder.startswith("~/"):
            folder = _HOME + folder[1:]
        return posixpath.normpath(posixpath.join(_HOME, folder))

    def facts(self, folder: str) -> Result[FolderFacts, MlopusError]:
        """What a folder is."""
        return Success(
            FolderFacts(
                path=folder,
                cache_id=self._folder(folder).artifacts.cache_id,
                is_cache=folder in self._created,
                is_writable=folder not in self.read_only,
                others=() if folder in self._created else self.others.get(folder, ()),
            )
        )

    def create(self, folder: str) -> Result[None, MlopusError]:
        """Make a folder a cache."""
        if folder in self.read_only:
            return Failure(StoreFailed(place=folder, action="creating the cache", reason="it is read-only"))
        self._created.add(folder)
        return Success(None)

    def metadata(self, folder: str) -> MetadataCache:
        """The entities in a folder."""
        return self._folder(folder).metadata

    def artifacts(self, folder: str) -> ArtifactCache:
        """The trees and entries in a folder."""
        return self._folder(folder).artifacts

    def _folder(self, folder: str) -> MemoryFolder:
        made = MemoryFolder(MemoryArtifactCache(cache_id=f"memory-{folder}"))
        return self._made.setdefault(folder, made)
