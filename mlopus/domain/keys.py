"""What names an entity, as values: by id, by name, by version or by alias."""

from __future__ import annotations

import re
from typing import TypeAlias

import attrs

from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord, VersionRecord
from mlopus.domain.status import EntityKind
from mlopus.errors import InvalidValue
from mlopus.result import Failure, Result, Success


@attrs.frozen
class ExperimentKey:
    """An experiment by its id."""

    id: str

    def __str__(self) -> str:
        return self.id


@attrs.frozen
class ExperimentName:
    """An experiment by its name."""

    name: str

    def __str__(self) -> str:
        return self.name


@attrs.frozen
class RunKey:
    """A run by its id."""

    id: str

    def __str__(self) -> str:
        return self.id


@attrs.frozen
class ModelKey:
    """A registered model by its name."""

    name: str

    def __str__(self) -> str:
        return self.name


@attrs.frozen
class VersionKey:
    """A model version by model name and version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@attrs.frozen
class AliasKey:
    """A model version by model name and alias; the alias has no leading `@`."""

    name: str
    alias: str

    def __str__(self) -> str:
        return f"{self.name}@{self.alias}"


EntityKey: TypeAlias = ExperimentKey | ExperimentName | RunKey | ModelKey | VersionKey | AliasKey
OwnKey: TypeAlias = ExperimentKey | RunKey | ModelKey | VersionKey

_MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[\w\-]+))")
_ALIAS = re.compile(r"[\w\-]+")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)
_LONGEST_ALIAS = 255


def kind_of(key: EntityKey) -> EntityKind:
    """The kind of entity that a key names."""
    match key:
        case ExperimentKey() | ExperimentName():
            return "experiment"
        case RunKey():
            return "run"
        case ModelKey():
            return "model"
        case VersionKey() | AliasKey():
            return "model version"


def key_of(record: Record) -> OwnKey:
    """The key under which a record is stored."""
    match record:
        case ExperimentRecord():
            return ExperimentKey(record.id)
        case RunRecord():
            return RunKey(record.id)
        case ModelRecord():
            return ModelKey(record.name)
        case VersionRecord():
            return VersionKey(record.name, record.version)


def version_key(name: str, version: str | int) -> Result[VersionKey | AliasKey, InvalidValue]:
    """The key of `(name, 3)`, `(name, "3")` or `(name, "@champion")`.

    Example:
        >>> version_key("ranker", 3).unwrap()
        VersionKey(name='ranker', version='3')
        >>> version_key("ranker", "@champion").unwrap()
        AliasKey(name='ranker', alias='champion')
    """
    text = str(version)
    if text.startswith("@") and _ALIAS.fullmatch(text[1:]) is not None:
        return Success(AliasKey(name, text[1:]))
    if text.isascii() and text.isdigit():
        return Success(VersionKey(name, text))
    reason = "is neither a version number nor an '@alias'"
    hint = "A version is a number such as 3, or an alias such as '@champion'."
    return Failure(InvalidValue(kind="model version", key=f"{name}/{text}", reason=reason, hint=hint))


def version_key_from_uri(uri: str) -> Result[VersionKey | AliasKey, InvalidValue]:
    """The key that `models:/name/3` or `models:/name@alias` names.

    Example:
        >>> version_key_from_uri("models:/ranker@champion").unwrap()
        AliasKey(name='ranker', alias='champion')
    """
    match = _MODEL_URI.fullmatch(uri)
    if match is None:
        reason = "is not of the form models:/name/version or models:/name@alias"
        hint = "Write models:/ranker/3, models:/ranker@champion, or give a pair (name, version)."
        return Failure(InvalidValue(kind="model version", key=uri, reason=reason, hint=hint))
    if match["alias"] is not None:
        return Success(AliasKey(match["name"], match["alias"]))
    return Success(VersionKey(match["name"], match["version"]))


def why_no_alias(alias: str) -> str | None:
    """Why no version can be given this alias on MLflow's servers, or None.

    Example:
        >>> why_no_alias("champion")
        >>> why_no_alias("v3")
        'is reserved for what MLflow calls versions itself'
    """
    if not alias:
        return "is empty"
    if _ALIAS.fullmatch(alias) is None:
        return "has a character that is no letter, digit, '_' or '-'"
    if _RESERVED_ALIAS.fullmatch(alias) is not None:
        return "is reserved for what MLflow calls versions itself"
    return f"is longer than {_LONGEST_ALIAS} characters" if len(alias) > _LONGEST_ALIAS else None


def why_no_model_name(name: str) -> str | None:
    """Why no model should be given a name, or None: it must be usable in a path and a URI."""
    if not name.strip():
        return "is an empty name"
    if any(char in name for char in "/:\\") or name in (".", ".."):
        return "has a '/', ':' or '\\', or is a folder's own name, which no path or URI can hold"
    return None
