"""Searches: lazy values that find entities, page by page, on the server or in the cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import attrs

from mlopus.domain.entities import Experiment, Run
from mlopus.domain.records import PARENT_TAG
from mlopus.domain.status import EntityKind, View
from mlopus.errors import InvalidQuery, MlopusError
from mlopus.query import Query, Sorting, parse, parse_sorting
from mlopus.query.fields import with_numbers
from mlopus.result import Failure, Result, Success, mapped

if TYPE_CHECKING:
    from mlopus.api.core import ApiCore
    from mlopus.api.references import RunRef
    from mlopus.handles import RunApi

T = TypeVar("T")


@attrs.frozen(kw_only=True, eq=False)
class Search(Generic[T]):
    """Entities to be found: a frozen value that asks nobody before it is evaluated.

    Iterating yields entities as their pages come, and raises the carried error if a page fails. Over a
    network the next page is asked for while one is read; one that a `limit` makes needless is not.
    Rows that move between pages while they are read are given once; where rows are deleted
    meanwhile, a server that counts its rows may leave out as many others. Evaluating again asks
    again: nothing is remembered.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory()
        >>> exp = api.get_or_create_exp("demo").unwrap()
        >>> [found.name for found in api.find_exps({"name": "demo"})]
        ['demo']
        >>> api.find_exps({"name": {"$regx": "d"}}).count().failure().hint
        'Did you mean $regex?'
    """

    _api: ApiCore = attrs.field(alias="api")
    _kind: EntityKind = attrs.field(alias="kind")
    _query: Result[Query, InvalidQuery] = attrs.field(alias="query")
    _sorting: Result[Sorting, InvalidQuery] = attrs.field(alias="sorting")
    _view: View = attrs.field(alias="view")
    _item: type[T] = attrs.field(alias="item")
    _limit: int | None = attrs.field(default=None, alias="limit")
    _exp: Experiment | None = attrs.field(default=None, alias="exp")

    def __iter__(self) -> Iterator[T]:
        from mlopus.result import or_raise

        for page in self.pages():
            yield from or_raise(page)

    def pages(self) -> Iterator[Result[tuple[T, ...], MlopusError]]:
        """Yield pages as they come, each a Result; the only way to see those before a failed one.

        Yields:
            A Success with at least one entity and at most 1000, or all of them where they have to be
            sorted here; a Failure is the last.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> made = [exp.start_run(name).unwrap() for name in ("a", "b", "c")]
            >>> [len(page.unwrap()) for page in exp.find_runs().pages()]
            [3]
        """
        from mlopus.api.searching import evaluate

        parsed = self._parsed()
        if isinstance(parsed, Failure):
            yield parsed
            return
        query, sorting = parsed.unwrap()
        for page in evaluate(self._api, self._kind, query, sorting, self._view, self._limit, self._exp):
            yield cast("Result[tuple[T, ...], MlopusError]", page)
            if isinstance(page, Failure):
                return

    def all(self) -> Result[tuple[T, ...], MlopusError]:
        """Give every entity found; nothing of it if a page fails.

        Returns:
            The entities, in the order asked for; an empty tuple if none is found.

        Fails with:
            InvalidQuery: The query or sorting has no meaning; nobody was asked.
            NotCached: Offline, an experiment that the query names was never cached.
            Unavailable: The server did not answer.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> made = [exp.start_run(name).unwrap() for name in ("a", "b", "c")]
            >>> [run.name for run in exp.find_runs(sorting=[("name", -1)]).all().unwrap()]
            ['c', 'b', 'a']
            >>> print(exp.find_runs(sorting=[("name", 2)]).all().failure())
            invalid query at 'name': the direction of a sorting is 1, ascending, or -1, descending
        """
        found: list[T] = []
        for page in self.pages():
            if isinstance(page, Failure):
                return page
            found.extend(page.unwrap())
        return Success(tuple(found))

    def first(self) -> Result[T | None, MlopusError]:
        """Give the first entity: by the sorting, else any.

        Returns:
            The entity, or None if none is found.

        Fails with:
            MlopusError: As `all`.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> made = [exp.start_run(name).unwrap() for name in ("a", "b", "c")]
            >>> exp.find_runs(sorting=[("name", -1)]).first().unwrap().name
            'c'
            >>> exp.find_runs({"name": "z"}).first().unwrap() is None
            True
        """
        for page in self.limit(1).pages():
            return page if isinstance(page, Failure) else Success(page.unwrap()[0])
        return Success(None)

    def count(self) -> Result[int, MlopusError]:
        """Give how many are found; their pages are read for it, and parents only if the query needs them.

        Returns:
            The number, at most the `limit`.

        Fails with:
            MlopusError: As `all`.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> made = [exp.start_run(name).unwrap() for name in ("a", "b", "c")]
            >>> exp.find_runs({"name": {"$ne": "b"}}).count().unwrap()
            2
        """
        from mlopus.api.searching import count_found

        parsed = self._parsed()
        if isinstance(parsed, Failure):
            return parsed
        query, sorting = parsed.unwrap()
        return count_found(self._api, self._kind, query, sorting, self._view, self._limit, self._exp_id)

    def limit(self, n: int) -> Search[T]:
        """Give the same search that stops after n entities; no page is asked for that is not needed.

        Args:
            n: 0 or more; of two limits the smaller counts.

        Raises:
            ValueError: It is negative.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> made = [exp.start_run(name).unwrap() for name in ("a", "b", "c")]
            >>> [run.name for run in exp.find_runs(sorting=[("name", 1)]).limit(2)]
            ['a', 'b']
        """
        if n < 0:
            raise ValueError(f"a limit is 0 or more, not {n}")
        return attrs.evolve(self, limit=n if self._limit is None else min(n, self._limit))

    def cache(self) -> Result[int, MlopusError]:
        """Keep every entity found, with its parents, in the metadata cache, for work offline.

        Returns:
            How many were found.

        Fails with:
            OfflineMode: This API is offline.
            StoreFailed: The cache cannot be written.
            MlopusError: As `all`; pages before the failed one are kept.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> made = [exp.start_run(name).unwrap() for name in ("a", "b", "c")]
            >>> exp.find_runs({"name": {"$in": ["a", "b"]}}).cache().unwrap()
            2
            >>> api.in_offline_mode.find_runs({"exp.id": exp.id, "name": "b"}).count().unwrap()
            1
        """
        from mlopus.api.searching import cache_found

        parsed = self._parsed()
        if isinstance(parsed, Failure):
            return parsed
        query, sorting = parsed.unwrap()
        return cache_found(self._api, self._kind, query, sorting, self._view, self._limit, self._exp_id)

    def explain(self) -> str:
        """Say what the server or SQLite evaluates, what is re-checked here and why, and what it costs.

        Nobody is asked. How many pages there are is the server's to know; what else is asked for is
        said as a number, or as a number for each thing found.

        Returns:
            A few lines of text; of a malformed query what is wrong with it.

        Example:
            >>> import mlopus
            >>> api = mlopus.connect("http://127.0.0.1:5000")
            >>> print(api.find_runs({"exp.id": "7", "metrics.acc": {"$gt": 0.9}}).explain())
            asks     http://127.0.0.1:5000
            pushes   runs in experiments 7: metrics.`acc` > 0.9
            matches  exactly
            order    as they come
            pages    of up to 1000 rows
            requests pages + 1 for each experiment found
        """
        from mlopus.api.explaining import explained

        parsed = self._parsed()
        if isinstance(parsed, Failure):
            return str(parsed.failure())
        query, sorting = parsed.unwrap()
        return explained(self._api, self._kind, query, sorting, self._view, self._limit, self._exp)

    @property
    def as_of(self) -> datetime | None:
        """When the oldest row that this search may see was cached, in UTC.

        None if the server is asked, or nothing of the kind is cached.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap().cache_meta().unwrap()
            >>> api.find_exps().as_of is None
            True
            >>> api.in_offline_mode.find_exps().as_of.tzname()
            'UTC'
        """
        from mlopus.api.searching import oldest

        parsed = self._parsed()
        if not self._api.settings.offline_mode or isinstance(parsed, Failure):
            return None
        query, sorting = parsed.unwrap()
        return oldest(self._api, self._kind, query, sorting, self._view, self._exp_id)

    @property
    def coverage(self) -> str:
        """What this search can see, in words: everything on the server, or what was cached.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> api.find_runs().coverage
            'everything on the server'
            >>> api.in_offline_mode.find_runs().coverage
            'runs in the cache: nothing yet'
        """
        if not self._api.settings.offline_mode:
            return "everything on the server"
        taken = self.as_of
        since = "nothing yet" if taken is None else f"the oldest row taken at {taken.isoformat()}"
        return f"{self._kind}s in the cache: {since}"

    def to_pandas(self) -> Any:
        """Give a DataFrame with a row for each entity and a column for each dotted field.

        Needs the extra `pandas`. Params, metrics and tags become columns as `params.opt.lr`.

        Returns:
            A `pandas.DataFrame` in the order asked for, with NaN where an entity lacks a field.

        Raises:
            MlopusError: As `all` fails.
            ImportError: The extra `pandas` is not installed.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> exp = api.get_or_create_exp("demo").unwrap()
            >>> made = [exp.start_run(name).unwrap().log_metrics({"acc": n}) for n, name in enumerate("ab")]
            >>> exp.find_runs(sorting=[("name", 1)]).to_pandas()[["name", "metrics.acc"]].values.tolist()
            [['a', 0.0], ['b', 1.0]]
        """
        from mlopus.api.searching import data_frame

        return data_frame(cast("Sequence[Any]", tuple(self)))

    @property
    def _exp_id(self) -> str | None:
        return None if self._exp is None else self._exp.id

    def _parsed(self) -> Result[tuple[Query, Sorting], InvalidQuery]:
        if isinstance(self._query, Failure):
            return self._query
        if isinstance(self._sorting, Failure):
            return self._sorting
        return Success((self._query.unwrap(), self._sorting.unwrap()))


def find(
    api: ApiCore,
    kind: EntityKind,
    query: Mapping[str, Any] | None,
    sorting: Sequence[tuple[str, int]] | None,
    view: View,
    item: type[T],
) -> Search[T]:
    """A search for entities of one kind."""
    if view not in ("active", "deleted", "all"):
        raise ValueError(f"view is 'active', 'deleted' or 'all', not {view!r}")
    parsed = parse(query)
    if kind == "model version":
        parsed = mapped(parsed, lambda found: with_numbers(found, "version"))
    return Search(api=api, kind=kind, query=parsed, sorting=parse_sorting(sorting), view=view, item=item)


def within(search: Search[T], exp: Experiment) -> Search[T]:
    """The same search for runs, in one experiment, which nobody has to be asked for."""
    return attrs.evolve(search, exp=exp)


def find_children(api: ApiCore, parent: RunRef) -> Search[RunApi]:
    """The runs nested in a run, oldest first."""
    from mlopus.api.references import run_key
    from mlopus.handles import RunApi

    key = api.as_now(run_key(parent))
    wanted = key.unwrap().id if isinstance(key, Success) else ""
    query = parse({f"tags.{PARENT_TAG}": wanted})
    if isinstance(key, Failure):
        error = key.failure()
        query = Failure(InvalidQuery(path="parent", operator=None, reason=str(error), hint=error.hint))
    search = find(api, "run", None, [("start_time", 1)], "active", RunApi)
    searched = attrs.evolve(search, query=query)
    return within(searched, parent.exp) if isinstance(parent, Run) else searched
