"""From a syntax tree to a Python function that answers for one document.

Each node becomes a closure over its operand, chosen by the operand's class when the query is
parsed, so that a document costs a walk along the paths and a comparison at the end of each.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias, assert_never, cast

import attrs
from immutabledict import immutabledict

from mlopus.domain.frozen import Value
from mlopus.domain.scalars import INT64, epoch_ms
from mlopus.query.ast import (
    And,
    Compare,
    CompareOp,
    ElemMatchQuery,
    ElemMatchValue,
    Exists,
    In,
    Leaf,
    Mod,
    Node,
    Nor,
    Not,
    Or,
    Regex,
    Size,
    TypeIs,
    TypeName,
)
from mlopus.query.paths import SCALAR_TYPES, Predicate, Test, any_candidate
from mlopus.query.values import MISSING, order_key, plain, require_mapping

_Order: TypeAlias = Callable[[Any, Any], bool]

_ORDERS: Final[dict[CompareOp, _Order]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}

_TYPES: Final[dict[TypeName, tuple[type, ...]]] = {
    "number": (int, float),
    "string": (str,),
    "object": (dict, immutabledict),
    "array": (list, tuple),
    "bool": (bool,),
    "date": (datetime,),
    "null": (type(None),),
}


def compile_node(node: Node) -> Predicate:
    """Make the predicate of a node; it raises TypeError on a value that no JSON-like document holds."""
    match node:
        case And(nodes):
            return _conjunction(tuple(map(compile_node, nodes)))
        case Or(nodes):
            return _disjunction(tuple(map(compile_node, nodes)))
        case Nor(nodes):
            return _negation(_disjunction(tuple(map(compile_node, nodes))))
        case Not(inner):
            return _negation(compile_node(inner))
        case _:
            return _leaf(node)


def _leaf(node: Leaf) -> Predicate:
    """Bind the test of a leaf to its path; operators on arrays as such do not look at the elements."""
    match node:
        case Compare(path, op, value):
            return any_candidate(path, _compare(op, value))
        case In(path, values, patterns):
            return any_candidate(path, _membership(values, patterns))
        case Exists(path, wanted):
            exists = any_candidate(path, _is_present, elements=False)
            return exists if wanted else _negation(exists)
        case Regex(path, pattern):
            return any_candidate(path, _search(pattern))
        case TypeIs(path, types):
            return any_candidate(path, _is_of(frozenset(kind for name in types for kind in _TYPES[name])))
        case Size(path, size):
            return any_candidate(path, _has_size(size), elements=False)
        case Mod(path, divisor, remainder):
            return any_candidate(path, _leaves(divisor, remainder))
        case ElemMatchQuery(path, inner):
            return any_candidate(path, _holds_object(compile_node(inner)), elements=False)
        case ElemMatchValue(path, inner):
            return any_candidate(path, _holds_element(compile_node(inner)), elements=False)
        case _:
            assert_never(node)


def _conjunction(predicates: tuple[Predicate, ...]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]

    def every(document: Any) -> bool:
        for predicate in predicates:  # noqa: SIM110 (a loop is twice as fast as all() here)
            if not predicate(document):
                return False
        return True

    return every


def _disjunction(predicates: tuple[Predicate, ...]) -> Predicate:
    def some(document: Any) -> bool:
        for predicate in predicates:  # noqa: SIM110 (as above)
            if predicate(document):
                return True
        return False

    return some


def _negation(predicate: Predicate) -> Predicate:
    def none(document: Any) -> bool:
        return not predicate(document)

    return none


def _compare(op: CompareOp, operand: Value) -> Test:
    """Compare within the operand's class only: 1 is never True, a string never a date."""
    order = _ORDERS[op]
    match operand:
        case None:
            return lambda value: value is None or value is MISSING
        case bool():
            return lambda value: type(value) is bool and order(value, operand)
        case float() if math.isnan(operand):
            return _is_nan if op in {"eq", "gte", "lte"} else _never
        case int() | float():
            return lambda value: (type(value) is float or type(value) is int) and order(value, operand)
        case str():
            return lambda value: type(value) is str and order(value, operand)
        case datetime():
            moment = epoch_ms(operand)
            return lambda value: type(value) is datetime and order(epoch_ms(value), moment)
        case tuple() | immutabledict():
            return _equals(operand)


