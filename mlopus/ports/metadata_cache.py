"""The metadata cache port: entities of one origin, as they were when they were taken."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from mlopus.domain.keys import EntityKey
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
        """Keep entities as taken at that time: all of them or none. Older rows are replaced whole."""
        ...

    def reflect(self, step: ReflectChange) -> Result[None, MlopusError]:
        """Let what is cached follow a change; see `ReflectChange`. Rows that are not cached stay so."""
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

    def clear(self) -> Result[None, MlopusError]:
        """Forget every entity of this origin."""
        ...
