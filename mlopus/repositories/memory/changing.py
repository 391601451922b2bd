"""Changes of a tracking store in memory."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import (
    AliasKey,
    EntityKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    OwnKey,
    VersionKey,
    key_of,
)
from mlopus.domain.records import (
    ExperimentRecord,
    MetricSample,
    ModelRecord,
    Record,
    RunRecord,
    VersionRecord,
)
from mlopus.errors import MlopusError
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    EnsureExperiment,
    EnsureModel,
    LogBatch,
    RegisterVersion,
    TrackingChange,
)
from mlopus.plans.effects import (
    CreatingChange,
    applied,
    concerns,
    created_record,
    latest_points,
    point_identity,
    reaches,
    whole_ms,
)
from mlopus.plans.pending import known
from mlopus.repositories.reaching import is_done, name_wanted, reached
from mlopus.repositories.refusals import Refusals
from mlopus.result import Failure, Result, Success

PLACE = "memory"

PointIdentity: TypeAlias = tuple[str, int, datetime, str]
_Named: TypeAlias = CreateExperiment | EnsureExperiment | CreateModel | EnsureModel


@attrs.define(eq=False)
class Tables:
    """Everything a store holds. A copy in another process is a store of its own with the same content.

    `numbers` is the highest version of each model, of those that were deleted too.
    """

    name: str
    records: dict[OwnKey, Record] = attrs.field(factory=dict[OwnKey, Record])
    points: dict[tuple[str, str], dict[PointIdentity, MetricSample]] = attrs.field(
        factory=dict[tuple[str, str], dict[PointIdentity, MetricSample]]
    )
    operations: dict[str, OwnKey] = attrs.field(factory=dict[str, OwnKey])
    numbers: dict[str, int] = attrs.field(factory=dict[str, int])
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        with self.lock:
            names = ("name", "records", "points", "operations", "numbers")
            return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self.lock = threading.RLock()

    def get(self, key: EntityKey) -> Record | None:
        """The entity of that key."""
        records = self.records
        match key:
            case ExperimentName():
                exps = (record for record in records.values() if isinstance(record, ExperimentRecord))
                return next((exp for exp in exps if exp.name == key.name), None)
            case AliasKey():
                model = records.get(ModelKey(key.name))
                version = model.aliases.get(key.alias) if isinstance(model, ModelRecord) else None
                return None if version is None else records.get(VersionKey(key.name, version))
            case _:
                return records.get(key)

    def family(self, keys: Iterable[ExperimentKey | ModelKey]) -> Iterator[Record]:
        """Models, and the runs of experiments and versions of models, of these keys."""
        above = frozenset(keys)
        for key, record in self.records.items():
            match record:
                case RunRecord() if ExperimentKey(record.exp_id) in above:
                    yield record
                case VersionRecord() if ModelKey(record.name) in above:
                    yield record
                case ModelRecord() if key in above:
                    yield record
                case _:
                    continue

    def move(self, key: OwnKey, record: Record) -> None:
        """Let a record take the place of the one that had a key, under its own."""
        own = key_of(record)
        if own != key:
            del self.records[key]
            self.operations = {id_: own if of == key else of for id_, of in self.operations.items()}
        self.records[own] = record

    def remove(self, key: OwnKey) -> None:
        """Forget an entity, and who created it."""
        del self.records[key]
        self.operations = {id_: of for id_, of in self.operations.items() if of != key}


@attrs.frozen
class Changing:
    """Makes changes; its caller holds the lock of the tables."""

    tables: Tables
    refusals: Refusals = Refusals(PLACE)

    def make(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make a change, whole or not at all."""
        match change:
            case CreateExperiment() | EnsureExperiment() | CreateModel() | EnsureModel():
                return self._create_named(change)
            case CreateRun() | RegisterVersion():
                return self._create(change)
            case _:
                return self._change(change)

    def _create_named(self, change: _Named) -> Result[Record, MlopusError]:
        is_exp = isinstance(change, CreateExperiment | EnsureExperiment)
        taken = self.tables.get(ExperimentName(change.name) if is_exp else ModelKey(change.name))
        if not isinstance(taken, ExperimentRecord | ModelRecord):
            return Success(self._add(change))
        is_ours = self.tables.operations.get(change.operation_id) == key_of(taken)
        ensures = isinstance(change, EnsureExperiment | EnsureModel)
        is_deleted = isinstance(taken, ExperimentRecord) and taken.lifecycle_stage == "deleted"
        if is_ours or (ensures and not is_deleted):
            return Success(taken)
        return Failure(self.refusals.taken(taken))

    def _create(self, change: CreateRun | RegisterVersion) -> Result[Record, MlopusError]:
        done = self.tables.operations.get(change.operation_id)
        if done is not None:
            return Success(self.tables.records[done])
        above = (
            ExperimentKey(known(change.exp_id))
            if isinstance(change, CreateRun)
            else ModelKey(change.model_name)
        )
        parent = self.tables.get(above)
        if parent is None:
            return Failure(self.refusals.not_found(above))
        refused = self.refusals.of_change(change, parent)
        return Success(self._add(change)) if refused is None else Failure(refused)

    def _add(self, change: CreatingChange) -> Record:
        tables, location, new_id = self.tables, f"memory:///{self.tables.name}", ""
        match change:
            case CreateExperiment() | EnsureExperiment():
                new_id = str(sum(isinstance(key, ExperimentKey) for key in tables.records))
                location = f"{location}/{new_id}"
            case CreateRun():
                new_id = uuid.uuid4().hex
                location = f"{location}/{known(change.exp_id)}/{new_id}"
            case RegisterVersion():
                number = tables.numbers.get(change.model_name, 0) + 1
                tables.numbers[change.model_name] = number
                new_id = str(number)
            case CreateModel() | EnsureModel():
                new_id = change.name
        record = created_record(change, id=new_id, now=datetime.now(UTC), artifact_uri=location)
        tables.records[key_of(record)] = record
        tables.operations[change.operation_id] = key_of(record)
        return record

    def _change(self, change: TrackingChange) -> Result[None, MlopusError]:
        key = concerns(change)
        assert key is not None  # noqa: S101 (what creates is made elsewhere)
        record = self.tables.get(key)
        if record is None:
            return Failure(self.refusals.not_found(key))
        refused = self.refusals.of_change(change, record) or self._taken(change)
        if refused is not None:
            return Failure(refused)
        if isinstance(change, LogBatch) and isinstance(record, RunRecord):
            self.tables.records[key] = self._logged(record, change)
        elif not is_done(change, record):
            self._reach(change, record)
        return Success(None)

    def _taken(self, change: TrackingChange) -> MlopusError | None:
        """Why a name cannot be given, or None."""
        name = name_wanted(change)
        by = None if name is None else self.tables.get(name)
        if not isinstance(by, ExperimentRecord | ModelRecord) or key_of(by) == concerns(change):
            return None
        return self.refusals.taken(by)

    def _reach(self, change: TrackingChange, own: Record) -> None:
        records = {key_of(record): record for record in (own, *self.tables.family(reaches(change)))}
        after = reached(change, records.values())
        for key in after.gone:
            self.tables.remove(key)
            if isinstance(key, ModelKey):
                self.tables.numbers.pop(key.name, None)
        for key, record in after.changed:
            self.tables.move(key, record)
            if isinstance(key, ModelKey) and isinstance(record, ModelRecord):
                self.tables.numbers[record.name] = self.tables.numbers.pop(key.name, 0)

    def _logged(self, run: RunRecord, batch: LogBatch) -> RunRecord:
        """The run after a batch: of all points of a metric the greatest by step, time and value counts."""
        points = self.tables.points
        for sample in batch.metrics:
            kept = attrs.evolve(sample, timestamp=whole_ms(sample.timestamp))
            points.setdefault((run.id, sample.key), {}).setdefault(point_identity(kept), kept)
        touched = {sample.key for sample in batch.metrics}
        latest = {key: latest_points(points[run.id, key].values())[key].value for key in touched}
        after = applied(run, attrs.evolve(batch, metrics=()))
        return attrs.evolve(after, metrics=immutabledict({**after.metrics, **latest}))
