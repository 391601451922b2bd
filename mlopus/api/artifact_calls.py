"""Calls that concern artifacts, checked and made into requests; see `mlopus.api.calls`."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.api.calls import Call, Tags, known_records, nested_tags
from mlopus.api.core import ApiCore
from mlopus.api.references import ModelRef, RunRef, VersionRef, model_key, run_key, version_ref_key
from mlopus.domain.paths import base_name, relative_path
from mlopus.errors import ConflictingOptions, IllegalPath, MlopusError, NotFound
from mlopus.plans.requests import (
    ArtifactOf,
    CacheArtifact,
    CleanCachedArtifact,
    GetArtifact,
    LinkChoice,
    LogModelVersion,
    LogRunArtifact,
    PlaceArtifact,
    PublishOptions,
)
from mlopus.result import Failure, Result, Success

PathLike: TypeAlias = str | os.PathLike[str]
Source: TypeAlias = PathLike | Callable[[Path], object]
_UNSAFE = re.compile(r"[^\w.\- ]+")


def of_run(run: RunRef, path_in_run: str) -> Result[ArtifactOf, MlopusError]:
    """A path of a run's artifacts."""
    key, path = run_key(run), relative_path(path_in_run)
    if isinstance(key, Failure):
        return key
    return path if isinstance(path, Failure) else Success(ArtifactOf(owner=key.unwrap(), path=path.unwrap()))


def of_version(model_version: VersionRef, path_suffix: str = "") -> Result[ArtifactOf, MlopusError]:
    """A path of a model version's artifact."""
    key, path = version_ref_key(model_version), relative_path(path_suffix)
    if isinstance(key, Failure):
        return key
    return path if isinstance(path, Failure) else Success(ArtifactOf(owner=key.unwrap(), path=path.unwrap()))


def read_run(api: ApiCore, run: RunRef, path_in_run: str = "") -> Result[Call, MlopusError]:
    """`list_run_artifacts` and `open_artifact`, which read without a plan."""
    return _call(api, of_run(run, path_in_run), GetArtifact, run)


def read_model(api: ApiCore, model_version: VersionRef, path_suffix: str = "") -> Result[Call, MlopusError]:
    """`list_model_artifact`, which reads without a plan."""
    return _call(api, of_version(model_version, path_suffix), GetArtifact, model_version)


def _call(
    api: ApiCore,
    artifact: Result[ArtifactOf, MlopusError],
    request: type[CacheArtifact | GetArtifact | CleanCachedArtifact],
    *given: object,
) -> Result[Call, MlopusError]:
    if isinstance(artifact, Failure):
        return artifact
    known = known_records(api, *given)
    return Success(Call(request=request(artifact=artifact.unwrap()), known=known))


def cache_run_artifact(api: ApiCore, run: RunRef, path_in_run: str = "") -> Result[Call, MlopusError]:
    """`cache_run_artifact`."""
    return _call(api, of_run(run, path_in_run), CacheArtifact, run)


def cache_model_artifact(api: ApiCore, model_version: VersionRef) -> Result[Call, MlopusError]:
    """`cache_model_artifact`."""
    return _call(api, of_version(model_version), CacheArtifact, model_version)


def get_run_artifact(api: ApiCore, run: RunRef, path_in_run: str = "") -> Result[Call, MlopusError]:
    """`get_run_artifact`."""
    return _call(api, of_run(run, path_in_run), GetArtifact, run)


def get_model_artifact(api: ApiCore, model_version: VersionRef) -> Result[Call, MlopusError]:
    """`get_model_artifact`."""
    return _call(api, of_version(model_version), GetArtifact, model_version)


def clean_cached_run_artifact(api: ApiCore, run: RunRef, path_in_run: str = "") -> Result[Call, MlopusError]:
    """`clean_cached_run_artifact`."""
    return _call(api, of_run(run, path_in_run), CleanCachedArtifact)


def clean_cached_model_artifact(api: ApiCore, model_version: VersionRef) -> Result[Call, MlopusError]:
    """`clean_cached_model_artifact`."""
    return _call(api, of_version(model_version), CleanCachedArtifact, model_version)


def _place(
    api: ApiCore,
    artifact: Result[ArtifactOf, MlopusError],
    target: PathLike,
    given: object,
    *,
    overwrite: bool,
    link: LinkChoice,
) -> Result[Call, MlopusError]:
    if isinstance(artifact, Failure):
        return artifact
    if not isinstance(link, bool) and link not in ("symlink", "hardlink", "reflink", "copy"):
        hint = "Pass True, False, 'symlink', 'hardlink', 'reflink' or 'copy'."
        return Failure(
            ConflictingOptions(options=("link",), reason=f"{link!r} is no kind of link", hint=hint)
        )
    path = os.fspath(target)
    if not path.strip():
        return Failure(IllegalPath(path=path, reason="is no target"))
    absolute = api.repositories.workspace.resolve(path)
    request = PlaceArtifact(artifact=artifact.unwrap(), target=absolute, overwrite=overwrite, link=link)
    roots = immutabledict({"target": absolute})
    return Success(Call(request=request, known=known_records(api, given), roots=roots))


