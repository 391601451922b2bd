"""MongoDB's query language over plain mappings: parsed once, checked completely, evaluated anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mlopus.errors import InvalidQuery
from mlopus.query.ast import Sorting
from mlopus.query.parse import parse, parse_sorting
from mlopus.query.predicate import Query
from mlopus.query.sorting import sort_documents
from mlopus.result import Failure, Result, Success

__all__ = ["Query", "Sorting", "find", "parse", "parse_sorting"]

D = TypeVar("D", bound=Mapping[str, Any])


def find(
    documents: Iterable[D],
    query: Mapping[str, Any] | None = None,
    sorting: Sequence[tuple[str, int]] | None = None,
) -> Result[list[D], InvalidQuery]:
    """Give the documents that a query asks for, in their own order or in the one asked for.

    The documents themselves are given, neither copied nor changed. Searches of mlopus have the
    same semantics, whatever evaluates them.

    Args:
        documents: Mappings as JSON has them; consumed only if query and sorting are valid.
        query: What to look for, as `parse` takes it; None finds all.
        sorting: Pairs of a dotted path and 1 or -1, as `parse_sorting` takes them. Documents that
            tie keep the order in which they came.

    Returns:
        A new list.

    Fails with:
        InvalidQuery: The query or the sorting has no meaning.

    Raises:
        TypeError: The query is no mapping, the sorting no list, or a document holds what JSON and
            this module have no type for.

    Example:
        >>> runs = [{"acc": 0.7}, {"acc": 0.9}, {"acc": None}]
        >>> find(runs, {"acc": {"$gte": 0.5}}, [("acc", -1)]).unwrap()
        [{'acc': 0.9}, {'acc': 0.7}]
    """
    parsed = parse(query)
    if isinstance(parsed, Failure):
        return parsed
    order = parse_sorting(sorting)
    if isinstance(order, Failure):
        return order
    matches = parsed.unwrap().matches
    return Success(sort_documents(filter(matches, documents), order.unwrap()))
