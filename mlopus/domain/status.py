"""The states of a run and the stages of an entity's life, as MLflow names them."""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias


class RunStatus(Enum):
    """What a run is doing, or how it ended."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


LifecycleStage: TypeAlias = Literal["active", "deleted"]
View: TypeAlias = Literal["active", "deleted", "all"]
EntityKind: TypeAlias = Literal["experiment", "run", "model", "model version"]


def status_named(text: str | None) -> RunStatus | None:
    """The status of that name, or None: servers may know states that this version does not."""
    return RunStatus.__members__.get(text) if text else None
