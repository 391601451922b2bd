"""Hypothesis strategies for documents, queries and sortings that meet each other often.

Names and values come from small pools, so that a generated query has a fair chance to match a
generated document, and the awkward values are in the pools: NaN, infinities, integers beyond a
float's precision, text that looks like a number, text outside ASCII.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

NAMES: Final[tuple[str, ...]] = ("a", "b", "c", "0", "1", "é x")

NUMBERS: Final = (
    *(-5, -1, 0, 1, 2, 3, 10, 2**53 + 1, 2**63 - 1, -(2**63)),
    *(-0.0, 0.5, 1.0, -2.5, 2.0**53, 1e300, math.inf, -math.inf, math.nan),
)
TEXTS: Final = ("", "a", "A", "ab", "10", "9", "1", "true", "é", "日本", "🦊", "a\nb", "a'b\"c\\d`%", "$a.b")
_START: Final = datetime(2024, 4, 1, 9, tzinfo=UTC)
DATES: Final = (_START, _START + timedelta(milliseconds=1), datetime(1969, 12, 31, 23, 59, 59, 999000, UTC))
PATTERNS: Final = ("a", "^a", "b$", "^$", "[0-9]+", ".", "é|日")

names: st.SearchStrategy[str] = st.sampled_from(NAMES)
numbers = st.sampled_from(NUMBERS)
texts = st.sampled_from(TEXTS)
dates = st.sampled_from(DATES)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts, dates)


def values(leaves: st.SearchStrategy[Any] = scalars, *, max_leaves: int = 6) -> st.SearchStrategy[Any]:
    """Scalars, lists and objects of them; the keys of an object are in alphabetical order."""
    return st.recursive(
        leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), objects(inner)), max_leaves=max_leaves
    )


def objects(members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with keys of the pool, in alphabetical order."""
    return st.dictionaries(names, members, max_size=3).map(_in_order)


def _in_order(document: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(document.items()))


def documents(leaves: st.SearchStrategy[Any] = scalars) -> st.SearchStrategy[dict[str, Any]]:
    """Documents of nested objects and lists, without dotted keys."""
    return objects(values(leaves))


paths: st.SearchStrategy[str] = st.lists(names, min_size=1, max_size=3).map(".".join)
"""Dotted paths, of names and of array indices."""

sortings = st.lists(st.tuples(paths, st.sampled_from((1, -1))), max_size=3, unique_by=lambda pair: pair[0])


def operators(
    operands: st.SearchStrategy[Any] | None = None, *, without: frozenset[str] = frozenset()
) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings of one or two operators on a field, each with an operand that it takes.

    Args:
        operands: What to compare with; `values()` if not given.
        without: Names of operators that are not wanted.
    """
    compared = values(max_leaves=4) if operands is None else operands
    ordered = compared.filter(lambda value: value is not None and not isinstance(value, list | dict))
    lists = st.lists(compared, max_size=3)
    arguments: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(("$eq", "$ne"), compared),
        **dict.fromkeys(("$gt", "$gte", "$lt", "$lte"), ordered),
        **dict.fromkeys(("$in", "$nin", "$all"), lists),
        "$exists": st.booleans(),
        "$size": st.integers(0, 3),
        "$mod": st.tuples(st.sampled_from((2, 3, -3)), st.sampled_from((0, 1, -1, 2))).map(list),
        "$regex": st.sampled_from(PATTERNS),
        "$type": st.sampled_from(("number", "string", "object", "array", "bool", "date", "null")),
    }
    leaf = st.sampled_from(sorted(set(arguments) - without)).flatmap(
        lambda name: arguments[name].map(lambda argument: {name: argument})
    )
    flat = st.one_of(leaf, leaf, st.tuples(leaf, leaf).map(lambda pair: pair[0] | pair[1]))
    nested = {"$not": flat, "$elemMatch": st.one_of(flat, st.dictionaries(paths, flat, max_size=2))}
    wanted = [under(name, argument) for name, argument in nested.items() if name not in without]
    return st.one_of(flat, flat, flat, flat, *wanted)


def under(operator: str, argument: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings of that one operator."""
    return argument.map(lambda value: {operator: value})


def joined(queries: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """One or two of the queries under a logical operator."""
    members = st.lists(queries, min_size=1, max_size=2)
    return st.one_of([under(operator, members) for operator in ("$and", "$or", "$nor")])


def queries(
    operands: st.SearchStrategy[Any] | None = None, *, without: frozenset[str] = frozenset()
) -> st.SearchStrategy[dict[str, Any]]:
    """Queries that `mlopus.query.parse` accepts: fields and, nested, logical operators."""
    literal = values(max_leaves=4) if operands is None else operands
    conditions = st.one_of(
        literal, operators(operands, without=without), operators(operands, without=without)
    )
    fields = st.dictionaries(paths, conditions, min_size=1, max_size=2)
    return st.recursive(fields, joined, max_leaves=3)
