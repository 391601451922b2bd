"""What users see of the journal: what waits, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs

from mlopus.errors import MlopusError
from mlopus.plans.plan import Plan

Fate: TypeAlias = Literal["sent", "refused", "waits", "unsent"]


@attrs.frozen(kw_only=True)
class PendingWrite:
    """A write that waits on the journal.

    Attributes:
        id: Its number, for `drop`; later ones are greater.
        verb: The verb that was called, as `log_params`.
        title: What it does, in words.
        written_at: When it was called, in UTC.
        error: Why the server refused it when it was last flushed; None if it never did.
        plan: What a flush will do, drawn from what is known here: that the server has nothing of it
            yet. None where even that needs the server.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory(journal=True).in_offline_mode
        >>> exp = api.get_or_create_exp("demo").unwrap()
        >>> waiting = api.pending().unwrap()[0]
        >>> print(waiting)
        1  get or create experiment 'demo'
        >>> waiting.verb, waiting.error, waiting.plan.totals.up_bytes
        ('get_or_create_exp', None, 0)
    """

    id: int
    verb: str
    title: str
    written_at: datetime
    error: str | None
    plan: Plan | None

    def __str__(self) -> str:
        refused = "" if self.error is None else f"  refused: {self.error}"
        return f"{self.id}  {self.title}{refused}"


@attrs.frozen(kw_only=True)
class FlushedWrite:
    """What became of a write.

    Attributes:
        id: Its number on the journal.
        verb: The verb that was called.
        title: What it does, in words.
        fate: "sent": the server has it. "refused": the server does not take it; it stays, with its
            error. "waits": it depends on one that was not sent. "unsent": nobody answered, or another
            process is sending it.
        error: Why it was not sent; None if it was.
    """

    id: int
    verb: str
    title: str
    fate: Fate
    error: MlopusError | None = None

    def __str__(self) -> str:
        why = "" if self.error is None else f": {self.error}"
        return f"{self.id}  {self.fate:<8} {self.title}{why}"


@attrs.frozen(kw_only=True)
class FlushReport:
    """What became of each write that waited.

    Attributes:
        writes: In the order of the journal.
        ended_runs: Ids of runs that were ended as FAILED, since their process had died.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> offline = api.evolve(offline_mode=True, journal=True)
        >>> exp = offline.get_or_create_exp("demo").unwrap()
        >>> print(api.flush().unwrap())
        1  sent     get or create experiment 'demo'
    """

    writes: tuple[FlushedWrite, ...]
    ended_runs: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nothing waits any more of what waited.

        Example:
            >>> FlushReport(writes=()).is_complete
            True
        """
        return all(write.fate == "sent" for write in self.writes)

    def __str__(self) -> str:
        ended = (f"run {run_id} ended as FAILED: its process had died" for run_id in self.ended_runs)
        return "\n".join((*map(str, self.writes), *ended)) or "nothing waits"
