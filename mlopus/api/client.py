"""MlflowApi: the verbs of all entities on one frozen object."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from mlopus.api.artifacts import ArtifactVerbs
from mlopus.api.caching import CacheVerbs
from mlopus.api.copying import CopyVerbs
from mlopus.api.deleting import DeletingVerbs
from mlopus.api.describing import DescribingVerbs
from mlopus.api.experiments import ExperimentVerbs
from mlopus.api.exporting import ExportVerbs
from mlopus.api.journal import JournalVerbs
from mlopus.api.keeping import KeepingVerbs
from mlopus.api.logs import LogVerbs
from mlopus.api.models import ModelVerbs
from mlopus.api.naming import NamingVerbs
from mlopus.api.publishing import PublishVerbs
from mlopus.api.runs import RunVerbs
from mlopus.api.versions import VersionVerbs
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.planning import PlanVerbs
    from mlopus.api.raising import RaisingApi
    from mlopus.execution.receipts import Receipt
    from mlopus.plans.plan import Plan
    from mlopus.ports.tracking import ServerInfo


@final
class MlflowApi(
    ExperimentVerbs,
    RunVerbs,
    LogVerbs,
    ModelVerbs,
    VersionVerbs,
    NamingVerbs,
    DescribingVerbs,
    DeletingVerbs,
    ArtifactVerbs,
    CacheVerbs,
    ExportVerbs,
    PublishVerbs,
    JournalVerbs,
    KeepingVerbs,
    CopyVerbs,
):
    """A tracking store, its artifacts and a local cache of both.

    Frozen and thread-safe; it can be pickled, and used after a fork: connections belong to one
    process. `mlopus.connect` makes one from a URI; the constructor takes any repositories, and opens
    those that are not given on the local disk, as the settings say.

    Every verb returns a Result, except `find_*`, which return a lazy `Search`. Verbs that change
    something fail before anything is sent if an argument is wrong. Each verb names the failures of
    its own; any verb that asks a server may also fail with `Unauthorized`, `InvalidRequest` or
    `UnreadableReply`, any that reads the cache with `UnreadableCache`, and an empty id or name is
    `InvalidValue`. An argument of the wrong Python type raises TypeError.

    Args:
        tracking: Where experiments, runs and models are kept.
        cache: The metadata cache.
        artifacts: The artifact cache.
        stores: Opens the URLs of artifacts.
        workspace: The user's own files, and where callbacks write.
        clock: What tells the time.
        cache_folders: Opens the cache folders that exports are written into.
        journal: Where writes wait that were made offline.
        settings: None is `Settings()`; the environment is not read.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> match api.get_run("3f2a"):
        ...     case mlopus.Success(run):
        ...         print(run.name)
        ...     case mlopus.Failure(error):
        ...         print(error)
        run '3f2a' was not found in memory
    """

    @property
    def plan(self) -> PlanVerbs:
        """The verbs that change something or get one entity, giving their plans and doing nothing.

        Facts are gathered for a plan, so a verb that would fail before it does anything fails here too.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> print(api.plan.create_exp("demo").unwrap().title)
            create experiment 'demo'
            >>> api.find_exps().count().unwrap()
            0
        """
        from mlopus.api.planning import PlanVerbs

        return PlanVerbs(self)

    @property
    def raising(self) -> RaisingApi:
        """The same API whose verbs give the value, and raise the error that a Failure would carry.

        Handles that come from it stay so; `.results` goes back.

        Example:
            >>> import mlopus
            >>> raising = mlopus.testing.in_memory().raising
            >>> raising.get_or_create_exp("demo").start_run("r1").status.name
            'RUNNING'
            >>> try:
            ...     raising.get_run("3f2a")
            ... except mlopus.errors.NotFound as error:
            ...     print(error)
            run '3f2a' was not found in memory
        """
        from mlopus.api.raising import RaisingApi

        return RaisingApi(self)

    def execute(
        self,
        plan: Plan,
        roots: Mapping[str, str | os.PathLike[str]] | None = None,
        to: MlflowApi | None = None,
    ) -> Result[Receipt, MlopusError]:
        """Carry out a plan of this API; nothing is decided any more, so there are no options.

        Executing a plan again creates nothing twice.

        Args:
            plan: From `api.plan`, or from `Plan.from_json`.
            roots: For a plan from JSON: the paths that `source` and `target` stand for.
            to: For a plan that copies: the API that it copies to.

        Returns:
            The receipt; its `value` is what the verb returns.

        Fails with:
            StalePlan: The plan is for another server or cache, or what it expects has changed.
            ConflictingOptions: The plan copies, and `to` is missing; or it does not, and `to` is given.
            ExecutionStopped: A step failed after others were done; it carries the receipt so far.
            PublishFailed: A publish stopped; it also names the kept source.
            MlopusError: What the first step failed with, with nothing done.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> receipt = api.execute(api.plan.get_or_create_exp("demo").unwrap()).unwrap()
            >>> receipt.value.name, receipt.requests
            ('demo', 0)
        """
        import attrs
        from immutabledict import immutabledict

        from mlopus.errors import ConflictingOptions
        from mlopus.result import Failure

        if (plan.source is None) != (to is None):
            copies = plan.source is not None
            reason = f"the plan {plan.verb} copies {'to ' + str(plan.origin) if copies else 'nothing'}"
            hint = (
                "Pass the API that it copies to: api.execute(plan, to=other)." if copies else "Leave it out."
            )
            return Failure(ConflictingOptions(options=("to",), reason=reason, hint=hint))

        resolve = self.repositories.workspace.resolve
        given = {name: resolve(os.fspath(path)) for name, path in (roots or {}).items()}
        return self._executed(attrs.evolve(plan, roots=immutabledict({**plan.roots, **given})), to)

    def ping(self) -> Result[ServerInfo, MlopusError]:
        """Ask the server who it is, with the credentials that will be used.

        Returns:
            Its place, its version (None if it tells none), and the names of its abilities.

        Fails with:
            Unauthorized: The credentials are not accepted.
            Unavailable: The server did not answer.
            UnreadableReply: It is no MLflow server.
            OfflineMode: This API is offline.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.ping().unwrap().place
            'memory'
            >>> print(api.in_offline_mode.ping().failure())
            ping needs the server, and this API is offline
        """
        return self.repositories.tracking.ping()
