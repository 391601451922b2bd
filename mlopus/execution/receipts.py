"""Receipts: what execution did, step by step, counted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from mlopus.plans.outcomes import Outcome, Removed, Transferred
from mlopus.plans.plan import Plan
from mlopus.plans.steps import Step


@attrs.frozen(kw_only=True)
class StepReceipt:
    """A step that was carried out, and what it came to."""

    step: Step
    outcome: Outcome


@attrs.frozen(kw_only=True)
class Receipt:
    """What the execution of a plan did.

    Attributes:
        plan: The plan that was executed.
        steps: The steps that were completed, in order.
        up_bytes: Bytes of artifacts that went to stores.
        down_bytes: Bytes of artifacts that came from stores.
        requests: Requests sent over a network, repeats included.
        started_at: When execution began, in UTC.
        ended_at: When it ended, in UTC.
        value: What the verb returns; None for a receipt of an execution that stopped.
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
        """Whether every step of the plan was carried out."""
        return len(self.steps) == len(self.plan.steps)

    @property
    def removed_files(self) -> int:
        """Files that were removed, from stores and from the user's folders."""
        return sum(done.outcome.file_count for done in self.steps if isinstance(done.outcome, Removed))

    @property
    def links(self) -> dict[str, int]:
        """How many files were placed or staged by each kind of link or copy."""
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
