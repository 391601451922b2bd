"""Calls that copy to another API; see `mlopus.api.calls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopus.api.calls import Call
from mlopus.api.core import ApiCore
from mlopus.api.references import (
    NAME_HINT,
    ExpRef,
    RunRef,
    VersionRef,
    exp_key,
    require,
    run_key,
    version_ref_key,
)
from mlopus.domain.keys import why_no_model_name
from mlopus.errors import InvalidValue, MlopusError
from mlopus.plans.copy_requests import CopyExpTo, CopyRequest, CopyRunTo, CopyVersionTo
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from mlopus.domain.origin import Origin


def _origins(api: ApiCore, to: object) -> tuple[Origin, Origin]:
    require(ApiCore, to, "what is copied to is an MlflowApi, as from mlopus.connect")
    assert isinstance(to, ApiCore)  # noqa: S101 (it was just checked)
    return api.repositories.tracking.origin, to.repositories.tracking.origin


def _call(request: CopyRequest, to: ApiCore) -> Result[Call, MlopusError]:
    return Success(Call(request=request, writes=True, to=to))


def copy_run(
    api: ApiCore, run: RunRef, to: ApiCore, with_children: bool = True, with_versions: bool = True
) -> Result[Call, MlopusError]:
    """`copy_run`."""
    source, target = _origins(api, to)
    key = run_key(run)
    if isinstance(key, Failure):
        return key
    request = CopyRunTo(
        run=key.unwrap(), source=source, to=target, with_children=with_children, with_versions=with_versions
    )
    return _call(request, to)


def copy_exp(
    api: ApiCore, exp: ExpRef, to: ApiCore, name: str | None = None, with_versions: bool = True
) -> Result[Call, MlopusError]:
    """`copy_exp`."""
    source, target = _origins(api, to)
    key = exp_key(exp)
    if isinstance(key, Failure):
        return key
    if name is not None:
        require(str, name, "an experiment's name is a str")
        if not name.strip():
            return Failure(
                InvalidValue(kind="experiment", key=name, reason="is an empty name", hint=NAME_HINT)
            )
    return _call(
        CopyExpTo(exp=key.unwrap(), source=source, to=target, name=name, with_versions=with_versions), to
    )


def copy_model_version(
    api: ApiCore, model_version: VersionRef, to: ApiCore, name: str | None = None
) -> Result[Call, MlopusError]:
    """`copy_model_version`."""
    source, target = _origins(api, to)
    key = version_ref_key(model_version)
    if isinstance(key, Failure):
        return key
    if name is not None:
        require(str, name, "a model's name is a str")
        reason = why_no_model_name(name)
        if reason is not None:
            return Failure(InvalidValue(kind="model", key=name, reason=reason, hint=NAME_HINT))
    return _call(CopyVersionTo(version=key.unwrap(), source=source, to=target, name=name), to)
