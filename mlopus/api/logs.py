"""Verbs that log values to runs: params, metrics and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import RunRef
    from mlopus.domain.entities import MetricPoint


class LogVerbs(ApiCore):
    """What can be logged to runs, artifacts apart."""

    def set_tags_on_run(self, run: RunRef, tags: Mapping[str, object]) -> Result[None, MlopusError]:
        """Set tags on a run; others stay. One request for each 100 tags.

        Args:
            run: An entity or an id.
            tags: Nested values; see `set_tags_on_exp`. A text has at most 8000 characters.

        Returns:
            None; `run.set_tags` gives the run with its tags.

        Fails with:
            InvalidValue, ValueTooLong: Names the tag; nothing was sent.
            NotFound: There is no such run.
            InvalidRequest: The run is deleted.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
            ExecutionStopped: A later batch failed; calling again sets the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> done = api.set_tags_on_run(run, {"data": {"folds": [1, 2], "source": "web"}}).unwrap()
            >>> api.get_run(run).unwrap().tags["data"]["folds"]
            (1, 2)
        """
        from mlopus.api import calls

        return self._performed(calls.set_tags_on_run(self, run, tags), type(None))

    def log_params(self, run: RunRef, params: Mapping[str, object]) -> Result[None, MlopusError]:
        """Add params to a run. One request for each 100 params.

        A param cannot be changed afterwards; logging its value again is fine.

        Args:
            run: An entity or an id.
            params: Nested values; see `set_tags_on_exp`. A text has at most 6000 characters.

        Returns:
            None; `run.log_params` gives the run with its params.

        Fails with:
            InvalidValue, ValueTooLong: Names the param; nothing was sent.
            InvalidRequest: A param has another value already; nothing of its batch was stored. Or
                the run is deleted.
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
            ExecutionStopped: A later batch failed; calling again adds the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> done = api.log_params(run, {"opt": {"lr": 0.1, "name": "sgd"}}).unwrap()
            >>> api.get_run(run).unwrap().params["opt"]["lr"]
            0.1
            >>> api.log_params(run, {"opt.lr": 0.2}).failure().code
            'param already set'
        """
        from mlopus.api import calls

        return self._performed(calls.log_params(self, run, params), type(None))

    def log_metrics(
        self, run: RunRef, metrics: Mapping[str, object], step: int = 0, timestamp: datetime | None = None
    ) -> Result[None, MlopusError]:
        """Add one point to each of several metrics of a run. One request for each 1000 metrics.

        Args:
            run: An entity or an id.
            metrics: Nested; leaves are whatever has `__float__`, NaN and infinities included.
            step: Any integer.
            timestamp: An aware time, kept to the millisecond; None is now.

        Returns:
            None; `run.log_metrics` gives the run with its metrics.

        Fails with:
            InvalidValue: Names the metric, which is no number or has no key that servers take, or
                `timestamp` has no time zone; nothing was sent.
            NotFound: There is no such run.
            InvalidRequest: The run is deleted.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
            ExecutionStopped: A later batch failed; calling again adds the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> done = api.log_metrics(run, {"loss": 0.3, "val": {"acc": 0.9}}, step=1).unwrap()
            >>> api.get_run(run).unwrap().metrics["val"]["acc"]
            0.9
        """
        from mlopus.api import calls

        return self._performed(calls.log_metrics(self, run, metrics, step, timestamp), type(None))

    def log_metric_points(
        self, run: RunRef, points: Mapping[str, Iterable[MetricPoint]]
    ) -> Result[None, MlopusError]:
        """Add many points to metrics of a run. One request for each 1000 points.

        A point that is there already, the same in value, step and time, is not added twice.

        Args:
            run: An entity or an id.
            points: Dotted metric key to its points, as `metric_history` gives them; a timestamp of
                None is now, others are aware and kept to the millisecond.

        Returns:
            None; `run.log_metric_points` gives the run with its metrics.

        Fails with:
            InvalidValue: Names the metric, which is no number or has no key that servers take, or a
                timestamp has no time zone; nothing was sent.
            NotFound: There is no such run.
            InvalidRequest: The run is deleted.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
            ExecutionStopped: A later batch failed; calling again adds the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> curve = [mlopus.MetricPoint(1 / (step + 1), step) for step in range(3)]
            >>> run.log_metric_points({"train.loss": curve}).unwrap().metrics["train"]["loss"]
            0.3333333333333333
        """
        from mlopus.api import calls

        return self._performed(calls.log_metric_points(self, run, points), type(None))

    def metric_history(self, run: RunRef, key: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Give every point of a metric. The server alone has them: the cache keeps the latest value.

        Of a run that was created offline and not flushed yet, the journal has them all.

        Args:
            run: An entity or an id.
            key: The dotted metric key.

        Returns:
            The points, ordered by step, then time; none if the metric was never logged.

        Fails with:
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> logged = [run.log_metrics({"loss": 1 / step}, step) for step in (1, 2, 4)]
            >>> [(point.step, point.value) for point in api.metric_history(run, "loss").unwrap()]
            [(1, 1.0), (2, 0.5), (4, 0.25)]
        """
        from mlopus.api.references import run_key
        from mlopus.domain.provisional import provisional_name
        from mlopus.result import Failure

        found = self.as_now(run_key(run))
        if isinstance(found, Failure):
            return found
        if provisional_name(found.unwrap()) is not None:
            return self.repositories.journal.history(found.unwrap().id, key)
        return self.repositories.tracking.metric_history(found.unwrap(), key)
