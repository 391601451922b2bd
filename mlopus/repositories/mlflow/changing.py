"""Changes that rename, describe, untag, alias, delete and restore, on servers that know no idempotency.

Where a server answers the second of two equal requests as if nothing was ever there, it is looked
at: what is as the change wants it, is no fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import attrs

from mlopus.domain.keys import (
    EntityKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    OwnKey,
    RunKey,
    VersionKey,
    kind_of,
)
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord
from mlopus.domain.status import LifecycleStage
from mlopus.errors import AlreadyExists, InvalidRequest, MlopusError, NotFound
from mlopus.plans.changes import (
    DeleteAlias,
    DeleteEntity,
    DeleteTags,
    RenameExperiment,
    RenameModel,
    RestoreEntity,
    SetAlias,
    UpdateDescription,
)
from mlopus.repositories.mlflow.asking import Asking
from mlopus.repositories.mlflow.recovering import done_once
from mlopus.result import Failure, Result, Success, mapped
from mlopus.wire.mlflow.changes import (
    delete_alias_request,
    delete_request,
    delete_tag_request,
    describe_request,
    rename_experiment_request,
    rename_model_request,
    restore_request,
    set_alias_request,
)

Upkeep: TypeAlias = (
    RenameExperiment
    | RenameModel
    | UpdateDescription
    | DeleteTags
    | SetAlias
    | DeleteAlias
    | DeleteEntity
    | RestoreEntity
)
Get: TypeAlias = Callable[[EntityKey], Result[Record, MlopusError]]

_WRONG_STATE: Final = "INVALID_STATE"


def keep_in_order(transport: Asking, registry: Asking, get: Get, change: Upkeep) -> Result[None, MlopusError]:
    """Make a change: one request, one a tag for `DeleteTags`; more where it has to be looked.

    Args:
        transport: Who keeps experiments and runs.
        registry: Who keeps models and versions.
        get: Reads an entity from them.
        change: What to do.
    """
    match change:
        case RenameExperiment():
            return _rename_experiment(transport, get, change)
        case RenameModel(name=name, new_name=new_name):
            mark = f"the model {new_name!r}"
            request = rename_model_request(name, new_name)
            return done_once(registry, request, lambda: _is_renamed(get, change), mark)
        case UpdateDescription():
            return registry.do(describe_request(change.on, change.description))
        case DeleteTags():
            is_of_registry = isinstance(change.on, ModelKey | VersionKey)
            return _delete_tags(registry if is_of_registry else transport, get, change)
        case SetAlias():
            return registry.do(set_alias_request(VersionKey(change.model_name, change.version), change.alias))
        case DeleteAlias():
            return registry.do(delete_alias_request(ModelKey(change.model_name), change.alias))
        case DeleteEntity():
            return _delete(transport, registry, get, change.key)
        case RestoreEntity():
            return _mark(transport, get, change.key, "active")


def _rename_experiment(transport: Asking, get: Get, change: RenameExperiment) -> Result[None, MlopusError]:
    done = transport.do(rename_experiment_request(change.exp_id, change.name))
    if isinstance(done, Success) or not _may_be_taken(done.failure()):
        return done
    by = get(ExperimentName(change.name)).value_or(None)
    if not isinstance(by, ExperimentRecord):
        return done
    if by.id == change.exp_id:  # folders of files say of an experiment that it takes its own name
        return Success(None) if by.lifecycle_stage == "active" else done
    error = AlreadyExists(kind="experiment", key=change.name, place=transport.place)
    if by.lifecycle_stage == "deleted":
        hint = f"It is deleted and keeps its name: restore_exp({by.id!r}) brings it back."
        error = attrs.evolve(error, hint=hint)
    return Failure(error)


def _may_be_taken(error: MlopusError) -> bool:
    """Whether a refusal may mean that the name is taken: databases break off, and say why in their words."""
    return isinstance(error, AlreadyExists) or (
        isinstance(error, InvalidRequest) and error.code != _WRONG_STATE
    )


def _delete(transport: Asking, registry: Asking, get: Get, key: OwnKey) -> Result[None, MlopusError]:
    if isinstance(key, ExperimentKey | RunKey):
        return _mark(transport, get, key, "deleted")
    mark = f"the {kind_of(key)} {str(key)!r}"
    done = done_once(registry, delete_request(key), lambda: _is_gone(get, key), mark)
    if isinstance(done, Failure) or isinstance(key, ModelKey):
        return done
    return _drop_aliases(registry, get, key)


def _drop_aliases(registry: Asking, get: Get, gone: VersionKey) -> Result[None, MlopusError]:
    """Delete the aliases of a version that is gone, which MLflow 2 leaves with the model."""
    model = get(ModelKey(gone.name)).value_or(None)  # without it, at worst an alias leads nowhere
    for alias, version in model.aliases.items() if isinstance(model, ModelRecord) else ():
        if version == gone.version:
            done = registry.do(delete_alias_request(ModelKey(gone.name), alias))
            if isinstance(done, Failure):
                return done
    return Success(None)


def _mark(
    transport: Asking, get: Get, key: ExperimentKey | RunKey, stage: LifecycleStage
) -> Result[None, MlopusError]:
    """Delete or restore; a second time servers say that there is no such experiment, so it is looked."""
    done = transport.do(delete_request(key) if stage == "deleted" else restore_request(key))
    if isinstance(done, Success) or not isinstance(done.failure(), NotFound | InvalidRequest):
        return done
    found = get(key)
    if isinstance(found, Failure):
        return found
    record = found.unwrap()
    is_marked = isinstance(record, ExperimentRecord | RunRecord) and record.lifecycle_stage == stage
    return Success(None) if is_marked else done


def _delete_tags(asking: Asking, get: Get, change: DeleteTags) -> Result[None, MlopusError]:
    """Delete one after the other; if one is not there, it is looked once whether the entity is."""
    is_there = False
    for tag in change.keys:
        done = asking.do(delete_tag_request(change.on, tag))
        if isinstance(done, Success):
            continue
        if not isinstance(done.failure(), NotFound):
            return done
        found = None if is_there else get(change.on)
        if isinstance(found, Failure):
            return found
        is_there = True
    return Success(None)


def _is_renamed(get: Get, change: RenameModel) -> Result[bool, MlopusError]:
    """Whether nothing has the old name, and a model the new one."""
    is_gone = _is_gone(get, ModelKey(change.name))
    if isinstance(is_gone, Failure) or not is_gone.unwrap():
        return is_gone
    return mapped(get(ModelKey(change.new_name)), lambda _: True)


def _is_gone(get: Get, key: ModelKey | VersionKey) -> Result[bool, MlopusError]:
    found = get(key)
    if isinstance(found, Failure):
        return Success(True) if isinstance(found.failure(), NotFound) else found
    return Success(False)
