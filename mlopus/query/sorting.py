"""From an order to sort keys: what decides between two documents.

Ascending, a document counts by the least value that a path reaches in it; descending, by the
greatest. Missing counts as null, an array by its elements, an empty array below null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, Final, TypeAlias, TypeVar, cast

import attrs

from mlopus.query.ast import Sorting, SortKey
from mlopus.query.paths import route, sole_candidate
from mlopus.query.values import NULL_KEY, RANK_EMPTY_ARRAY, SEVERAL, OrderKey, order_key, require_mapping

D = TypeVar("D", bound=Mapping[str, Any])

EMPTY_ARRAY_KEY: Final[OrderKey] = (RANK_EMPTY_ARRAY, None)


@attrs.frozen(eq=False)
class Descending:
    """A sort key that comes before the lesser ones."""

    key: OrderKey

    def __lt__(self, other: Descending) -> bool:
        return other.key < self.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descending) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


DocumentKey: TypeAlias = tuple[OrderKey | Descending, ...]
"""Compares as the documents do. Append a unique text, such as an id, to decide ties."""


def document_key(sorting: Sorting) -> Callable[[Mapping[str, Any]], DocumentKey]:
    """Make the function that gives a document's sort key, for `sorted`, `heapq.merge` and the like.

    Example:
        >>> from mlopus.query.ast import Path, SortKey
        >>> key = document_key(Sorting((SortKey(Path("n"), descending=True),)))
        >>> runs = [{"id": "b", "n": 1}, {"id": "a", "n": 1}, {"id": "c", "n": 2}]
        >>> [run["id"] for run in sorted(runs, key=lambda run: (*key(run), run["id"]))]
        ['c', 'a', 'b']
    """
    columns = [_column(key) for key in sorting.keys]

    def give(document: Mapping[str, Any]) -> DocumentKey:
        require_mapping("a document", document)
        return tuple([Descending(key(document)) if down else key(document) for key, down in columns])

    return give


def sort_documents(documents: Iterable[D], sorting: Sorting) -> list[D]:
    """Give the documents in that order, those that tie in the order in which they came."""
    ordered = list(documents)
    for document in ordered:
        require_mapping("a document", document)
    for key, descending in reversed([_column(key) for key in sorting.keys]):
        ordered.sort(key=key, reverse=descending)
    return ordered


def _column(key: SortKey) -> tuple[Callable[[object], OrderKey], bool]:
    """Make the function that gives the key of the value by which a document counts, and the direction."""
    way = route(key.path, elements=False)
    sole = sole_candidate(way)
    choose: Callable[..., OrderKey] = max if key.descending else min

    def give(document: object) -> OrderKey:
        value = sole(document)
        if value is not SEVERAL:
            return order_key(value)
        return choose(chain.from_iterable(map(_keys, way.candidates(document))), default=NULL_KEY)

    return give, key.descending


def _keys(value: object) -> Iterable[OrderKey]:
    if isinstance(value, list | tuple):
        return map(order_key, cast("list[object]", value)) if value else (EMPTY_ARRAY_KEY,)
    return (order_key(value),)
