"""Calls that rename, describe, untag, alias, delete and restore; see `mlopus.api.calls`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from mlopus.api.calls import Call
from mlopus.api.references import (
    NAME_HINT,
    ExpRef,
    ModelRef,
    RunRef,
    VersionRef,
    exp_key,
    model_key,
    require,
    run_key,
    version_ref_key,
)
from mlopus.domain.keys import (
    AliasKey,
    ExperimentKey,
    ModelKey,
    RunKey,
    VersionKey,
    kind_of,
    version_key,
    why_no_alias,
    why_no_model_name,
)
from mlopus.errors import InvalidValue, MlopusError
from mlopus.plans.upkeep_requests import (
    AliasVersion,
    DeleteEntityTags,
    DeleteNamed,
    DescribeEntity,
    DropAlias,
    NamedEntity,
    RenameEntity,
    RestoreNamed,
    UpkeepRequest,
)
from mlopus.result import Failure, Result, Success, mapped

if TYPE_CHECKING:
    from mlopus.api.core import ApiCore

VersionOfModel: TypeAlias = VersionRef | int
"""A version where its model is known: also a mere number or "@alias"."""
_ALIAS_HINT = "An alias is made of letters, digits, '_' and '-', and is neither 'latest' nor 'v3'."


def _call(request: UpkeepRequest) -> Call:
    return Call(request=request, writes=True)


def _rename(
    key: Result[ExperimentKey | RunKey | ModelKey, InvalidValue],
    name: str,
) -> Result[Call, MlopusError]:
    require(str, name, "a name is a str")
    if isinstance(key, Failure):
        return key
    on = key.unwrap()
    no_name = None if name.strip() else "is an empty name"
    reason = why_no_model_name(name) if isinstance(on, ModelKey) else no_name
    if reason is not None:
        return Failure(InvalidValue(kind=kind_of(on), key=name, reason=reason, hint=NAME_HINT))
    return Success(_call(RenameEntity(on=on, name=name)))


def rename_exp(_: ApiCore, exp: ExpRef, name: str) -> Result[Call, MlopusError]:
    """`rename_exp`."""
    return _rename(exp_key(exp), name)


def rename_run(_: ApiCore, run: RunRef, name: str) -> Result[Call, MlopusError]:
    """`rename_run`."""
    return _rename(run_key(run), name)


def rename_model(_: ApiCore, model: ModelRef, name: str) -> Result[Call, MlopusError]:
    """`rename_model`."""
    return _rename(model_key(model), name)


def _describe(
    key: Result[NamedEntity, InvalidValue],
    description: str,
) -> Result[Call, MlopusError]:
    require(str, description, "a description is a str")
    if isinstance(key, Failure):
        return key
    return Success(_call(DescribeEntity(on=key.unwrap(), description=description)))


def set_description_on_exp(_: ApiCore, exp: ExpRef, description: str) -> Result[Call, MlopusError]:
    """`set_description_on_exp`."""
    return _describe(exp_key(exp), description)


def set_description_on_run(_: ApiCore, run: RunRef, description: str) -> Result[Call, MlopusError]:
    """`set_description_on_run`."""
    return _describe(run_key(run), description)


def set_description_on_model(_: ApiCore, model: ModelRef, description: str) -> Result[Call, MlopusError]:
    """`set_description_on_model`."""
    return _describe(model_key(model), description)


def set_description_on_model_version(
    _: ApiCore, model_version: VersionRef, description: str
) -> Result[Call, MlopusError]:
    """`set_description_on_model_version`."""
    return _describe(version_ref_key(model_version), description)


def _untag(
    key: Result[NamedEntity, InvalidValue],
    keys: Iterable[str],
) -> Result[Call, MlopusError]:
    if isinstance(keys, str):
        raise TypeError(f"keys are several str, as in [{keys!r}], not one")
    asked = tuple(keys)
    for name in asked:
        require(str, name, "the key of a tag is a str")
        if not name:
            hint = "Name a tag, or the path above nested ones."
            return Failure(InvalidValue(kind="tag", key=name, reason="is an empty key", hint=hint))
    if isinstance(key, Failure):
        return key
    return Success(_call(DeleteEntityTags(on=key.unwrap(), keys=tuple(sorted(frozenset(asked))))))


def delete_tags_on_exp(_: ApiCore, exp: ExpRef, keys: Iterable[str]) -> Result[Call, MlopusError]:
    """`delete_tags_on_exp`."""
    return _untag(exp_key(exp), keys)


def delete_tags_on_run(_: ApiCore, run: RunRef, keys: Iterable[str]) -> Result[Call, MlopusError]:
    """`delete_tags_on_run`."""
    return _untag(run_key(run), keys)


def delete_tags_on_model(_: ApiCore, model: ModelRef, keys: Iterable[str]) -> Result[Call, MlopusError]:
    """`delete_tags_on_model`."""
    return _untag(model_key(model), keys)


def delete_tags_on_model_version(
    _: ApiCore, model_version: VersionRef, keys: Iterable[str]
) -> Result[Call, MlopusError]:
    """`delete_tags_on_model_version`."""
    return _untag(version_ref_key(model_version), keys)


def set_alias(_: ApiCore, model: ModelRef, alias: str, version: VersionOfModel) -> Result[Call, MlopusError]:
    """`set_alias`."""
    named, name, key = model_key(model), _alias(alias), _version_of(model, version)
    if isinstance(named, Failure):
        return named
    if isinstance(name, Failure):
        return name
    if isinstance(key, Failure):
        return key
    if key.unwrap().name != named.unwrap().name:
        reason = f"is of another model than {named.unwrap().name!r}"
        hint = "An alias names a version of its own model."
        return Failure(InvalidValue(kind="model version", key=str(key.unwrap()), reason=reason, hint=hint))
    return Success(_call(AliasVersion(alias=name.unwrap(), version=key.unwrap())))


def delete_alias(_: ApiCore, model: ModelRef, alias: str) -> Result[Call, MlopusError]:
    """`delete_alias`."""
    named, name = model_key(model), _alias(alias)
    if isinstance(named, Failure):
        return named
    if isinstance(name, Failure):
        return name
    return Success(_call(DropAlias(model=named.unwrap(), alias=name.unwrap())))


def _alias(alias: str) -> Result[str, InvalidValue]:
    """The alias without the `@` that it has in references."""
    require(str, alias, "an alias is a str")
    name = alias.removeprefix("@")
    reason = why_no_alias(name)
    if reason is not None:
        return Failure(InvalidValue(kind="alias", key=name, reason=reason, hint=_ALIAS_HINT))
    return Success(name)


def _version_of(model: ModelRef, version: VersionOfModel) -> Result[VersionKey | AliasKey, InvalidValue]:
    if isinstance(version, int) or (isinstance(version, str) and not version.startswith("models:")):
        require((str, int), version, "a version is an entity, a number or an '@alias'")
        named = model_key(model)
        return named if isinstance(named, Failure) else version_key(named.unwrap().name, version)
    return version_ref_key(version)


def _delete(
    key: Result[NamedEntity, InvalidValue],
) -> Result[Call, MlopusError]:
    return key if isinstance(key, Failure) else Success(_call(DeleteNamed(key=key.unwrap())))


def delete_exp(_: ApiCore, exp: ExpRef) -> Result[Call, MlopusError]:
    """`delete_exp`."""
    return _delete(exp_key(exp))


def delete_run(_: ApiCore, run: RunRef) -> Result[Call, MlopusError]:
    """`delete_run`."""
    return _delete(run_key(run))


def delete_model(_: ApiCore, model: ModelRef) -> Result[Call, MlopusError]:
    """`delete_model`."""
    return _delete(model_key(model))


def delete_model_version(_: ApiCore, model_version: VersionRef) -> Result[Call, MlopusError]:
    """`delete_model_version`."""
    return _delete(version_ref_key(model_version))


def restore_exp(_: ApiCore, exp: ExpRef) -> Result[Call, MlopusError]:
    """`restore_exp`."""
    return mapped(exp_key(exp), lambda key: _call(RestoreNamed(key=key)))


def restore_run(_: ApiCore, run: RunRef) -> Result[Call, MlopusError]:
    """`restore_run`."""
    return mapped(run_key(run), lambda key: _call(RestoreNamed(key=key)))
