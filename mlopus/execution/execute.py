"""Execution: stages in order, steps against repositories, a receipt at the end. It has no options."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey
from mlopus.errors import (
    ExecutionStopped,
    MlopusError,
    PublishFailed,
    StalePlan,
    Unavailable,
    UnreadableReply,
)
from mlopus.execution.byte_steps import ByteInterpreter
from mlopus.execution.counting import CountingMeter
from mlopus.execution.fetching import RecentParents, fetch
from mlopus.execution.receipts import Receipt, StepReceipt
from mlopus.execution.repositories import Repositories
from mlopus.plans.bindings import bindings_of
from mlopus.plans.changes import CreateRun, RegisterVersion, TrackingChange
from mlopus.plans.copy_steps import CopyStep
from mlopus.plans.effects import concerns
from mlopus.plans.journal_steps import DropRequests, ForgetRows, JournalStep, QueueRequest, SettleRequests
from mlopus.plans.keeping_steps import KeepingStep
from mlopus.plans.outcomes import Cached, Outcome, Queued, Recorded
from mlopus.plans.pending import bind
from mlopus.plans.plan import Plan
from mlopus.plans.requests import LogModelVersion, LogRunArtifact
from mlopus.plans.steps import ByteStep, CacheRows, ExportStep, FetchEntity, ReflectChange, Step
from mlopus.result import Failure, Result, Success, mapped

if TYPE_CHECKING:
    from mlopus.execution.copying import CopyInterpreter


def execute(
    plan: Plan,
    repositories: Repositories,
    recent: RecentParents,
    meter: CountingMeter,
    source: Repositories | None = None,
) -> Result[Receipt, ExecutionStopped | StalePlan]:
    """Carry out a plan and answer what was done.

    What an earlier stage gave is bound into later ones. Steps that were done stay done when a later
    one fails: the same request, planned again, continues from there.

    Args:
        plan: A plan with its roots.
        repositories: Those the plan was made for.
        recent: What this API saw lately.
        meter: Counts what is done, and shows it.
        source: For a copy: those of the store that it is made from.

    Fails with:
        StalePlan: The plan is for another server or another cache, or copies from another; nothing was
            done.
        ExecutionStopped: A step failed; it carries the receipt so far. A publish is `PublishFailed`.
    """
    started_at = repositories.clock.now()
    stale = _made_for_others(plan, repositories, source)
    if stale is not None:
        return Failure(stale)
    metered = repositories.metered(meter)
    done: list[StepReceipt] = []

    def receipt() -> Receipt:
        return Receipt(
            plan=plan,
            steps=tuple(done),
            up_bytes=meter.up_bytes,
            down_bytes=meter.down_bytes,
            requests=meter.requests,
            started_at=started_at,
            ended_at=repositories.clock.now(),
        )

    copies = None if source is None else _copies(source.metered(meter), metered)
    bindings: immutabledict[str, object] = immutabledict()
    with ByteInterpreter(plan.roots, metered, meter) as on_bytes:
        for stage in plan.stages:
            bindings_now = bindings
            for step in (bind(step, bindings) for step in stage):
                result = _perform(step, metered, recent, on_bytes, copies)
                if isinstance(result, Failure):
                    return Failure(_stopped(plan, step, result.failure(), receipt()))
                done.append(StepReceipt(step=step, outcome=result.unwrap()))
                bindings_now = bindings_now | bindings_of(step, result.unwrap())
            bindings = bindings_now
    return Success(receipt())


def _journalled(step: JournalStep, repositories: Repositories) -> Result[Outcome, MlopusError]:
    match step:
        case QueueRequest():
            return mapped(repositories.journal.append(step), lambda entry_id: Queued(entry_id=entry_id))
        case SettleRequests():
            return mapped(repositories.journal.settle(step), lambda _: Queued())
        case DropRequests():
            return mapped(repositories.journal.drop(step.entry_ids), lambda _: Queued())
        case ForgetRows():
            return mapped(repositories.cache.forget(step.keys), lambda _: Cached())
        case _:
            assert_never(step)


def _made_for_others(plan: Plan, repositories: Repositories, source: Repositories | None) -> StalePlan | None:
    here = repositories.tracking.origin
    if plan.origin != here:
        hint = "Execute it with an API of that server, or plan again with this one."
        return StalePlan(thing=f"plan {plan.verb}", expected=str(plan.origin), found=str(here), hint=hint)
    copied = None if source is None else source.tracking.origin
    if plan.source != copied:
        hint = "Execute it with an API of the store that it copies from, and `to` the one it copies to."
        expected = "nothing to copy from" if plan.source is None else f"a copy from {plan.source}"
        found = "none" if copied is None else f"one from {copied}"
        return StalePlan(thing=f"plan {plan.verb}", expected=expected, found=found, hint=hint)
    if plan.cache_id and plan.cache_id != repositories.artifacts.cache_id:  # a cache not made yet has none
        expected, found = f"cache {plan.cache_id}", f"cache {repositories.artifacts.cache_id}"
        return StalePlan(thing=f"plan {plan.verb}", expected=expected, found=found)
    return None


def _copies(source: Repositories, target: Repositories) -> CopyInterpreter:
    from mlopus.execution.copying import CopyInterpreter  # noqa: PLC0415 (only for plans that copy)

    return CopyInterpreter(source, target)


def _perform(
    step: Step,
    repositories: Repositories,
    recent: RecentParents,
    on_bytes: ByteInterpreter,
    copies: CopyInterpreter | None,
) -> Result[Outcome, MlopusError]:
    if isinstance(step, TrackingChange):
        if isinstance(concerns(step), ExperimentKey):
            recent.forget()
        return mapped(repositories.tracking.send(step), lambda record: Recorded(record=record))
    if isinstance(step, ByteStep | ExportStep):
        return on_bytes.perform(step)
    if isinstance(step, JournalStep):
        return _journalled(step, repositories)
    if isinstance(step, CopyStep):
        assert copies is not None, "a plan that copies names its source"  # noqa: S101
        return copies.perform(step)
    if isinstance(step, KeepingStep):
        from mlopus.execution.keeping_steps import perform_keeping  # noqa: PLC0415 (few plans keep order)

        return perform_keeping(step, on_bytes.roots, repositories)
    match step:
        case FetchEntity():
            return fetch(step, repositories, recent)
        case CacheRows():
            return mapped(repositories.cache.put(step.records, step.taken_at), lambda _: Cached())
        case ReflectChange():
            return mapped(repositories.cache.reflect(step), lambda _: Cached())
        case _:
            assert_never(step)


def _stopped(plan: Plan, step: Step, cause: MlopusError, receipt: Receipt) -> ExecutionStopped:
    from mlopus.plans.headlines import step_title  # noqa: PLC0415 (only what fails is put in words)

    title = step_title(step)
    request = plan.request
    stopped = ExecutionStopped(verb=plan.verb, step=title, cause=cause, receipt=receipt)
    if isinstance(request, LogRunArtifact | LogModelVersion):
        source = plan.roots.get("source", request.source)
        stopped = PublishFailed(verb=plan.verb, step=title, cause=cause, receipt=receipt, source=source)
    # what was perhaps created is not simply called for again: the cause says what to look for
    creates = isinstance(step, CreateRun | RegisterVersion)
    is_in_doubt = creates and isinstance(cause, Unavailable | UnreadableReply)
    return attrs.evolve(stopped, hint=cause.hint) if is_in_doubt else stopped


def unwrapped(error: ExecutionStopped | StalePlan) -> MlopusError:
    """The error that a verb answers: of a plan of one step, what stopped it says everything."""
    if isinstance(error, PublishFailed) or isinstance(error, StalePlan):  # noqa: SIM101 (narrows)
        return error
    return error.cause if not error.receipt.steps else error
