"""Immutable values: what params, tags and queries hold after they were read or checked.

A `Value` is a leaf (None, bool, int, float, str, aware datetime), a tuple of values, or a
`FrozenMap` from str to values. Equal values have equal hashes, so they work as dictionary keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias, cast, overload

from immutabledict import immutabledict

FrozenMap = immutabledict

Leaf: TypeAlias = bool | int | float | str | datetime | None
Value: TypeAlias = Leaf | tuple["Value", ...] | immutabledict[str, "Value"]

EMPTY: FrozenMap[str, Value] = immutabledict()

# Keys split into so many mappings at most, and a text holds so many levels of lists, so that hashing,
# comparing and pickling what a server holds stay away from Python's recursion limit. A key of 250
# characters without empty components has at most 125.
KEY_LEVELS = 128
LIST_LEVELS = 64


@overload
def freeze(value: Mapping[str, Any]) -> FrozenMap[str, Value]: ...
@overload
def freeze(value: list[Any] | tuple[Any, ...]) -> tuple[Value, ...]: ...
@overload
def freeze(value: Leaf) -> Leaf: ...
@overload
def freeze(value: object) -> Value: ...
def freeze(value: object) -> Value:
    """Give a deeply immutable copy of plain mappings, lists and leaves.

    Checks types only: whether a value may be written is the question of `values.normalise`.

    Args:
        value: A leaf, a list or tuple, or a mapping with str keys, nested as deep as one likes.

    Returns:
        The same value with tuples for lists and `FrozenMap` for mappings.

    Raises:
        TypeError: Something inside is none of these.

    Example:
        >>> freeze({"lr": 0.1, "layers": [64, 32]})
        immutabledict({'lr': 0.1, 'layers': (64, 32)})
    """
    if value is None or isinstance(value, (str, bool, int, float, datetime)):
        return value
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return immutabledict({_text_key(key): freeze(member) for key, member in mapping.items()})
    if isinstance(value, (list, tuple)):
        members = cast("tuple[object, ...]", value)
        return tuple(freeze(member) for member in members)
    message = f"{type(value).__name__} is not a plain value"
    raise TypeError(message)


@overload
def thaw(value: Mapping[str, Value]) -> dict[str, Any]: ...
@overload
def thaw(value: tuple[Value, ...]) -> list[Any]: ...
@overload
def thaw(value: Leaf) -> Leaf: ...
@overload
def thaw(value: Value) -> Any: ...
def thaw(value: Value | Mapping[str, Value]) -> Any:
    """Give a plain copy, with dicts and lists that may be changed.

    Example:
        >>> thaw(freeze({"lr": 0.1, "layers": [64, 32]}))
        {'lr': 0.1, 'layers': [64, 32]}
    """
    if isinstance(value, Mapping):
        return {key: thaw(member) for key, member in value.items()}
    if isinstance(value, tuple):
        return [thaw(member) for member in value]
    return value


def _text_key(key: object) -> str:
    if isinstance(key, str):
        return key
    message = f"a key is {type(key).__name__}, not str"
    raise TypeError(message)
