"""The metadata cache port: entities of one origin, as they were when they were taken."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from mlopus.domain.keys import EntityKey, OwnKey
from mlopus.domain.records import CachedRecord, Record
from mlopus.errors import MlopusError
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.plans.steps import ReflectChange
from mlopus.result import Result

__all__ = ["CachedRecord", "MetadataCache"]


class MetadataCache(Protocol):
    """Entities of one origin, kept for reading without the server. Thread-safe; picklable."""

    @property
    def is_writable(self) -> bool:
        """Whether anything can be written; a folder that cannot be written is still read."""
        ...

    def get(self, key: EntityKey) -> Result[CachedRecord, MlopusError]:
        """The entity of that key, without parents. NotCached if it never was."""
        ...

    def put(self, records: tuple[Record, ...], taken_at: datetime) -> Result[None, MlopusError]:
        """Keep entities as taken at that time: all of them or none. Older rows are replaced whole.

        What they showed of the journal's entries is gone with them (`unshown`).
        """
        ...

    def reflect(self, step: ReflectChange) -> Result[None, MlopusError]:
        """Let what is cached follow a change; see `ReflectChange`. Rows that are not cached stay so.

        The entry of the journal that the step names is shown from then on.
        """
        ...

    def forget(self, keys: tuple[OwnKey, ...]) -> Result[None, MlopusError]:
        """Lose the rows of these entities, and with them what they showed of the journal's entries."""
        ...

    def unshown(self, entries: tuple[str, ...]) -> Result[tuple[str, ...], MlopusError]:
        """Those of the journal's entries, by mark, that no row shows; nothing is remembered of others."""
        ...

    def prepare(self, spec: SearchSpec) -> PushDown:
        """What the cache would evaluate of a search. No I/O."""
        ...

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page of a search over what is cached. An experiment never cached is NotCached."""
        ...

    def oldest(self, spec: SearchSpec) -> Result[datetime | None, MlopusError]:
        """When the oldest row that a search may see was taken; None if there is none."""
        ...

    def has_rows(self) -> Result[bool, MlopusError]:
        """Whether any entity is kept, also one whose parents are not."""
        ...

    def clear(self) -> Result[None, MlopusError]:
        """Forget every entity of this origin."""
        ...
