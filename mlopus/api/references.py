"""How callers name entities, and the keys these stand for."""

from __future__ import annotations

from typing import TypeAlias

from mlopus.domain.entities import Experiment, Model, ModelVersion, Run
from mlopus.domain.keys import (
    AliasKey,
    ExperimentKey,
    ModelKey,
    RunKey,
    VersionKey,
    version_key,
    version_key_from_uri,
)
from mlopus.errors import InvalidValue
from mlopus.result import Failure, Result, Success

ExpRef: TypeAlias = Experiment | str | int
RunRef: TypeAlias = Run | str
ModelRef: TypeAlias = Model | str
VersionRef: TypeAlias = ModelVersion | tuple[str, str | int] | str


def require(kinds: type | tuple[type, ...], value: object, what: str) -> None:
    """Refuse a value of the wrong Python type.

    Raises:
        TypeError: Says what was expected.
    """
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"{what}, not {type(value).__name__}")


def exp_key(exp: ExpRef) -> Result[ExperimentKey, InvalidValue]:
    """The key of an experiment given as entity or id."""
    if isinstance(exp, Experiment):
        return Success(ExperimentKey(exp.id))
    require((str, int), exp, "an experiment is an entity or its id")
    text = str(exp).strip()
    if not text:
        return Failure(
            InvalidValue(
                kind="experiment", key=str(exp), reason="is an empty id", hint="Give the id, or the entity."
            )
        )
    return Success(ExperimentKey(text))


def run_key(run: RunRef) -> Result[RunKey, InvalidValue]:
    """The key of a run given as entity or id."""
    if isinstance(run, Run):
        return Success(RunKey(run.id))
    require(str, run, "a run is an entity or its id")
    if not run.strip():
        return Failure(
            InvalidValue(kind="run", key=run, reason="is an empty id", hint="Give the id, or the entity.")
        )
    return Success(RunKey(run.strip()))


def model_key(model: ModelRef) -> Result[ModelKey, InvalidValue]:
    """The key of a model given as entity or name; models of old servers have names that none is given now."""
    if isinstance(model, Model):
        return Success(ModelKey(model.name))
    require(str, model, "a model is an entity or its name")
    if not model.strip():
        return Failure(InvalidValue(kind="model", key=model, reason="is an empty name", hint=NAME_HINT))
    return Success(ModelKey(model))


NAME_HINT = "Letters, digits, blanks and _ - . make a name that works everywhere."


def version_ref_key(model_version: VersionRef) -> Result[VersionKey | AliasKey, InvalidValue]:
    """The key of a version: an entity, `(name, version)`, `(name, "@alias")` or a `models:/` URI."""
    match model_version:
        case ModelVersion():
            return Success(VersionKey(model_version.model.name, model_version.version))
        case str():
            return version_key_from_uri(model_version)
        case (str(name), str() | int() as version) if not isinstance(version, bool):
            return version_key(name, version)
        case _:
            raise TypeError(
                "a model version is an entity, (name, version), (name, '@alias') or 'models:/name/version', "
                f"not {model_version!r}"
            )
