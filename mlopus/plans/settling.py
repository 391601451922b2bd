"""Planning what happens here once a store has carried out what waited: it waits no more."""

from __future__ import annotations

from mlopus.domain.keys import RunKey
from mlopus.domain.locations import run_subject
from mlopus.domain.records import Record
from mlopus.plans.envelope import make_plan
from mlopus.plans.facts import Facts
from mlopus.plans.journal_entries import JournalEntry
from mlopus.plans.journal_groups import Group
from mlopus.plans.journal_steps import ForgetRows, SettleRequests
from mlopus.plans.plan import NoAnswer, Plan
from mlopus.plans.queued import created_by, provisional_created_by
from mlopus.plans.queueing_bytes import held_subject
from mlopus.plans.steps import Step, WithdrawEntries


def plan_settling(group: Group, record: Record | None, facts: Facts) -> Plan:
    """Let what the cache showed under a provisional name go, then take the entries off the journal.

    In this order: cut in between, the entries still wait, and are shown anew.

    Args:
        group: Entries that were sent, as they were queued.
        record: What the request of a single entry created or found, as its store answered.
        facts: Any.
    """
    first = group[0]
    provisional = provisional_created_by(first.request)
    settle = SettleRequests(
        entry_ids=tuple(entry.id for entry in group),
        provisional=provisional if record is not None else None,
        created=record if provisional is not None else None,
    )
    return make_plan(first.request, facts, (_forgetting(first), (settle,)), NoAnswer())


def _forgetting(entry: JournalEntry) -> tuple[Step, ...]:
    key = created_by(entry.request)
    steps: list[Step] = [] if key is None else [ForgetRows(keys=(key,))]
    if isinstance(key, RunKey):
        steps.append(WithdrawEntries(subject=run_subject(key.id), path=""))
    if entry.held is not None:
        steps.append(WithdrawEntries(subject=held_subject(entry.mark), path=""))
    return tuple(steps)
