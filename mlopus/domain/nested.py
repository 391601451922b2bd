"""Flat keys to nested mappings and back.

MLflow holds flat keys; mlopus shows nested mappings. The rules:

- A key splits at its dots: `a.b` is the member `b` of the mapping `a`. Empty components count:
  `a..b` is `b` in `""` in `a`.
- Where `a` is a leaf, `a.b` cannot be inside of it: what is left of the key stays flat, at the
  deepest level where that is possible, as in `{"x": {"a": 1, "a.b": 2}}`. The same holds for what
  is left of a key after `KEY_LEVELS` levels.
- An empty mapping is a leaf.

`flatten(nest(flat))` is `flat` for every flat mapping. `nest(flatten(nested))` is `nested` for every
mapping that `nest` gives, and those include all without dots in their keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from immutabledict import immutabledict

from mlopus.domain.frozen import KEY_LEVELS, FrozenMap, Value
from mlopus.errors import InvalidValue
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from collections.abc import Iterator

_Node: TypeAlias = dict[str, Any]
_Made: TypeAlias = list[tuple[_Node, str, _Node]]
_Spots: TypeAlias = dict[str, tuple[_Node, str]]


def flatten(nested: Mapping[str, Value], *, kind: str = "key") -> Result[FrozenMap[str, Value], InvalidValue]:
    """Give the leaves of a nested mapping under their dotted keys.

    Keys may hold dots already: they are shorthand for nesting.

    Args:
        nested: Any nested mapping; an empty one inside it is a leaf.
        kind: What the keys name, for the error: "param", "tag" or "metric".

    Returns:
        Flat keys, in the order of the walk.

    Fails with:
        InvalidValue: Two ways lead to one key, as in `{"a": {"b": 1}, "a.b": 2}`.

    Example:
        >>> flatten({"opt": immutabledict({"lr": 0.1}), "opt.name": "sgd"}).unwrap()
        immutabledict({'opt.lr': 0.1, 'opt.name': 'sgd'})
    """
    flat: dict[str, Value] = {}
    walks: list[tuple[str, Iterator[tuple[str, Value]]]] = [("", iter(nested.items()))]
    while walks:
        prefix, members = walks[-1]
        for name, value in members:
            key = prefix + name
            if isinstance(value, Mapping) and value:
                walks.append((key + ".", iter(value.items())))
                break
            if key in flat:
                reason, hint = "is given twice, nested and dotted", "Leave one of the two out."
                return Failure(InvalidValue(kind=kind, key=key, reason=reason, hint=hint))
            flat[key] = value
        else:
            walks.pop()
    return Success(immutabledict(flat))


def nest(flat: Mapping[str, Value]) -> FrozenMap[str, Value]:
    """Give the nested mapping that flat keys stand for; never fails.

    Example:
        >>> nest({"opt.lr": 0.1, "opt.name": "sgd", "seed": 1})
        immutabledict({'opt': immutabledict({'lr': 0.1, 'name': 'sgd'}), 'seed': 1})
        >>> nest({"a": 1, "a.b": 2})
        immutabledict({'a': 1, 'a.b': 2})
    """
    root: _Node = {}
    made: _Made = []
    spots: _Spots = {}
    for key, value in flat.items():
        parent, dot, name = key.rpartition(".")
        if not dot:
            root[key] = value
            continue
        spot = spots.get(parent) or _spot_below(parent, flat, root, made, spots)
        spot[0][spot[1] + name] = value
    for node, name, child in reversed(made):  # children before their parents
        node[name] = immutabledict(child)
    return immutabledict(root)


def _spot_below(
    parent: str, flat: Mapping[str, Value], root: _Node, made: _Made, spots: _Spots
) -> tuple[_Node, str]:
    """The mapping that holds the keys `parent.*`, and what stays flat in front of their last component."""
    node, rest = root, ""
    start, levels = 0, 1
    while start <= len(parent):
        end = parent.find(".", start)
        end = len(parent) if end < 0 else end
        prefix, name = parent[:end], parent[start:end]
        known = spots.get(prefix)
        if known is not None:
            node, rest = known
        elif rest or levels >= KEY_LEVELS or prefix in flat:
            rest += name + "."
            spots[prefix] = (node, rest)
        else:
            child: _Node = {}
            node[name] = child
            made.append((node, name, child))
            spots[prefix] = (child, "")
            node = child
        start, levels = end + 1, levels + 1
    return node, rest
