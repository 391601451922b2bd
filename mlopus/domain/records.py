"""What a tracking store holds, as it holds it: flat keys, texts and floats.

Records are what repositories exchange. Entities, with nested values, are made from records by a
text codec, and give the same records back.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.status import LifecycleStage, RunStatus

Texts: TypeAlias = immutabledict[str, str]
Floats: TypeAlias = immutabledict[str, float]

OPERATION_TAG = "mlopus.op"
"""Tag that carries the operation id of the request that created an entity."""
COPIED_FROM_TAG = "mlopus.copied_from"
"""Tag of a copy that names the store and the entity it was copied from."""
REPO_TAG = "mlopus.artifacts_repo"
"""Tag that names another artifact root than the one the server assigned to a run."""
PREDECESSOR_REPO_TAG = "artifacts_repo"
"""The same tag as mlOpus 1.x wrote it."""
PARENT_TAG = "mlflow.parentRunId"
"""Tag by which MLflow nests runs."""
RUN_NAME_TAG = "mlflow.runName"
"""Tag in which MLflow repeats the name of a run."""
NOTE_TAG = "mlflow.note.content"
"""Tag in which MLflow keeps the description of an experiment or a run."""


@attrs.frozen(kw_only=True)
class ExperimentRecord:
    """An experiment as its store holds it. `id` is text on every store."""

    id: str
    name: str
    tags: Texts = immutabledict()
    lifecycle_stage: LifecycleStage = "active"
    artifact_location: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@attrs.frozen(kw_only=True)
class RunRecord:
    """A run as its store holds it: the latest value of each metric, every param and tag as text."""

    id: str
    exp_id: str
    name: str | None = None
    status: RunStatus | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    artifact_uri: str = ""
    params: Texts = immutabledict()
    metrics: Floats = immutabledict()
    tags: Texts = immutabledict()
    lifecycle_stage: LifecycleStage = "active"
    logged_model_ids: tuple[str, ...] = ()

    @property
    def repo(self) -> str:
        """Where the artifacts of this run are: the tag that names another root, else the server's."""
        return self.tags.get(REPO_TAG) or self.tags.get(PREDECESSOR_REPO_TAG) or self.artifact_uri


@attrs.frozen(kw_only=True)
class ModelRecord:
    """A registered model. `aliases` maps an alias to a version."""

    name: str
    tags: Texts = immutabledict()
    description: str | None = None
    aliases: Texts = immutabledict()
    created_at: datetime | None = None
    updated_at: datetime | None = None


@attrs.frozen(kw_only=True)
class VersionRecord:
    """A version of a registered model. `source` is the store's own words on where its bytes are."""

    name: str
    version: str
    source: str
    run_id: str | None = None
    tags: Texts = immutabledict()
    description: str | None = None
    aliases: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


Record: TypeAlias = ExperimentRecord | RunRecord | ModelRecord | VersionRecord


@attrs.frozen(kw_only=True)
class CachedRecord:
    """An entity of a cache, and when it was taken."""

    record: Record
    as_of: datetime


@attrs.frozen(kw_only=True)
class MetricSample:
    """One point of one metric, as it is sent: finite or not, at a step and a time."""

    key: str
    value: float
    step: int
    timestamp: datetime
