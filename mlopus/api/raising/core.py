"""What the raising view holds, and what it does beside the verbs of the entities."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import attrs

from mlopus.handles.raised import raised
from mlopus.result import or_raise
from mlopus.settings import Settings

if TYPE_CHECKING:
    from mlopus.api.client import MlflowApi
    from mlopus.api.planning import PlanVerbs
    from mlopus.execution.receipts import Receipt
    from mlopus.plans.plan import Plan
    from mlopus.ports.tracking import ServerInfo


@attrs.frozen(slots=False)
class RaisingCore:
    """An API whose verbs give values and raise.

    Attributes:
        results: The same API whose verbs return Results.
    """

    results: MlflowApi

    @property
    def settings(self) -> Settings:
        """The settings of the API."""
        return self.results.settings

    @property
    def plan(self) -> PlanVerbs:
        """See `MlflowApi.plan`: plans are Results here too."""
        return self.results.plan

    @property
    def in_offline_mode(self) -> Self:
        """A copy of this API that never asks the server."""
        return type(self)(self.results.in_offline_mode)

    def evolve(self, **settings: Any) -> Self:
        """A copy of this API with other settings.

        Raises:
            TypeError: There is no setting of that name.
        """
        return type(self)(self.results.evolve(**settings))

    def execute(
        self,
        plan: Plan,
        roots: Mapping[str, str | os.PathLike[str]] | None = None,
        to: MlflowApi | None = None,
    ) -> Receipt:
        """See `MlflowApi.execute`; a handle in `receipt.value` is raising too."""
        receipt = or_raise(self.results.execute(plan, roots, to))
        return attrs.evolve(receipt, value=raised(receipt.value))

    def ping(self) -> ServerInfo:
        """See `MlflowApi.ping`."""
        return or_raise(self.results.ping())
