"""Reading entities while facts are gathered: each at most once a call, from whom the mode says."""

from __future__ import annotations

from datetime import datetime

from mlopus.domain.keys import EntityKey, key_of
from mlopus.domain.records import Record
from mlopus.errors import MlopusError, NotCached
from mlopus.execution.fetching import RecentParents, first_answer, in_time, with_parents, young_enough
from mlopus.execution.repositories import Repositories
from mlopus.plans.steps import Ask, AskCache, AskServer
from mlopus.result import Failure, Result, Success, mapped


class Reader:
    """Reads for one call. `fresh` holds what a server answered, now or to this API within a minute."""

    def __init__(
        self,
        repositories: Repositories,
        recent: RecentParents,
        ask: tuple[Ask, ...],
        known: tuple[Record, ...],
    ) -> None:
        self._repositories = repositories
        self._recent = recent
        self._ask = ask
        self._seen: dict[EntityKey, Record] = {key_of(record): record for record in known}
        self._fresh: dict[EntityKey, Record] = {}
        self._taken: dict[EntityKey, datetime] = {}

    @property
    def seen(self) -> tuple[Record, ...]:
        """Everything that was read or known, each once."""
        return tuple({key_of(record): record for record in self._seen.values()}.values())

    def taken_at(self, record: Record) -> datetime | None:
        """When the cache took a record that it gave; None for what a server answered."""
        return self._taken.get(key_of(record))

    @property
    def fresh(self) -> tuple[Record, ...]:
        """What a server answered, in the order of this call."""
        return tuple(self._fresh.values())

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        """The entity of that key, as the mode says; known ones are not asked for."""
        if key in self._seen:
            return Success(self._seen[key])
        recent = self._recent.find(key, self._repositories.clock.now())
        found = Success(recent) if recent is not None else self._ask_in_turn(key)
        if isinstance(found, Success):
            record = found.unwrap()
            self._seen[key] = self._seen[key_of(record)] = record
        if recent is not None:
            self._fresh[key_of(recent)] = recent
        return found

    def get_lasting(self, key: EntityKey) -> Result[Record, MlopusError]:
        """The entity of that key, of any age: for what never changes about it, as a run's root."""
        if key in self._seen:
            return Success(self._seen[key])
        cached = self._repositories.cache.get(key)
        return Success(cached.unwrap().record) if isinstance(cached, Success) else self.get(key)

    def uncached(self, records: tuple[Record, ...]) -> Result[tuple[Record, ...], MlopusError]:
        """Those that the metadata cache has no row of, and can keep.

        A row that is there may be newer than what the caller gave, and stays.
        """
        cache, missing = self._repositories.cache, list[Record]()
        if not cache.is_writable:
            return Success(())
        for record in records:
            row = cache.get(key_of(record))
            if isinstance(row, Success):
                continue
            if not isinstance(row.failure(), NotCached):
                return row
            missing.append(record)
        return Success(tuple(missing))

    def with_parents(self, key: EntityKey) -> Result[tuple[Record, ...], MlopusError]:
        """An entity and its parents."""
        return with_parents(key, self.get, at_once=False)

    def _ask_in_turn(self, key: EntityKey) -> Result[Record, MlopusError]:
        return first_answer(
            self._ask,
            lambda ask: self._server(key, ask) if isinstance(ask, AskServer) else self._cache(key, ask),
        )

    def _server(self, key: EntityKey, ask: AskServer) -> Result[Record, MlopusError]:
        found = in_time(ask, key, self._repositories, self._recent, lambda given: given.tracking.get(key))
        if isinstance(found, Success):
            record = found.unwrap()
            self._fresh[key_of(record)] = record
            self._recent.saw((record,), self._repositories.clock.now())
        return found

    def _cache(self, key: EntityKey, ask: AskCache) -> Result[Record, MlopusError]:
        cached = self._repositories.cache.get(key)
        if isinstance(cached, Failure):
            return cached
        young = young_enough(cached.unwrap(), ask, self._repositories.clock.now())
        if isinstance(young, Success):
            self._taken[key_of(young.unwrap().record)] = young.unwrap().as_of
        return mapped(young, lambda row: row.record)
