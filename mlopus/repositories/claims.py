"""Who may send what waits on a journal, what it holds, and what a settled request is called."""

from __future__ import annotations

from mlopus.domain.records import ExperimentRecord, ModelRecord, RunRecord, VersionRecord
from mlopus.plans.journal_steps import SettleRequests
from mlopus.plans.keeping import HeldTree
from mlopus.plans.pending import known
from mlopus.repositories.disk.owner import Owner


def named_now() -> str:
    """The name of this process, the same each time."""
    owner = Owner.current()
    return f"{owner.machine}-{owner.pid}-{owner.started}-0"


def may_take(claimed_by: str | None, me: str, *, take_over: bool) -> bool:
    """Whether a process may send what another has claimed: that one is dead, or the caller insists.

    Example:
        >>> may_take(None, "me", take_over=False), may_take("other-1-0-0", "me", take_over=False)
        (True, False)
    """
    if claimed_by is None or claimed_by == me or take_over:
        return True
    owner = Owner.of_name(claimed_by)
    return owner is not None and owner.is_dead()


def reply_of(step: SettleRequests) -> str:
    """The id, or the version number, of what a request created."""
    record = known(step.created)
    match record:
        case ExperimentRecord(id=name) | RunRecord(id=name) | VersionRecord(version=name):
            return name
        case ModelRecord() | None:
            raise ValueError(f"{step} tells nothing that has a provisional name")


def held_tree(tree_key: str, entry_id: int) -> HeldTree:
    """A tree whose bytes a request waits to publish."""
    return HeldTree(tree_key=tree_key, by="journal", reason=f"entry {entry_id} of the journal is not flushed")
