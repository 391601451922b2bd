"""The handle of an experiment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from mlopus.domain.entities import Experiment
from mlopus.domain.status import View
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.artifact_calls import PathLike
    from mlopus.api.client import MlflowApi
    from mlopus.api.references import RunRef
    from mlopus.api.search import Search
    from mlopus.handles.raising import RaisingExp
    from mlopus.handles.run import RunApi


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ExpApi(Experiment):
    """An experiment with an API. Its verbs are those of `MlflowApi`, on this experiment."""

    api: MlflowApi = attrs.field(repr=False)

    @property
    def raising(self) -> RaisingExp:
        """The same experiment, whose verbs give values and raise; see `MlflowApi.raising`."""
        from mlopus.handles.raised import raised_exp

        return raised_exp(self)

    def find_runs(
        self,
        query: Mapping[str, Any] | None = None,
        sorting: Sequence[tuple[str, int]] | None = None,
        view: View = "active",
    ) -> Search[RunApi]:
        """See `MlflowApi.find_runs`; this experiment alone is searched."""
        from mlopus.api.search import within

        return within(self.api.find_runs(query, sorting, view), self)

    def create_run(
        self,
        name: str | None = None,
        tags: Mapping[str, object] | None = None,
        repo: str | os.PathLike[str] | None = None,
        parent: RunRef | None = None,
    ) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.create_run`."""
        return self.api.create_run(self, name, tags, repo, parent)

    def start_run(
        self,
        name: str | None = None,
        tags: Mapping[str, object] | None = None,
        repo: str | os.PathLike[str] | None = None,
        parent: RunRef | None = None,
    ) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.start_run`."""
        return self.api.start_run(self, name, tags, repo, parent)

    def set_tags(self, tags: Mapping[str, object]) -> Result[ExpApi, MlopusError]:
        """See `MlflowApi.set_tags_on_exp`; gives the experiment with its new tags."""
        from mlopus.api import calls
        from mlopus.handles.following import followed

        return followed(self, self.api, calls.set_tags_on_exp(self.api, self, tags))

    def rename(self, name: str) -> Result[ExpApi, MlopusError]:
        """See `MlflowApi.rename_exp`; gives the experiment with its new name."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.rename_exp(self.api, self, name))

    def set_description(self, description: str) -> Result[ExpApi, MlopusError]:
        """See `MlflowApi.set_description_on_exp`; gives the experiment with it."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.set_description_on_exp(self.api, self, description))

    def delete_tags(self, keys: Iterable[str]) -> Result[ExpApi, MlopusError]:
        """See `MlflowApi.delete_tags_on_exp`; gives the experiment without them."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.delete_tags_on_exp(self.api, self, keys))

    def delete(self) -> Result[ExpApi, MlopusError]:
        """See `MlflowApi.delete_exp`; gives the experiment marked as deleted."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.delete_exp(self.api, self))

    def restore(self) -> Result[ExpApi, MlopusError]:
        """See `MlflowApi.restore_exp`; gives the experiment active."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.restore_exp(self.api, self))

    def cache_meta(self) -> Result[ExpApi, MlopusError]:
        """See `MlflowApi.cache_exp_meta`."""
        return self.api.cache_exp_meta(self)

    def export_meta(self, target: PathLike) -> Result[ExpApi, MlopusError]:
        """See `MlflowApi.export_exp_meta`."""
        return self.api.export_exp_meta(self, target)

    def refresh(self) -> Result[ExpApi, MlopusError]:
        """See `MlflowApi.get_exp`, with `refresh=True`."""
        return self.api.get_exp(self, refresh=True)

    def url(self) -> Result[str, MlopusError]:
        """See `MlflowApi.get_exp_url`."""
        return self.api.get_exp_url(self)
