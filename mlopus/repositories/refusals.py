"""What mlopus' own tracking stores refuse, in the same words: what MLflow's servers refuse."""

from __future__ import annotations

from typing import Final

import attrs

from mlopus.domain.keys import EntityKey, OwnKey, key_of, kind_of, why_no_alias
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord
from mlopus.errors import AlreadyExists, InvalidRequest, NotFound
from mlopus.plans.changes import (
    PARAM_ALREADY_SET,
    PARAM_HINT,
    DeleteEntity,
    LogBatch,
    RestoreEntity,
    SetAlias,
    TrackingChange,
)

_ALIAS_HINT: Final = "Name it with letters, digits, '_' and '-', and not 'latest' or 'v' and a number."


@attrs.frozen
class Refusals:
    """The refusals of a store; `place` names it."""

    place: str

    def not_found(self, key: EntityKey) -> NotFound:
        """Nothing has that key."""
        hint = "Check the id or name; find_* lists what is there."
        return NotFound(kind=kind_of(key), key=str(key), place=self.place, hint=hint)

    def taken(self, by: ExperimentRecord | ModelRecord) -> AlreadyExists:
        """A name is that of another entity; deleted experiments keep theirs."""
        is_deleted = isinstance(by, ExperimentRecord) and by.lifecycle_stage == "deleted"
        hint = (
            "It is deleted: call restore_exp, or take another name." if is_deleted else "Take another name."
        )
        return AlreadyExists(kind=kind_of(key_of(by)), key=by.name, place=self.place, hint=hint)

    def inactive(self, change: TrackingChange, key: OwnKey) -> InvalidRequest:
        """What is deleted cannot be changed."""
        return self._invalid(change, "deleted", f"{kind_of(key)} {key} is deleted", "Restore it first.")

    def of_change(self, change: TrackingChange, record: Record) -> InvalidRequest | None:
        """Why a change cannot be made to the entity that it concerns, or None."""
        is_deleted = isinstance(record, RunRecord | ExperimentRecord) and record.lifecycle_stage == "deleted"
        if is_deleted and not isinstance(change, DeleteEntity | RestoreEntity):
            return self.inactive(change, key_of(record))
        match change:
            case LogBatch() if isinstance(record, RunRecord):
                return self._of_params(record, change)
            case SetAlias() if (reason := why_no_alias(change.alias)) is not None:
                return self._invalid(change, "alias", f"alias {change.alias!r} {reason}", _ALIAS_HINT)
            case _:
                return None

    def _of_params(self, run: RunRecord, batch: LogBatch) -> InvalidRequest | None:
        for key, text in batch.params.items():
            before = run.params.get(key)
            if before is not None and before != text:
                reply = f"param {key!r} of run {run.id} is {before!r} already, and cannot become {text!r}"
                return self._invalid(batch, PARAM_ALREADY_SET, reply, PARAM_HINT)
        return None

    def _invalid(self, change: TrackingChange, code: str, reply: str, hint: str) -> InvalidRequest:
        return InvalidRequest(
            place=self.place, request=type(change).__name__, code=code, reply=reply, hint=hint
        )
