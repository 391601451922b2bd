"""What SQLite will evaluate of a search, in words for people, told without looking at the data."""

from __future__ import annotations

from typing import assert_never

from mlopus.domain.status import EntityKind
from mlopus.plans.search import PushDown, SearchSpec
from mlopus.query.ast import (
    And,
    Compare,
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
    SortKey,
    TypeIs,
)
from mlopus.repositories.sqlite.compile import leaves_of
from mlopus.repositories.sqlite.conditions import condition_of
from mlopus.repositories.sqlite.layout import LAYOUTS, Opaque, Parent

_SIGNS = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def describe(spec: SearchSpec) -> PushDown:
    """Rows are looked at again before they are given, so that pages are exact and sorted always."""
    conjuncts = spec.query.root.nodes if isinstance(spec.query.root, And) else (spec.query.root,)
    evaluated: list[str] = []
    rechecked: list[str] = []
    for node in conjuncts:
        reasons = [reason for leaf in leaves_of(node) if (reason := _why_rechecked(leaf, spec.kind))]
        text = sql_of(node)
        if reasons:
            rechecked.append(f"{text}: {reasons[0]}")
        else:
            evaluated.append(text)
    for key in spec.sorting.keys:
        reason = _why_opaque(key.path.text, spec.kind)
        if reason:
            rechecked.append(f"{_order(key)}: {reason}")
        else:
            evaluated.append(_order(key))
    return PushDown(
        is_exact=True,
        is_sorted=True,
        evaluated=tuple(evaluated),
        rechecked=tuple(rechecked),
        comes_once=spec.kind == "run" and not spec.sorting.keys,  # as they were made, which never changes
    )


def sql_of(node: Node) -> str:
    """A node as one would write it in SQL, if paths were columns.

    Example:
        >>> from mlopus.query import parse
        >>> sql_of(parse({"params.lr": {"$lt": 0.1}, "tags.team": {"$ne": "b"}}).unwrap().root)
        "(params.lr < 0.1 AND NOT tags.team = 'b')"
    """
    match node:
        case And(nodes):
            return f"({' AND '.join(map(sql_of, nodes))})" if nodes else "TRUE"
        case Or(nodes):
            return f"({' OR '.join(map(sql_of, nodes))})"
        case Nor(nodes):
            return f"NOT ({' OR '.join(map(sql_of, nodes))})"
        case Not(inner):
            return f"NOT {sql_of(inner)}"
        case _:
            return _leaf(node)


def _leaf(leaf: Leaf) -> str:
    path = leaf.path.text
    match leaf:
        case Compare(_, op, value):
            return f"{path} {_SIGNS[op]} {value!r}"
        case In(_, values, patterns):
            members = [*map(repr, values), *(f"/{pattern.pattern}/" for pattern in patterns)]
            return f"{path} IN ({', '.join(members)})"
        case Exists(_, wanted):
            return f"{path} EXISTS" if wanted else f"NOT {path} EXISTS"
        case Regex(_, pattern):
            return f"{path} REGEXP {pattern.pattern!r}"
        case TypeIs(_, types):
            return f"typeof({path}) IN ({', '.join(types)})"
        case Size(_, size):
            return f"length({path}) = {size}"
        case Mod(_, divisor, remainder):
            return f"{path} % {divisor} = {remainder}"
        case ElemMatchQuery() | ElemMatchValue():
            return f"{path} IS A LIST"
        case _:
            assert_never(leaf)


def _order(key: SortKey) -> str:
    return f"ORDER BY {key.path.text}{' DESC' if key.descending else ''}"


def _why_rechecked(leaf: Leaf, kind: EntityKind) -> str | None:
    return condition_of(leaf).inexact or _why_opaque(leaf.path.text, kind)


def _why_opaque(path: str, kind: EntityKind) -> str | None:
    place = LAYOUTS[kind].place(path)
    if isinstance(place, Parent):
        return _why_opaque(place.path, place.kind)
    return place.reason if isinstance(place, Opaque) else None
