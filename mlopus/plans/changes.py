"""Changes to a tracking store: one class per act, each a step of a plan.

A change of an entity is last-writer-wins, as on MLflow's servers. A change that creates carries
the operation id of its request as the tag `mlopus.op`, so that doing it twice creates once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, ModelKey, OwnKey, RunKey, VersionKey
from mlopus.domain.records import MetricSample, Texts
from mlopus.domain.status import RunStatus
from mlopus.plans.pending import Pending

PARAM_ALREADY_SET: Final = "param already set"
"""Code of the refusal to give a param another value."""
PARAM_HINT: Final = "Params are set once: log it under another key, or as a tag."


@attrs.frozen(kw_only=True)
class CreateExperiment:
    """Create an experiment; a name that is taken is a conflict, unless this operation took it."""

    name: str
    tags: Texts
    operation_id: str
    artifact_location: str | None = None


@attrs.frozen(kw_only=True)
class EnsureExperiment:
    """Create an experiment, or get the one of that name: a race that nobody loses."""

    name: str
    tags: Texts
    operation_id: str


@attrs.frozen(kw_only=True)
class CreateRun:
    """Create a run.

    `may_exist`: this operation may have been carried out before, so look for its id first.
    """

    exp_id: str | Pending
    name: str | None
    tags: Texts
    status: RunStatus
    start_time: datetime | None
    operation_id: str
    may_exist: bool = False


@attrs.frozen(kw_only=True)
class UpdateRun:
    """Change a run's status, end time or name; None leaves each as it is."""

    run_id: str | Pending
    status: RunStatus | None = None
    end_time: datetime | None = None
    name: str | None = None


@attrs.frozen(kw_only=True)
class LogBatch:
    """Add params, metric points and tags to a run: as much as one request may carry, all or nothing.

    Without `may_repeat` it is not sent again after a lost reply: some stores keep a point twice.
    """

    run_id: str | Pending
    params: Texts = immutabledict()
    metrics: tuple[MetricSample, ...] = ()
    tags: Texts = immutabledict()
    may_repeat: bool = True


@attrs.frozen(kw_only=True)
class SetTags:
    """Set tags on an experiment, a model or a version; a run's go through `LogBatch`."""

    on: ExperimentKey | ModelKey | VersionKey
    tags: Texts


@attrs.frozen(kw_only=True)
class CreateModel:
    """Create a registered model; a name that is taken is a conflict, unless this operation took it."""

    name: str
    tags: Texts
    operation_id: str


@attrs.frozen(kw_only=True)
class EnsureModel:
    """Create a registered model, or get the one of that name."""

    name: str
    tags: Texts
    operation_id: str


@attrs.frozen(kw_only=True)
class RegisterVersion:
    """Register a version of a model from bytes that are in their store already."""

    model_name: str
    source: str
    run_id: str | None
    tags: Texts
    operation_id: str
    may_exist: bool = False


@attrs.frozen(kw_only=True)
class RenameExperiment:
    """Give an experiment another name; one that is taken is a conflict."""

    exp_id: str
    name: str


@attrs.frozen(kw_only=True)
class RenameModel:
    """Give a registered model another name, and so all its versions; one that is taken is a conflict."""

    name: str
    new_name: str


@attrs.frozen(kw_only=True)
class UpdateDescription:
    """Describe a model or a version; the description of experiments and runs is a tag."""

    on: ModelKey | VersionKey
    description: str


@attrs.frozen(kw_only=True)
class DeleteTags:
    """Remove tags from an entity; those that it lacks are no fault."""

    on: OwnKey
    keys: tuple[str, ...]


@attrs.frozen(kw_only=True)
class SetAlias:
    """Let an alias of a model name this version, and no other any more."""

    model_name: str
    alias: str
    version: str


@attrs.frozen(kw_only=True)
class DeleteAlias:
    """Remove an alias of a model; one that is not there is no fault."""

    model_name: str
    alias: str


@attrs.frozen(kw_only=True)
class DeleteEntity:
    """Delete an entity.

    An experiment, with its runs, and a run are only marked, and can be restored; a model, with its
    versions, and a version are gone. One that is deleted already stays so.
    """

    key: OwnKey


@attrs.frozen(kw_only=True)
class RestoreEntity:
    """Restore a deleted experiment, with its runs, or a run; one that is active stays so."""

    key: ExperimentKey | RunKey


TrackingChange: TypeAlias = (
    CreateExperiment
    | EnsureExperiment
    | CreateRun
    | UpdateRun
    | LogBatch
    | SetTags
    | CreateModel
    | EnsureModel
    | RegisterVersion
    | RenameExperiment
    | RenameModel
    | UpdateDescription
    | DeleteTags
    | SetAlias
    | DeleteAlias
    | DeleteEntity
    | RestoreEntity
)