def place_run_artifact(
    api: ApiCore,
    run: RunRef,
    target: PathLike,
    path_in_run: str = "",
    overwrite: bool = False,
    link: LinkChoice = True,
) -> Result[Call, MlopusError]:
    """`place_run_artifact`."""
    artifact = of_run(run, path_in_run)
    return _place(api, artifact, target, run, overwrite=overwrite, link=link)


def place_model_artifact(
    api: ApiCore,
    model_version: VersionRef,
    target: PathLike,
    overwrite: bool = False,
    link: LinkChoice = True,
) -> Result[Call, MlopusError]:
    """`place_model_artifact`."""
    artifact = of_version(model_version)
    return _place(api, artifact, target, model_version, overwrite=overwrite, link=link)


@attrs.frozen(kw_only=True)
class _Source:
    path: str
    from_callback: bool


def _source(api: ApiCore, source: Source) -> Result[_Source, MlopusError]:
    """Where the bytes to publish are; a callback is called now, into the temporary folder."""
    workspace = api.repositories.workspace
    if callable(source):
        temporary = workspace.temporary_path()
        if isinstance(temporary, Failure):
            return temporary
        source(Path(temporary.unwrap()))
        if not os.path.lexists(temporary.unwrap()):
            hint = "Write a file or a folder at the very path that the callback is given."
            place = os.path.dirname(temporary.unwrap())
            return Failure(NotFound(kind="output of the callback", key="artifact", place=place, hint=hint))
        return Success(_Source(path=temporary.unwrap(), from_callback=True))
    path = os.fspath(source)
    if not path.strip():
        return Failure(IllegalPath(path=path, reason="is no source"))
    return Success(_Source(path=workspace.resolve(path), from_callback=False))


def log_run_artifact(
    api: ApiCore,
    run: RunRef,
    source: Source,
    path_in_run: str | None = None,
    keep_the_source: bool | None = None,
    allow_duplication: bool | None = None,
    use_cache: bool | None = None,
    mirror: bool = False,
    overwrite: bool = False,
) -> Result[Call, MlopusError]:
    """`log_run_artifact`."""
    key = run_key(run)
    if isinstance(key, Failure):
        return key
    if callable(source) and not path_in_run:
        reason = "a source that is a callback has no name of its own"
        hint = "Pass path_in_run."
        return Failure(ConflictingOptions(options=("source", "path_in_run"), reason=reason, hint=hint))
    default = "" if callable(source) else base_name(os.fspath(source).rstrip("/"))
    path = relative_path(path_in_run if path_in_run is not None else default)
    if isinstance(path, Failure):
        return path
    written = _source(api, source)
    if isinstance(written, Failure):
        return written
    options = PublishOptions(
        keep_the_source=keep_the_source, allow_duplication=allow_duplication, use_cache=use_cache
    )
    request = LogRunArtifact(
        run=key.unwrap(),
        source=written.unwrap().path,
        path_in_run=path.unwrap(),
        from_callback=written.unwrap().from_callback,
        options=options,
        mirror=mirror,
        overwrite=overwrite,
    )
    return Success(
        Call(
            request=request,
            known=known_records(api, run),
            writes=True,
            roots=immutabledict({"source": request.source}),
        )
    )


def log_model_version(
    api: ApiCore,
    model: ModelRef,
    run: RunRef,
    source: Source,
    path_in_run: str | None = None,
    keep_the_source: bool | None = None,
    allow_duplication: bool | None = None,
    use_cache: bool | None = None,
    version: str | int | None = None,
    tags: Tags = None,
    overwrite: bool = False,
) -> Result[Call, MlopusError]:
    """`log_model_version`."""
    model_name, key, nested = model_key(model), run_key(run), nested_tags(tags)
    if isinstance(model_name, Failure):
        return model_name
    if isinstance(key, Failure):
        return key
    if isinstance(nested, Failure):
        return nested
    path = relative_path(path_in_run if path_in_run is not None else safe_name(model_name.unwrap().name))
    if isinstance(path, Failure):
        return path
    written = _source(api, source)
    if isinstance(written, Failure):
        return written
    options = PublishOptions(
        keep_the_source=keep_the_source, allow_duplication=allow_duplication, use_cache=use_cache
    )
    request = LogModelVersion(
        model=model_name.unwrap(),
        run=key.unwrap(),
        source=written.unwrap().path,
        path_in_run=path.unwrap(),
        from_callback=written.unwrap().from_callback,
        options=options,
        version=None if version is None else str(version),
        tags=nested.unwrap(),
        overwrite=overwrite,
        operation_id=uuid.uuid4().hex,
    )
    return Success(
        Call(
            request=request,
            known=known_records(api, run, model),
            writes=True,
            roots=immutabledict({"source": request.source}),
        )
    )


def safe_name(name: str) -> str:
    """A model's name as one plain component of a path.

    Example:
        >>> safe_name("team/ranker v2")
        'team-ranker v2'
    """
    return _UNSAFE.sub("-", name).strip(". ") or "model"
