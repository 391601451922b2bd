"""Receipts: what execution did, step by step, counted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from mlopus.plans.keeping_steps import SweepLeftovers
from mlopus.plans.outcomes import Outcome, Removed, Transferred
from mlopus.plans.plan import Plan
from mlopus.plans.steps import PlaceTree, Step, TargetPresent


@attrs.frozen(kw_only=True)
class StepReceipt:
    """A step that was carried out, and what it came to.

    Attributes:
        step: As in the plan, with what earlier steps gave filled in.
        outcome: What it did: `Recorded`, `Fetched`, `Cached`, `Transferred`, `Committed`, `Withdrawn`,
            `Removed`, `Evicted` or `Kept`.
    """

    step: Step
    outcome: Outcome


@attrs.frozen(kw_only=True)
class Receipt:
    """What the execution of a plan did, counted and not estimated.

    Attributes:
        plan: The plan that was executed.
        steps: The steps that were completed, in order.
        up_bytes: Bytes of artifacts that went to stores.
        down_bytes: Bytes of artifacts that came from stores.
        requests: Requests sent over a network, repeats included.
        started_at: When execution began, in UTC.
        ended_at: When it ended, in UTC.
        value: What the verb returns; None for a receipt of an execution that stopped.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> receipt = api.execute(api.plan.create_exp("demo").unwrap()).unwrap()
        >>> receipt.value.name
        'demo'
        >>> print(receipt)
        create_exp: 2 of 2 steps, 0 B up, 0 B down, 0 requests
    """

    plan: Plan
    steps: tuple[StepReceipt, ...] = ()
    up_bytes: int = 0
    down_bytes: int = 0
    requests: int = 0
    started_at: datetime
    ended_at: datetime
    value: Any = attrs.field(default=None, eq=False, repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether every step of the plan was carried out; False in the receipt of `ExecutionStopped`.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.execute(api.plan.create_exp("demo").unwrap()).unwrap().is_complete
            True
        """
        return len(self.steps) == len(self.plan.steps)

    @property
    def removed_files(self) -> int:
        """How many files were removed: from stores, from the source, and those a placement replaced.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> def write(path, names):
            ...     path.mkdir()
            ...     made = [(path / name).write_text(name) for name in names]
            >>> first = run.log_artifact(lambda path: write(path, "abc"), "out").unwrap()
            >>> run.log_artifact(lambda path: write(path, "a"), "out", mirror=True).unwrap().removed_files
            2
        """
        return sum(map(_removed_by, self.steps))

    @property
    def links(self) -> dict[str, int]:
        """How many files were placed or cached by each kind of link or copy.

        Example:
            >>> import mlopus, tempfile
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     plan = api.plan.place_run_artifact(run, f"{folder}/mine.txt", "notes.txt").unwrap()
            ...     api.execute(plan).unwrap().links
            {'symlink': 1}
        """
        counts: dict[str, int] = {}
        for done in self.steps:
            if isinstance(done.outcome, Transferred):
                for kind, count in done.outcome.links:
                    counts[kind] = counts.get(kind, 0) + count
        return counts

    def __str__(self) -> str:
        done = f"{len(self.steps)} of {len(self.plan.steps)} steps"
        moved = f"{self.up_bytes:,} B up, {self.down_bytes:,} B down, {self.requests} requests"
        return f"{self.plan.verb}: {done}, {moved}"

    def __repr__(self) -> str:
        """One line, however many files there are."""
        return f"<Receipt {self}>"


def _removed_by(done: StepReceipt) -> int:
    """Files that one step removed; a placement replaces all that was at its target."""
    match done.step, done.outcome:
        case SweepLeftovers(), _:
            return 0
        case _, Removed(file_count=count):
            return count
        case PlaceTree(expect=TargetPresent(file_count=count)), _:
            return count
        case _:
            return 0
