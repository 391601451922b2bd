"""A parsed query as a value: what was asked, with nothing left to check.

Rules of this module: nodes are frozen and hold frozen values, datetimes in UTC cut to whole
milliseconds; nodes know nothing of documents,
SQL or servers. `Node` is sealed: a compiler is one `match` with a case per class.

Several operators have no node of their own, for they mean the same as others:

==========================  ================================================================
``{p: v}``                  `Compare` with "eq"; with a compiled pattern `Regex`
``$ne``, ``$nin``, ``$not``  `Not` of the positive form
several operators on p      `And` of one node each
``$all: [x, y]``            `And` of `Compare` "eq", `Regex` or `ElemMatch…` on the same path
``$all: []``                `In` without members, which matches nothing
``$comment``                nothing
==========================  ================================================================

A leaf node on a path holds if any of the values that the path reaches in a document satisfies it;
`Not` and `Nor` negate that whole answer, so they also hold where the path reaches nothing.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

import attrs

from mlopus.domain.frozen import Value
from mlopus.query.values import order_key


def _keys(values: tuple[Value, ...]) -> object:
    return tuple(order_key(value) for value in values)


def _split(path: Path) -> tuple[str, ...]:
    return tuple(path.text.split(".")) if path.text else ()


@attrs.frozen
class Path:
    """A dotted path, with its components.

    Example:
        >>> Path("params.lr").parts
        ('params', 'lr')
        >>> SELF.parts
        ()
    """

    text: str
    parts: tuple[str, ...] = attrs.field(
        init=False,
        eq=False,
        repr=False,
        default=attrs.Factory(_split, takes_self=True),
    )

    def __str__(self) -> str:
        return self.text


SELF: Final = Path("")
"""The path without components: the element itself, inside `ElemMatchValue` and nowhere else."""


@attrs.frozen
class And:
    """All of the nodes hold; without nodes it holds for every document."""

    nodes: tuple[Node, ...]


@attrs.frozen
class Or:
    """One of the nodes holds; there is at least one."""

    nodes: tuple[Node, ...]


@attrs.frozen
class Nor:
    """None of the nodes holds; there is at least one."""

    nodes: tuple[Node, ...]


@attrs.frozen
class Not:
    """The node does not hold."""

    node: Node


CompareOp: TypeAlias = Literal["eq", "gt", "gte", "lt", "lte"]


@attrs.frozen
class Compare:
    """A value at the path is of the operand's class and equals it, or is ordered so against it.

    Only "eq" has operands that are None, a tuple or a mapping. None also equals a missing field.
    """

    path: Path
    op: CompareOp
    value: Value = attrs.field(eq=order_key)


@attrs.frozen
class In:
    """A value at the path equals one of the values, or is a string that one of the patterns finds.

    Without members it matches nothing.
    """

    path: Path
    values: tuple[Value, ...] = attrs.field(eq=_keys)
    patterns: tuple[re.Pattern[str], ...] = ()


@attrs.frozen
class Exists:
    """The path reaches a value, null included (`wanted`), or reaches none (not `wanted`)."""

    path: Path
    wanted: bool


@attrs.frozen
class Regex:
    """A string at the path contains a match of the pattern."""

    path: Path
    pattern: re.Pattern[str]


TypeName: TypeAlias = Literal["number", "string", "object", "array", "bool", "date", "null"]


@attrs.frozen
class TypeIs:
    """A value at the path is of one of the classes; a missing field is of none."""

    path: Path
    types: tuple[TypeName, ...]


@attrs.frozen
class Size:
    """The path reaches an array of exactly that length."""

    path: Path
    size: int


@attrs.frozen
class Mod:
    """A number at the path, cut to an integer, leaves that remainder, which has the dividend's sign."""

    path: Path
    divisor: int
    remainder: int


@attrs.frozen
class ElemMatchQuery:
    """The path reaches an array with an object, or a nested array read as one, that the node matches.

    The node's paths start at that element.
    """

    path: Path
    node: Node


@attrs.frozen
class ElemMatchValue:
    """The path reaches an array with one element that satisfies the node, whose leaves are on `SELF`."""

    path: Path
    node: Node


Leaf: TypeAlias = Compare | In | Exists | Regex | TypeIs | Size | Mod | ElemMatchQuery | ElemMatchValue
"""What is asked about the values at one path."""

Node: TypeAlias = And | Or | Nor | Not | Leaf


@attrs.frozen
class SortKey:
    """Order by the values at a path."""

    path: Path
    descending: bool = False


@attrs.frozen
class Sorting:
    """The keys of an order, the first deciding first; without keys documents keep their order."""

    keys: tuple[SortKey, ...] = ()
