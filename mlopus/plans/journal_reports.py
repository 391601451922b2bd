"""What users see of the journal: what waits, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs

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
