"""Verbs of registered models and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import ModelRef, VersionRef
    from mlopus.api.search import Search
    from mlopus.handles import ModelApi, ModelVersionApi


class ModelVerbs(ApiCore):
    """What can be asked and done about registered models and model versions."""

    def get_model(self, model: ModelRef, refresh: bool = False) -> Result[ModelApi, MlopusError]:
        """Give a registered model, with its aliases.

        Args:
            model: An entity or a name.
            refresh: Ask the server whatever the mode.

        Fails with:
            NotFound: There is none of that name.
            NotCached: Offline, the cache never held it.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import ModelApi

        return self._performed(calls.get_model(self, model, refresh), ModelApi)

    def get_model_version(
        self, model_version: VersionRef, refresh: bool = False
    ) -> Result[ModelVersionApi, MlopusError]:
        """Give a model version with its model, run and experiment.

        Args:
            model_version: An entity, `(name, version)`, `(name, "@alias")`, `models:/name/3` or
                `models:/name@alias`.
            refresh: Ask the server whatever the mode.

        Fails with:
            NotFound: There is no such version or alias.
            NotCached: Offline, the cache never held it.
            InvalidValue: The reference has none of these forms.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import ModelVersionApi

        return self._performed(calls.get_model_version(self, model_version, refresh), ModelVersionApi)

    def find_models(
        self,
        query: Mapping[str, Any] | None = None,
        sorting: Sequence[tuple[str, int]] | None = None,
    ) -> Search[ModelApi]:
        """Give a lazy search for registered models; nothing is asked before it is evaluated.

        Args:
            query: A MongoDB query over `name`, `tags.*`, `description`; None finds all.
            sorting: Pairs of a field and 1 (ascending) or -1.

        Returns:
            A `Search`; a malformed query is carried and comes out when it is evaluated.
        """
        from mlopus.api.search import find
        from mlopus.handles import ModelApi

        return find(self, "model", query, sorting, "active", ModelApi)

    def find_model_versions(
        self,
        query: Mapping[str, Any] | None = None,
        sorting: Sequence[tuple[str, int]] | None = None,
    ) -> Search[ModelVersionApi]:
        """Give a lazy search for model versions; nothing is asked before it is evaluated.

        Args:
            query: A MongoDB query over `version` (a number), `model.name`, `run.id`, `aliases`,
                `tags.*`, …; None finds all.
            sorting: Pairs of a field and 1 (ascending) or -1.

        Returns:
            A `Search`; a malformed query is carried and comes out when it is evaluated.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.find_model_versions({"model.name": "ranker"}).all().unwrap()
            ()
        """
        from mlopus.api.search import find
        from mlopus.handles import ModelVersionApi

        return find(self, "model version", query, sorting, "active", ModelVersionApi)

    def cache_model_meta(self, model: ModelRef) -> Result[ModelApi, MlopusError]:
        """Fetch a registered model into the metadata cache and give it.

        Args:
            model: An entity or a name.

        Fails with:
            NotFound: There is none of that name.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import ModelApi

        return self._performed(calls.cache_model_meta(self, model), ModelApi)

    def cache_model_version_meta(self, model_version: VersionRef) -> Result[ModelVersionApi, MlopusError]:
        """Fetch a model version, its model, run and experiment into the metadata cache and give it.

        Args:
            model_version: As in `get_model_version`.

        Fails with:
            NotFound: There is no such version or alias.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import ModelVersionApi

        return self._performed(calls.cache_model_version_meta(self, model_version), ModelVersionApi)

    def create_model(
        self, name: str, tags: Mapping[str, object] | None = None
    ) -> Result[ModelApi, MlopusError]:
        """Create a registered model without versions and give it.

        Args:
            name: Without slash, backslash and colon: it stands in URIs and paths.
            tags: Nested values; see `set_tags_on_exp`.

        Fails with:
            AlreadyExists: The name is taken.
            InvalidValue, ValueTooLong: The name or a tag cannot be written; nothing was created.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import ModelApi

        return self._performed(calls.create_model(self, name, tags), ModelApi)

    def get_or_create_model(self, name: str) -> Result[ModelApi, MlopusError]:
        """Give the registered model of that name, created if there is none.

        Two callers at once end with one model and two Successes. Offline it gives the cached one.

        Args:
            name: As in `create_model`.

        Fails with:
            InvalidValue: No path or URI can hold the name.
            OfflineMode: This API is offline and the cache has none of that name.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import ModelApi

        return self._performed(calls.get_or_create_model(self, name), ModelApi)

    def set_tags_on_model(self, model: ModelRef, tags: Mapping[str, object]) -> Result[None, MlopusError]:
        """Set tags on a registered model; others stay. One request a tag: MLflow has no batch for these.

        Args:
            model: An entity or a name.
            tags: Nested values; see `set_tags_on_exp`.

        Fails with:
            InvalidValue, ValueTooLong: Names the tag; nothing was sent.
            NotFound: There is no such model.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls

        return self._performed(calls.set_tags_on_model(self, model, tags), type(None))

    def set_tags_on_model_version(
        self, model_version: VersionRef, tags: Mapping[str, object]
    ) -> Result[None, MlopusError]:
        """Set tags on a model version; others stay. One request a tag: MLflow has no batch for these.

        Args:
            model_version: As in `get_model_version`.
            tags: Nested values; see `set_tags_on_exp`.

        Fails with:
            InvalidValue, ValueTooLong: Names the tag; nothing was sent.
            NotFound: There is no such version or alias.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls

        return self._performed(calls.set_tags_on_model_version(self, model_version, tags), type(None))

    def get_model_url(self, model: ModelRef) -> Result[str, MlopusError]:
        """Give the link of a registered model in the MLflow UI; nothing is asked.

        Args:
            model: An entity or a name.

        Fails with:
            NotFound: The store has no UI.
            OfflineMode: This API is offline.
        """
        from mlopus.api.references import model_key
        from mlopus.result import Failure

        key = model_key(model)
        return key if isinstance(key, Failure) else self.repositories.tracking.url(key.unwrap())

    def get_model_version_url(self, model_version: VersionRef) -> Result[str, MlopusError]:
        """Give the link of a model version in the MLflow UI; the server is asked only for an alias.

        Args:
            model_version: As in `get_model_version`.

        Fails with:
            NotFound: The store has no UI, or there is no such alias.
            OfflineMode: This API is offline.
        """
        from mlopus.api.references import version_ref_key
        from mlopus.domain.keys import AliasKey, key_of
        from mlopus.result import Failure

        key = version_ref_key(model_version)
        if isinstance(key, Failure):
            return key
        named = key.unwrap()
        if not isinstance(named, AliasKey):
            return self.repositories.tracking.url(named)
        found = self.repositories.tracking.get(named)
        return found if isinstance(found, Failure) else self.repositories.tracking.url(key_of(found.unwrap()))
