"""Records as the text of a database row, and back.

The text is JSON of Python's dialect (NaN and infinities as `NaN`, `Infinity`), ASCII only, keys
sorted: equal records have equal texts. Times are whole microseconds since 1970. Fields that hold
their default are left out.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from immutabledict import immutabledict

from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord, VersionRecord
from mlopus.domain.status import EntityKind, status_named

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__)
"""NaN is one object, so that records that hold it are equal."""


def moment_to_us(moment: datetime) -> int:
    """A moment as whole microseconds since 1970."""
    return (moment - _EPOCH) // _US


def moment_from_us(microseconds: int) -> datetime:
    """The moment in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def kind_of_record(record: Record) -> EntityKind:
    """The kind of entity that a record describes."""
    match record:
        case ExperimentRecord():
            return "experiment"
        case RunRecord():
            return "run"
        case ModelRecord():
            return "model"
        case VersionRecord():
            return "model version"
        case _:
            assert_never(record)


def record_to_text(record: Record) -> str:
    """The text of a record; its kind is not in it.

    Example:
        >>> record_to_text(ModelRecord(name="ranker", tags=immutabledict(team="search")))
        '{"name":"ranker","tags":{"team":"search"}}'
    """
    fields: dict[str, Any]
    match record:
        case ExperimentRecord():
            fields = {
                "id": record.id,
                "name": record.name,
                "location": record.artifact_location,
                **_stage(record),
                **_dated(record),
            }
        case RunRecord():
            fields = {
                "id": record.id,
                "exp": record.exp_id,
                "name": record.name,
                "status": record.status and record.status.value,
                "start": _us(record.start_time),
                "end": _us(record.end_time),
                "uri": record.artifact_uri or None,
                "params": dict(record.params) or None,
                "metrics": dict(record.metrics) or None,
                "logged": record.logged_model_ids or None,
                **_stage(record),
            }
        case ModelRecord():
            fields = {
                "name": record.name,
                "description": record.description,
                "aliases": dict(record.aliases) or None,
                **_dated(record),
            }
        case VersionRecord():
            fields = {
                "name": record.name,
                "version": record.version,
                "source": record.source,
                "run": record.run_id,
                "description": record.description,
                "aliases": record.aliases or None,
                **_dated(record),
            }
        case _:
            assert_never(record)
    fields["tags"] = dict(record.tags) or None
    return _ENCODER.encode({name: value for name, value in fields.items() if value is not None})


def record_from_text(kind: EntityKind, text: str) -> Record:
    """The record that `record_to_text` wrote.

    Raises:
        ValueError: The text is no JSON.
        KeyError: A field is missing.
    """
    row: dict[str, Any] = _DECODER.decode(text)
    tags = immutabledict(row.get("tags", ()))
    match kind:
        case "experiment":
            return ExperimentRecord(
                id=row["id"],
                name=row["name"],
                tags=tags,
                lifecycle_stage=row.get("stage", "active"),
                artifact_location=row.get("location"),
                created_at=_moment(row.get("created")),
                updated_at=_moment(row.get("updated")),
            )
        case "run":
            return RunRecord(
                id=row["id"],
                exp_id=row["exp"],
                name=row.get("name"),
                status=status_named(row.get("status")),
                start_time=_moment(row.get("start")),
                end_time=_moment(row.get("end")),
                artifact_uri=row.get("uri", ""),
                params=immutabledict(row.get("params", ())),
                metrics=immutabledict(row.get("metrics", ())),
                tags=tags,
                lifecycle_stage=row.get("stage", "active"),
                logged_model_ids=tuple(row.get("logged", ())),
            )
        case "model":
            return ModelRecord(
                name=row["name"],
                tags=tags,
                description=row.get("description"),
                aliases=immutabledict(row.get("aliases", ())),
                created_at=_moment(row.get("created")),
                updated_at=_moment(row.get("updated")),
            )
        case "model version":
            return VersionRecord(
                name=row["name"],
                version=row["version"],
                source=row["source"],
                run_id=row.get("run"),
                tags=tags,
                description=row.get("description"),
                aliases=tuple(row.get("aliases", ())),
                created_at=_moment(row.get("created")),
                updated_at=_moment(row.get("updated")),
            )
        case _:
            assert_never(kind)


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else moment_to_us(moment)


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else moment_from_us(microseconds)


def _stage(record: ExperimentRecord | RunRecord) -> dict[str, Any]:
    return {"stage": None if record.lifecycle_stage == "active" else record.lifecycle_stage}


def _dated(record: ExperimentRecord | ModelRecord | VersionRecord) -> dict[str, Any]:
    return {"created": _us(record.created_at), "updated": _us(record.updated_at)}
