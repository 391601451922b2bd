"""From MongoDB's notation to a syntax tree: what a query means, and whether it means anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, cast

from immutabledict import immutabledict

from mlopus.errors import InvalidQuery
from mlopus.query.ast import (
    SELF,
    And,
    ElemMatchQuery,
    ElemMatchValue,
    In,
    Node,
    Nor,
    Not,
    Or,
    Path,
    Regex,
    Sorting,
    SortKey,
)
from mlopus.query.freeze import MAX_DEPTH, Frozen, Place, freeze
from mlopus.query.operands import (
    class_of,
    comparison,
    equality,
    existence,
    length,
    membership,
    remainder,
    search,
)
from mlopus.query.operators import COMMENT, LOGICAL, ON_FIELDS, REFUSED, refusal, suggestion
from mlopus.query.predicate import Query
from mlopus.query.values import require_mapping
from mlopus.result import Failure, Result, Success, collect

Parsed: TypeAlias = Result[Node, InvalidQuery]
_Document: TypeAlias = immutabledict[str, Frozen]

S = TypeVar("S")
T = TypeVar("T")


def parse(query: Mapping[str, Any] | None) -> Result[Query, InvalidQuery]:
    """Give a checked query, which answers for documents and can be compiled for other evaluators.

    The language is MongoDB's: paths with dots, `$eq $ne $gt $gte $lt $lte $in $nin`, `$exists $type
    $regex $options $mod $size`, `$all $elemMatch $not`, `$and $or $nor`, `$comment`. Everything is
    checked here, so evaluation finds nothing more to complain about. Nothing is looked up: that a
    field exists is not checked. Unlike in MongoDB, objects are equal whatever the order of their keys,
    patterns are those of Python's `re`, and an operator inside a literal value is an error.

    Args:
        query: A mapping; None and an empty one match every document. Values may also be aware
            datetimes (cut to milliseconds), enums (their value counts), tuples, numpy numbers and
            compiled patterns. It is copied, never changed.

    Returns:
        The query as a value.

    Fails with:
        InvalidQuery: Anything in the query has no meaning; it names the path and the operator.

    Raises:
        TypeError: The query is not a mapping.

    Example:
        >>> query = parse({"metrics.acc": {"$gt": 0.9}, "tags.stage": "prod"}).unwrap()
        >>> query.matches({"metrics": {"acc": 0.95}, "tags": {"stage": "prod"}})
        True
        >>> print(parse({"metrics.acc": {"$neq": 1}}).failure().hint)
        Did you mean $ne?
    """
    if query is None:
        return Success(Query(And(())))
    require_mapping("a query", query)
    document = freeze(query, Place())
    if isinstance(document, Failure):
        return document
    root = _query(cast("_Document", document.unwrap()), Place())
    if isinstance(root, Failure):
        return root
    return Success(Query(root.unwrap()))


def _made(parts: Result[T, InvalidQuery], make: Callable[[T], S]) -> Result[S, InvalidQuery]:
    """Make something of parts that were read, or pass on why they were not."""
    if isinstance(parts, Failure):
        return parts
    return Success(make(parts.unwrap()))


def _all_of(nodes: tuple[Node, ...]) -> Node:
    return nodes[0] if len(nodes) == 1 else And(nodes)


def _query(document: _Document, place: Place) -> Parsed:
    """Read a mapping of paths and logical operators."""
    clauses = ((key, value) for key, value in document.items() if key != COMMENT)
    return _made(collect(_clause(key, value, place) for key, value in clauses), _all_of)


def _clause(key: str, value: Frozen, place: Place) -> Parsed:
    here = place.at(key)
    if key in LOGICAL:
        return _logical(key, value, here)
    if key in ON_FIELDS:
        return here.refuse("it stands without a field", f'Write {{"field": {{"{key}": …}}}}.')
    if key.startswith("$"):
        return here.refuse(refusal(key), None if key in REFUSED else suggestion(key))
    path = read_path(key, here)
    if isinstance(path, Failure):
        return path
    return _field(path.unwrap(), value, here)


def read_path(text: str, place: Place) -> Result[Path, InvalidQuery]:
    """Accept a dotted path whose components are names."""
    path = Path(text)
    if not all(path.parts) or not path.parts:
        return place.refuse("a path is one or more names joined by single dots")
    if any(part.startswith("$") for part in path.parts):
        return place.refuse("a name in a path does not start with $")
    if len(path.parts) > MAX_DEPTH:
        return place.refuse(f"a path has at most {MAX_DEPTH} names")
    return Success(path)


def _logical(operator: str, value: Frozen, place: Place) -> Parsed:
    if not isinstance(value, tuple) or not value:
        return place.refuse("it takes a list of at least one query")
    if not all(isinstance(member, immutabledict) for member in value):
        return place.refuse("each member of its list is a query: a mapping")
    inside = Place(place.path)
    nodes = collect(_query(member, inside) for member in cast("tuple[_Document, ...]", value))
    return _made(nodes, _JOINS[operator])


def _field(path: Path, value: Frozen, place: Place) -> Parsed:
    """Read what is asked about one path: operators, a pattern or a value."""
    if isinstance(value, re.Pattern):
        return Success(Regex(path, value))
    if isinstance(value, immutabledict) and any(key.startswith("$") for key in value):
        return _operators(path, value, place)
    return equality(path, value, place)


def _operators(path: Path, document: _Document, place: Place) -> Parsed:
    name = next((key for key in document if not key.startswith("$")), None)
    if name is not None:
        return place.at(name).refuse(
            "operators and field names do not mix in one mapping", "Give each field a path of its own."
        )
    if "$options" in document and "$regex" not in document:
        return place.at("$options").refuse("it stands without $regex")
    asked = ((key, value) for key, value in document.items() if key not in {COMMENT, "$options"})
    options = document.get("$options")
    nodes = collect(_operator(path, key, value, options, place.at(key)) for key, value in asked)
    return _made(nodes, _all_of)


def _operator(path: Path, operator: str, value: Frozen, options: Frozen, place: Place) -> Parsed:
    if operator == "$regex":
        return search(path, value, options, place)
    read = _READERS.get(operator)
    if read is not None:
        return read(path, value, place)
    if operator in LOGICAL:
        hint = f'Put it around the field: {{"{operator}": [{{"{path}": …}}, …]}}.'
        return place.refuse("it joins whole queries and stands at no field", hint)
    return place.refuse(refusal(operator), None if operator in REFUSED else suggestion(operator))


def _different(path: Path, value: Frozen, place: Place) -> Parsed:
    if isinstance(value, re.Pattern):
        return place.refuse("it takes a value, not a pattern", "Use $not with the pattern.")
    return _made(equality(path, value, place), Not)


def _outside(path: Path, value: Frozen, place: Place) -> Parsed:
    return _made(membership(path, value, place), Not)


def _negated(path: Path, value: Frozen, place: Place) -> Parsed:
    if isinstance(value, re.Pattern):
        return Success(Not(Regex(path, value)))
    if not isinstance(value, immutabledict) or not value:
        return place.refuse("it takes operators or a pattern", "Use $ne for a value.")
    return _made(_operators(path, value, Place(place.path)), Not)


def _every(path: Path, value: Frozen, place: Place) -> Parsed:
    """Read `$all`: as many conditions on one path as it has members."""
    if not isinstance(value, tuple):
        return place.refuse("it takes a list of values")
    if not value:
        return Success(In(path, ()))
    matchers = [
        member for member in value if isinstance(member, immutabledict) and set(member) == {"$elemMatch"}
    ]
    if not matchers:
        return _made(collect(_member(path, member, place) for member in value), _all_of)
    if len(matchers) != len(value):
        return place.refuse("its members are all $elemMatch, or all values")
    inside = place.at("$elemMatch")
    return _made(collect(_element(path, member["$elemMatch"], inside) for member in matchers), _all_of)


def _member(path: Path, value: Frozen, place: Place) -> Parsed:
    return Success(Regex(path, value)) if isinstance(value, re.Pattern) else equality(path, value, place)


def _element(path: Path, value: Frozen, place: Place) -> Parsed:
    """Read `$elemMatch`: operators are asked of the element itself, all else of its fields."""
    if not isinstance(value, immutabledict):
        return place.refuse("it takes a mapping of operators, or a query")
    inside = Place(place.path)
    if any(key.startswith("$") and key not in LOGICAL and key != COMMENT for key in value):
        return _made(_operators(SELF, value, inside), partial(ElemMatchValue, path))
    return _made(_query(value, inside), partial(ElemMatchQuery, path))


_JOINS: Final[dict[str, Callable[[tuple[Node, ...]], Node]]] = {"$and": And, "$or": Or, "$nor": Nor}

_READERS: Final[dict[str, Callable[[Path, Frozen, Place], Parsed]]] = {
    "$eq": equality,
    "$ne": _different,
    "$gt": partial(comparison, "gt"),
    "$gte": partial(comparison, "gte"),
    "$lt": partial(comparison, "lt"),
    "$lte": partial(comparison, "lte"),
    "$in": membership,
    "$nin": _outside,
    "$not": _negated,
    "$exists": existence,
    "$type": class_of,
    "$mod": remainder,
    "$size": length,
    "$all": _every,
    "$elemMatch": _element,
}


def parse_sorting(sorting: object) -> Result[Sorting, InvalidQuery]:
    """Give a checked order.

    Args:
        sorting: A list or tuple of pairs of a dotted path and 1 (ascending) or -1 (descending), the
            first pair deciding first; None means no order.

    Returns:
        The order as a value.

    Fails with:
        InvalidQuery: A member is no such pair, or a path comes twice.

    Raises:
        TypeError: It is no list.

    Example:
        >>> [key.path.text for key in parse_sorting([("metrics.acc", -1), ("name", 1)]).unwrap().keys]
        ['metrics.acc', 'name']
    """
    if sorting is None:
        return Success(Sorting())
    if not isinstance(sorting, list | tuple):
        msg = f"a sorting must be a list of (path, 1 or -1), not a {type(sorting).__name__}"
        raise TypeError(msg)
    keys = collect(_sort_key(member) for member in cast("list[object]", sorting))
    if isinstance(keys, Failure):
        return keys
    seen: set[str] = set()
    for key in keys.unwrap():
        if key.path.text in seen:
            return Place(key.path.text).refuse("the sorting names it twice")
        seen.add(key.path.text)
    return Success(Sorting(keys.unwrap()))


def _sort_key(member: object) -> Result[SortKey, InvalidQuery]:
    frozen = freeze(member, Place())
    if isinstance(frozen, Failure):
        return frozen
    match frozen.unwrap():
        case (str(text), direction):
            place = Place(text)
            if isinstance(direction, bool) or not isinstance(direction, int) or direction not in {1, -1}:
                return place.refuse("the direction of a sorting is 1, ascending, or -1, descending")
            return _made(read_path(text, place), partial(SortKey, descending=direction == -1))
        case _:
            return Place().refuse("a sorting is a list of (path, 1 or -1)")
