"""Changes of an embedded store, each inside one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import (
    AliasKey,
    EntityKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    VersionKey,
    key_of,
    kind_of,
)
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord
from mlopus.domain.status import EntityKind
from mlopus.errors import MlopusError
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    DeleteAlias,
    DeleteEntity,
    EnsureExperiment,
    EnsureModel,
    LogBatch,
    RegisterVersion,
    RenameModel,
    RestoreEntity,
    SetAlias,
    TrackingChange,
)
from mlopus.plans.effects import CreatingChange, applied, concerns, created_record
from mlopus.plans.pending import known
from mlopus.repositories.embedded.places import experiment_folder, run_folder
from mlopus.repositories.embedded.points import add_points, latest_value
from mlopus.repositories.reaching import is_done, name_wanted, reached
from mlopus.repositories.refusals import Refusals
from mlopus.repositories.sqlite.attributes import stored_text
from mlopus.repositories.sqlite.moving import family, remove, rewrite
from mlopus.repositories.sqlite.rows import Rows, Stored
from mlopus.result import Failure, Result, Success

ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""When every row of this store was taken: its rows are the truth, none is older than another."""

_BESIDE: Final = ("operation", "numbering")
"""The tables of this store that know rows of models and versions."""

_Named: TypeAlias = CreateExperiment | EnsureExperiment | CreateModel | EnsureModel


