"""Verbs of runs: reading, creating and ending them. What is logged to one is in `mlopus.api.logs`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import ExpRef, RunRef
    from mlopus.api.search import Search
    from mlopus.domain.status import View
    from mlopus.handles import RunApi


class RunVerbs(ApiCore):
    """What can be asked about runs, and how they begin and end."""

    def get_run(self, run: RunRef, refresh: bool = False) -> Result[RunApi, MlopusError]:
        """Give a run with its experiment, deleted ones included.

        One request where this API saw the experiment within the last minute, else two.

        Args:
            run: An entity or an id.
            refresh: Ask the server whatever `max_age_s` says, and keep its answer in the cache.

        Returns:
            The run with its params, tags and the latest value of each metric; its `as_of` is None
            from the server, else when the cache took it.

        Fails with:
            NotFound: There is none of that id.
            NotCached: Offline, the cache never held it.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> started = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> run = api.get_run(started.id).unwrap()
            >>> run.name, run.exp.name, run.status.name
            ('r1', 'demo', 'RUNNING')
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
            sorting: Pairs of a field and 1 (ascending) or -1; ties are ordered by id. Without it
                there is no promised order.
            view: "active", "deleted" or "all".

        Returns:
            The search; a malformed query is carried and comes out when it is evaluated.

        Raises:
            ValueError: `view` is none of these.

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

        Deleted ones and those nested deeper are not among them.

        Args:
            parent: An entity or an id. An entity's experiment is searched, else all active ones.

        Returns:
            The search, oldest first; a malformed id is carried and comes out when it is evaluated.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> parent = api.start_run(api.get_or_create_exp("demo").unwrap(), "sweep").unwrap()
            >>> trials = [parent.start_child(f"trial-{n}").unwrap() for n in range(2)]
            >>> sorted(run.name for run in api.find_child_runs(parent))
            ['trial-0', 'trial-1']
        """
        from mlopus.api.search import find_children

        return find_children(self, parent)

    def cache_run_meta(self, run: RunRef) -> Result[RunApi, MlopusError]:
        """Fetch a run and its experiment into the metadata cache, for work offline. Artifacts stay out.

        Args:
            run: An entity or an id.

        Returns:
            The run as the server has it now.

        Fails with:
            NotFound: There is none of that id.
            OfflineMode: This API is offline.
            StoreFailed: The cache cannot be written.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> cached = api.cache_run_meta(run).unwrap()
            >>> [found.exp.name for found in api.in_offline_mode.find_runs({"name": "r1"})]
            ['demo']
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
        """Create a run that is SCHEDULED and has no start time yet; `resume_run` makes it RUNNING.

        Args:
            exp: An entity or an id.
            name: None leaves the naming to the server.
            tags: Nested values; see `set_tags_on_exp`.
            repo: URL of another artifact root than the server's choice; nothing is appended to it.
            parent: The run in which this one is nested; it is not checked to be there.

        Returns:
            The new run, with its id and artifact root.

        Fails with:
            NotFound: There is no such experiment.
            InvalidRequest: The experiment is deleted.
            InvalidValue, ValueTooLong: A tag cannot be written as it is; nothing was created.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> run = api.create_run(exp, "later", {"queue": "gpu"}, repo="s3://bucket/runs/1").unwrap()
            >>> run.status.name, run.start_time, run.tags["queue"], run.repo
            ('SCHEDULED', None, 'gpu', 's3://bucket/runs/1')
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
        """Create a run that is RUNNING since now, in one request.

        Args:
            exp: An entity or an id.
            name: None leaves the naming to the server.
            tags: Nested values; see `set_tags_on_exp`.
            repo: URL of another artifact root than the server's choice; nothing is appended to it.
            parent: The run in which this one is nested; it is not checked to be there.

        Returns:
            The new run. It is a context manager that ends it: FINISHED, or FAILED if the block raised.

        Fails with:
            NotFound: There is no such experiment.
            InvalidRequest: The experiment is deleted.
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
        """Make a run RUNNING again. Its start and end times stay, and what was logged.

        Args:
            run: An entity or an id.

        Returns:
            The run, RUNNING.

        Fails with:
            NotFound: There is no such run.
            InvalidRequest: The run is deleted.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> ended = api.end_run(run).unwrap()
            >>> api.resume_run(ended.id).unwrap().status.name
            'RUNNING'
        """
        from mlopus.api import calls
        from mlopus.handles import RunApi

        return self._performed(calls.resume_run(self, run), RunApi)

    def end_run(self, run: RunRef, succeeded: bool = True) -> Result[RunApi, MlopusError]:
        """End a run now. Values can still be logged to it afterwards.

        Args:
            run: An entity or an id.
            succeeded: True makes it FINISHED, False FAILED.

        Returns:
            The run with its status and end time.

        Fails with:
            NotFound: There is no such run.
            InvalidRequest: The run is deleted.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> ended = api.end_run(run, succeeded=False).unwrap()
            >>> ended.status.name, ended.end_time >= ended.start_time
            ('FAILED', True)
        """
        from mlopus.api import calls
        from mlopus.handles import RunApi

        return self._performed(calls.end_run(self, run, succeeded), RunApi)

    def get_run_url(self, run: RunRef, exp: ExpRef | None = None) -> Result[str, MlopusError]:
        """Give the link of a run in the MLflow UI. Only a run of a mere id is asked for, with one request.

        Args:
            run: An entity or an id.
            exp: Its experiment; with it nothing is asked.

        Returns:
            The link, to be opened in a browser.

        Fails with:
            NotFound: The store has no UI, or there is no such run.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> mlopus.connect("http://127.0.0.1:5000").get_run_url("3f2a", exp=7).unwrap()
            'http://127.0.0.1:5000/#/experiments/7/runs/3f2a'
        """
        from mlopus.api.references import exp_key, run_key
        from mlopus.domain.entities import Run
        from mlopus.result import Failure

        key = self.as_now(run_key(run))
        if isinstance(key, Failure):
            return key
        known = run.exp if exp is None and isinstance(run, Run) else exp
        if known is None:
            return self.repositories.tracking.url(key.unwrap())
        within = self.as_now(exp_key(known))
        if isinstance(within, Failure):
            return within
        return self.repositories.tracking.url(key.unwrap(), within.unwrap().id)
