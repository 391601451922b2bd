"""What a leaf of a query asks of one row of `attr`, or of one column.

Whether a row answers exactly is said here; whether rows stand for all that a path reaches is the
compiler's question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, assert_never

import attrs

from mlopus.domain.frozen import Value
from mlopus.query.ast import (
    Compare,
    CompareOp,
    ElemMatchQuery,
    ElemMatchValue,
    Exists,
    In,
    Leaf,
    Mod,
    Regex,
    Size,
    TypeIs,
    TypeName,
)
from mlopus.repositories.sqlite.attributes import (
    ARRAY,
    BOOL,
    DATE,
    MARK,
    NAN,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    SqlValue,
    is_storable,
    typed,
)

_SIGNS: Final[dict[CompareOp, str]] = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_TYPES: Final[dict[TypeName, tuple[int, ...]]] = {
    "number": (NUMBER, NAN),
    "string": (STRING,),
    "object": (OBJECT,),
    "array": (ARRAY,),
    "bool": (BOOL,),
    "date": (DATE,),
    "null": (NULL,),
}
_MOST_MEMBERS: Final = 5000
"""A longer list for `$in` is not sent to SQLite, whose statements take so many values only."""
_REMAINDER: Final = (
    "{v} >= -9223372036854775808.0 AND {v} < 9223372036854775808.0 AND CAST({v} AS INTEGER) % ? = ?"
)


@attrs.frozen
class Case:
    """A row satisfies it: of one of the classes (of any, if None), and `where` holds.

    `where` names the row's value as `{v}` and its place in an array as `{ord}`.
    """

    classes: tuple[int, ...] | None
    where: str = ""
    parameters: tuple[SqlValue, ...] = ()

    @property
    def is_one_value(self) -> bool:
        """Whether only one value satisfies it."""
        return self.classes is not None and len(self.classes) == 1 and self.where == _EQUAL


_EQUAL: Final = "{v} = ?"
_IS_NULL: Final = Case((NULL,), _EQUAL, (0,))
_IS_NAN: Final = Case((NAN,), _EQUAL, (0,))


@attrs.frozen(kw_only=True)
class Condition:
    """Some row satisfies one of the cases, or there is no row and it holds for what is missing.

    `inexact` says why rows that satisfy it may not be what was asked; None if they are.
    """

    cases: tuple[Case, ...]
    on_missing: bool = False
    inexact: str | None = None


def condition_of(leaf: Leaf) -> Condition:
    """The condition of a leaf; `Exists` without regard to whether it is wanted."""
    match leaf:
        case Compare(_, op, value):
            return _comparison(op, value)
        case In(_, values, patterns):
            return _membership(values, patterns)
        case Exists():
            return Condition(cases=(Case(None),))
        case Regex(_, pattern):
            return _search((pattern,))
        case TypeIs(_, types):
            return Condition(cases=(Case(tuple(t for name in types for t in _TYPES[name])),))
        case Size(_, size):
            return Condition(cases=(Case((ARRAY,), "{ord} = 0 AND {v} = ?", (size,)),))
        case Mod(_, divisor, remainder):
            return Condition(cases=(Case((NUMBER,), _REMAINDER, (divisor, remainder)),))
        case ElemMatchQuery() | ElemMatchValue():
            case = Case((ARRAY,), "{ord} = 0 AND {v} > 0")
            return Condition(cases=(case,), inexact="$elemMatch looks into the elements of lists")
        case _:
            assert_never(leaf)


def _comparison(op: CompareOp, value: Value) -> Condition:
    t, stored = (STRING, value) if isinstance(value, str) else typed(value)
    if t == NULL:
        return Condition(cases=(_IS_NULL,), on_missing=True)
    if t == NAN:
        return Condition(cases=(_IS_NAN,) if op in {"eq", "gte", "lte"} else ())
    if t in {ARRAY, OBJECT}:
        inexact = "lists and mappings are compared by size first" if stored else None
        return Condition(cases=(Case((t,), "{v} = ?", (stored,)),), inexact=inexact)
    if t == MARK:
        return Condition(cases=(Case((NUMBER,)),), inexact="the number has more than 64 bits")
    if isinstance(stored, str) and not is_storable(stored):
        return Condition(cases=(Case((STRING,)),), inexact="the text is not Unicode")
    return Condition(cases=(Case((t,), f"{{v}} {_SIGNS[op]} ?", (stored,)),))


def _membership(values: tuple[Value, ...], patterns: tuple[re.Pattern[str], ...]) -> Condition:
    if len(values) > _MOST_MEMBERS:
        return Condition(
            cases=(Case(None),), on_missing=True, inexact=f"more than {_MOST_MEMBERS} values are asked for"
        )
    members = [_comparison("eq", value) for value in values]
    listed: dict[int, list[SqlValue]] = {}
    others: list[Case] = []
    for case in (case for member in members for case in member.cases):
        if case.classes in _LISTABLE and case.parameters:
            listed.setdefault(case.classes[0], []).extend(case.parameters)
        else:
            others.append(case)
    lists = [Case((t,), f"{{v}} IN ({marks(held)})", tuple(held)) for t, held in listed.items()]
    found = _search(patterns) if patterns else Condition(cases=())
    reasons = [condition.inexact for condition in [*members, found] if condition.inexact]
    return Condition(
        cases=(*lists, *others, *found.cases),
        on_missing=any(member.on_missing for member in members),
        inexact=reasons[0] if reasons else None,
    )


_LISTABLE: Final = ((NUMBER,), (STRING,), (BOOL,), (DATE,))


def _search(patterns: tuple[re.Pattern[str], ...]) -> Condition:
    """`has_match` is the function that every connection has; see `opening`."""
    if not all(is_storable(pattern.pattern) for pattern in patterns):
        return Condition(cases=(Case((STRING,)),), inexact="the pattern is not Unicode")
    return Condition(
        cases=tuple(
            Case((STRING,), "has_match(?, ?, {v})", (pattern.pattern, pattern.flags)) for pattern in patterns
        )
    )


def marks(values: Iterable[object]) -> str:
    """As many question marks as values."""
    return ", ".join("?" for _ in values)
