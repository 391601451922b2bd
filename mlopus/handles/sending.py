"""What a batch of a run has collected, and how it is sent: one request at a time, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import RunKey
from mlopus.domain.records import MetricSample
from mlopus.errors import ExecutionStopped, InvalidRequest, MlopusError
from mlopus.plans.batches import log_batches
from mlopus.plans.changes import LogBatch
from mlopus.plans.facts import BatchLimits
from mlopus.plans.requests import LogCollected
from mlopus.result import Success

if TYPE_CHECKING:
    from mlopus.handles.run import RunApi


@attrs.define
class Collected:
    """Values that no request was made of yet; of a tag the last one."""

    params: dict[str, str] = attrs.field(factory=dict[str, str])
    metrics: list[MetricSample] = attrs.field(factory=list[MetricSample])
    tags: dict[str, str] = attrs.field(factory=dict[str, str])

    def __len__(self) -> int:
        return len(self.params) + len(self.metrics) + len(self.tags)

    def add(self, batch: LogBatch) -> None:
        """Take the values of a batch too."""
        self.params |= batch.params
        self.metrics += batch.metrics
        self.tags |= batch.tags

    def batches(self, run_id: str, limits: BatchLimits) -> list[LogBatch]:
        """All of it, in as few requests as it takes."""
        params, tags = immutabledict(self.params), immutabledict(self.tags)
        return list(log_batches(run_id, limits, params, self.metrics, tags))


class Sender:
    """Sends batches to a run. What may still succeed waits for the next time, in its order.

    A request that the server refuses is tried again by kind, so that a param that is set already
    costs no metrics; what is refused then is lost, and `lost` says why.
    """

    def __init__(self, run: RunApi) -> None:
        self._run: Final = run
        self._sending: Final = threading.Lock()
        self._outgoing: list[LogBatch] = []
        self._telling: Final = threading.Lock()
        self._untold: MlopusError | None = None
        self._delayed: MlopusError | None = None
        self._refused: MlopusError | None = None

    @property
    def waits(self) -> bool:
        """Whether a request has to be sent again."""
        return bool(self._outgoing)

    @property
    def lost(self) -> MlopusError | None:
        """Why something is not in the store, if nothing is sent any more."""
        return self._refused or (self._delayed if self._outgoing else None)

    def untold(self) -> MlopusError | None:
        """The last failure, unless it was told before."""
        with self._telling:
            failure, self._untold = self._untold, None
            return failure

    def send(self, taken: Callable[[], list[LogBatch]]) -> None:
        """Send what still waits and what is taken now, after others have sent theirs."""
        with self._sending:
            self._outgoing += taken()
            while self._outgoing:
                batch, *later = self._outgoing
                failure = self._failure_of(batch)
                if failure is not None and failure.retriable and not _was_stored(failure):
                    self._delayed = failure
                    return
                by_kind = _by_kind(batch) if isinstance(failure, InvalidRequest) else []
                self._outgoing = [*by_kind, *later] if len(by_kind) > 1 else later
                if len(by_kind) <= 1:
                    self._refused = self._refused or failure

    def _failure_of(self, batch: LogBatch) -> MlopusError | None:
        from mlopus.api.calls import Call

        request = LogCollected(
            run=RunKey(self._run.id), params=batch.params, metrics=batch.metrics, tags=batch.tags
        )
        done = self._run.api.receipt_of(Success(Call(request=request, writes=True)))
        if isinstance(done, Success):
            return None
        with self._telling:
            self._untold = done.failure()
        return done.failure()


def _was_stored(failure: MlopusError) -> bool:
    """Whether only what follows the request failed, as the cache may."""
    return isinstance(failure, ExecutionStopped) and any(
        isinstance(done.step, LogBatch) for done in failure.receipt.steps
    )


def _by_kind(batch: LogBatch) -> list[LogBatch]:
    kinds = (
        LogBatch(run_id=batch.run_id, params=batch.params),
        LogBatch(run_id=batch.run_id, metrics=batch.metrics),
        LogBatch(run_id=batch.run_id, tags=batch.tags),
    )
    return [kind for kind in kinds if kind.params or kind.metrics or kind.tags]
