"""What waits on a journal, as values."""

from __future__ import annotations

from datetime import datetime

import attrs

from mlopus.plans.requests import WriteRequest


@attrs.frozen(kw_only=True)
class JournalEntry:
    """A request that waits.

    Attributes:
        id: Its number; later ones are greater.
        mark: The name under which it was queued.
        request: What was asked, with the times at which it was.
        held: Key of the committed tree with the bytes to be published.
        written_at: When it was queued.
        error: Why the server refused it, the last time.
        attempted_at: When a flush last began to send it; None if none did since it was refused, if it
            was, so that it is certainly not there.
        claimed_by: The process that is sending it, or was when it died.
    """

    id: int
    mark: str
    request: WriteRequest
    held: str | None = None
    written_at: datetime
    error: str | None = None
    attempted_at: datetime | None = None
    claimed_by: str | None = None
