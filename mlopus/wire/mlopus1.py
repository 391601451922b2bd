"""The metadata files of mlOpus 1.x: what one says, as records.

Written from what release 1.6.3 was observed to leave in its cache folder: a JSON document for each
entity, with nested values, its parents inside, and no word on which server they are from.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

import attrs
from immutabledict import immutabledict

from mlopus.domain.paths import join_url
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord, Texts, VersionRecord
from mlopus.domain.status import status_named
from mlopus.domain.text_mlopus1 import MLOPUS_1
from mlopus.domain.values import TextKind, TextLimits, encode_metrics, encode_texts, metric_from_server
from mlopus.result import Failure, Result, Success

OldKind: TypeAlias = Literal["exp", "run", "model", "mv"]
T = TypeVar("T")

OLD_KINDS: Final[tuple[OldKind, ...]] = ("exp", "model", "run", "mv")
"""Folders of its metadata; parents come first."""
_UNLIMITED = TextLimits(key=10**9, param=10**9, tag=10**9)


@attrs.frozen
class NoDocument:
    """Why a text is no metadata file of mlOpus 1.x."""

    reason: str


class _WrongError(Exception):
    pass


def records_of_old(kind: OldKind, name: tuple[str, ...], text: str) -> Result[tuple[Record, ...], NoDocument]:
    """The entity of a file and its parents, which come first.

    Args:
        kind: The folder that the file is in.
        name: Its path there: an id, a name, or name and version.
        text: What it holds.

    Example:
        >>> records_of_old("model", ("ranker",), '{"name": "ranker", "tags": {"kind": {"of": 1}}}').unwrap()
        (ModelRecord(name='ranker', tags=immutabledict({'kind.of': '1'}), description=None, ...
    """
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Failure(NoDocument(f"it is no JSON: {error}"))
    try:
        records = _READERS[kind](_mapping(document, "it"))
    except _WrongError as error:
        return Failure(NoDocument(str(error)))
    own = records[-1]
    said = (own.name, own.version) if isinstance(own, VersionRecord) else (_id_of(own),)
    if said != name:
        return Failure(NoDocument(f"it is of {'/'.join(said)!r}, which its name does not say"))
    return Success(records)


def _id_of(record: Record) -> str:
    return record.id if isinstance(record, ExperimentRecord | RunRecord) else record.name


def _exp(document: dict[str, Any]) -> tuple[Record, ...]:
    return (
        ExperimentRecord(
            id=_field(document, "id", str), name=_field(document, "name", str), tags=_texts("tag", document)
        ),
    )


def _model(document: dict[str, Any]) -> tuple[Record, ...]:
    return (ModelRecord(name=_field(document, "name", str), tags=_texts("tag", document)),)


def _run(document: dict[str, Any]) -> tuple[Record, ...]:
    exp = _exp(_object(document, "exp"))
    name, status = document.get("name"), document.get("status")
    run = RunRecord(
        id=_field(document, "id", str),
        exp_id=_id_of(exp[0]),
        name=name if isinstance(name, str) else None,
        status=status_named(status) if isinstance(status, str) else None,
        start_time=_moment(document, "start_time"),
        end_time=_moment(document, "end_time"),
        artifact_uri=_field(document, "repo", str),
        params=_texts("param", document),
        metrics=_metrics(document),
        tags=_texts("tag", document),
    )
    return (*exp, run)


def _version(document: dict[str, Any]) -> tuple[Record, ...]:
    model = _model(_object(document, "model"))
    run = _run(_object(document, "run"))
    own = cast("RunRecord", run[-1])
    version = VersionRecord(
        name=_id_of(model[0]),
        version=_field(document, "version", str),
        source=join_url(own.artifact_uri, _field(document, "path_in_run", str)),
        run_id=own.id,
        tags=_texts("tag", document),
    )
    return (*model, *run, version)


_READERS = {"exp": _exp, "model": _model, "run": _run, "mv": _version}


def _mapping(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _WrongError(f"{name} is no JSON object")
    return cast("dict[str, Any]", value)


def _field(document: dict[str, Any], name: str, kind: type[T]) -> T:
    value = document.get(name)
    if not isinstance(value, kind) or value == "":
        raise _WrongError(f"its field {name!r} is {'missing' if value is None else f'{value!r:.60}'}")
    return value


def _object(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    if value is None:
        raise _WrongError(f"its field {name!r} is missing")
    return _mapping(value, f"its field {name!r}")


def _moment(document: dict[str, Any], name: str) -> datetime | None:
    value = document.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(_field(document, name, str))
    except ValueError as error:
        raise _WrongError(f"its field {name!r} is no time: {value!r:.60}") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _texts(kind: TextKind, document: dict[str, Any]) -> Texts:
    """Values as the texts that mlOpus 1.x wrote to its server."""
    nested = _mapping(document.get(f"{kind}s", {}), f"its field '{kind}s'")
    encoded = encode_texts(kind, nested, MLOPUS_1, _UNLIMITED)
    if isinstance(encoded, Failure):
        raise _WrongError(f"its {encoded.failure()}")
    return encoded.unwrap()


def _metrics(document: dict[str, Any]) -> immutabledict[str, float]:
    encoded = encode_metrics(_mapping(document.get("metrics", {}), "its field 'metrics'"), _UNLIMITED)
    if isinstance(encoded, Failure):
        raise _WrongError(f"its {encoded.failure()}")
    return immutabledict({key: metric_from_server(value) for key, value in encoded.unwrap().items()})
