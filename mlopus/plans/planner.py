"""Planning: from any request and its facts to a plan. Each family loads on use: start-up counts."""

from __future__ import annotations

from typing import assert_never

import attrs

from mlopus.errors import MlopusError
from mlopus.plans.changes import CreateRun, RegisterVersion
from mlopus.plans.copy_requests import CopyExpTo, CopyRunTo, CopyVersionTo
from mlopus.plans.copy_steps import CopyRuns, CopyVersions
from mlopus.plans.facts import Facts
from mlopus.plans.fetch import plan_fetch
from mlopus.plans.keeping_requests import (
    CleanCache,
    CleanTemporary,
    CollectGarbage,
    PinArtifact,
    RepairCache,
    UnpinArtifact,
)
from mlopus.plans.plan import Plan
from mlopus.plans.requests import (
    CacheArtifact,
    CacheMeta,
    CleanCachedArtifact,
    CreateExp,
    CreateRegisteredModel,
    CreateRunIn,
    DropQueued,
    ExportArtifact,
    ExportMeta,
    GetArtifact,
    GetEntity,
    LogCollected,
    LogMetricPoints,
    LogMetrics,
    LogModelVersion,
    LogParams,
    LogRunArtifact,
    PlaceArtifact,
    Request,
    SetEntityTags,
    SetRunStatus,
)
from mlopus.plans.steps import Step
from mlopus.plans.totals import totals_of
from mlopus.plans.upkeep_requests import (
    AliasVersion,
    DeleteEntityTags,
    DeleteNamed,
    DescribeEntity,
    DropAlias,
    RenameEntity,
    RestoreNamed,
)
from mlopus.result import Result


def plan(request: Request, facts: Facts) -> Result[Plan, MlopusError]:
    """Work out what a request means, given what is known. Pure: asks nobody, changes nothing.

    Args:
        request: What was asked.
        facts: What was gathered for it; each family's planner says what it needs.

    Returns:
        A plan whose execution makes it so; empty where it is so already.

    Fails with:
        MlopusError: What that family's planner fails with: bad values, conflicts, nothing there.

    Raises:
        ValueError: The facts lack what the request needs.
    """
    match request:
        case GetEntity() | CacheMeta():
            return plan_fetch(request, facts)
        case CacheArtifact() | GetArtifact() | CleanCachedArtifact():
            from mlopus.plans.cache import plan_cache

            return plan_cache(request, facts)
        case PlaceArtifact():
            from mlopus.plans.place import plan_place

            return plan_place(request, facts)
        case ExportMeta() | ExportArtifact():
            from mlopus.plans.export import plan_export

            return plan_export(request, facts)
        case LogRunArtifact() | LogModelVersion():
            from mlopus.plans.publish import plan_publish

            return plan_publish(request, facts)
        case DropQueued():
            from mlopus.plans.dropping import plan_dropping

            return plan_dropping(request, facts)
        case CopyRunTo() | CopyExpTo() | CopyVersionTo():
            from mlopus.plans.copy import plan_copy

            return plan_copy(request, facts)
        case (
            CreateExp()
            | CreateRegisteredModel()
            | CreateRunIn()
            | SetRunStatus()
            | SetEntityTags()
            | LogParams()
            | LogMetrics()
            | LogMetricPoints()
            | LogCollected()
            | RenameEntity()
            | DescribeEntity()
            | DeleteEntityTags()
            | AliasVersion()
            | DropAlias()
            | DeleteNamed()
            | RestoreNamed()
        ):
            from mlopus.plans.publish_metadata import plan_tracking

            return plan_tracking(request, facts)
        case (
            CollectGarbage()
            | PinArtifact()
            | UnpinArtifact()
            | RepairCache()
            | CleanTemporary()
            | CleanCache()
        ):
            from mlopus.plans.keep import plan_keeping

            return plan_keeping(request, facts)
        case _:
            assert_never(request)


def replayable(plan: Plan, facts: Facts) -> Plan:
    """The same plan for an operation that may have been carried out before: it looks first, then creates."""
    stages = tuple(tuple(_looking_first(step) for step in stage) for stage in plan.stages)
    return attrs.evolve(plan, stages=stages, totals=totals_of(stages, facts))


def _looking_first(step: Step) -> Step:
    if isinstance(step, CreateRun | RegisterVersion | CopyRuns | CopyVersions):
        return attrs.evolve(step, may_exist=True)
    return step
