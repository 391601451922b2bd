"""Verbs of runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import ExpRef, RunRef
    from mlopus.api.search import Search
    from mlopus.domain.entities import MetricPoint
    from mlopus.domain.status import View
    from mlopus.handles import RunApi


class RunVerbs(ApiCore):
    """What can be asked and done about runs, artifacts apart."""

    def get_run(self, run: RunRef, refresh: bool = False) -> Result[RunApi, MlopusError]:
        """Give a run with its experiment, deleted ones included.

        One request where this API saw the experiment within the last minute, else two.

        Args:
            run: An entity or an id.
            refresh: Ask the server whatever the mode.

        Fails with:
            NotFound: There is none of that id.
            NotCached: Offline, the cache never held it.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import RunApi

        return self._performed(calls.get_run(self, run, refresh), RunApi)

    def find_runs(
        self,
        query: Mapping[str, Any] | None = None,
        sorting: Sequence[tuple[str, int]] | None = None,
        view: View = "active",
    ) -> Search[RunApi]:
        """Give a lazy search for runs; nothing is asked before it is evaluated.

        Without a condition on `exp.id` all active experiments are searched. Offline the same query
        runs on the cache.

        Args:
            query: A MongoDB query over `id`, `name`, `status`, `start_time`, `end_time`, `exp.*`,
                `params.*`, `metrics.*`, `tags.*`, `repo`; None finds all.
            sorting: Pairs of a field and 1 (ascending) or -1; ties are ordered by id.
            view: "active", "deleted" or "all".

        Returns:
            A `Search`; a malformed query is carried and comes out when it is evaluated.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> run = run.log_metrics({"val": {"acc": 0.9}}).unwrap()
            >>> [found.name for found in api.find_runs({"metrics.val.acc": {"$gt": 0.8}})]
            ['r1']
        """
        from mlopus.api.search import find
        from mlopus.handles import RunApi

        return find(self, "run", query, sorting, view, RunApi)

    def find_child_runs(self, parent: RunRef) -> Search[RunApi]:
        """Give a lazy search for the runs nested in a run, by the tag `mlflow.parentRunId`.

        Args:
            parent: An entity or an id. An entity's experiment is searched, else all active ones.

        Returns:
            A `Search`; a malformed id is carried and comes out when it is evaluated.
        """
        from mlopus.api.search import find_children

        return find_children(self, parent)

    def cache_run_meta(self, run: RunRef) -> Result[RunApi, MlopusError]:
        """Fetch a run and its experiment into the metadata cache and give the run.

        Args:
            run: An entity or an id.

        Fails with:
            NotFound: There is none of that id.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import RunApi

        return self._performed(calls.cache_run_meta(self, run), RunApi)

    def create_run(
        self,
        exp: ExpRef,
        name: str | None = None,
        tags: Mapping[str, object] | None = None,
        repo: str | os.PathLike[str] | None = None,
        parent: RunRef | None = None,
    ) -> Result[RunApi, MlopusError]:
        """Create a run that is SCHEDULED, and give it. It has no start time yet.

        Args:
            exp: An entity or an id.
            name: None leaves the naming to the server.
            tags: Nested values; see `set_tags_on_exp`.
            repo: URL of another artifact root than the server's choice; nothing is appended to it.
            parent: The run in which this one is nested.

        Fails with:
            NotFound: There is no such experiment.
            InvalidValue, ValueTooLong: A tag cannot be written as it is; nothing was created.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import RunApi

        return self._performed(calls.create_run(self, exp, name, tags, repo, parent), RunApi)

    def start_run(
        self,
        exp: ExpRef,
        name: str | None = None,
        tags: Mapping[str, object] | None = None,
        repo: str | os.PathLike[str] | None = None,
        parent: RunRef | None = None,
    ) -> Result[RunApi, MlopusError]:
        """Create a run that is RUNNING since now, and give it. One request.

        The handle is a context manager: it ends the run, FAILED if the block raised.

        Args:
            exp: An entity or an id.
            name: None leaves the naming to the server.
            tags: Nested values; see `set_tags_on_exp`.
            repo: URL of another artifact root than the server's choice; nothing is appended to it.
            parent: The run in which this one is nested.

        Fails with:
            NotFound: There is no such experiment.
            InvalidValue, ValueTooLong: A tag cannot be written as it is; nothing was created.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> with mlopus.or_raise(api.start_run(exp, "r1")) as run:
            ...     params = run.log_params({"opt": {"lr": 0.1}}).unwrap().params
            >>> params["opt"]["lr"], api.get_run(run.id).unwrap().status.name
            (0.1, 'FINISHED')
        """
        from mlopus.api import calls
        from mlopus.handles import RunApi

        return self._performed(calls.start_run(self, exp, name, tags, repo, parent), RunApi)

    def resume_run(self, run: RunRef) -> Result[RunApi, MlopusError]:
        """Make a run RUNNING again, and give it. Its start and end times stay.

        Args:
            run: An entity or an id.

        Fails with:
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import RunApi

        return self._performed(calls.resume_run(self, run), RunApi)

    def end_run(self, run: RunRef, succeeded: bool = True) -> Result[RunApi, MlopusError]:
        """End a run now, FINISHED or FAILED, and give it.

        Args:
            run: An entity or an id.
            succeeded: False makes it FAILED.

        Fails with:
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import RunApi

        return self._performed(calls.end_run(self, run, succeeded), RunApi)

    def set_tags_on_run(self, run: RunRef, tags: Mapping[str, object]) -> Result[None, MlopusError]:
        """Set tags on a run; others stay. One request for each 100 tags.

        Args:
            run: An entity or an id.
            tags: Nested values; see `set_tags_on_exp`.

        Fails with:
            InvalidValue, ValueTooLong: Names the tag; nothing was sent.
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls

        return self._performed(calls.set_tags_on_run(self, run, tags), type(None))

    def log_params(self, run: RunRef, params: Mapping[str, object]) -> Result[None, MlopusError]:
        """Add params to a run. One request for each 100 params.

        Args:
            run: An entity or an id.
            params: Nested values; see `set_tags_on_exp`. A text has at most 6000 characters.

        Fails with:
            InvalidValue, ValueTooLong: Names the param; nothing was sent.
            InvalidRequest: A param has another value already; nothing of its batch was stored.
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
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
            timestamp: An aware time; None is now.

        Fails with:
            InvalidValue: Names the metric; nothing was sent.
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls

        return self._performed(calls.log_metrics(self, run, metrics, step, timestamp), type(None))

    def log_metric_points(
        self, run: RunRef, points: Mapping[str, Iterable[MetricPoint]]
    ) -> Result[None, MlopusError]:
        """Add many points to metrics of a run. One request for each 1000 points.

        Args:
            run: An entity or an id.
            points: Dotted metric key to its points, as `metric_history` gives them; a timestamp of
                None is now.

        Fails with:
            InvalidValue: Names the metric; nothing was sent.
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls

        return self._performed(calls.log_metric_points(self, run, points), type(None))

    def metric_history(self, run: RunRef, key: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Give every point of a metric, ordered by step, then time; none if it was never logged.

        Args:
            run: An entity or an id.
            key: The dotted metric key.

        Fails with:
            NotFound: There is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api.references import run_key
        from mlopus.result import Failure

        found = run_key(run)
        if isinstance(found, Failure):
            return found
        return self.repositories.tracking.metric_history(found.unwrap(), key)

    def get_run_url(self, run: RunRef, exp: ExpRef | None = None) -> Result[str, MlopusError]:
        """Give the link of a run in the MLflow UI.

        Args:
            run: An entity or an id.
            exp: Its experiment; without it the run of a mere id is asked for.

        Fails with:
            NotFound: The store has no UI, or there is no such run.
            OfflineMode: This API is offline.
        """
        from mlopus.api.references import exp_key, run_key
        from mlopus.domain.entities import Run
        from mlopus.result import Failure

        key = run_key(run)
        if isinstance(key, Failure):
            return key
        if exp is None and not isinstance(run, Run):
            found = self.get_run(run)
            if isinstance(found, Failure):
                return found
            exp = found.unwrap().exp
        known_exp = exp_key(exp if exp is not None else run.exp if isinstance(run, Run) else "")
        if isinstance(known_exp, Failure):
            return known_exp
        return self.repositories.tracking.url(key.unwrap(), known_exp.unwrap().id)