def _equals(operand: tuple[Value, ...] | immutabledict[str, Value]) -> Test:
    key, size = order_key(operand), len(operand)

    def test(value: Any) -> bool:
        return type(value) not in SCALAR_TYPES and len(value) == size and order_key(value) == key

    return test


def _membership(values: tuple[Value, ...], patterns: tuple[re.Pattern[str], ...]) -> Test:
    strings = frozenset(value for value in values if type(value) is str)
    keys = frozenset(order_key(value) for value in values if type(value) is not str)
    has_containers = any(isinstance(value, tuple | immutabledict) for value in values)

    def test(value: object) -> bool:
        kind = type(value)
        if isinstance(value, str):
            return value in strings or any(pattern.search(value) for pattern in patterns)
        if not keys or (kind not in SCALAR_TYPES and not has_containers):
            return False
        return order_key(value) in keys

    return test


def _never(value: Any) -> bool:  # noqa: ARG001 (a test takes a value)
    return False


def _is_nan(value: Any) -> bool:
    return type(value) is float and math.isnan(value)


def _is_present(value: Any) -> bool:
    return value is not MISSING


def _search(pattern: re.Pattern[str]) -> Test:
    search = pattern.search
    return lambda value: type(value) is str and search(value) is not None


def _is_of(kinds: frozenset[type]) -> Test:
    return lambda value: type(value) in kinds


def _has_size(size: int) -> Test:
    return lambda value: isinstance(value, list | tuple) and len(cast("Sequence[object]", value)) == size


def _leaves(divisor: int, remainder: int) -> Test:
    """Divide as C does: towards zero, so that the remainder has the dividend's sign."""
    size = abs(divisor)

    def test(value: Any) -> bool:
        if type(value) is not int and (type(value) is not float or not math.isfinite(value)):
            return False
        dividend = math.trunc(value)
        rest = abs(dividend) % size
        return dividend in INT64 and (rest if dividend >= 0 else -rest) == remainder

    return test


def _holds_object(predicate: Predicate) -> Test:
    def test(value: Any) -> bool:
        if not isinstance(value, list | tuple):
            return False
        for element in cast("Sequence[object]", value):
            item = plain(element)
            if isinstance(item, list | tuple):
                item = {str(index): part for index, part in enumerate(cast("Sequence[object]", item))}
            if isinstance(item, Mapping) and predicate(item):
                return True
        return False

    return test


def _holds_element(predicate: Predicate) -> Test:
    def test(value: Any) -> bool:
        return isinstance(value, list | tuple) and any(map(predicate, cast("Sequence[object]", value)))

    return test


@attrs.frozen
class Query:
    """A checked query: a value that answers for one document after another.

    Equal queries are equal, whatever objects they were parsed from; a query can be pickled and
    shared between threads. `mlopus.query.parse` makes it.

    Example:
        >>> from mlopus.query import parse
        >>> query = parse({"params.lr": {"$lt": 0.1}}).unwrap()
        >>> query.matches({"params": {"lr": 0.01}})
        True
        >>> query.matches({"params": {}})
        False
    """

    root: Node
    _predicate: Predicate = attrs.field(
        init=False,
        eq=False,
        repr=False,
        default=attrs.Factory(lambda self: compile_node(self.root), takes_self=True),
    )

    def matches(self, document: Mapping[str, Any]) -> bool:
        """Tell whether a document is one that the query asks for.

        Args:
            document: A mapping as JSON has them; aware datetimes, tuples, enums and numpy scalars
                may be values in it. It is not changed.

        Returns:
            The answer.

        Raises:
            TypeError: It is not a mapping, or the query looked at a value in it that is no such value.
        """
        require_mapping("a document", document)
        return self._predicate(document)

    def __reduce__(self) -> tuple[type[Query], tuple[Node]]:
        return type(self), (self.root,)
