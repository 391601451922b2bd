"""Which fields a query reads, and which part of it concerns some fields alone."""

from __future__ import annotations

from typing import Final, cast

import attrs

from mlopus.domain.frozen import Value
from mlopus.query.ast import And, Compare, In, Node, Nor, Not, Or, Path, Sorting
from mlopus.query.predicate import Query

_MOST_DIGITS: Final = 18
"""What always fits into 64 bits."""


def fields_of(query: Query, sorting: Sorting | None = None) -> frozenset[str]:
    """The dotted paths that a query and a sorting read.

    Example:
        >>> from mlopus.query.parse import parse
        >>> sorted(fields_of(parse({"$or": [{"a.b": 1}, {"c": {"$gt": 2}}]}).unwrap()))
        ['a.b', 'c']
    """
    keys = () if sorting is None else sorting.keys
    return frozenset(_paths(query.root)) | {key.path.text for key in keys}


def reads_below(fields: frozenset[str], name: str) -> bool:
    """Whether one of the fields is `name` or below it."""
    return any(field == name or field.startswith(f"{name}.") for field in fields)


def part_about(query: Query, name: str) -> Query:
    """The conditions that all hold of every match and that read nothing but fields below `name`."""
    nodes = query.root.nodes if isinstance(query.root, And) else (query.root,)
    about = tuple(node for node in nodes if _is_about(node, name))
    return Query(And(about))


def conditions_below(query: Query, name: str) -> tuple[Query, ...]:
    """The conditions that all hold of every match on what is inside of a field, as queries of that.

    Left out are those that hold where nothing is there, or that read its `id`.

    Example:
        >>> from mlopus.query.parse import parse
        >>> query = parse({"run.status": "FAILED", "run.name": None, "version": 3}).unwrap()
        >>> conditions_below(query, "run") == (parse({"status": "FAILED"}).unwrap(),)
        True
    """
    prefix = f"{name}."
    nodes = query.root.nodes if isinstance(query.root, And) else (query.root,)
    below = tuple(
        Query(_without_prefix(node, prefix))
        for node in nodes
        if (paths := _paths(node)) and all(path.startswith(prefix) for path in paths)
    )
    return tuple(each for each in below if not each.matches({}) and not reads_below(fields_of(each), "id"))


def _without_prefix(node: Node, prefix: str) -> Node:
    match node:
        case And(nodes) | Or(nodes) | Nor(nodes):
            return type(node)(tuple(_without_prefix(inner, prefix) for inner in nodes))
        case Not(inner):
            return Not(_without_prefix(inner, prefix))
        case _:
            return attrs.evolve(node, path=Path(node.path.text.removeprefix(prefix)))


def equal_to(query: Query, path: str) -> tuple[object, ...] | None:
    """The only values that a field of a match may have, where the query says so; else None.

    Example:
        >>> from mlopus.query.parse import parse
        >>> equal_to(parse({"exp.id": {"$in": ["1", "2"]}, "status": "FAILED"}).unwrap(), "exp.id")
        ('1', '2')
    """
    nodes = query.root.nodes if isinstance(query.root, And) else (query.root,)
    for node in nodes:
        match node:
            case Compare(path=at, op="eq", value=value) if at.text == path:
                return (value,)
            case In(path=at, values=values, patterns=()) if at.text == path:
                return values
            case _:
                continue
    return None


def with_numbers(query: Query, path: str) -> Query:
    """The same query, in which texts of digits that a field is compared with are numbers.

    Example:
        >>> from mlopus.query.parse import parse
        >>> with_numbers(parse({"version": {"$in": ["2", "x"]}}).unwrap(), "version").matches({"version": 2})
        True
    """
    return Query(_with_numbers(query.root, path))


def _with_numbers(node: Node, path: str) -> Node:
    match node:
        case And(nodes) | Or(nodes) | Nor(nodes):
            return type(node)(tuple(_with_numbers(inner, path) for inner in nodes))
        case Not(inner):
            return Not(_with_numbers(inner, path))
        case Compare(at, op, value) if at.text == path:
            return Compare(at, op, _number(value))
        case In(at, values, patterns) if at.text == path:
            return In(at, tuple(map(_number, values)), patterns)
        case _:
            return node


def _number(value: Value) -> Value:
    is_number = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
    return int(cast("str", value)) if is_number else value


def _is_about(node: Node, name: str) -> bool:
    paths = _paths(node)
    return bool(paths) and all(path == name or path.startswith(f"{name}.") for path in paths)


def _paths(node: Node) -> tuple[str, ...]:
    match node:
        case And(nodes) | Or(nodes) | Nor(nodes):
            return tuple(path for inner in nodes for path in _paths(inner))
        case Not(inner):
            return _paths(inner)
        case _:
            return (node.path.text,)
