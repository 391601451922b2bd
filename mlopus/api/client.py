"""MlflowApi: the verbs of all entities on one frozen object."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from mlopus.api.artifacts import ArtifactVerbs
from mlopus.api.experiments import ExperimentVerbs
from mlopus.api.logs import LogVerbs
from mlopus.api.models import ModelVerbs
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
class MlflowApi(ExperimentVerbs, RunVerbs, LogVerbs, ModelVerbs, VersionVerbs, ArtifactVerbs, PublishVerbs):
    """A tracking store, its artifacts and a local cache of both.

    Frozen and thread-safe; it can be pickled, and used after a fork: connections belong to one
    process. `mlopus.connect` makes one from a URI; the constructor takes any repositories, and opens
    those that are not given on the local disk, as the settings say.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> api.get_or_create_exp("demo").unwrap().name
        'demo'
    """

    @property
    def plan(self) -> PlanVerbs:
        """The same verbs, giving their plans and doing nothing.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.plan.create_exp("demo").unwrap().is_empty
            False
        """
        from mlopus.api.planning import PlanVerbs

        return PlanVerbs(self)

    @property
    def raising(self) -> RaisingApi:
        """The same API whose verbs give the value, and raise the error that a Failure would carry.

        Handles that come from it stay so; `.results` goes back.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.raising.get_run("3f2a")
            Traceback (most recent call last):
            ...
            mlopus.errors.NotFound: run '3f2a' was not found in memory
            Check the id, ...
        """
        from mlopus.api.raising import RaisingApi

        return RaisingApi(self)

    def execute(
        self, plan: Plan, roots: Mapping[str, str | os.PathLike[str]] | None = None
    ) -> Result[Receipt, MlopusError]:
        """Carry out a plan of this API and give the receipt; `receipt.value` is what the verb returns.

        There are no options: everything is in the plan. Executing a plan again creates nothing twice.

        Args:
            plan: From `api.plan`, or from `Plan.from_json`.
            roots: For a plan from JSON: the folders that `source` and `target` stand for.

        Fails with:
            StalePlan: The plan is for another server or cache, or what it expects has changed.
            ExecutionStopped: A step failed; it carries the receipt so far.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> receipt = api.execute(api.plan.get_or_create_exp("demo").unwrap()).unwrap()
            >>> receipt.value.name, receipt.requests
            ('demo', 0)
        """
        import attrs
        from immutabledict import immutabledict

        resolve = self.repositories.workspace.resolve
        given = {name: resolve(os.fspath(path)) for name, path in (roots or {}).items()}
        return self._executed(attrs.evolve(plan, roots=immutabledict({**plan.roots, **given})))

    def ping(self) -> Result[ServerInfo, MlopusError]:
        """Ask the server who it is, with the credentials that will be used.

        Returns:
            Its place, version and abilities.

        Fails with:
            Unauthorized: The credentials are not accepted.
            Unavailable: The server did not answer.
            UnreadableReply: It is no MLflow server.
            OfflineMode: This API is offline.
        """
        return self.repositories.tracking.ping()
