"""Cache folders on this disk that users name, to be carried away: exports are written into them."""

from __future__ import annotations

import os
from typing import Literal

import attrs

from mlopus.domain.origin import Origin
from mlopus.errors import MlopusError
from mlopus.plans.facts import FolderFacts
from mlopus.ports.artifact_cache import ArtifactCache
from mlopus.ports.metadata_cache import MetadataCache
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.disk.files import disk_failed
from mlopus.repositories.disk.layout import Layout, create_cache, read_cache_id
from mlopus.repositories.sqlite.metadata_cache import SqliteMetadataCache
from mlopus.result import Failure, Result, Success, mapped


@attrs.frozen
class DiskCacheFolders:
    """Folders of this disk, as caches of one origin.

    Example:
        >>> folders = DiskCacheFolders(Origin.of("http://127.0.0.1:5000"))
        >>> folders.facts("/not/there/yet").unwrap().is_cache
        False
    """

    origin: Origin
    text_codec: Literal["plain", "mlopus-1"] = attrs.field(default="plain", kw_only=True)

    def resolve(self, folder: str) -> str:
        """The absolute form of a path, `~` expanded and all links followed."""
        return os.path.realpath(os.path.expanduser(folder))

    def facts(self, folder: str) -> Result[FolderFacts, MlopusError]:
        """What a folder is."""
        known = read_cache_id(folder)
        if isinstance(known, Failure):
            return known
        is_cache = os.path.exists(Layout(folder).tag)
        try:
            others = () if is_cache else _names_in(folder)
        except OSError as error:
            return Failure(disk_failed(error, "looking at the folder", folder))
        return Success(
            FolderFacts(
                path=folder,
                cache_id=known.unwrap(),
                is_cache=is_cache,
                is_writable=self._can_be_written(folder),
                others=others,
            )
        )

    def create(self, folder: str) -> Result[None, MlopusError]:
        """Make a folder a cache, unless it is one."""
        return mapped(create_cache(folder), lambda _: None)

    def metadata(self, folder: str) -> MetadataCache:
        """The entities in a folder."""
        return SqliteMetadataCache(folder, self.origin, text_codec=self.text_codec, wal=False)

    def artifacts(self, folder: str) -> ArtifactCache:
        """The trees and entries in a folder."""
        return DiskArtifactCache(folder, self.origin, write_protect=False)

    def _can_be_written(self, folder: str) -> bool:
        return self.artifacts(folder).is_writable and self.metadata(folder).is_writable


def _names_in(folder: str) -> tuple[str, ...]:
    """What is in a folder; of what is no folder its own name, and nothing of what is not there."""
    try:
        return tuple(sorted(os.listdir(folder)))
    except FileNotFoundError:
        return ()
    except NotADirectoryError:
        return (os.path.basename(folder),) if os.path.lexists(folder) else ()
