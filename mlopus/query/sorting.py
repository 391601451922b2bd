"""From an order to sort keys: what decides between two documents.

Ascending, a document counts by the least value that a path reaches in it; descending, by the
greatest. Missing counts as null, an array by its elements, an empty array below null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar, cast

import attrs

from mlopus.query.ast import Sorting
from mlopus.query.paths import Route, route
from mlopus.query.values import NULL_KEY, RANK_EMPTY_ARRAY, OrderKey, order_key, require_mapping

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
    routes = [(route(key.path, elements=False), key.descending) for key in sorting.keys]

    def give(document: Mapping[str, Any]) -> DocumentKey:
        require_mapping("a document", document)
        return tuple([_key(way, document, descending=descending) for way, descending in routes])

    return give


def sort_documents(documents: Iterable[D], sorting: Sorting) -> list[D]:
    """Give the documents in that order, those that tie in the order in which they came."""
    ordered = list(documents)
    return sorted(ordered, key=document_key(sorting)) if sorting.keys else ordered


def _key(way: Route, document: object, *, descending: bool) -> OrderKey | Descending:
    """Give the key of the least or greatest value that a path reaches; of null if it reaches none."""
    keys: list[OrderKey] = []
    for value in way.candidates(document):
        if isinstance(value, list | tuple):
            keys.extend(map(order_key, cast("list[object]", value)) if value else [EMPTY_ARRAY_KEY])
        else:
            keys.append(order_key(value))
    return Descending(max(keys, default=NULL_KEY)) if descending else min(keys, default=NULL_KEY)
