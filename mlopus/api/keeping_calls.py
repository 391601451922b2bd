"""Calls that keep the cache in order, checked and made into requests; see `mlopus.api.calls`."""

from __future__ import annotations

from typing import TypeAlias

from mlopus.api.calls import Call, known_records
from mlopus.api.core import ApiCore
from mlopus.api.references import RunRef, VersionRef, require, run_key, version_ref_key
from mlopus.domain.entities import ModelVersion
from mlopus.domain.keys import AliasKey, RunKey, VersionKey
from mlopus.domain.paths import relative_path
from mlopus.errors import InvalidValue, MlopusError
from mlopus.plans.keeping_requests import (
    CleanCache,
    CleanTemporary,
    CollectGarbage,
    PinArtifact,
    RepairCache,
    UnpinArtifact,
)
from mlopus.result import Failure, Result, Success

OwnerRef: TypeAlias = RunRef | VersionRef
_VERSION_URI = "models:/"


def owner_key(run: OwnerRef) -> Result[RunKey | VersionKey | AliasKey, MlopusError]:
    """The key of a run or of a model version: a text is a run's id, unless it is a `models:/` URI."""
    if isinstance(run, ModelVersion | tuple) or (isinstance(run, str) and run.startswith(_VERSION_URI)):
        return version_ref_key(run)
    return run_key(run)


def gc(
    _: ApiCore, max_bytes: int | None = None, unused_for_s: float | None = None
) -> Result[Call, MlopusError]:
    """`gc`."""
    for name, number, kinds in (("max_bytes", max_bytes, int), ("unused_for_s", unused_for_s, (int, float))):
        if number is None:
            continue
        require(kinds, number, f"{name} is a number or None")
        if not number >= 0:
            hint = "Give 0 or more."
            return Failure(InvalidValue(kind="option", key=name, reason=f"is {number!r}", hint=hint))
    return Success(Call(request=CollectGarbage(max_bytes=max_bytes, unused_for_s=_seconds(unused_for_s))))


def _seconds(number: float | None) -> float | None:
    return None if number is None else float(number)


def repair(_: ApiCore) -> Result[Call, MlopusError]:
    """`repair`."""
    return Success(Call(request=RepairCache()))


def clean_temp_artifacts(_: ApiCore) -> Result[Call, MlopusError]:
    """`clean_temp_artifacts`."""
    return Success(Call(request=CleanTemporary()))


def clean_all_cache(_: ApiCore) -> Result[Call, MlopusError]:
    """`clean_all_cache`."""
    return Success(Call(request=CleanCache()))


def pin(api: ApiCore, run: OwnerRef, path: str = "") -> Result[Call, MlopusError]:
    """`pin`."""
    return _pinning(api, run, path, PinArtifact)


def unpin(api: ApiCore, run: OwnerRef, path: str = "") -> Result[Call, MlopusError]:
    """`unpin`."""
    return _pinning(api, run, path, UnpinArtifact)


def _pinning(
    api: ApiCore, run: OwnerRef, path: str, request: type[PinArtifact | UnpinArtifact]
) -> Result[Call, MlopusError]:
    key, checked = owner_key(run), relative_path(path)
    if isinstance(key, Failure):
        return key
    if isinstance(checked, Failure):
        return checked
    made = request(owner=key.unwrap(), path=checked.unwrap())
    return Success(Call(request=made, known=known_records(api, run)))
