"""The cache folders port: folders that users name, to be written as caches of one origin."""

from __future__ import annotations

from typing import Protocol

from mlopus.errors import MlopusError
from mlopus.plans.facts import FolderFacts
from mlopus.ports.artifact_cache import ArtifactCache
from mlopus.ports.metadata_cache import MetadataCache
from mlopus.result import Result


class CacheFolders(Protocol):
    """Folders that exports are written into, to be carried away. Thread-safe; picklable.

    What is written there is not write-protected, shares no bytes with anything, and can be read where
    nothing can be written.
    """

    def resolve(self, folder: str) -> str:
        """The absolute form of a path, `~` expanded and all links followed."""
        ...

    def facts(self, folder: str) -> Result[FolderFacts, MlopusError]:
        """What a folder is, by its absolute path. Nothing is made.

        UnreadableCache if it is a cache of mlOpus 1.x, of a newer mlopus, or of another program.
        """
        ...

    def create(self, folder: str) -> Result[None, MlopusError]:
        """Make a folder a cache, unless it is one. StoreFailed if it cannot be made."""
        ...

    def metadata(self, folder: str) -> MetadataCache:
        """The entities in a folder. No I/O."""
        ...

    def artifacts(self, folder: str) -> ArtifactCache:
        """The trees and entries in a folder. No I/O."""
        ...
