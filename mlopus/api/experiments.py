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
            refresh: Ask the server whatever `max_age_s` says, and keep its answer in the cache.

        Returns:
            The experiment; its `as_of` is None from the server, else when the cache took it.

        Fails with:
            NotFound: There is none of that id.
            NotCached: Offline, the cache never held it.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.create_exp("demo").unwrap()
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
            refresh: As in `get_exp`.

        Returns:
            As `get_exp`.

        Fails with:
            NotFound: There is none of that name.
            NotCached: Offline, the cache never held it.
            OfflineMode: `refresh` while offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.create_exp("demo") == api.get_exp_by_name("demo")
            True
            >>> print(api.get_exp_by_name("Demo").failure())
            experiment 'Demo' was not found in memory
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
            query: A MongoDB query over `id`, `name`, `tags.*`, `artifact_location`, `created_at`,
                `updated_at`; None finds all.
            sorting: Pairs of a field and 1 (ascending) or -1; ties are ordered by id. Without it
                there is no promised order.
            view: "active", "deleted" or "all".

        Returns:
            The search; a malformed query is carried and comes out when it is evaluated.

        Raises:
            ValueError: `view` is none of these.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> made = [api.create_exp(name, {"team": team}) for name, team in [("a", "cv"), ("b", "nlp")]]
            >>> [exp.name for exp in api.find_exps({"tags.team": "nlp"})]
            ['b']
        """
        from mlopus.api.search import find
        from mlopus.handles import ExpApi

        return find(self, "experiment", query, sorting, view, ExpApi)

    def cache_exp_meta(self, exp: ExpRef) -> Result[ExpApi, MlopusError]:
        """Fetch an experiment from the server into the metadata cache, for work offline. Its runs stay out.

        Args:
            exp: An entity or an id.

        Returns:
            The experiment as the server has it now.

        Fails with:
            NotFound: There is none of that id.
            OfflineMode: This API is offline.
            StoreFailed: The cache cannot be written.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.cache_exp_meta(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> api.in_offline_mode.get_exp(exp.id).unwrap().name
            'demo'
        """
        from mlopus.api import calls
        from mlopus.handles import ExpApi

        return self._performed(calls.cache_exp_meta(self, exp), ExpApi)

    def create_exp(self, name: str, tags: Mapping[str, object] | None = None) -> Result[ExpApi, MlopusError]:
        """Create an experiment; one that has the name already is left as it is.

        Args:
            name: Not empty; at most 500 characters on MLflow.
            tags: Nested values; see `set_tags_on_exp`.

        Returns:
            The new experiment, with its id.

        Fails with:
            AlreadyExists: The name is taken, maybe by a deleted experiment (the hint says so).
            InvalidValue, ValueTooLong: The name or a tag cannot be written; nothing was created.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.create_exp("demo", {"team": {"name": "nlp"}}).unwrap().tags["team"]["name"]
            'nlp'
            >>> print(api.create_exp("demo").failure())
            experiment 'demo' already exists in memory
        """
        from mlopus.api import calls
        from mlopus.handles import ExpApi

        return self._performed(calls.create_exp(self, name, tags), ExpApi)

    def get_or_create_exp(self, name: str) -> Result[ExpApi, MlopusError]:
        """Give the experiment of that name, created if there is none.

        Two callers at once end with one experiment and two Successes. Offline nothing is created:
        the cached one is given.

        Args:
            name: Not empty; at most 500 characters on MLflow.

        Returns:
            The experiment, new or not.

        Fails with:
            AlreadyExists: The name belongs to a deleted experiment.
            InvalidValue: The name is empty.
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

        Keys are split at dots and joined by them, so `{"a.b": 1}` and `{"a": {"b": 1}}` are the same
        tag. A key has at most 250 letters, digits, blanks and `_ - . / :`; a text, once written, at
        most 8000 characters.

        Args:
            exp: An entity or an id.
            tags: Nested mappings (or attrs, dataclass or pydantic objects) of what has a text: str,
                numbers, bools, None, aware datetimes, dates, enums, paths, lists, sets.

        Returns:
            None; `exp.set_tags` gives the experiment with its tags.

        Fails with:
            InvalidValue, ValueTooLong: Names the tag; nothing was sent.
            NotFound: There is no such experiment.
            InvalidRequest: The experiment is deleted.
            OfflineMode: This API is offline.
            Unavailable: The server did not answer; calling again sets the rest.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> done = api.set_tags_on_exp(exp, {"team": {"name": "nlp"}, "team.size": 4}).unwrap()
            >>> dict(api.get_exp(exp).unwrap().tags["team"])
            {'name': 'nlp', 'size': 4}
        """
        from mlopus.api import calls

        return self._performed(calls.set_tags_on_exp(self, exp, tags), type(None))

    def get_exp_url(self, exp: ExpRef) -> Result[str, MlopusError]:
        """Give the link of an experiment in the MLflow UI. Nothing is asked: it may lead nowhere.

        Args:
            exp: An entity or an id.

        Returns:
            The link, to be opened in a browser.

        Fails with:
            NotFound: The store has no UI.
            OfflineMode: This API is offline.

        Example:
            >>> import mlopus
            >>> mlopus.connect("http://127.0.0.1:5000").get_exp_url(7).unwrap()
            'http://127.0.0.1:5000/#/experiments/7'
        """
        from mlopus.api.references import exp_key
        from mlopus.result import Failure

        key = self.as_now(exp_key(exp))
        return key if isinstance(key, Failure) else self.repositories.tracking.url(key.unwrap())
