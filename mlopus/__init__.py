"""A client for MLflow with a verified local cache, real offline work, and readable plans.

`connect` gives an API; its verbs return Results; `api.plan` gives what they would do as values.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlopus import errors
from mlopus.api.connect import connect
from mlopus.api.importing import import_cache
from mlopus.result import Failure, Result, Success, or_raise
from mlopus.settings import Settings

if TYPE_CHECKING:
    from mlopus import query, testing
    from mlopus.api.client import MlflowApi
    from mlopus.api.search import Search
    from mlopus.domain.entities import (
        ArtifactEntry,
        Experiment,
        MetricPoint,
        Model,
        ModelVersion,
        Run,
    )
    from mlopus.domain.status import RunStatus
    from mlopus.execution.receipts import Receipt
    from mlopus.handles import ExpApi, ModelApi, ModelVersionApi, RunApi
    from mlopus.plans.plan import Plan

__all__ = [
    "ArtifactEntry",
    "ExpApi",
    "Experiment",
    "Failure",
    "MetricPoint",
    "MlflowApi",
    "Model",
    "ModelApi",
    "ModelVersion",
    "ModelVersionApi",
    "Plan",
    "Receipt",
    "Result",
    "Run",
    "RunApi",
    "RunStatus",
    "Search",
    "Settings",
    "Success",
    "connect",
    "errors",
    "import_cache",
    "or_raise",
    "query",
    "testing",
]

_ON_USE = {
    "ArtifactEntry": "mlopus.domain.entities",
    "ExpApi": "mlopus.handles",
    "Experiment": "mlopus.domain.entities",
    "MetricPoint": "mlopus.domain.entities",
    "MlflowApi": "mlopus.api.client",
    "Model": "mlopus.domain.entities",
    "ModelApi": "mlopus.handles",
    "ModelVersion": "mlopus.domain.entities",
    "ModelVersionApi": "mlopus.handles",
    "Plan": "mlopus.plans.plan",
    "Receipt": "mlopus.execution.receipts",
    "Run": "mlopus.domain.entities",
    "RunApi": "mlopus.handles",
    "RunStatus": "mlopus.domain.status",
    "Search": "mlopus.api.search",
}
"""Public names that are loaded when they are first used: start-up counts."""
_MODULES = ("query", "testing")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"mlopus.{name}")
    if name in _ON_USE:
        return getattr(import_module(_ON_USE[name]), name)
    raise AttributeError(f"module 'mlopus' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
