"""A metadata cache in memory."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

import attrs

from mlopus.domain.keys import (
    AliasKey,
    EntityKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    OwnKey,
    VersionKey,
    key_of,
    kind_of,
)
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord, VersionRecord
from mlopus.domain.text import TextCodec, codec_named
from mlopus.errors import MlopusError, NotCached
from mlopus.plans.changes import TrackingChange
from mlopus.plans.effects import reaches
from mlopus.plans.reflections import counted_change, shown_by
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.plans.steps import ReflectChange
from mlopus.ports.metadata_cache import CachedRecord
from mlopus.repositories.memory.rows import PREDICATE, may_see, page_of
from mlopus.repositories.reflecting import created_by, keys_looked_up, outdated_by, reflected
from mlopus.result import Failure, Result, Success

PLACE = "the cache in memory"


@attrs.define(eq=False)
class _Rows:
    """What is cached. A copy in another process is a cache of its own with the same content."""

    by_key: dict[OwnKey, CachedRecord] = attrs.field(factory=dict[OwnKey, CachedRecord])
    shown: dict[str, OwnKey | None] = attrs.field(factory=dict[str, "OwnKey | None"])
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)

    def lose_shown(self, key: OwnKey) -> None:
        """Entries of the journal that the row of a key showed are shown no more."""
        self.shown = {entry: other for entry, other in self.shown.items() if other != key}

    def __getstate__(self) -> dict[str, Any]:
        with self.lock:
            return {"by_key": dict(self.by_key), "shown": dict(self.shown)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.by_key, self.shown = state["by_key"], state["shown"]
        self.lock = threading.RLock()


@attrs.frozen
class MemoryMetadataCache:
    """Entities that were fetched, gone with the object."""

    text_codec: str = "plain"
    _rows: _Rows = attrs.field(factory=_Rows, repr=False, alias="rows", kw_only=True)

    @property
    def is_writable(self) -> bool:
        """Always."""
        return True

    @property
    def _codec(self) -> TextCodec:
        return codec_named(self.text_codec)

    def get(self, key: EntityKey) -> Result[CachedRecord, MlopusError]:
        """The entity of that key, without parents."""
        with self._rows.lock:
            found = self._find(key)
        return (
            Failure(NotCached(kind=kind_of(key), key=str(key), place=PLACE))
            if found is None
            else Success(found)
        )

    def _find(self, key: EntityKey) -> CachedRecord | None:
        rows = self._rows.by_key
        match key:
            case ExperimentName():
                named = (
                    row
                    for row in rows.values()
                    if isinstance(row.record, ExperimentRecord) and row.record.name == key.name
                )
                return next(named, None)
            case AliasKey():
                model = rows.get(ModelKey(key.name))
                if model is not None and isinstance(model.record, ModelRecord):
                    version = model.record.aliases.get(key.alias)
                    return None if version is None else rows.get(VersionKey(key.name, version))
                carrying = (row for row in rows.values() if _carries(row.record, key))
                return next(carrying, None)
            case _:
                return rows.get(key)

    def put(self, records: tuple[Record, ...], taken_at: datetime) -> Result[None, MlopusError]:
        """Keep entities as taken at that time; what was taken later stays."""
        with self._rows.lock:
            for record in records:
                held = self._rows.by_key.get(key_of(record))
                if held is None or held.as_of <= taken_at:
                    self._rows.by_key[key_of(record)] = CachedRecord(record=record, as_of=taken_at)
                    self._rows.lose_shown(key_of(record))
        return Success(None)

    def reflect(self, step: ReflectChange) -> Result[None, MlopusError]:
        """Let what is cached follow a change."""
        with self._rows.lock:
            created = created_by(step, lambda key: key in self._rows.by_key)
            if created is not None:
                self.put((created.record,), created.as_of)
            else:
                self._follow(counted_change(step))
            if step.entry is not None:
                self._rows.shown[step.entry] = shown_by(step)
        return Success(None)

    def forget(self, keys: tuple[OwnKey, ...]) -> Result[None, MlopusError]:
        """Lose the rows of these entities, of a model with its versions."""
        with self._rows.lock:
            for key in keys:
                for lost in (key, *self._versions_of(key)):
                    self._rows.by_key.pop(lost, None)
                    self._rows.lose_shown(lost)
        return Success(None)

    def _versions_of(self, key: OwnKey) -> tuple[OwnKey, ...]:
        return tuple(k for k in self._rows.by_key if isinstance(k, VersionKey) and key == ModelKey(k.name))

    def unshown(self, entries: tuple[str, ...]) -> Result[tuple[str, ...], MlopusError]:
        """Those of the journal's entries that no row shows."""
        with self._rows.lock:
            shown = self._rows.shown
            self._rows.shown = {entry: shown[entry] for entry in entries if entry in shown}
            return Success(tuple(entry for entry in entries if entry not in shown))

    def _follow(self, change: TrackingChange) -> None:
        rows = self._rows.by_key
        own, above = keys_looked_up(change), reaches(change)
        held = {key: row.record for key, row in rows.items() if key in own or _is_below(row.record, above)}
        after = reflected(change, held)
        outdated = outdated_by(change)
        for key in tuple(rows):
            if key in after.gone or (outdated is not None and _is_of_model(rows[key].record, outdated)):
                del rows[key]
        for key, record in after.changed:
            rows[key_of(record)] = CachedRecord(record=record, as_of=rows.pop(key).as_of)

    def prepare(self, spec: SearchSpec) -> PushDown:  # noqa: ARG002 (every search is evaluated whole)
        """The whole query is evaluated, in memory."""
        return PREDICATE

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page of a search over what is cached."""
        with self._rows.lock:
            for exp_id in spec.exp_ids if spec.kind == "run" else ():
                if ExperimentKey(exp_id) not in self._rows.by_key:
                    return Failure(NotCached(kind="experiment", key=exp_id, place=PLACE))
            records = tuple(row.record for row in self._rows.by_key.values())

            def parent(key: OwnKey) -> Record | None:
                row = self._rows.by_key.get(key)
                return None if row is None else row.record

            page = page_of(records, spec, token, self._codec, parent)
            taken_at = tuple(self._rows.by_key[key_of(record)].as_of for record in page.records)
            return Success(attrs.evolve(page, taken_at=taken_at))

    def oldest(self, spec: SearchSpec) -> Result[datetime | None, MlopusError]:
        """When the oldest row that a search may see was taken."""
        with self._rows.lock:
            rows = tuple(self._rows.by_key.values())
        return Success(min((row.as_of for row in rows if may_see(spec, row.record)), default=None))

    def has_rows(self) -> Result[bool, MlopusError]:
        """Whether any entity is kept."""
        with self._rows.lock:
            return Success(bool(self._rows.by_key))

    def clear(self) -> Result[None, MlopusError]:
        """Forget every entity."""
        with self._rows.lock:
            self._rows.by_key.clear()
            self._rows.shown.clear()
        return Success(None)


def _is_below(record: Record, above: tuple[ExperimentKey | ModelKey, ...]) -> bool:
    match record:
        case RunRecord():
            return ExperimentKey(record.exp_id) in above
        case VersionRecord():
            return ModelKey(record.name) in above
        case _:
            return False


def _is_of_model(record: Record, model: ModelKey) -> bool:
    return key_of(record) == model or _is_below(record, (model,))


def _carries(record: Record, key: AliasKey) -> bool:
    return isinstance(record, VersionRecord) and record.name == key.name and key.alias in record.aliases
