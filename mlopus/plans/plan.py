"""The plan: stages of steps, and the envelope that says for whom, for what and what it costs."""

from __future__ import annotations

from typing import TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import EntityKey
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record
from mlopus.errors import UnreadablePlan
from mlopus.plans.pending import Pending
from mlopus.plans.requests import Request
from mlopus.plans.steps import CachedTree, Step, StoreTree
from mlopus.result import Result

Stage: TypeAlias = tuple[Step, ...]
"""Steps that do not depend on each other; stages run in order."""


@attrs.frozen(kw_only=True)
class NoAnswer:
    """The verb returns None."""


@attrs.frozen(kw_only=True)
class EntityAnswer:
    """The verb returns an entity: `record` if it is known, else what a step binds; `parents` as known."""

    record: Record | Pending
    parents: tuple[Record, ...] = ()


@attrs.frozen(kw_only=True)
class FetchedAnswer:
    """The verb returns the entity that the plan's first fetch of this key gave."""

    key: EntityKey


@attrs.frozen(kw_only=True)
class TreeAnswer:
    """The verb returns the path of a tree."""

    tree: CachedTree | StoreTree


@attrs.frozen(kw_only=True)
class TargetAnswer:
    """The verb returns the path of the root `target`."""


@attrs.frozen(kw_only=True)
class ReceiptAnswer:
    """The verb returns the receipt itself."""


Answer: TypeAlias = NoAnswer | EntityAnswer | FetchedAnswer | TreeAnswer | TargetAnswer | ReceiptAnswer


@attrs.frozen(kw_only=True)
class Totals:
    """What execution moves, if nothing fails and nobody else writes; sizes no store tells are missing."""

    up_bytes: int = 0
    down_bytes: int = 0
    requests: int = 0
    removed_files: int = 0


@attrs.frozen(kw_only=True)
class Plan:
    """What a verb will do, as a value: print it, check it, keep it, then execute it.

    Executing it has no options: everything is decided here. `roots` are the folders that `source`
    and `target` stand for; they are not part of the JSON, and a plan read from JSON needs them
    given again. `cache_id` names the cache whose content the plan relies on, None if it does not.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> plan = api.plan.get_or_create_exp("demo").unwrap()
        >>> plan.verb, plan.is_empty
        ('get_or_create_exp', False)
    """

    verb: str
    title: str
    request: Request
    origin: Origin
    mode: str
    stages: tuple[Stage, ...]
    answer: Answer
    totals: Totals = Totals()
    cache_id: str | None = None
    roots: immutabledict[str, str] = attrs.field(default=immutabledict(), eq=False)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order."""
        return tuple(step for stage in self.stages for step in stage)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any(self.stages)

    @property
    def total_bytes(self) -> int:
        """Bytes that go over to and come from stores."""
        return self.totals.up_bytes + self.totals.down_bytes

    def to_json(self) -> str:
        """The plan as text, without its roots; `from_json` gives an equal plan."""
        from mlopus.plans.serial import plan_to_json  # noqa: PLC0415 (cattrs loads on use)

        return plan_to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Result[Plan, UnreadablePlan]:
        """The plan that `to_json` wrote; execution needs its roots given again.

        Fails with:
            UnreadablePlan: The text is no plan, or one of another format.
        """
        from mlopus.plans.serial import plan_from_json  # noqa: PLC0415 (as above)

        return plan_from_json(text)

    def __str__(self) -> str:
        from mlopus.plans.render import render  # noqa: PLC0415 (a plan that is not shown needs no renderer)

        return render(self)

    def _repr_html_(self) -> str:
        from mlopus.plans.render import render_html  # noqa: PLC0415 (as above)

        return render_html(self)
