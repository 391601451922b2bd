"""Steps on the journal: a request is queued, shown in the cache, settled, or dropped."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import attrs

from mlopus.domain.keys import OwnKey
from mlopus.domain.records import Record
from mlopus.plans.pending import Pending
from mlopus.plans.requests import WriteRequest


@attrs.frozen(kw_only=True)
class QueueRequest:
    """Queue a request for the next flush, so that a power failure does not lose it.

    `mark` names it: what is queued under a mark, or ever was, is not queued again. `held` is the
    key of the committed tree with the bytes to be published.
    """

    mark: str
    request: WriteRequest
    held: str | None
    written_at: datetime


@attrs.frozen(kw_only=True)
class SettleRequests:
    """Take requests that their store has carried out off the queue.

    `provisional` is what the entity was called that they created, `created` what it is now: from
    then on one stands for the other.
    """

    entry_ids: tuple[int, ...]
    provisional: str | None = None
    created: Record | Pending | None = None


@attrs.frozen(kw_only=True)
class DropRequests:
    """Take requests off the queue, never to be sent."""

    entry_ids: tuple[int, ...]


@attrs.frozen(kw_only=True)
class ForgetRows:
    """Let the metadata cache lose rows: of what was shown and is not so, or is called otherwise now."""

    keys: tuple[OwnKey, ...]


JournalStep: TypeAlias = QueueRequest | SettleRequests | DropRequests | ForgetRows
