"""The search whose methods give values and raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from mlopus.result import or_raise

if TYPE_CHECKING:
    from mlopus.api.search import Search

T = TypeVar("T")


@attrs.frozen(eq=False)
class RaisingSearch(Generic[T]):
    """See `Search`: the same search, giving raising handles, and values where that returns Results.

    Attributes:
        results: The same search whose methods return Results.

    Example:
        >>> import mlopus
        >>> api = mlopus.testing.in_memory().raising
        >>> exp = api.get_or_create_exp("demo")
        >>> api.find_exps({"name": "demo"}).all() == (exp,)
        True
    """

    results: Search[Any]
    _raised: Callable[[Any], T] = attrs.field(repr=False)

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page

    def pages(self) -> Iterator[tuple[T, ...]]:
        """See `Search.pages`; raises where that yields a Failure."""
        for page in self.results.pages():
            yield tuple(self._raised(found) for found in or_raise(page))

    def all(self) -> tuple[T, ...]:
        """See `Search.all`."""
        return tuple(self._raised(found) for found in or_raise(self.results.all()))

    def first(self) -> T | None:
        """See `Search.first`."""
        found = or_raise(self.results.first())
        return None if found is None else self._raised(found)

    def count(self) -> int:
        """See `Search.count`."""
        return or_raise(self.results.count())

    def limit(self, n: int) -> RaisingSearch[T]:
        """See `Search.limit`."""
        return attrs.evolve(self, results=self.results.limit(n))

    def cache(self) -> int:
        """See `Search.cache`."""
        return or_raise(self.results.cache())

    def explain(self) -> str:
        """See `Search.explain`."""
        return self.results.explain()

    @property
    def as_of(self) -> datetime | None:
        """See `Search.as_of`."""
        return self.results.as_of

    @property
    def coverage(self) -> str:
        """See `Search.coverage`."""
        return self.results.coverage

    def to_pandas(self) -> Any:
        """See `Search.to_pandas`."""
        return self.results.to_pandas()
