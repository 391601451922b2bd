"""The handle of a registered model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from mlopus.domain.entities import Model
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.artifact_calls import PathLike, Source
    from mlopus.api.client import MlflowApi
    from mlopus.api.references import RunRef
    from mlopus.api.search import Search
    from mlopus.api.upkeep_calls import VersionOfModel
    from mlopus.handles.raising import RaisingModel
    from mlopus.handles.version import ModelVersionApi


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ModelApi(Model):
    """A registered model with an API. Its verbs are those of `MlflowApi`, on this model."""

    api: MlflowApi = attrs.field(repr=False)

    @property
    def raising(self) -> RaisingModel:
        """The same model, whose verbs give values and raise; see `MlflowApi.raising`."""
        from mlopus.handles.raised import raised_model

        return raised_model(self)

    def find_versions(
        self,
        query: Mapping[str, Any] | None = None,
        sorting: Sequence[tuple[str, int]] | None = None,
    ) -> Search[ModelVersionApi]:
        """See `MlflowApi.find_model_versions`; versions of this model alone are searched."""
        return self.api.find_model_versions({"$and": [{"model.name": self.name}, query or {}]}, sorting)

    def get_version(self, version: str | int) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.get_model_version`; `version` is a number or "@alias"."""
        return self.api.get_model_version((self.name, version))

    def log_version(
        self,
        run: RunRef,
        source: Source,
        path_in_run: str | None = None,
        keep_the_source: bool | None = None,
        allow_duplication: bool | None = None,
        use_cache: bool | None = None,
        version: str | int | None = None,
        tags: Mapping[str, object] | None = None,
        overwrite: bool = False,
    ) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.log_model_version`."""
        return self.api.log_model_version(
            self,
            run,
            source,
            path_in_run,
            keep_the_source,
            allow_duplication,
            use_cache,
            version,
            tags,
            overwrite,
        )

    def set_tags(self, tags: Mapping[str, object]) -> Result[ModelApi, MlopusError]:
        """See `MlflowApi.set_tags_on_model`; gives the model with its new tags."""
        from mlopus.api import calls
        from mlopus.handles.following import followed

        return followed(self, self.api, calls.set_tags_on_model(self.api, self, tags))

    def set_alias(self, alias: str, version: VersionOfModel) -> Result[ModelApi, MlopusError]:
        """See `MlflowApi.set_alias`; gives the model with its aliases."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.set_alias(self.api, self, alias, version))

    def delete_alias(self, alias: str) -> Result[ModelApi, MlopusError]:
        """See `MlflowApi.delete_alias`; gives the model with its aliases."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.delete_alias(self.api, self, alias))

    def rename(self, name: str) -> Result[ModelApi, MlopusError]:
        """See `MlflowApi.rename_model`; gives the model with its new name."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.rename_model(self.api, self, name))

    def set_description(self, description: str) -> Result[ModelApi, MlopusError]:
        """See `MlflowApi.set_description_on_model`; gives the model with it."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.set_description_on_model(self.api, self, description))

    def delete_tags(self, keys: Iterable[str]) -> Result[ModelApi, MlopusError]:
        """See `MlflowApi.delete_tags_on_model`; gives the model without them."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.delete_tags_on_model(self.api, self, keys))

    def delete(self) -> Result[None, MlopusError]:
        """See `MlflowApi.delete_model`."""
        return self.api.delete_model(self)

    def cache_meta(self) -> Result[ModelApi, MlopusError]:
        """See `MlflowApi.cache_model_meta`."""
        return self.api.cache_model_meta(self)

    def export_meta(self, target: PathLike) -> Result[ModelApi, MlopusError]:
        """See `MlflowApi.export_model_meta`."""
        return self.api.export_model_meta(self, target)

    def refresh(self) -> Result[ModelApi, MlopusError]:
        """See `MlflowApi.get_model`, with `refresh=True`."""
        return self.api.get_model(self, refresh=True)

    def url(self) -> Result[str, MlopusError]:
        """See `MlflowApi.get_model_url`."""
        return self.api.get_model_url(self)
