"""Sending one group of what waits: facts, a plan, its execution, and, after a doubt, a look for doubles."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import attrs
from immutabledict import immutabledict

from mlopus.api.answering import record_answered
from mlopus.api.calls import Call
from mlopus.api.gathering import base_facts, gather
from mlopus.api.waiting import sendable
from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import ExperimentKey, OwnKey, key_of
from mlopus.domain.records import OPERATION_TAG, Record, RunRecord, VersionRecord
from mlopus.errors import ExecutionStopped, MlopusError, NotFound
from mlopus.execution.counting import CountingMeter
from mlopus.execution.execute import execute
from mlopus.plans.changes import LogBatch
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_groups import Group, LogRequest, coalesced, logs_to, without_points
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan, replayable
from mlopus.plans.requests import CreateRunIn, LogCollected, LogModelVersion, WriteRequest
from mlopus.plans.search import SearchSpec
from mlopus.plans.settling import plan_settling
from mlopus.plans.steps import Step
from mlopus.plans.upkeep_requests import DeleteNamed
from mlopus.query import Sorting, parse
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from mlopus.api.core import ApiCore


class Sender:
    """Sends groups of entries whose requests name their entities as they are called now."""

    def __init__(self, api: ApiCore) -> None:
        self._api = api
        self._repositories = api.repositories
        self._settings = attrs.evolve(api.settings, max_age_s=None)  # what is changed is asked for

    def send(self, group: Group, *, in_doubt: bool) -> Result[Record | None, MlopusError]:
        """Let the store carry out a group; answers what a single request created or found.

        `in_doubt`: it may have been carried out before, in whole or in part.
        """
        if logs_to(group[0].request) is not None:
            return self._log(group, in_doubt=in_doubt)
        return self._act(group[0], in_doubt=in_doubt)

    def settle(self, group: Group, record: Record | None) -> Result[None, MlopusError]:
        """Take a group that was sent, as it was queued, off the journal."""
        return self._done(plan_settling(group, record, base_facts(self._repositories, self._settings)))

    def _act(self, entry: JournalEntry, *, in_doubt: bool) -> Result[Record | None, MlopusError]:
        planned = self._planned(entry, in_doubt=in_doubt)
        if isinstance(planned, Failure):
            return planned
        done = execute(
            planned.unwrap(), self._repositories, self._api.recent_parents, CountingMeter(entry.mark)
        )
        if isinstance(done, Failure):
            return Failure(_cause(done.failure()))
        record = record_answered(done.unwrap())
        if in_doubt and record is not None:
            return self._the_only_one(entry.request, record)
        return Success(record)

    def _planned(self, entry: JournalEntry, *, in_doubt: bool) -> Result[Plan, MlopusError]:
        call = self._call(entry)
        if isinstance(call, Failure):
            return call
        gathered = gather(call.unwrap(), self._repositories, self._settings, self._api.recent_parents)
        if isinstance(gathered, Failure):
            return gathered
        facts = attrs.evolve(gathered.unwrap(), protected=())  # held bytes are copied, and stay
        planned = plan(call.unwrap().request, facts)
        if isinstance(planned, Failure):
            return planned
        made = replayable(planned.unwrap(), facts) if in_doubt else planned.unwrap()
        return Success(attrs.evolve(made, roots=call.unwrap().roots))

    def _call(self, entry: JournalEntry) -> Result[Call, MlopusError]:
        if entry.held is None:
            return Success(Call(request=entry.request, writes=True))
        tree = self._repositories.artifacts.tree(entry.held)
        if isinstance(tree, Failure):
            return tree
        path = tree.unwrap().local_path("")
        if path is None:
            place = "the cache, which held it for the journal"
            return Failure(NotFound(kind="tree", key=entry.held, place=place))
        request = sendable(entry, path)
        return Success(Call(request=request, writes=True, roots=immutabledict({"source": path})))

    def _log(self, group: Group, *, in_doubt: bool) -> Result[None, MlopusError]:
        facts = base_facts(self._repositories, self._settings)
        together = coalesced([cast("LogRequest", entry.request) for entry in group], facts)
        if isinstance(together, Failure):
            return together
        request = together.unwrap()
        if request is None:
            return self._one_by_one(group, in_doubt=in_doubt)
        if in_doubt:
            there = self._histories(request)
            if isinstance(there, Failure):
                return there
            request = without_points(request, there.unwrap())
        planned = plan(request, facts)
        return planned if isinstance(planned, Failure) else self._done(_sent_once(planned.unwrap()))

    def _one_by_one(self, group: Group, *, in_doubt: bool) -> Result[None, MlopusError]:
        """Send entries that cannot go together; who sends them again one by one finds which is refused."""
        for entry in group:
            sent = self._log((entry,), in_doubt=in_doubt)
            if isinstance(sent, Failure):
                return sent
        return Success(None)

    def _histories(
        self, request: LogCollected
    ) -> Result[immutabledict[str, tuple[MetricPoint, ...]], MlopusError]:
        found: dict[str, tuple[MetricPoint, ...]] = {}
        for key in sorted({sample.key for sample in request.metrics}):
            history = self._repositories.tracking.metric_history(request.run, key)
            if isinstance(history, Failure):
                return history
            found[key] = history.unwrap()
        return Success(immutabledict(found))

    def _the_only_one(self, request: WriteRequest, record: Record) -> Result[Record | None, MlopusError]:
        """Of several entities with the id of this operation the oldest; the others are deleted."""
        spec = _search_for(request, record)
        if spec is None:
            return Success(record)
        page = self._repositories.tracking.find(spec)
        if isinstance(page, Failure):
            return page
        found = sorted({key_of(one): one for one in (record, *page.unwrap().records)}.values(), key=_age)
        same = [one for one in found if one.tags.get(OPERATION_TAG) == record.tags.get(OPERATION_TAG)]
        for other in same[1:]:
            deleted = self._delete(key_of(other))
            if isinstance(deleted, Failure):
                return deleted
        return Success(same[0] if same else record)

    def _delete(self, key: OwnKey) -> Result[None, MlopusError]:
        facts = base_facts(self._repositories, self._settings)
        planned = plan(DeleteNamed(key=key), facts)
        return planned if isinstance(planned, Failure) else self._done(planned.unwrap())

    def _done(self, planned: Plan) -> Result[None, MlopusError]:
        done = execute(planned, self._repositories, self._api.recent_parents, CountingMeter())
        return Failure(_cause(done.failure())) if isinstance(done, Failure) else Success(None)


def _cause(error: MlopusError) -> MlopusError:
    return error.cause if isinstance(error, ExecutionStopped) else error


def _sent_once(planned: Plan) -> Plan:
    """The plan whose batches of points are not sent again before they are compared with the history."""

    def once(step: Step) -> Step:
        return attrs.evolve(step, may_repeat=False) if isinstance(step, LogBatch) and step.metrics else step

    return attrs.evolve(planned, stages=tuple(tuple(map(once, stage)) for stage in planned.stages))


def _search_for(request: WriteRequest, record: Record) -> SearchSpec | None:
    """The search for all that an operation created; None where a name keeps it to one."""
    match request, record:
        case CreateRunIn(operation_id=operation), RunRecord(exp_id=exp_id):
            query = parse({f"tags.{OPERATION_TAG}": operation}).unwrap()
            return SearchSpec(kind="run", query=query, sorting=Sorting(), exp_ids=(ExperimentKey(exp_id).id,))
        case LogModelVersion(operation_id=operation), VersionRecord(name=name):
            query = parse({f"tags.{OPERATION_TAG}": operation, "model.name": name}).unwrap()
            return SearchSpec(kind="model version", query=query, sorting=Sorting())
        case _:
            return None


def _age(record: Record) -> tuple[str, str]:
    """What orders entities of one operation: versions by number; runs, all as old as it says, by id."""
    match record:
        case VersionRecord():
            return record.version.zfill(20), ""
        case RunRecord():
            return str(record.start_time), record.id
        case _:
            return "", ""
