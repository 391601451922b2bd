"""Between handles whose verbs return Results and handles whose verbs raise: the same entity."""

from __future__ import annotations

from typing import Any

import attrs

from mlopus.domain.entities import Entity
from mlopus.handles.exp import ExpApi
from mlopus.handles.model import ModelApi
from mlopus.handles.raising import RaisingExp, RaisingModel, RaisingModelVersion, RaisingRun
from mlopus.handles.run import RunApi
from mlopus.handles.version import ModelVersionApi

_BY_HANDLE = frozenset({"api", "exp", "model", "run"})


def raised(value: object) -> object:
    """The raising handle of a handle; any other value as it is."""
    match value:
        case ExpApi():
            return raised_exp(value)
        case RunApi():
            return raised_run(value)
        case ModelApi():
            return raised_model(value)
        case ModelVersionApi():
            return raised_model_version(value)
        case _:
            return value


def raised_exp(exp: ExpApi) -> RaisingExp:
    """The same experiment, raising."""
    return RaisingExp(**_own(exp), api=exp.api.raising)


def raised_run(run: RunApi) -> RaisingRun:
    """The same run, raising."""
    return RaisingRun(**_own(run), exp=raised_exp(run.exp), api=run.api.raising)


def raised_model(model: ModelApi) -> RaisingModel:
    """The same model, raising."""
    return RaisingModel(**_own(model), api=model.api.raising)


def raised_model_version(version: ModelVersionApi) -> RaisingModelVersion:
    """The same version, raising."""
    run = None if version.run is None else raised_run(version.run)
    return RaisingModelVersion(
        **_own(version), model=raised_model(version.model), run=run, api=version.api.raising
    )


def plain_exp(exp: RaisingExp) -> ExpApi:
    """The same experiment, with verbs that return Results."""
    return ExpApi(**_own(exp), api=exp.api.results)


def plain_run(run: RaisingRun) -> RunApi:
    """The same run, with verbs that return Results."""
    return RunApi(**_own(run), exp=plain_exp(run.exp), api=run.api.results)


def plain_model(model: RaisingModel) -> ModelApi:
    """The same model, with verbs that return Results."""
    return ModelApi(**_own(model), api=model.api.results)


def plain_model_version(version: RaisingModelVersion) -> ModelVersionApi:
    """The same version, with verbs that return Results."""
    run = None if version.run is None else plain_run(version.run)
    return ModelVersionApi(
        **_own(version), model=plain_model(version.model), run=run, api=version.api.results
    )


def _own(entity: Entity) -> dict[str, Any]:
    """The fields of an entity that are the same on every handle of it."""
    return attrs.asdict(entity, recurse=False, filter=lambda field, _: field.name not in _BY_HANDLE)