@attrs.frozen
class Changing:
    """Makes changes through the rows of one transaction. `place` names the store in errors."""

    rows: Rows
    place: str

    @property
    def _refusals(self) -> Refusals:
        return Refusals(self.place)

    def make(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make one change; after a Failure the transaction is to be undone."""
        match change:
            case CreateExperiment() | EnsureExperiment() | CreateModel() | EnsureModel():
                return self._create_named(change)
            case CreateRun() | RegisterVersion():
                return self._create(change)
            case _:
                return self._change(change)

    def _create_named(self, change: _Named) -> Result[Record, MlopusError]:
        is_exp = isinstance(change, CreateExperiment | EnsureExperiment)
        taken = self.rows.get(ExperimentName(change.name) if is_exp else ModelKey(change.name))
        if taken is None:
            return Success(self._add(change))
        record = taken.record
        assert isinstance(record, ExperimentRecord | ModelRecord)  # noqa: S101 (the kind of its key)
        is_ours = self._operation("experiment" if is_exp else "model", change.operation_id) == taken.rid
        ensures = isinstance(change, EnsureExperiment | EnsureModel)
        is_deleted = isinstance(record, ExperimentRecord) and record.lifecycle_stage == "deleted"
        if is_ours or (ensures and not is_deleted):
            return Success(record)
        return Failure(self._refusals.taken(record))

    def _create(self, change: CreateRun | RegisterVersion) -> Result[Record, MlopusError]:
        kind: EntityKind = "run" if isinstance(change, CreateRun) else "model version"
        done = self._operation(kind, change.operation_id)
        if done is not None:
            return Success(self.rows.bodies(kind, [done])[0])
        above = (
            ExperimentKey(known(change.exp_id))
            if isinstance(change, CreateRun)
            else ModelKey(change.model_name)
        )
        parent = self.rows.get(above)
        if parent is None:
            return Failure(self._refusals.not_found(above))
        refused = self._refusals.of_change(change, parent.record)
        return Success(self._add(change)) if refused is None else Failure(refused)

    def _add(self, change: CreatingChange) -> Record:
        new_id, location = self._new_id(change)
        record = created_record(change, id=new_id, now=datetime.now(UTC), artifact_uri=location)
        self.rows.put((record,), ALWAYS)
        stored = self.rows.get(key_of(record))
        space = self.rows.space(kind_of(key_of(record)))
        assert stored is not None  # noqa: S101 (it was just put)
        assert space is not None  # noqa: S101 (as above)
        self.rows.connection.execute(
            "INSERT OR REPLACE INTO operation (sid, id, rid) VALUES (?, ?, ?)",
            (space.sid, change.operation_id, stored.rid),
        )
        return record

    def _new_id(self, change: CreatingChange) -> tuple[str, str]:
        """The id of what a change creates, and where its artifacts go, relative to the store."""
        match change:
            case CreateExperiment() | EnsureExperiment():
                new_id = str(self._one("SELECT count(*) FROM entity WHERE sid = ?", "experiment"))
                return new_id, experiment_folder(new_id)
            case CreateRun():
                new_id = uuid.uuid4().hex
                return new_id, run_folder(known(change.exp_id), new_id)
            case RegisterVersion():
                return str(1 + self._highest(change.model_name)), ""
            case CreateModel() | EnsureModel():
                return change.name, ""

    def _one(self, statement: str, kind: EntityKind, *parameters: object) -> int:
        space = self.rows.space(kind)
        if space is None:
            return 0
        return int(self.rows.connection.execute(statement, (space.sid, *parameters)).fetchone()[0])

    def _highest(self, model_name: str) -> int:
        """The highest number of a version that a model has, or had."""
        name = stored_text(model_name)
        there = "SELECT coalesce(max(number), 0) FROM entity WHERE sid = ? AND key = ?"
        deleted = """SELECT coalesce(max(highest), 0) FROM numbering
            WHERE rid IN (SELECT rid FROM entity WHERE sid = ? AND key = ?)"""
        return max(self._one(there, "model version", name), self._one(deleted, "model", name))

    def _operation(self, kind: EntityKind, operation_id: str) -> int | None:
        """The row that an operation created."""
        space = self.rows.space(kind)
        if space is None:
            return None
        statement = "SELECT rid FROM operation WHERE sid = ? AND id = ?"
        found = self.rows.connection.execute(statement, (space.sid, operation_id)).fetchone()
        return None if found is None else int(found[0])

    def _change(self, change: TrackingChange) -> Result[None, MlopusError]:
        key = concerns(change)
        assert key is not None  # noqa: S101 (what creates is made elsewhere)
        stored = self.rows.get(key)
        if stored is None:
            return Failure(self._refusals.not_found(key))
        record = stored.record
        refused = self._refusals.of_change(change, record) or self._taken(change, stored)
        if refused is not None:
            return Failure(refused)
        if isinstance(change, LogBatch) and isinstance(record, RunRecord):
            self.rows.put((self._logged(stored, record, change),), ALWAYS)
        elif not is_done(change, record):
            self._reach(change, stored)
        return Success(None)

    def _taken(self, change: TrackingChange, own: Stored) -> MlopusError | None:
        """Why a name cannot be given, or None."""
        name = name_wanted(change)
        by = None if name is None else self.rows.get(name)
        if by is None or by.rid == own.rid:
            return None
        assert isinstance(by.record, ExperimentRecord | ModelRecord)  # noqa: S101 (the kind of its key)
        return self._refusals.taken(by.record)

    def _reach(self, change: TrackingChange, own: Stored) -> None:
        stored = {key_of(found.record): found for found in (own, *self._reached_by(change))}
        after = reached(change, (found.record for found in stored.values()))
        rewrite(self.rows, ((stored[key], record) for key, record in after.changed))
        for key in after.gone:
            if isinstance(key, VersionKey):
                self._keep_number(key)
            if isinstance(key, ModelKey | VersionKey):
                remove(self.rows, key, _BESIDE)

    def _reached_by(self, change: TrackingChange) -> Iterable[Stored]:
        """What a change reaches besides the entity that it concerns; a deleted model's versions go unread."""
        match change:
            case DeleteEntity(key=ExperimentKey() as exp) | RestoreEntity(key=ExperimentKey() as exp):
                return family(self.rows, exp)
            case RenameModel():
                return family(self.rows, ModelKey(change.name))
            case DeleteEntity(key=VersionKey(name=name)):
                return self._present(ModelKey(name))
            case SetAlias() | DeleteAlias():
                return self._present(ModelKey(change.model_name), AliasKey(change.model_name, change.alias))
            case _:
                return ()

    def _present(self, *keys: EntityKey) -> list[Stored]:
        return [found for found in map(self.rows.get, keys) if found is not None]

    def _keep_number(self, version: VersionKey) -> None:
        """Note the number of a version that goes, if a higher one is not noted already."""
        for model in self._present(ModelKey(version.name)):
            self.rows.connection.execute(
                "INSERT OR REPLACE INTO numbering (rid, highest) VALUES (?, ?)",
                (model.rid, self._highest(version.name)),
            )

    def _logged(self, stored: Stored, run: RunRecord, batch: LogBatch) -> RunRecord:
        """The run after a batch: the latest of all points of a metric counts, not of this batch."""
        add_points(self.rows.connection, stored.rid, batch.metrics)
        touched = {sample.key for sample in batch.metrics}
        latest = {key: latest_value(self.rows.connection, stored.rid, key) for key in touched}
        after = applied(run, attrs.evolve(batch, metrics=()))
        return attrs.evolve(after, metrics=immutabledict({**after.metrics, **latest}))
