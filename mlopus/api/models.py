"""Verbs of registered models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import ModelRef
    from mlopus.api.search import Search
    from mlopus.handles import ModelApi


class ModelVerbs(ApiCore):
    """What can be asked and done about registered models."""

    def get_model(self, model: ModelRef, refresh: bool = False) -> Result[ModelApi, MlopusError]:
        """Give a registered model, with its aliases. Its versions are not read.

        Args:
            model: An entity or a name.
            refresh: Ask the server whatever `max_age_s` says, and keep its answer in the cache.

        Returns:
            The model; its `as_of` is None from the server, else when the cache took it.

        Fails with:
            NotFound: There is none of that name.
            NotCached: Offline, the cache never held it.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> created = api.create_model("ranker", {"stage": "trial"}).unwrap()
            >>> api.get_model("ranker").unwrap().tags["stage"]
            'trial'
        """
        from mlopus.api import calls
        from mlopus.handles import ModelApi

        return self._performed(calls.get_model(self, model, refresh), ModelApi)

    def find_models(
        self,
        query: Mapping[str, Any] | None = None,
        sorting: Sequence[tuple[str, int]] | None = None,
    ) -> Search[ModelApi]:
        """Give a lazy search for registered models; nothing is asked before it is evaluated.

        Args:
            query: A MongoDB query over `name`, `tags.*`, `description`, `aliases.*` (alias to
                version), `created_at`, `updated_at`; None finds all.
            sorting: Pairs of a field and 1 (ascending) or -1; ties are ordered by name. Without it
                there is no promised order.

        Returns:
            The search; a malformed query is carried and comes out when it is evaluated.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> made = [api.create_model(name) for name in ("ranker", "ranker-v2", "tagger")]
            >>> [model.name for model in api.find_models({"name": {"$regex": "^rank"}}, [("name", -1)])]
            ['ranker-v2', 'ranker']
        """
        from mlopus.api.search import find
        from mlopus.handles import ModelApi

        return find(self, "model", query, sorting, "active", ModelApi)

    def cache_model_meta(self, model: ModelRef) -> Result[ModelApi, MlopusError]:
        """Fetch a registered model into the metadata cache, for work offline. Its versions stay out.

        Args:
            model: An entity or a name.

        Returns:
            The model as the server has it now.

        Fails with:
            NotFound: There is none of that name.
            OfflineMode: This API is offline.
            StoreFailed: The cache cannot be written.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> model = api.cache_model_meta(api.get_or_create_model("ranker").unwrap()).unwrap()
            >>> api.in_offline_mode.get_model("ranker") == api.get_model("ranker")
            True
        """
        from mlopus.api import calls
        from mlopus.handles import ModelApi

        return self._performed(calls.cache_model_meta(self, model), ModelApi)

    def create_model(
        self, name: str, tags: Mapping[str, object] | None = None
    ) -> Result[ModelApi, MlopusError]:
        """Create a registered model, without versions; one of that name is left as it is.

        Args:
            name: Not empty, without slash, backslash and colon: it stands in URIs and paths.
            tags: Nested values; see `set_tags_on_exp`.

        Returns:
            The new model.

        Fails with:
            AlreadyExists: The name is taken.
            InvalidValue, ValueTooLong: The name or a tag cannot be written; nothing was created.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.create_model("ranker").unwrap().name
            'ranker'
            >>> type(api.create_model("team/ranker").failure()).__name__
            'InvalidValue'
        """
        from mlopus.api import calls
        from mlopus.handles import ModelApi

        return self._performed(calls.create_model(self, name, tags), ModelApi)

    def get_or_create_model(self, name: str) -> Result[ModelApi, MlopusError]:
        """Give the registered model of that name, created if there is none.

        Two callers at once end with one model and two Successes. Offline nothing is created: the
        cached one is given.

        Args:
            name: As in `create_model`.

        Returns:
            The model, new or not.

        Fails with:
            InvalidValue: No path or URI can hold the name.
            OfflineMode: This API is offline and the cache has none of that name.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.get_or_create_model("ranker") == api.get_or_create_model("ranker")
            True
            >>> print(api.in_offline_mode.get_or_create_model("tagger").failure())
            get or create model 'tagger' needs the server, and this API is offline
        """
        from mlopus.api import calls
        from mlopus.handles import ModelApi

        return self._performed(calls.get_or_create_model(self, name), ModelApi)

    def set_tags_on_model(self, model: ModelRef, tags: Mapping[str, object]) -> Result[None, MlopusError]:
        """Set tags on a registered model; others stay. One request a tag: MLflow has no batch for these.

        Args:
            model: An entity or a name.
            tags: Nested values; see `set_tags_on_exp`.

        Returns:
            None; `model.set_tags` gives the model with its tags.

        Fails with:
            InvalidValue, ValueTooLong: Names the tag; nothing was sent.
            NotFound: There is no such model.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer; calling again sets the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> model = api.create_model("ranker", {"owner": "ana"}).unwrap()
            >>> done = api.set_tags_on_model("ranker", {"stage": "prod"}).unwrap()
            >>> tags = api.get_model("ranker").unwrap().tags
            >>> tags["owner"], tags["stage"]
            ('ana', 'prod')
        """
        from mlopus.api import calls

        return self._performed(calls.set_tags_on_model(self, model, tags), type(None))

    def get_model_url(self, model: ModelRef) -> Result[str, MlopusError]:
        """Give the link of a registered model in the MLflow UI. Nothing is asked: it may lead nowhere.

        Args:
            model: An entity or a name.

        Returns:
            The link, to be opened in a browser.

        Fails with:
            NotFound: The store has no UI.
            OfflineMode: This API is offline.

        Example:
            >>> import mlopus
            >>> mlopus.connect("http://127.0.0.1:5000").get_model_url("ranker").unwrap()
            'http://127.0.0.1:5000/#/models/ranker'
        """
        from mlopus.api.references import model_key
        from mlopus.result import Failure

        key = model_key(model)
        return key if isinstance(key, Failure) else self.repositories.tracking.url(key.unwrap())
