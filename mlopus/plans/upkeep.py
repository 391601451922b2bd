"""From a request that keeps an entity in order to the change that it means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, OwnKey, RunKey, VersionKey, kind_of
from mlopus.domain.records import NOTE_TAG
from mlopus.errors import NotFound
from mlopus.plans.changes import (
    DeleteAlias,
    DeleteEntity,
    DeleteTags,
    LogBatch,
    RenameExperiment,
    RenameModel,
    RestoreEntity,
    SetAlias,
    SetTags,
    TrackingChange,
    UpdateDescription,
    UpdateRun,
)
from mlopus.plans.envelope import record_of
from mlopus.plans.facts import Facts
from mlopus.plans.tracking_changes import BadValue, Changes, tag_texts, version_of_alias
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


def upkeep_changes(request: UpkeepRequest, facts: Facts) -> Result[Changes, BadValue | NotFound]:
    """The changes that a request means: one, or none where there is nothing to change.

    Reads of the facts: the record of an entity whose tags are deleted; the version that an alias names.
    """
    match request:
        case RenameEntity():
            return Success((_renaming(request),))
        case DescribeEntity():
            return _describing(request, facts)
        case DeleteEntityTags():
            return _untagging(request, facts)
        case AliasVersion():
            return mapped(
                _version(request.version, facts),
                lambda key: (SetAlias(model_name=key.name, alias=request.alias, version=key.version),),
            )
        case DropAlias():
            return Success((DeleteAlias(model_name=request.model.name, alias=request.alias),))
        case DeleteNamed():
            return mapped(_own_key(request.key, facts), lambda key: (DeleteEntity(key=key),))
        case RestoreNamed():
            return Success((RestoreEntity(key=request.key),))
        case _:
            assert_never(request)


def _renaming(request: RenameEntity) -> TrackingChange:
    match request.on:
        case ExperimentKey(exp_id):
            return RenameExperiment(exp_id=exp_id, name=request.name)
        case RunKey(run_id):
            return UpdateRun(run_id=run_id, name=request.name)
        case ModelKey(name):
            return RenameModel(name=name, new_name=request.name)
        case _:
            assert_never(request.on)


def _describing(request: DescribeEntity, facts: Facts) -> Result[Changes, BadValue | NotFound]:
    """A field of models and versions; a tag of experiments and runs, which MLflow shows the same way."""
    found = _own_key(request.on, facts)
    if isinstance(found, Failure):
        return found
    match found.unwrap():
        case ModelKey() | VersionKey() as key:
            return Success((UpdateDescription(on=key, description=request.description),))
        case ExperimentKey() as key:
            note = tag_texts(immutabledict(), facts, {NOTE_TAG: request.description})
            return mapped(note, lambda tags: (SetTags(on=key, tags=tags),))
        case RunKey(run_id):
            note = tag_texts(immutabledict(), facts, {NOTE_TAG: request.description})
            return mapped(note, lambda tags: (LogBatch(run_id=run_id, tags=tags),))


def _untagging(request: DeleteEntityTags, facts: Facts) -> Result[Changes, NotFound]:
    found = _own_key(request.on, facts)
    if isinstance(found, Failure):
        return found
    key = found.unwrap()
    record = record_of(facts, key)
    if record is None:
        return Failure(NotFound(kind=kind_of(key), key=str(key), place=str(facts.tracking.origin)))
    flat = at_or_below(request.keys, record.tags)
    return Success((DeleteTags(on=key, keys=flat),) if flat else ())


def at_or_below(paths: Iterable[str], keys: Iterable[str]) -> tuple[str, ...]:
    """Those of some flat keys that are at a dotted path, or nested below it; sorted.

    Example:
        >>> at_or_below(["a", "b.c"], ["a", "a.x", "ab", "b.c", "b.d"])
        ('a', 'a.x', 'b.c')
    """
    wanted = frozenset(paths)

    def is_wanted(key: str) -> bool:
        names = key.split(".")
        return any(".".join(names[:depth]) in wanted for depth in range(1, len(names) + 1))

    return tuple(sorted(filter(is_wanted, keys)))


def _version(key: VersionKey | AliasKey, facts: Facts) -> Result[VersionKey, NotFound]:
    return version_of_alias(key, facts) if isinstance(key, AliasKey) else Success(key)


def _own_key(key: NamedEntity, facts: Facts) -> Result[OwnKey, NotFound]:
    return version_of_alias(key, facts) if isinstance(key, AliasKey) else Success(key)
