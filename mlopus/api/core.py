"""What all verbs of an API share: from a call to facts, a plan, its execution and its value."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import attrs

from mlopus.api.wiring import LazyRepositories, Wiring
from mlopus.errors import MlopusError
from mlopus.result import Failure, Result, Success
from mlopus.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime

    from mlopus.api.calls import Call
    from mlopus.domain.keys import EntityKey
    from mlopus.domain.manifest import ArtifactSubject, Entry
    from mlopus.execution.fetching import RecentParents
    from mlopus.execution.receipts import Receipt
    from mlopus.execution.repositories import Repositories
    from mlopus.plans.facts import Facts
    from mlopus.plans.plan import Plan
    from mlopus.plans.steps import CommitTree
    from mlopus.ports.artifact_cache import ArtifactCache
    from mlopus.ports.artifact_store import ArtifactStore
    from mlopus.ports.cache_folders import CacheFolders
    from mlopus.ports.clock import Clock
    from mlopus.ports.journal import Journal
    from mlopus.ports.metadata_cache import MetadataCache
    from mlopus.ports.tracking import Tracking
    from mlopus.ports.workspace import Workspace

T = TypeVar("T")
K = TypeVar("K", bound="EntityKey")
_LOGGER = logging.getLogger("mlopus")


class Recent:
    """What an API saw lately; made on first use, and not taken along to another process."""

    def __init__(self) -> None:
        self._parents: RecentParents | None = None

    def parents(self) -> RecentParents:
        """Experiments that were seen within the last minute."""
        if self._parents is None:
            from mlopus.execution.fetching import RecentParents

            self._parents = RecentParents()
        return self._parents

    def __reduce__(self) -> tuple[type[Recent], tuple[()]]:
        return Recent, ()


@attrs.frozen(init=False, slots=False, eq=False, repr=False)
class ApiCore:
    """An API: settings and repositories, and how a verb becomes a plan and a value."""

    settings: Settings
    _lazy: LazyRepositories
    _recent: Recent

    def __init__(
        self,
        *,
        tracking: Tracking | None = None,
        cache: MetadataCache | None = None,
        artifacts: ArtifactCache | None = None,
        stores: ArtifactStore | None = None,
        workspace: Workspace | None = None,
        clock: Clock | None = None,
        cache_folders: CacheFolders | None = None,
        journal: Journal | None = None,
        settings: Settings | None = None,
        wiring: Wiring | None = None,
    ) -> None:
        wiring = wiring or Wiring(
            settings=settings or Settings(),
            tracking=tracking,
            cache=cache,
            artifacts=artifacts,
            stores=stores,
            workspace=workspace,
            clock=clock,
            cache_folders=cache_folders,
            journal=journal,
        )
        object.__setattr__(self, "settings", wiring.settings)
        object.__setattr__(self, "_lazy", LazyRepositories(wiring))
        object.__setattr__(self, "_recent", Recent())

    @classmethod
    def wired(cls, wiring: Wiring) -> Self:
        """An API whose repositories are opened on first use, from their wiring."""
        return cls(wiring=wiring)

    @property
    def repositories(self) -> Repositories:
        """What this API works with: one implementation of each port."""
        return self._lazy.get()

    @property
    def recent_parents(self) -> RecentParents:
        """Experiments that this API saw within the last minute."""
        return self._recent.parents()

    def evolve(self, **settings: Any) -> Self:
        """A copy of this API with other settings. Repositories that were given to it stay.

        Args:
            **settings: The fields of `Settings`, by name; those not named stay.

        Raises:
            TypeError: There is no setting of that name.
            ValueError: A setting is out of its range.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.evolve(max_age_s=60).settings.max_age_s, api.settings.max_age_s
            (60, None)
        """
        changed = attrs.evolve(self.settings, **settings)
        return type(self).wired(attrs.evolve(self._lazy.wiring, settings=changed))

    @property
    def in_offline_mode(self) -> Self:
        """A copy of this API that never asks the server; what was cached answers.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap().cache_meta().unwrap()
            >>> api.in_offline_mode.get_exp(exp.id).unwrap() == exp
            True
        """
        return self.evolve(offline_mode=True)

    def __repr__(self) -> str:
        where = self._lazy.wiring.shown_uri
        return f"{type(self).__name__}({where}{', offline' if self.settings.offline_mode else ''})"

    def planned(
        self, call: Result[Call, MlopusError], *, executed_once: bool = False
    ) -> Result[Plan, MlopusError]:
        """The plan of a call; nothing of what it plans is done.

        A plan that a user holds may be executed twice, so it looks for what it creates before it does.
        """
        made = self._planned(call, executed_once=executed_once)
        return made if isinstance(made, Failure) else Success(made.unwrap()[0])

    def _planned(
        self, call: Result[Call, MlopusError], *, executed_once: bool
    ) -> Result[tuple[Plan, Facts], MlopusError]:
        """The plan of a call, and the facts that it was made from."""
        call = self.call_as_now(call)
        if isinstance(call, Failure):
            return call
        fault = self._lazy.wiring.cache_fault() if call.unwrap().writes else None
        if fault is not None:
            return Failure(fault)
        from mlopus.plans.planner import plan, replayable

        facts = self._gathered(call.unwrap())
        if isinstance(facts, Failure):
            return facts
        planned = plan(call.unwrap().request, facts.unwrap())
        if isinstance(planned, Failure):
            return planned
        kept = planned.unwrap() if executed_once else replayable(planned.unwrap(), facts.unwrap())
        return Success((attrs.evolve(kept, roots=call.unwrap().roots), facts.unwrap()))

    def as_now(self, key: Result[K, MlopusError]) -> Result[K, MlopusError]:
        """The key of the same entity, as it is called since it was flushed."""
        if isinstance(key, Failure):
            return key
        from mlopus.domain.provisional import provisional_name

        if provisional_name(key.unwrap()) is None:
            return key
        from mlopus.api.provisional import key_now

        return key_now(self, key.unwrap())

    def call_as_now(self, call: Result[Call, MlopusError]) -> Result[Call, MlopusError]:
        """A call that names its entities as they are called since they were flushed."""
        if isinstance(call, Failure):
            return call
        from mlopus.plans.names import provisional_names

        names = provisional_names(call.unwrap().request)
        if not names:
            return call
        from mlopus.api.provisional import call_now

        return call_now(self, call.unwrap(), names)

    def _gathered(self, call: Call) -> Result[Facts, MlopusError]:
        """What planning a call needs to know."""
        if call.to is not None:
            from mlopus.api.gathering_copies import gather_copy

            return gather_copy(call, self, call.to)
        from mlopus.api.gathering import gather

        return gather(call, self.repositories, self.settings, self.recent_parents)

    def _executed(self, plan: Plan, to: ApiCore | None = None) -> Result[Receipt, MlopusError]:
        """The receipt of a plan, with the value that its verb returns; `to` is the API that it copies to."""
        from mlopus.api.answering import value_of
        from mlopus.execution.counting import CountingMeter
        from mlopus.execution.execute import execute, unwrapped

        meter = CountingMeter(plan.title, plan.total_bytes, self.settings.progress)
        with meter:
            done = (
                execute(plan, self.repositories, self.recent_parents, meter)
                if to is None
                else execute(plan, to.repositories, to.recent_parents, meter, self.repositories)
            )
        if isinstance(done, Failure):
            return Failure(unwrapped(done.failure()))
        receipt = done.unwrap()
        return Success(attrs.evolve(receipt, value=value_of(receipt, cast("Any", to or self))))

    def receipt_of(self, call: Result[Call, MlopusError]) -> Result[Receipt, MlopusError]:
        """The receipt of a call, planned and executed. A write that fails is also logged."""
        made = self._planned(call, executed_once=True)
        done = made if isinstance(made, Failure) else self._carried_out(call, *made.unwrap())
        if isinstance(done, Failure) and isinstance(call, Success) and call.unwrap().writes:
            from mlopus.plans.verbs import verb_of

            _LOGGER.error("%s failed: %s", verb_of(call.unwrap().request), done.failure())
        return done

    def _carried_out(
        self, call: Result[Call, MlopusError], plan: Plan, facts: Facts
    ) -> Result[Receipt, MlopusError]:
        """Execute a plan; one that fetches waits for others that fetch the same, and uses what they bring."""
        commit = _fetched_commit(plan)
        if commit is None:
            return self._executed(plan, call.unwrap().to if isinstance(call, Success) else None)
        artifacts = self.repositories.artifacts
        known = set(map(_mark, () if facts.cache is None else facts.cache.told))
        with artifacts.alone(commit.subject, commit.path):
            now = artifacts.covering(commit.subject, commit.path, with_validators=False).value_or(())
            if known.issuperset(map(_mark, now)):
                return self._executed(plan)
            again = self.planned(call, executed_once=True)
            return again if isinstance(again, Failure) else self._executed(again.unwrap())

    def _performed(self, call: Result[Call, MlopusError], value: type[T]) -> Result[T, MlopusError]:
        """The value of a call, planned and executed."""
        done = self.receipt_of(call)
        if isinstance(done, Failure):
            return done
        answer = done.unwrap().value
        if not isinstance(answer, value):
            raise TypeError(
                f"{done.unwrap().plan.verb} answered {type(answer).__name__}, not {value.__name__}"
            )
        return Success(answer)


def _mark(entry: Entry) -> tuple[ArtifactSubject, str, str, datetime]:
    """What tells an entry from an older or newer one; validators are not always read."""
    return entry.subject, entry.path, entry.tree_key, entry.taken_at


def _fetched_commit(plan: Plan) -> CommitTree | None:
    """The step that commits what a plan fetches from a store, if it does."""
    if plan.is_empty:
        return None
    from mlopus.plans.steps import CommitTree, FetchFiles

    steps = plan.steps
    if not any(isinstance(step, FetchFiles) for step in steps):
        return None
    return next((step for step in steps if isinstance(step, CommitTree)), None)
