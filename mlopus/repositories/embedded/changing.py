"""Changes of an embedded store, each inside one transaction."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Final, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, ExperimentName, ModelKey, OwnKey, key_of, kind_of
from mlopus.domain.records import ExperimentRecord, Record, RunRecord
from mlopus.domain.status import EntityKind
from mlopus.errors import AlreadyExists, InvalidRequest, MlopusError, NotFound
from mlopus.plans.changes import (
    PARAM_ALREADY_SET,
    PARAM_HINT,
    CreateExperiment,
    CreateModel,
    CreateRun,
    EnsureExperiment,
    EnsureModel,
    LogBatch,
    RegisterVersion,
    SetTags,
    TrackingChange,
    UpdateRun,
)
from mlopus.plans.effects import CreatingChange, applied, concerns, created_record
from mlopus.plans.pending import known
from mlopus.repositories.embedded.places import experiment_folder, run_folder
from mlopus.repositories.embedded.points import add_points, latest_value
from mlopus.repositories.sqlite.attributes import stored_text
from mlopus.repositories.sqlite.rows import Rows, Stored
from mlopus.result import Failure, Result, Success

ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""When every row of this store was taken: its rows are the truth, none is older than another."""

_Named: TypeAlias = CreateExperiment | EnsureExperiment | CreateModel | EnsureModel


@attrs.frozen
class Changing:
    """Makes changes through the rows of one transaction. `place` names the store in errors."""

    rows: Rows
    place: str

    def make(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make one change; after a Failure the transaction is to be undone."""
        match change:
            case CreateExperiment() | EnsureExperiment() | CreateModel() | EnsureModel():
                return self._create_named(change)
            case CreateRun() | RegisterVersion():
                return self._create(change)
            case UpdateRun() | LogBatch() | SetTags():
                return self._change(change)

    def not_found(self, key: OwnKey | ExperimentName) -> NotFound:
        """The error for a key that nothing has."""
        hint = "Check the id or name; find_* lists what is there."
        return NotFound(kind=kind_of(key), key=str(key), place=self.place, hint=hint)

    def _create_named(self, change: _Named) -> Result[Record, MlopusError]:
        is_exp = isinstance(change, CreateExperiment | EnsureExperiment)
        taken = self.rows.get(ExperimentName(change.name) if is_exp else ModelKey(change.name))
        if taken is None:
            return Success(self._add(change))
        record = taken.record
        is_ours = self._operation("experiment" if is_exp else "model", change.operation_id) == taken.rid
        ensures = isinstance(change, EnsureExperiment | EnsureModel)
        is_deleted = isinstance(record, ExperimentRecord) and record.lifecycle_stage == "deleted"
        if is_ours or (ensures and not is_deleted):
            return Success(record)
        hint = (
            "It is deleted: call restore_exp, or take another name." if is_deleted else "Take another name."
        )
        kind = kind_of(key_of(record))
        return Failure(AlreadyExists(kind=kind, key=change.name, place=self.place, hint=hint))

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
            return Failure(self.not_found(above))
        if isinstance(parent.record, ExperimentRecord) and parent.record.lifecycle_stage == "deleted":
            return Failure(self._inactive(change, above))
        return Success(self._add(change))

    def _add(self, change: CreatingChange) -> Record:
        new_id, location = self._new_id(change)
        record = created_record(change, id=new_id, now=datetime.now(UTC), artifact_uri=location)
        self.rows.put((record,), ALWAYS)
        stored = self.rows.get(key_of(record))
        space = self.rows.space(kind_of(key_of(record)))
        assert stored is not None  # noqa: S101 (it was just put)
        assert space is not None  # noqa: S101 (as above)
        self.rows.connection.execute(
            "INSERT INTO operation (sid, id, rid) VALUES (?, ?, ?)",
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
                highest = "SELECT coalesce(max(number), 0) FROM entity WHERE sid = ? AND key = ?"
                return str(1 + self._one(highest, "model version", stored_text(change.model_name))), ""
            case CreateModel() | EnsureModel():
                return change.name, ""

    def _one(self, statement: str, kind: EntityKind, *parameters: object) -> int:
        space = self.rows.space(kind)
        if space is None:
            return 0
        return int(self.rows.connection.execute(statement, (space.sid, *parameters)).fetchone()[0])

    def _operation(self, kind: EntityKind, operation_id: str) -> int | None:
        """The row that an operation created."""
        space = self.rows.space(kind)
        if space is None:
            return None
        statement = "SELECT rid FROM operation WHERE sid = ? AND id = ?"
        found = self.rows.connection.execute(statement, (space.sid, operation_id)).fetchone()
        return None if found is None else int(found[0])

    def _change(self, change: UpdateRun | LogBatch | SetTags) -> Result[None, MlopusError]:
        key = concerns(change)
        assert key is not None  # noqa: S101 (these changes concern an entity)
        stored = self.rows.get(key)
        if stored is None:
            return Failure(self.not_found(key))
        record = stored.record
        if isinstance(record, RunRecord | ExperimentRecord) and record.lifecycle_stage == "deleted":
            return Failure(self._inactive(change, key))
        if isinstance(change, LogBatch) and isinstance(record, RunRecord):
            fault = self._params_fault(record, change)
            if fault is not None:
                return Failure(fault)
            self.rows.put((self._logged(stored, record, change),), ALWAYS)
        else:
            self.rows.put((applied(record, change),), ALWAYS)
        return Success(None)

    def _logged(self, stored: Stored, run: RunRecord, batch: LogBatch) -> RunRecord:
        """The run after a batch: the latest of all points of a metric counts, not of this batch."""
        add_points(self.rows.connection, stored.rid, batch.metrics)
        touched = {sample.key for sample in batch.metrics}
        latest = {key: latest_value(self.rows.connection, stored.rid, key) for key in touched}
        after = applied(run, attrs.evolve(batch, metrics=()))
        return attrs.evolve(after, metrics=immutabledict({**after.metrics, **latest}))

    def _inactive(self, change: TrackingChange, key: OwnKey) -> InvalidRequest:
        request, reply = type(change).__name__, f"{kind_of(key)} {key} is deleted"
        return InvalidRequest(
            place=self.place, request=request, code="deleted", reply=reply, hint="Restore it first."
        )

    def _params_fault(self, run: RunRecord, batch: LogBatch) -> InvalidRequest | None:
        for key, text in batch.params.items():
            before = run.params.get(key)
            if before is not None and before != text:
                reply = f"param {key!r} of run {run.id} is {before!r} already, and cannot become {text!r}"
                return InvalidRequest(
                    place=self.place, request="LogBatch", code=PARAM_ALREADY_SET, reply=reply, hint=PARAM_HINT
                )
        return None
