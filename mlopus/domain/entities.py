"""The entities that users see: frozen, with nested values, equal by value.

Handles are subclasses of these that carry an API; equality and hash do not see it, nor when an
answer was taken.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, cast

import attrs
from immutabledict import immutabledict

from mlopus.domain.frozen import Value, thaw
from mlopus.domain.status import EntityKind, LifecycleStage, RunStatus

Nested = immutabledict[str, Any]
"""Nested values, typed so that a program may read on: `run.params["opt"]["lr"]`."""
_UNCOMPARED = frozenset({"api", "as_of"})


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Entity:
    """What all entities share: `as_of` is None for a server's answer, else when the cache took it."""

    kind: ClassVar[EntityKind]
    as_of: datetime | None = attrs.field(default=None, kw_only=True)

    def _compared(self) -> dict[str, Any]:
        fields = attrs.fields(cast("type[attrs.AttrsInstance]", type(self)))
        return {f.name: getattr(self, f.name) for f in fields if f.name not in _UNCOMPARED}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entity) or other.kind != self.kind:
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((self.kind, *self._identity()))

    def __repr__(self) -> str:
        shown = ((name, value) for name, value in self._compared().items() if not _is_nothing(value))
        return f"{type(self).__name__}({', '.join(f'{name}={_shown(value)}' for name, value in shown)})"

    def _identity(self) -> tuple[str, ...]:
        raise TypeError(f"{type(self).__name__} names no entity")


def _is_nothing(value: object) -> bool:
    return value is None or value in ((), "", {}) or value == "active"


def _shown(value: object) -> str:
    """A value for people: parents by their names, mappings as dicts, times and states as texts."""
    match value:
        case Experiment() | Run() | Model():
            return repr(value.name)
        case immutabledict():
            return repr(thaw(cast("Value", value)))
        case datetime():
            return value.isoformat()
        case RunStatus():
            return value.name
        case _:
            return repr(value)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Experiment(Entity):
    """An experiment. `tags` are nested; `id` is text on every server."""

    kind: ClassVar[EntityKind] = "experiment"
    id: str
    name: str
    tags: Nested = immutabledict()
    lifecycle_stage: LifecycleStage = "active"
    artifact_location: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def _identity(self) -> tuple[str, ...]:
        return (self.id,)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Run(Entity):
    """A run with its experiment.

    `repo` is the root of its artifacts. `metrics` holds the latest value of each metric.
    `status` is None where the server names a state that mlopus does not know. `logged_model_ids` are
    the models that the run logged, in that order, each as `m-…`: MLflow 3 keeps their files apart from
    those of the run, and a version that was registered from one has the source `models:/m-…`.
    """

    kind: ClassVar[EntityKind] = "run"
    id: str
    name: str | None
    exp: Experiment
    repo: str
    status: RunStatus | None
    start_time: datetime | None = None
    end_time: datetime | None = None
    params: Nested = immutabledict()
    metrics: Nested = immutabledict()
    tags: Nested = immutabledict()
    lifecycle_stage: LifecycleStage = "active"
    artifact_uri: str = ""
    logged_model_ids: tuple[str, ...] = ()

    def _identity(self) -> tuple[str, ...]:
        return (self.id,)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Model(Entity):
    """A registered model. `aliases` maps each alias to a version."""

    kind: ClassVar[EntityKind] = "model"
    name: str
    tags: Nested = immutabledict()
    description: str | None = None
    aliases: immutabledict[str, str] = immutabledict()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def _identity(self) -> tuple[str, ...]:
        return (self.name,)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ModelVersion(Entity):
    """A version of a registered model.

    `source` is the server's own words on where the bytes are. `path_in_run` is that place relative
    to the artifacts of `run`, None where it is not under them. `run` is None for a version that was
    registered without one, or whose run is gone.
    """

    kind: ClassVar[EntityKind] = "model version"
    version: str
    model: Model
    run: Run | None
    path_in_run: str | None
    source: str
    tags: Nested = immutabledict()
    description: str | None = None
    aliases: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def _identity(self) -> tuple[str, ...]:
        return (self.model.name, self.version)


@attrs.frozen
class MetricPoint:
    """One point of one metric: its value (NaN and infinities included), step and time in UTC."""

    value: float
    step: int = 0
    timestamp: datetime | None = None


@attrs.frozen(kw_only=True)
class ArtifactEntry:
    """A file or folder among artifacts.

    `path` is relative to the run's root (a version's: to its own). `size_bytes` is None for
    folders, and for files whose store does not tell.
    """

    path: str
    name: str
    is_dir: bool
    size_bytes: int | None = None
    modified_time: datetime | None = None
