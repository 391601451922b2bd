"""Planning what keeps a cache in order: collecting, pinning, repairing, cleaning."""

from __future__ import annotations

from typing import assert_never

from mlopus.errors import MlopusError
from mlopus.plans.collect import plan_clean_cache, plan_clean_temporary, plan_collect
from mlopus.plans.facts import Facts
from mlopus.plans.keeping_requests import (
    CleanCache,
    CleanTemporary,
    CollectGarbage,
    KeepingRequest,
    PinArtifact,
    RepairCache,
    UnpinArtifact,
)
from mlopus.plans.pins import plan_pin, plan_unpin
from mlopus.plans.plan import Plan
from mlopus.plans.repair import plan_repair
from mlopus.result import Result


def plan_keeping(request: KeepingRequest, facts: Facts) -> Result[Plan, MlopusError]:
    """Work out what such a request means; each planner says what it needs, and how it fails."""
    match request:
        case CollectGarbage():
            return plan_collect(request, facts)
        case PinArtifact():
            return plan_pin(request, facts)
        case UnpinArtifact():
            return plan_unpin(request, facts)
        case RepairCache():
            return plan_repair(request, facts)
        case CleanTemporary():
            return plan_clean_temporary(request, facts)
        case CleanCache():
            return plan_clean_cache(request, facts)
        case _:
            assert_never(request)
