"""Verbs of model versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import VersionRef
    from mlopus.api.search import Search
    from mlopus.handles import ModelVersionApi


class VersionVerbs(ApiCore):
    """What can be asked and done about the versions of registered models."""

    def get_model_version(
        self, model_version: VersionRef, refresh: bool = False
    ) -> Result[ModelVersionApi, MlopusError]:
        """Give a model version with its model, run and experiment.

        Args:
            model_version: An entity, `(name, version)`, `(name, "@alias")`, `models:/name/3` or
                `models:/name@alias`; a version is a number, as int or str.
            refresh: Ask the server whatever `max_age_s` says, and keep its answer in the cache.

        Returns:
            The version; its `run` is None where it was registered without one, or the run is gone.

        Fails with:
            NotFound: There is no such version or alias.
            NotCached: Offline, the cache never held it.
            InvalidValue: The reference has none of these forms.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.touch()).unwrap()
            >>> api.get_model_version("models:/ranker/1") == api.get_model_version(("ranker", 1))
            True
        """
        from mlopus.api import calls
        from mlopus.handles import ModelVersionApi

        return self._performed(calls.get_model_version(self, model_version, refresh), ModelVersionApi)

    def find_model_versions(
        self,
        query: Mapping[str, Any] | None = None,
        sorting: Sequence[tuple[str, int]] | None = None,
    ) -> Search[ModelVersionApi]:
        """Give a lazy search for model versions; nothing is asked before it is evaluated.

        Args:
            query: A MongoDB query over `version` (a number; texts of digits are read as one),
                `model.name`, `run.id`, `aliases`, `tags.*`, …; None finds all.
            sorting: Pairs of a field and 1 (ascending) or -1; ties are ordered by name, then
                version. Without it there is no promised order.

        Returns:
            The search; a malformed query is carried and comes out when it is evaluated.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> made = [model.log_version(run, lambda p: p.touch(), f"m{n}").unwrap() for n in range(3)]
            >>> [found.path_in_run for found in api.find_model_versions({"version": {"$gte": 2}})]
            ['m1', 'm2']
        """
        from mlopus.api.search import find
        from mlopus.handles import ModelVersionApi

        return find(self, "model version", query, sorting, "active", ModelVersionApi)

    def cache_model_version_meta(self, model_version: VersionRef) -> Result[ModelVersionApi, MlopusError]:
        """Fetch a model version, its model, run and experiment into the metadata cache.

        Its artifact stays out; `cache_model_artifact` fetches both.

        Args:
            model_version: As in `get_model_version`.

        Returns:
            The version as the server has it now.

        Fails with:
            NotFound: There is no such version or alias.
            InvalidValue: The reference has none of these forms.
            OfflineMode: This API is offline.
            StoreFailed: The cache cannot be written.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.touch()).unwrap()
            >>> api.cache_model_version_meta(("ranker", 1)).unwrap().version
            '1'
            >>> api.in_offline_mode.get_model_version(("ranker", 1)).unwrap().run.exp.name
            'demo'
        """
        from mlopus.api import calls
        from mlopus.handles import ModelVersionApi

        return self._performed(calls.cache_model_version_meta(self, model_version), ModelVersionApi)

    def set_tags_on_model_version(
        self, model_version: VersionRef, tags: Mapping[str, object]
    ) -> Result[None, MlopusError]:
        """Set tags on a model version; others stay. One request a tag: MLflow has no batch for these.

        Args:
            model_version: As in `get_model_version`.
            tags: Nested values; see `set_tags_on_exp`.

        Returns:
            None.

        Fails with:
            InvalidValue, ValueTooLong: Names the tag, or the reference; nothing was sent.
            NotFound: There is no such version or alias.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer; calling again sets the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap(), "r1").unwrap()
            >>> model = api.get_or_create_model("ranker").unwrap()
            >>> version = model.log_version(run, lambda path: path.touch()).unwrap()
            >>> done = api.set_tags_on_model_version("models:/ranker/1", {"checked": True}).unwrap()
            >>> api.find_model_versions({"tags.checked": True}).count().unwrap()
            1
        """
        from mlopus.api import calls

        return self._performed(calls.set_tags_on_model_version(self, model_version, tags), type(None))

    def get_model_version_url(self, model_version: VersionRef) -> Result[str, MlopusError]:
        """Give the link of a model version in the MLflow UI. The server is asked only for an alias.

        Args:
            model_version: As in `get_model_version`.

        Returns:
            The link, to be opened in a browser.

        Fails with:
            NotFound: The store has no UI, or there is no such alias.
            InvalidValue: The reference has none of these forms.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> mlopus.connect("http://127.0.0.1:5000").get_model_version_url("models:/ranker/3").unwrap()
            'http://127.0.0.1:5000/#/models/ranker/versions/3'
        """
        from mlopus.api.references import version_ref_key
        from mlopus.domain.keys import AliasKey, key_of
        from mlopus.result import Failure

        key = self.as_now(version_ref_key(model_version))
        if isinstance(key, Failure):
            return key
        named = key.unwrap()
        if not isinstance(named, AliasKey):
            return self.repositories.tracking.url(named)
        found = self.repositories.tracking.get(named)
        return found if isinstance(found, Failure) else self.repositories.tracking.url(key_of(found.unwrap()))
