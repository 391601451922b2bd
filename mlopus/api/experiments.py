"""Verbs of experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlopus.api.core import ApiCore
from mlopus.errors import MlopusError
from mlopus.result import Result

if TYPE_CHECKING:
    from mlopus.api.references import ExpRef
    from mlopus.api.search import Search
    from mlopus.domain.status import View
    from mlopus.handles import ExpApi


class ExperimentVerbs(ApiCore):
    """What can be asked and done about experiments."""

    def get_exp(self, exp: ExpRef, refresh: bool = False) -> Result[ExpApi, MlopusError]:
        """Give an experiment by its id, deleted ones included.

        Online the server is asked; with `max_age_s` a young enough copy in the cache is used;
        offline the cache alone.

        Args:
            exp: An entity or an id.
            refresh: Ask the server whatever the mode.

        Fails with:
            NotFound: There is none of that id.
            NotCached: Offline, the cache never held it.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> api.get_exp(exp.id).unwrap().name
            'demo'
        """
        from mlopus.api import calls
        from mlopus.handles import ExpApi

        return self._performed(calls.get_exp(self, exp, refresh), ExpApi)

    def get_exp_by_name(self, name: str, refresh: bool = False) -> Result[ExpApi, MlopusError]:
        """Give an experiment by its name, deleted ones included.

        Args:
            name: The whole name, case-sensitive.
            refresh: Ask the server whatever the mode.

        Fails with:
            NotFound: There is none of that name.
            NotCached: Offline, the cache never held it.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import ExpApi

        return self._performed(calls.get_exp_by_name(self, name, refresh), ExpApi)

    def find_exps(
        self,
        query: Mapping[str, Any] | None = None,
        sorting: Sequence[tuple[str, int]] | None = None,
        view: View = "active",
    ) -> Search[ExpApi]:
        """Give a lazy search for experiments; nothing is asked before it is evaluated.

        Args:
            query: A MongoDB query over `id`, `name`, `tags.*`; None finds all.
            sorting: Pairs of a field and 1 (ascending) or -1.
            view: "active", "deleted" or "all".

        Returns:
            A `Search`; a malformed query is carried and comes out when it is evaluated.
        """
        from mlopus.api.search import find
        from mlopus.handles import ExpApi

        return find(self, "experiment", query, sorting, view, ExpApi)

    def cache_exp_meta(self, exp: ExpRef) -> Result[ExpApi, MlopusError]:
        """Fetch an experiment into the metadata cache and give it.

        Args:
            exp: An entity or an id.

        Fails with:
            NotFound: There is none of that id.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import ExpApi

        return self._performed(calls.cache_exp_meta(self, exp), ExpApi)

    def create_exp(self, name: str, tags: Mapping[str, object] | None = None) -> Result[ExpApi, MlopusError]:
        """Create an experiment and give it.

        Args:
            name: At most 500 characters on MLflow.
            tags: Nested values; see `set_tags_on_exp`.

        Fails with:
            AlreadyExists: The name is taken, maybe by a deleted experiment (the hint says so).
            InvalidValue, ValueTooLong: A tag cannot be written as it is; nothing was created.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls
        from mlopus.handles import ExpApi

        return self._performed(calls.create_exp(self, name, tags), ExpApi)

    def get_or_create_exp(self, name: str) -> Result[ExpApi, MlopusError]:
        """Give the experiment of that name, created if there is none.

        Two callers at once end with one experiment and two Successes. Offline it gives the cached
        one.

        Args:
            name: At most 500 characters on MLflow.

        Fails with:
            Conflict: The name belongs to a deleted experiment.
            OfflineMode: This API is offline and the cache has none of that name.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.get_or_create_exp("demo") == api.get_or_create_exp("demo")
            True
        """
        from mlopus.api import calls
        from mlopus.handles import ExpApi

        return self._performed(calls.get_or_create_exp(self, name), ExpApi)

    def set_tags_on_exp(self, exp: ExpRef, tags: Mapping[str, object]) -> Result[None, MlopusError]:
        """Set tags on an experiment; others stay. One request a tag: MLflow has no batch for these.

        Args:
            exp: An entity or an id.
            tags: Nested mappings of values with a text: str, numbers, bools, None, aware datetimes,
                lists; a dotted key is shorthand for nesting.

        Fails with:
            InvalidValue, ValueTooLong: Names the tag; nothing was sent.
            NotFound: There is no such experiment.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.
        """
        from mlopus.api import calls

        return self._performed(calls.set_tags_on_exp(self, exp, tags), type(None))

    def get_exp_url(self, exp: ExpRef) -> Result[str, MlopusError]:
        """Give the link of an experiment in the MLflow UI; nothing is asked.

        Args:
            exp: An entity or an id.

        Fails with:
            NotFound: The store has no UI.
            OfflineMode: This API is offline.
        """
        from mlopus.api.references import exp_key
        from mlopus.result import Failure

        key = exp_key(exp)
        return key if isinstance(key, Failure) else self.repositories.tracking.url(key.unwrap())
