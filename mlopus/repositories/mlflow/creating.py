"""Changes that create, on servers that know no idempotency: sent twice, they create once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs
from immutabledict import immutabledict

from mlopus.domain.locations import location_of_source
from mlopus.domain.records import (
    OPERATION_TAG,
    ExperimentRecord,
    ModelRecord,
    Record,
    RunRecord,
    Texts,
    VersionRecord,
)
from mlopus.domain.status import RunStatus
from mlopus.errors import AlreadyExists, MlopusError, NotFound
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    EnsureExperiment,
    EnsureModel,
    RegisterVersion,
)
from mlopus.plans.pending import known
from mlopus.plans.search import Page
from mlopus.repositories.mlflow.asking import Asking
from mlopus.repositories.mlflow.recovering import created_once
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.clauses import Clause, is_literal
from mlopus.wire.mlflow.experiments import (
    create_experiment_from_reply,
    create_experiment_request,
    get_experiment_by_name_request,
    get_experiment_from_reply,
    get_experiment_request,
)
from mlopus.wire.mlflow.models import (
    create_model_request,
    create_version_request,
    get_model_request,
    model_from_reply,
    search_versions_from_reply,
    search_versions_request,
    version_from_reply,
)
from mlopus.wire.mlflow.pages import PageRequest
from mlopus.wire.mlflow.runs import (
    create_run_request,
    run_from_reply,
    search_runs_from_reply,
    search_runs_request,
    update_run_request,
)

R = TypeVar("R", bound=Record)


def create_experiment(
    transport: Asking, change: CreateExperiment | EnsureExperiment
) -> Result[ExperimentRecord, MlopusError]:
    """The experiment: new, or what this operation created before; to ensure one, any of that name."""
    location = change.artifact_location if isinstance(change, CreateExperiment) else None
    tags = _with_operation(change.tags, change.operation_id)
    request = create_experiment_request(change.name, tags, location)

    def look() -> Result[ExperimentRecord | None, MlopusError]:
        named = get_experiment_by_name_request(change.name)
        found = transport.call(named, get_experiment_from_reply)
        return _if_there(found, lambda held: _is_created(change, held))

    mark = f"the experiment {change.name!r}"
    created: Result[ExperimentRecord | str, MlopusError] = created_once(
        transport, request, create_experiment_from_reply, look, mark
    )
    if isinstance(created, Failure):
        return _experiment_of_that_name(transport, change, created.failure())
    held = created.unwrap()
    if isinstance(held, ExperimentRecord):
        return Success(held)
    return transport.call(get_experiment_request(held), get_experiment_from_reply)


def _experiment_of_that_name(
    transport: Asking, change: CreateExperiment | EnsureExperiment, error: MlopusError
) -> Result[ExperimentRecord, MlopusError]:
    if not isinstance(error, AlreadyExists):
        return Failure(error)
    found = transport.call(get_experiment_by_name_request(change.name), get_experiment_from_reply)
    if isinstance(found, Failure):
        return found
    existing = found.unwrap()
    if existing.lifecycle_stage == "deleted":
        hint = f"It is deleted and keeps its name: restore_exp({existing.id!r}) brings it back."
        return Failure(attrs.evolve(error, hint=hint))
    return Success(existing) if _is_created(change, existing) else Failure(error)


def _is_created(change: CreateExperiment | EnsureExperiment, existing: ExperimentRecord) -> bool:
    """Whether an experiment of that name is what a change is to bring about."""
    is_taken = isinstance(change, EnsureExperiment) or _is_of(existing, change.operation_id)
    return is_taken and existing.lifecycle_stage != "deleted"


def create_model(registry: Asking, change: CreateModel | EnsureModel) -> Result[ModelRecord, MlopusError]:
    """The model: new, or what this operation created before; to ensure one, any of that name."""
    tags = _with_operation(change.tags, change.operation_id)

    def look() -> Result[ModelRecord | None, MlopusError]:
        found = registry.call(get_model_request(change.name), model_from_reply)
        is_any = isinstance(change, EnsureModel)
        return _if_there(found, lambda held: is_any or _is_of(held, change.operation_id))

    request = create_model_request(change.name, tags)
    created = created_once(registry, request, model_from_reply, look, f"the model {change.name!r}")
    if isinstance(created, Success) or not isinstance(created.failure(), AlreadyExists):
        return created
    found = look()
    if isinstance(found, Failure):
        return found
    return created if (held := found.unwrap()) is None else Success(held)


def create_run(transport: Asking, change: CreateRun) -> Result[RunRecord, MlopusError]:
    """The run: new, or what this operation created before.

    Servers make every new run RUNNING; another status is set by a request more.
    """
    exp_id = known(change.exp_id)
    tags = _with_operation(change.tags, change.operation_id)

    def look() -> Result[RunRecord | None, MlopusError]:
        page = PageRequest(filter=_operation_filter(change.operation_id), page_size=1)
        request = search_runs_request(page, (exp_id,), "all")
        found = transport.call(request, search_runs_from_reply)
        return _first(found, RunRecord)

    if change.may_exist:
        found = look()
        if isinstance(found, Failure):
            return found
        if (run := found.unwrap()) is not None:
            return Success(run)
    request = create_run_request(exp_id, change.name, change.start_time, tags)
    created = created_once(transport, request, run_from_reply, look, _mark(change.operation_id))
    if isinstance(created, Failure):
        return created
    return _with_status(transport, created.unwrap(), change.status)


def _with_status(transport: Asking, run: RunRecord, status: RunStatus) -> Result[RunRecord, MlopusError]:
    if run.status == status:
        return Success(run)
    updated = transport.do(update_run_request(run.id, status, None, None))
    return updated if isinstance(updated, Failure) else Success(attrs.evolve(run, status=status))


def register_version(registry: Asking, change: RegisterVersion) -> Result[VersionRecord, MlopusError]:
    """The version: new, or what this operation registered before."""
    tags = _with_operation(change.tags, change.operation_id)
    named = location_of_source(change.source, None, None)
    model_id = named.subject.key if named is not None and named.subject.kind == "logged model" else None

    def look() -> Result[VersionRecord | None, MlopusError]:
        name = Clause("attribute", "name", "=", change.model_name)
        of_model = f"{name} AND " if is_literal(change.model_name) else ""
        page = PageRequest(filter=f"{of_model}{_operation_filter(change.operation_id)}", page_size=1)
        return _first(registry.call(search_versions_request(page), search_versions_from_reply), VersionRecord)

    if change.may_exist:
        found = look()
        if isinstance(found, Failure):
            return found
        if (version := found.unwrap()) is not None:
            return Success(version)
    request = create_version_request(change.model_name, change.source, change.run_id, model_id, tags)
    return created_once(registry, request, version_from_reply, look, _mark(change.operation_id))


def _first(page: Result[Page, MlopusError], kind: type[R]) -> Result[R | None, MlopusError]:
    if isinstance(page, Failure):
        return page
    return Success(next((record for record in page.unwrap().records if isinstance(record, kind)), None))


def _if_there(found: Result[R, MlopusError], is_it: Callable[[R], bool]) -> Result[R | None, MlopusError]:
    """What was found, if it is what was looked for; that there is nothing is no failure."""
    if isinstance(found, Failure):
        return Success(None) if isinstance(found.failure(), NotFound) else found
    return Success(record) if is_it(record := found.unwrap()) else Success(None)


def _mark(operation_id: str) -> str:
    return f"the tag {OPERATION_TAG} = {operation_id!r}"


def _with_operation(tags: Texts, operation_id: str) -> Texts:
    return immutabledict({**tags, OPERATION_TAG: operation_id})


def _operation_filter(operation_id: str) -> str:
    return str(Clause("tag", OPERATION_TAG, "=", operation_id))


def _is_of(record: Record, operation_id: str) -> bool:
    return record.tags.get(OPERATION_TAG) == operation_id
