"""The handle of a model version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import attrs

from mlopus.domain.entities import ArtifactEntry, ModelVersion
from mlopus.errors import MlopusError
from mlopus.result import Failure, Result

if TYPE_CHECKING:
    from mlopus.api.artifact_calls import PathLike
    from mlopus.api.client import MlflowApi
    from mlopus.execution.receipts import Receipt
    from mlopus.handles.model import ModelApi
    from mlopus.handles.raising import RaisingModelVersion
    from mlopus.handles.run import RunApi
    from mlopus.plans.requests import LinkChoice

T = TypeVar("T")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ModelVersionApi(ModelVersion):
    """A model version with an API. Its verbs are those of `MlflowApi`, on this version."""

    model: ModelApi
    run: RunApi | None
    api: MlflowApi = attrs.field(repr=False)

    @property
    def raising(self) -> RaisingModelVersion:
        """The same version, whose verbs give values and raise; see `MlflowApi.raising`."""
        from mlopus.handles.raised import raised_model_version

        return raised_model_version(self)

    def list_artifacts(
        self, path_suffix: str = "", recursive: bool = False
    ) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """See `MlflowApi.list_model_artifact`."""
        return self.api.list_model_artifact(self, path_suffix, recursive)

    def get_artifact(self) -> Result[Path, MlopusError]:
        """See `MlflowApi.get_model_artifact`."""
        return self.api.get_model_artifact(self)

    def cache_artifact(self) -> Result[Path, MlopusError]:
        """See `MlflowApi.cache_model_artifact`."""
        return self.api.cache_model_artifact(self)

    def load_artifact(self, loader: Callable[[Path], T]) -> Result[T, MlopusError]:
        """See `MlflowApi.load_model_artifact`."""
        return self.api.load_model_artifact(self, loader)

    def place_artifact(
        self, target: PathLike, overwrite: bool = False, link: LinkChoice = True
    ) -> Result[Path, MlopusError]:
        """See `MlflowApi.place_model_artifact`."""
        return self.api.place_model_artifact(self, target, overwrite, link)

    def clean_cached_artifact(self) -> Result[Receipt, MlopusError]:
        """See `MlflowApi.clean_cached_model_artifact`."""
        return self.api.clean_cached_model_artifact(self)

    def set_tags(self, tags: Mapping[str, object]) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.set_tags_on_model_version`; gives the version with its new tags."""
        from mlopus.api import calls
        from mlopus.handles.following import followed

        return followed(self, self.api, calls.set_tags_on_model_version(self.api, self, tags))

    def set_description(self, description: str) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.set_description_on_model_version`; gives the version with it."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(
            self, self.api, upkeep_calls.set_description_on_model_version(self.api, self, description)
        )

    def delete_tags(self, keys: Iterable[str]) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.delete_tags_on_model_version`; gives the version without them."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.delete_tags_on_model_version(self.api, self, keys))

    def delete(self) -> Result[None, MlopusError]:
        """See `MlflowApi.delete_model_version`."""
        return self.api.delete_model_version(self)

    def cache(self) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.cache_model_artifact`; gives the version, whose metadata is cached too."""
        cached = self.api.cache_model_artifact(self)
        return cached if isinstance(cached, Failure) else self.api.cache_model_version_meta(self)

    def export_artifact(self, target: PathLike) -> Result[Path, MlopusError]:
        """See `MlflowApi.export_model_artifact`."""
        return self.api.export_model_artifact(self, target)

    def export(self, target: PathLike) -> Result[Path, MlopusError]:
        """See `MlflowApi.export_model_artifact`: the artifact, and the metadata that leads to it."""
        return self.api.export_model_artifact(self, target)

    def cache_meta(self) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.cache_model_version_meta`."""
        return self.api.cache_model_version_meta(self)

    def export_meta(self, target: PathLike) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.export_model_version_meta`."""
        return self.api.export_model_version_meta(self, target)

    def refresh(self) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.get_model_version`, with `refresh=True`."""
        return self.api.get_model_version(self, refresh=True)

    def url(self) -> Result[str, MlopusError]:
        """See `MlflowApi.get_model_version_url`."""
        return self.api.get_model_version_url(self)
