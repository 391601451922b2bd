"""A block that collects what is logged to a run, and sends it in few requests."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import attrs
from immutabledict import immutabledict

from mlopus.domain.records import RunRecord
from mlopus.errors import InvalidRequest, MlopusError
from mlopus.handles.sending import Collected, Sender
from mlopus.plans.changes import PARAM_ALREADY_SET, PARAM_HINT, LogBatch
from mlopus.plans.reflections import changes_in
from mlopus.result import Failure, Result, Success, or_raise

if TYPE_CHECKING:
    from mlopus.api.calls import Call
    from mlopus.domain.entities import MetricPoint
    from mlopus.handles.run import RunApi


class RunBatch:
    """What `RunApi.batch` gives: takes values inside its `with` block, and sends them in batches.

    Each method checks its values and answers at once. Threads may share it; a child process may not.
    """

    def __init__(self, run: RunApi, max_items: int, max_delay_s: float) -> None:
        if max_items < 1:
            raise ValueError(f"max_items is at least 1, not {max_items}")
        if not max_delay_s > 0:
            raise ValueError(f"max_delay_s is above 0, not {max_delay_s}")
        self._run: Final = run
        self._max_items: Final = max_items
        self._max_delay_s: Final = max_delay_s
        self._process: Final = os.getpid()
        self._sender: Final = Sender(run)
        self._lock: Final = threading.Lock()  # of what follows; never held while a request is out
        limits = run.api.repositories.tracking.facts.limits
        self._limits: Final = attrs.evolve(limits, total=min(limits.total, max_items))
        self._params: Final = _params_of(run)  # what params can be from now on
        self._collected = Collected()
        self._timer: threading.Timer | None = None
        self._is_open: bool | None = None

    def __enter__(self) -> Self:
        if self._is_open is not None:
            raise RuntimeError("a batch is entered once: make another one with run.batch()")
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process != os.getpid():
            return  # a forked child: the parent sends
        with self._lock:
            self._is_open, timer, self._timer = False, self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()
        self._send(everything=True)
        failure = self._sender.lost
        if failure is not None and error is None:
            or_raise(Failure(failure))
        if failure is not None:
            raise failure from error

    def log_params(self, params: Mapping[str, object]) -> Result[None, MlopusError]:
        """As `RunApi.log_params`; a param that has another value already is refused at once."""
        from mlopus.api import calls

        return self._collect(calls.log_params(self._run.api, self._run, params))

    def log_metrics(
        self, metrics: Mapping[str, object], step: int = 0, timestamp: datetime | None = None
    ) -> Result[None, MlopusError]:
        """As `RunApi.log_metrics`; a `timestamp` of None is now, not when they are sent."""
        from mlopus.api import calls

        return self._collect(calls.log_metrics(self._run.api, self._run, metrics, step, timestamp))

    def log_metric_points(self, points: Mapping[str, Iterable[MetricPoint]]) -> Result[None, MlopusError]:
        """As `RunApi.log_metric_points`."""
        from mlopus.api import calls

        return self._collect(calls.log_metric_points(self._run.api, self._run, points))

    def set_tags(self, tags: Mapping[str, object]) -> Result[None, MlopusError]:
        """As `RunApi.set_tags`."""
        from mlopus.api import calls

        return self._collect(calls.set_tags_on_run(self._run.api, self._run, tags))

    def _collect(self, call: Result[Call, MlopusError]) -> Result[None, MlopusError]:
        """Take the values of a call, unless they are bad, or an earlier request failed untold."""
        planned = self._run.api.planned(call, executed_once=True)
        if isinstance(planned, Failure):
            return planned
        batches = [step for step in changes_in(planned.unwrap().steps) if isinstance(step, LogBatch)]
        failure = self._sender.untold()
        if failure is not None:
            return Failure(failure)
        with self._lock:
            if not self._is_open or self._process != os.getpid():
                raise RuntimeError("a batch takes values inside its `with` block, and in no child process")
            refused = self._other_value(batches)
            if refused is not None:
                return Failure(refused)
            for batch in batches:
                new = {key: text for key, text in batch.params.items() if key not in self._params}
                self._params.update(new)
                self._collected.add(attrs.evolve(batch, params=immutabledict(new)))
            self._start_timer()
            is_full = len(self._collected) >= self._max_items
        if is_full:
            self._send(everything=False)
        return Success(None)

    def _other_value(self, batches: Iterable[LogBatch]) -> InvalidRequest | None:
        for key, text in (item for batch in batches for item in batch.params.items()):
            before = self._params.get(key, text)
            if before != text:
                fact = f"is {before!r} already, and cannot become {text!r}"
                reply = f"param {key!r} of run {self._run.id} {fact}"
                place = str(self._run.api.repositories.tracking.origin)
                return InvalidRequest(
                    place=place, request="LogBatch", code=PARAM_ALREADY_SET, reply=reply, hint=PARAM_HINT
                )
        return None

    def _start_timer(self) -> None:
        """Let what waits be sent in time. A thread lives only while something waits.

        It is no daemon, so what was collected arrives even where the block is never left.
        """
        waits = bool(self._collected) or self._sender.waits
        if waits and self._is_open and self._timer is None and self._max_delay_s != math.inf:
            self._timer = threading.Timer(self._max_delay_s, self._on_time)
            self._timer.start()

    def _on_time(self) -> None:
        with self._lock:
            self._timer = None
        self._send(everything=True)
        with self._lock:
            self._start_timer()

    def _send(self, *, everything: bool) -> None:
        """Send what waits; without `everything` only in requests as full as may be."""

        def taken() -> list[LogBatch]:
            with self._lock:
                batches = self._collected.batches(self._run.id, self._limits)
                self._collected = Collected()
                if not everything and len(batches) > 1 and _size(batches[-1]) < self._limits.total:
                    self._collected.add(batches.pop())
                return batches

        self._sender.send(taken)


class RaisingRunBatch:
    """A batch whose methods raise; see `RunBatch`.

    Attributes:
        results: The same batch, whose methods return Results.
    """

    def __init__(self, results: RunBatch) -> None:
        self.results: Final = results

    def __enter__(self) -> Self:
        self.results.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.results.__exit__(kind, error, trace)

    def log_params(self, params: Mapping[str, object]) -> None:
        """See `RunBatch.log_params`."""
        or_raise(self.results.log_params(params))

    def log_metrics(
        self, metrics: Mapping[str, object], step: int = 0, timestamp: datetime | None = None
    ) -> None:
        """See `RunBatch.log_metrics`."""
        or_raise(self.results.log_metrics(metrics, step, timestamp))

    def log_metric_points(self, points: Mapping[str, Iterable[MetricPoint]]) -> None:
        """See `RunBatch.log_metric_points`."""
        or_raise(self.results.log_metric_points(points))

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """See `RunBatch.set_tags`."""
        or_raise(self.results.set_tags(tags))


def _params_of(run: RunApi) -> dict[str, str]:
    """The params of a run that are known to be set, as texts."""
    from mlopus.api.views import records_of
    from mlopus.domain.text import codec_named

    record = records_of(run, codec_named(run.api.settings.text_codec))[0]
    return dict(record.params) if isinstance(record, RunRecord) else {}


def _size(batch: LogBatch) -> int:
    return len(batch.params) + len(batch.metrics) + len(batch.tags)
