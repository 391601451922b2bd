"""The plan: stages of steps, and the envelope that says for whom, for what and what it costs."""

from __future__ import annotations

from datetime import datetime
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
    """The verb returns an entity: `record` if it is known, else what a step binds; `parents` as known.

    `as_of` is when a cache took it; None for what a server answered.
    """

    record: Record | Pending
    parents: tuple[Record, ...] = ()
    as_of: datetime | None = None


@attrs.frozen(kw_only=True)
class FetchedAnswer:
    """The verb returns the entity that the plan's first fetch of this key gave."""

    key: EntityKey | Pending


@attrs.frozen(kw_only=True)
class TreeAnswer:
    """The verb returns the path of a tree."""

    tree: CachedTree | StoreTree


@attrs.frozen(kw_only=True)
class TargetAnswer:
    """The verb returns the path of the root `target`."""


@attrs.frozen(kw_only=True)
class ExportedAnswer:
    """The verb returns the path of a tree in the cache folder that the root `target` stands for."""

    tree: CachedTree


@attrs.frozen(kw_only=True)
class ReceiptAnswer:
    """The verb returns the receipt itself."""


Answer: TypeAlias = (
    NoAnswer | EntityAnswer | FetchedAnswer | TreeAnswer | TargetAnswer | ExportedAnswer | ReceiptAnswer
)


@attrs.frozen(kw_only=True)
class Totals:
    """What execution moves, if nothing fails and nobody else writes.

    Attributes:
        up_bytes: Bytes of artifacts that go to stores.
        down_bytes: Bytes of artifacts that come from stores; those of files without a told size are
            missing.
        requests: Requests over a network, none of them repeated; the least where a server decides how it
            moves large files.
        removed_files: Files that go from stores and from the user's folders.
        evicted_files: Files that go from the cache.
        freed_bytes: What the disk gets back of the cache.
        removed_entities: Entities that are deleted by name; what is deleted with them is not counted.
        removed_tags: Tags that are deleted by name.
        removed_aliases: Aliases that are deleted by name.
    """

    up_bytes: int = 0
    down_bytes: int = 0
    requests: int = 0
    removed_files: int = 0
    evicted_files: int = 0
    freed_bytes: int = 0
    removed_entities: int = 0
    removed_tags: int = 0
    removed_aliases: int = 0


@attrs.frozen(kw_only=True)
class Plan:
    """What a verb will do, as a value: print it, check it, keep it, then `api.execute` it.

    Executing it has no options: everything is decided here.

    Attributes:
        verb: The verb of `MlflowApi`, as `log_run_artifact`.
        title: What it does, in words.
        request: What was asked.
        origin: The tracking store that it is for; another one refuses it.
        mode: "online", "cache-first" or "offline": how the facts were gathered.
        stages: Groups of steps, in order; those of one stage do not depend on each other.
        answer: What the verb returns once all is done.
        totals: What execution moves, asks and removes.
        notes: What else there is to know, for people: why a goal is not reached, say.
        source: The tracking store that a copy is made from; another one refuses it. None if nothing
            is copied from another store.
        cache_id: The cache whose content the plan relies on; None if it relies on none.
        roots: The paths that `source` and `target` stand for. They are neither in the JSON nor
            compared, and a plan read from JSON needs them given again.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> plan = api.plan.get_or_create_exp("demo").unwrap()
        >>> print(plan)
        get or create experiment 'demo'                               online, 2 stages
          1  create   experiment 'demo'  unless it is there
          2  cache    the new experiment
          moves 0 B up · 0 B down · 0 requests · removes nothing
    """

    verb: str
    title: str
    request: Request
    origin: Origin
    mode: str
    stages: tuple[Stage, ...]
    answer: Answer
    totals: Totals = Totals()
    notes: tuple[str, ...] = ()
    source: Origin | None = None
    cache_id: str | None = None
    roots: immutabledict[str, str] = attrs.field(default=immutabledict(), eq=False)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> plan = api.plan.create_exp("demo").unwrap()
            >>> [type(step).__name__ for step in plan.steps]
            ['CreateExperiment', 'ReflectChange']
        """
        return tuple(step for stage in self.stages for step in stage)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do: what was asked is so already.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> done = run.log_artifact(lambda path: path.write_text("hi"), "notes.txt").unwrap()
            >>> cached = run.cache_artifact("notes.txt").unwrap()
            >>> api.plan.get_run_artifact(run, "notes.txt").unwrap().is_empty
            True
        """
        return not any(self.stages)

    @property
    def total_bytes(self) -> int:
        """Bytes that go to stores and come from them.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> plan = api.plan.log_run_artifact(run, lambda path: path.write_text("hello"), "a.txt").unwrap()
            >>> plan.total_bytes
            5
        """
        return self.totals.up_bytes + self.totals.down_bytes

    def to_json(self) -> str:
        """Give the plan as text, without its roots, to be kept, reviewed or executed elsewhere.

        Returns:
            JSON on one line, with a format number; `from_json` gives an equal plan.

        Example:
            >>> import json, mlopus
            >>> api = mlopus.testing.in_memory()
            >>> kept = json.loads(api.plan.create_exp("demo").unwrap().to_json())
            >>> kept["format"], kept["plan"]["title"]
            (1, "create experiment 'demo'")
        """
        from mlopus.plans.serial import plan_to_json  # noqa: PLC0415 (cattrs loads on use)

        return plan_to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Result[Plan, UnreadablePlan]:
        """Give the plan that `to_json` wrote. Nothing of it is checked against the world before `execute`.

        Args:
            text: What `to_json` gave.

        Returns:
            An equal plan without roots; `api.execute(plan, roots={...})` takes them.

        Fails with:
            UnreadablePlan: The text is no plan, or one of another format.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> plan = api.plan.create_exp("demo").unwrap()
            >>> mlopus.Plan.from_json(plan.to_json()).unwrap() == plan
            True
            >>> print(mlopus.Plan.from_json("{}").failure())
            not a readable plan: it has no format number
        """
        from mlopus.plans.serial import plan_from_json  # noqa: PLC0415 (as above)

        return plan_from_json(text)

    def __str__(self) -> str:
        from mlopus.plans.render import render  # noqa: PLC0415 (a plan that is not shown needs no renderer)

        return render(self)

    def __repr__(self) -> str:
        """One line, however many files there are; `str` tells all."""
        count = len(self.stages)
        return f"<Plan {self.verb}: {self.title}, {count} {'stage' if count == 1 else 'stages'}>"

    def _repr_html_(self) -> str:
        from mlopus.plans.render import render_html  # noqa: PLC0415 (as above)

        return render_html(self)
