"""Values as queries and documents hold them: their classes, their order, their equality.

One function, `order_key`, decides both order and equality, so that a filter, a sort and a set
lookup cannot disagree. A key is `(rank, payload)`; the rank brackets classes that never equal
one another, in the order in which MongoDB sorts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeAlias, cast

from immutabledict import immutabledict

from mlopus.domain.scalars import epoch_ms

OrderKey: TypeAlias = tuple[int, Any]

RANK_EMPTY_ARRAY: Final = 0  # only as a sort key: an empty array sorts below null
RANK_NULL: Final = 1
RANK_NUMBER: Final = 2
RANK_STRING: Final = 3
RANK_OBJECT: Final = 4
RANK_ARRAY: Final = 5
RANK_BOOL: Final = 8
RANK_DATE: Final = 9

NUMBER_TYPES: Final[frozenset[type]] = frozenset({int, float})

NULL_KEY: Final[OrderKey] = (RANK_NULL, None)


class Absent(Enum):
    """What a path may yield instead of a value."""

    MISSING = "missing"
    SEVERAL = "several"


MISSING: Final = Absent.MISSING
"""The document has nothing there."""

SEVERAL: Final = Absent.SEVERAL
"""There may be more than one value; never seen outside this package."""

PLAIN_TYPES: Final[frozenset[type]] = frozenset(
    {Absent, type(None), bool, int, float, str, datetime, dict, immutabledict, list, tuple}
)
"""Exact types that `plain` would give back unchanged."""


def plain(value: object) -> Any:
    """Give a document's value as one of the plain types; subclasses and numpy scalars become theirs."""
    if type(value) in PLAIN_TYPES:
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if (number := from_numpy(value)) is not None:
        return number
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    if isinstance(value, list | tuple):
        return list(cast("list[object]", value))
    msg = f"a document may not hold a {type(value).__name__}"
    raise TypeError(msg)


def from_numpy(value: object) -> bool | int | float | None:
    """Give a bool or a real number of numpy's as Python's, None for all else; numpy is not imported."""
    if type(value).__module__ != "numpy" or getattr(value, "shape", None) != ():
        return None
    number = cast("Any", value)
    match number.dtype.kind:
        case "b":
            return bool(number)
        case "i" | "u":
            return int(number)
        case "f":
            return float(number)
        case _:
            return None


def require_mapping(name: str, value: object) -> None:
    """Raise TypeError unless the value is a mapping: annotations do not hold back untyped callers."""
    if not isinstance(value, Mapping):
        msg = f"{name} must be a mapping, not a {type(value).__name__}"
        raise TypeError(msg)


def order_key(value: object) -> OrderKey:
    """Give the key by which a value is ordered, and which equals the key of equal values only.

    Numbers compare exactly, NaN is below all of them and equal to itself; objects compare without
    regard to the order of their keys.
    """
    value = plain(value)
    match value:
        case None | Absent.MISSING:
            return NULL_KEY
        case bool():
            return (RANK_BOOL, value)
        case int() | float():
            return (RANK_NUMBER, (1, value) if value == value else (0, 0))  # noqa: PLR0124 (NaN)
        case str():
            return (RANK_STRING, value)
        case datetime():
            return (RANK_DATE, epoch_ms(value))
        case list() | tuple():
            return (RANK_ARRAY, tuple([order_key(item) for item in cast("list[object]", value)]))
        case _:
            return (RANK_OBJECT, _object_key(cast("Mapping[str, object]", value)))


def _object_key(value: Mapping[str, object]) -> tuple[tuple[int, str, Any], ...]:
    """Order an object by the class, then the name, then the value of each of its keys."""
    entries: list[tuple[int, str, Any]] = []
    for name in sorted(value):
        rank, payload = order_key(value[name])
        entries.append((rank, name, payload))
    return tuple(entries)
