"""The interpreter of steps of copying: what to send to whom, several at a time across a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from mlopus.concurrency.crews import for_each
from mlopus.domain.records import RunRecord, VersionRecord
from mlopus.errors import MlopusError
from mlopus.execution.repositories import Repositories
from mlopus.execution.streaming import stream_tree
from mlopus.plans.changes import TrackingChange
from mlopus.plans.copy_changes import (
    aliasing,
    creation,
    describing,
    ending,
    generations,
    logging,
    registration,
)
from mlopus.plans.copy_steps import (
    CopiedRun,
    CopiedRuns,
    CopiedVersion,
    CopyFiles,
    CopyRuns,
    CopyStep,
    CopyVersions,
    EndRuns,
    RunCopy,
    TreeCopy,
)
from mlopus.plans.outcomes import Outcome, RunsCopied, RunsEnded, Transferred, VersionsCopied
from mlopus.plans.pending import known
from mlopus.plans.steps import ReflectChange
from mlopus.result import Failure, Result, Success, mapped

_RUNS_AT_ONCE = 8
_TREES_AT_ONCE = 4


class CopyInterpreter:
    """Performs steps of copying, from the source's repositories to the target's."""

    def __init__(self, source: Repositories, target: Repositories) -> None:
        self._source = source
        self._target = target

    def perform(self, step: CopyStep) -> Result[Outcome, MlopusError]:
        """Carry out one step."""
        match step:
            case CopyRuns():
                return self._copy_runs(step)
            case CopyFiles():
                return self._copy_files(step)
            case EndRuns():
                return self._end_runs(step)
            case CopyVersions():
                return self._copy_versions(step)
            case _:
                assert_never(step)

    def _copy_runs(self, step: CopyRuns) -> Result[RunsCopied, MlopusError]:
        copies = CopiedRuns(runs=step.there).by_source()

        def copy(run: RunCopy) -> Result[CopiedRun, MlopusError]:
            return self._copy_run(step, run, copies)

        for generation in generations(step.runs):
            copied = for_each(copy, generation, self._runs_at_once)
            if isinstance(copied, Failure):
                return copied
            copies |= CopiedRuns(runs=copied.unwrap()).by_source()
        return Success(
            RunsCopied(
                runs=CopiedRuns(runs=tuple(copies[source_id] for source_id in sorted(copies))),
                created=sum(run.run_id is None for run in step.runs),
                point_count=sum(len(run.points) for run in step.runs),
            )
        )

    def _copy_run(
        self, step: CopyRuns, run: RunCopy, copies: dict[str, CopiedRun]
    ) -> Result[CopiedRun, MlopusError]:
        copied = copies.get(run.source_id)
        if copied is None:
            created = self._target.tracking.send(creation(step, run, copies))
            if isinstance(created, Failure):
                return created
            record = created.unwrap()
            assert isinstance(record, RunRecord)  # noqa: S101 (what such a change answers)
            copied = CopiedRun(source_id=run.source_id, run_id=record.id, repo=record.repo)
        limits = self._target.tracking.facts.limits
        done = self._send(logging(run, copied.run_id, copies, limits))
        return mapped(done, lambda _: copied)

    def _end_runs(self, step: EndRuns) -> Result[RunsEnded, MlopusError]:
        copies = known(step.runs).by_source()
        changes = tuple(ending(end, copies[end.source_id].run_id) for end in step.ends)
        ended = for_each(lambda change: self._send((change,)), changes, self._runs_at_once)
        return mapped(ended, lambda each: RunsEnded(count=len(each)))

    def _copy_files(self, step: CopyFiles) -> Result[Transferred, MlopusError]:
        copies = known(step.runs).by_source()

        def copy(tree: TreeCopy) -> Result[int, MlopusError]:
            return stream_tree(self._source.stores, self._target.stores, tree, copies[tree.source_id].repo)

        moved = for_each(copy, step.trees, _TREES_AT_ONCE)
        return mapped(
            moved,
            lambda sizes: Transferred(
                file_count=sum(len(tree.files) for tree in step.trees),
                total_bytes=sum(sizes),
                skipped=sum(tree.kept for tree in step.trees),
            ),
        )

    def _copy_versions(self, step: CopyVersions) -> Result[VersionsCopied, MlopusError]:
        """One after the other: the server numbers them as they come."""
        copies = known(step.runs).by_source()
        numbers = {copied.source_version: copied.version for copied in step.there}
        for version in step.versions:
            if version.version is None:
                change = registration(step, version, copies[version.source_run])
                registered = self._target.tracking.send(change)
                if isinstance(registered, Failure):
                    return registered
                record = registered.unwrap()
                assert isinstance(record, VersionRecord)  # noqa: S101 (what such a change answers)
                numbers[version.source_version] = record.version
            described = self._send(describing(step, version, numbers[version.source_version]))
            if isinstance(described, Failure):
                return described
        aliased = self._send(aliasing(step, numbers))
        copied = tuple(CopiedVersion(source_version=s, version=v) for s, v in sorted(numbers.items()))
        new = sum(version.version is None for version in step.versions)
        return mapped(aliased, lambda _: VersionsCopied(versions=copied, registered=new))

    def _send(self, changes: Iterable[TrackingChange]) -> Result[None, MlopusError]:
        """Make changes in their order; what is cached of the target follows each."""
        for change in changes:
            sent = self._target.tracking.send(change)
            if isinstance(sent, Failure):
                return sent
            if self._target.cache.is_writable:
                taken_at = self._target.clock.now()
                follow = ReflectChange(change=change, add=False, created=None, taken_at=taken_at)
                reflected = self._target.cache.reflect(follow)
                if isinstance(reflected, Failure):
                    return reflected
        return Success(None)

    @property
    def _runs_at_once(self) -> int:
        return _RUNS_AT_ONCE if self._target.tracking.facts.requests_cost else 1
