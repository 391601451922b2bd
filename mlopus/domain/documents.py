"""Records as the documents that queries see: the fields that a search may name, with nested values.

A field that an entity does not have is left out, so that `$exists` tells it from one that is null.
Parents are seen inside: a run's `exp`, a version's `model` and `run`; of one that is not known only
the id or name is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

from immutabledict import immutabledict

from mlopus.domain.frozen import FrozenMap, Value
from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey
from mlopus.domain.locations import path_of_version
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord, VersionRecord
from mlopus.domain.text import TextCodec
from mlopus.domain.values import decode_metrics, decode_params, decode_tags

Document: TypeAlias = FrozenMap[str, Value]
Parents: TypeAlias = Callable[[OwnKey], Record | None]
"""The record of a key, or None where it is not known."""


def nobody(key: OwnKey) -> None:
    """Knows no record."""


def document_of(record: Record, codec: TextCodec, parents: Parents = nobody) -> Document:
    """The document of a record.

    Args:
        record: Any entity.
        codec: How the texts of params and tags are read.
        parents: Tells the experiment of a run, the model and the run of a version.

    Example:
        >>> from mlopus.domain.text import PLAIN
        >>> run = RunRecord(id="r", exp_id="0", params=immutabledict({"opt.lr": "0.1"}))
        >>> document_of(run, PLAIN)["params"]
        immutabledict({'opt': immutabledict({'lr': 0.1})})
    """
    match record:
        case ExperimentRecord():
            return _experiment(record, codec)
        case RunRecord():
            return _run(record, codec, parents)
        case ModelRecord():
            return _model(record, codec)
        case VersionRecord():
            return _version(record, codec, parents)
        case _:
            assert_never(record)


def parents_of(record: Record) -> tuple[OwnKey, ...]:
    """The keys of the entities that a record's document has inside, not theirs in turn."""
    match record:
        case RunRecord():
            return (ExperimentKey(record.exp_id),)
        case VersionRecord():
            model = ModelKey(record.name)
            return (model, RunKey(record.run_id)) if record.run_id is not None else (model,)
        case _:
            return ()


def tie_of(record: Record) -> tuple[str, int]:
    """What orders two entities that a sorting does not tell apart: the id; name and number of a version."""
    match record:
        case ExperimentRecord() | RunRecord():
            return record.id, 0
        case ModelRecord():
            return record.name, 0
        case VersionRecord():
            return record.name, number_of(record.version)
        case _:
            assert_never(record)


def number_of(version: str) -> int:
    """A version as the number that queries compare; 0 for one that is no number."""
    return int(version) if version.isascii() and version.isdigit() else 0


def _present(fields: Mapping[str, Value]) -> Document:
    return immutabledict({name: value for name, value in fields.items() if value is not None})


def _experiment(record: ExperimentRecord, codec: TextCodec) -> Document:
    return _present(
        {
            "id": record.id,
            "name": record.name,
            "tags": decode_tags(record.tags, codec),
            "artifact_location": record.artifact_location,
            "created_at": record.created_at,
            "updated_at": record.updated_at,
        }
    )


def _run(record: RunRecord, codec: TextCodec, parents: Parents) -> Document:
    exp = parents(ExperimentKey(record.exp_id))
    known = _experiment(exp, codec) if isinstance(exp, ExperimentRecord) else _present({"id": record.exp_id})
    return _present(
        {
            "id": record.id,
            "name": record.name,
            "status": record.status and record.status.value,
            "start_time": record.start_time,
            "end_time": record.end_time,
            "repo": record.repo or None,
            "exp": known,
            "params": decode_params(record.params, codec),
            "metrics": decode_metrics(record.metrics),
            "tags": decode_tags(record.tags, codec),
        }
    )


def _model(record: ModelRecord, codec: TextCodec) -> Document:
    return _present(
        {
            "name": record.name,
            "description": record.description,
            "aliases": immutabledict(record.aliases),
            "tags": decode_tags(record.tags, codec),
            "created_at": record.created_at,
            "updated_at": record.updated_at,
        }
    )


def _version(record: VersionRecord, codec: TextCodec, parents: Parents) -> Document:
    model = parents(ModelKey(record.name))
    run = parents(RunKey(record.run_id)) if record.run_id is not None else None
    path = path_of_version(record.source, run.id, run.repo) if isinstance(run, RunRecord) else None
    return _present(
        {
            "version": number_of(record.version),
            "model": _model(model, codec)
            if isinstance(model, ModelRecord)
            else _present({"name": record.name}),
            "run": _run_of(record, run, codec, parents),
            "source": record.source,
            "path_in_run": path,
            "aliases": record.aliases,
            "description": record.description,
            "tags": decode_tags(record.tags, codec),
            "created_at": record.created_at,
            "updated_at": record.updated_at,
        }
    )


def _run_of(
    version: VersionRecord, run: Record | None, codec: TextCodec, parents: Parents
) -> Document | None:
    if isinstance(run, RunRecord):
        return _run(run, codec, parents)
    return None if version.run_id is None else _present({"id": version.run_id})
