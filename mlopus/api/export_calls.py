"""Calls that export, checked and made into requests; see `mlopus.api.calls`."""

from __future__ import annotations

import os

from immutabledict import immutabledict

from mlopus.api.artifact_calls import PathLike, of_run, of_version
from mlopus.api.calls import Call
from mlopus.api.core import ApiCore
from mlopus.api.references import (
    ExpRef,
    ModelRef,
    RunRef,
    VersionRef,
    exp_key,
    model_key,
    run_key,
    version_ref_key,
)
from mlopus.domain.keys import EntityKey
from mlopus.errors import IllegalPath, MlopusError
from mlopus.plans.requests import ArtifactOf, ExportArtifact, ExportMeta
from mlopus.result import Failure, Result, Success


def _target(api: ApiCore, target: PathLike) -> Result[str, IllegalPath]:
    path = os.fspath(target)
    if not path.strip():
        return Failure(IllegalPath(path=path, reason="is no folder"))
    return Success(api.repositories.cache_folders.resolve(path))


def _meta(api: ApiCore, key: Result[EntityKey, MlopusError], target: PathLike) -> Result[Call, MlopusError]:
    folder = _target(api, target)
    if isinstance(key, Failure):
        return key
    if isinstance(folder, Failure):
        return folder
    request = ExportMeta(key=key.unwrap(), target=folder.unwrap())
    return Success(Call(request=request, roots=immutabledict({"target": request.target})))


def _artifact(
    api: ApiCore, artifact: Result[ArtifactOf, MlopusError], target: PathLike
) -> Result[Call, MlopusError]:
    folder = _target(api, target)
    if isinstance(artifact, Failure):
        return artifact
    if isinstance(folder, Failure):
        return folder
    request = ExportArtifact(artifact=artifact.unwrap(), target=folder.unwrap())
    return Success(Call(request=request, roots=immutabledict({"target": request.target})))


def export_exp_meta(api: ApiCore, exp: ExpRef, target: PathLike) -> Result[Call, MlopusError]:
    """`export_exp_meta`."""
    return _meta(api, exp_key(exp), target)


def export_run_meta(api: ApiCore, run: RunRef, target: PathLike) -> Result[Call, MlopusError]:
    """`export_run_meta`."""
    return _meta(api, run_key(run), target)


def export_model_meta(api: ApiCore, model: ModelRef, target: PathLike) -> Result[Call, MlopusError]:
    """`export_model_meta`."""
    return _meta(api, model_key(model), target)


def export_model_version_meta(
    api: ApiCore, model_version: VersionRef, target: PathLike
) -> Result[Call, MlopusError]:
    """`export_model_version_meta`."""
    return _meta(api, version_ref_key(model_version), target)


def export_run_artifact(
    api: ApiCore, run: RunRef, target: PathLike, path_in_run: str = ""
) -> Result[Call, MlopusError]:
    """`export_run_artifact`."""
    return _artifact(api, of_run(run, path_in_run), target)


def export_model_artifact(
    api: ApiCore, model_version: VersionRef, target: PathLike
) -> Result[Call, MlopusError]:
    """`export_model_artifact`."""
    return _artifact(api, of_version(model_version), target)
