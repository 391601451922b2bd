"""What users give as params, tags and metrics, made into values that have a text, or refused.

Nothing is dropped, cut or guessed: what is not listed under `normalise` is a Failure that names the
dotted key.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, TypeAlias, cast

import attrs
from immutabledict import immutabledict

from mlopus.domain.frozen import KEY_LEVELS, LIST_LEVELS, FrozenMap, Value
from mlopus.errors import InvalidValue
from mlopus.result import Failure, Result, Success

_MAX_DEPTH = KEY_LEVELS + LIST_LEVELS
AWARE_HINT = "Give it a time zone, as in datetime.now(timezone.utc)."
_HINT = "Give a str, a number, a bool, None, an aware datetime, or lists and mappings of these."


def normalise(value: object, *, kind: str, key: str) -> Result[Value, InvalidValue]:
    """Give the immutable value that a Python object stands for.

    Takes None, bool, int, float, str and aware datetimes, and their subclasses as these, datetimes
    in UTC; an Enum as its value, a path as its str, a date as ISO text, a NumPy scalar as Python's;
    lists and tuples as tuples, sets as sorted tuples; mappings with str keys, and attrs, dataclass
    and pydantic objects with their public fields, as `FrozenMap`.

    Args:
        value: Anything.
        kind: What it is for, for the error: "param" or "tag".
        key: Its dotted key, for the error.

    Fails with:
        InvalidValue: It is, or holds, something else: a naive datetime, bytes, a callable, an array,
            a key that is not a str, half of a surrogate pair, itself; or it is nested too deep.

    Example:
        >>> normalise({"layers": [64, 32], "tags": {"b", "a"}}, kind="param", key="net").unwrap()
        immutabledict({'layers': (64, 32), 'tags': ('a', 'b')})
    """
    return _value(value, _Place(kind=kind, key=key))


def normalise_metric(value: object, key: str) -> Result[float, InvalidValue]:
    """Give the float of what has `__float__`: numbers, bools, Decimals, NumPy scalars, small tensors.

    Fails with:
        InvalidValue: It has none (a str has none), or it does not fit.

    Example:
        >>> normalise_metric(True, "ok").unwrap()
        1.0
    """
    return _metric(value, _Place(kind="metric", key=key))


def normalise_texts(kind: str, nested: object) -> Result[FrozenMap[str, Value], InvalidValue]:
    """Give nested params or tags as a nested mapping of values; TypeError for what is no mapping."""
    return _top(nested, kind, _value)


def normalise_metrics(nested: object) -> Result[FrozenMap[str, Value], InvalidValue]:
    """Give nested metrics as a nested mapping of floats; TypeError for what is no mapping."""
    return _top(nested, "metric", _metric_or_mapping)


@attrs.frozen(kw_only=True)
class _Place:
    """Where in the user's object the walk is: the dotted key, and the containers around."""

    kind: str
    key: str | None
    around: frozenset[int] = frozenset()

    def at(self, name: str) -> _Place:
        key = name if self.key is None else f"{self.key}.{name}"
        return _Place(kind=self.kind, key=key, around=self.around)

    def inside(self, container: object) -> Result[_Place, InvalidValue]:
        if id(container) in self.around:
            return self.refuse("contains itself")
        if len(self.around) >= _MAX_DEPTH:
            return self.refuse(f"is nested deeper than {_MAX_DEPTH} levels")
        return Success(_Place(kind=self.kind, key=self.key, around=self.around | {id(container)}))

    def refuse(self, reason: str, hint: str = _HINT) -> Failure[InvalidValue]:
        return Failure(InvalidValue(kind=self.kind, key=self.key or "", reason=reason, hint=hint))


_Normaliser: TypeAlias = Callable[[object, _Place], Result[Value, InvalidValue]]


def _top(nested: object, kind: str, member: _Normaliser) -> Result[FrozenMap[str, Value], InvalidValue]:
    mapping = _as_mapping(nested)
    if mapping is None:
        message = f"{kind}s are a mapping with str keys, not {type(nested).__name__}"
        raise TypeError(message)
    return _mapping(mapping, nested, _Place(kind=kind, key=None), member)


def _value(value: object, place: _Place) -> Result[Value, InvalidValue]:
    if isinstance(value, Enum):
        return _value(value.value, place)
    if value is None or isinstance(value, (str, int, float, date)):
        return _leaf(value, place)
    if isinstance(value, (list, tuple)):
        return _members(cast("list[object]", value), place)
    if isinstance(value, AbstractSet):
        return _sorted_members(cast("AbstractSet[object]", value), place)
    mapping = _as_mapping(value)
    if mapping is not None:
        return _mapping(mapping, value, place, _value)
    return _foreign(value, place)


def _leaf(value: str | float | date | None, place: _Place) -> Result[Value, InvalidValue]:
    if value is None or isinstance(value, bool):
        return Success(value)
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, int):
        return Success(int(value))
    if isinstance(value, float):
        return Success(float(value))
    if isinstance(value, datetime):
        return _moment(value, place)
    return Success(value.isoformat())


def _text(value: str, place: _Place) -> Result[Value, InvalidValue]:
    text = str.__str__(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return place.refuse("holds half of a surrogate pair, which is no text")
    return Success(text)


def _moment(value: datetime, place: _Place) -> Result[Value, InvalidValue]:
    if value.tzinfo is None or value.utcoffset() is None:
        return place.refuse("is a datetime without a time zone", AWARE_HINT)
    if getattr(value, "nanosecond", 0):
        return place.refuse("has nanoseconds, and a datetime's text has microseconds")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        return place.refuse("is outside of the years 1 to 9999 in UTC")
    clock = (utc.hour, utc.minute, utc.second, utc.microsecond)
    return Success(datetime(utc.year, utc.month, utc.day, *clock, tzinfo=UTC))


def _members(values: Collection[object], place: _Place) -> Result[tuple[Value, ...], InvalidValue]:
    entered = place.inside(values)
    if isinstance(entered, Failure):
        return entered
    members: list[Value] = []
    for value in values:  # not `collect`, which would double the depth of the stack
        member = _value(value, entered.unwrap())
        if isinstance(member, Failure):
            return member
        members.append(member.unwrap())
    return Success(tuple(members))


def _sorted_members(values: AbstractSet[object], place: _Place) -> Result[Value, InvalidValue]:
    members = _members(values, place)
    if isinstance(members, Failure):
        return members
    try:
        return Success(tuple(sorted(cast("Any", members.unwrap()))))
    except TypeError:
        return place.refuse("is a set whose members have no order: give a list")


def _mapping(
    mapping: Mapping[object, object], container: object, place: _Place, member: _Normaliser
) -> Result[FrozenMap[str, Value], InvalidValue]:
    entered = place.inside(container)
    if isinstance(entered, Failure):
        return entered
    inside = entered.unwrap()
    values: dict[str, Value] = {}
    for name, value in mapping.items():
        if not isinstance(name, str):
            return place.refuse(f"has a key that is of type {type(name).__name__}, not a str: {name!r}")
        text = str.__str__(name)
        normal = member(value, inside.at(text))
        if isinstance(normal, Failure):
            return normal
        values[text] = normal.unwrap()
    return Success(immutabledict(values))


def _as_mapping(value: object) -> Mapping[object, object] | None:
    """The members of a mapping, or the public fields of an attrs, dataclass or pydantic object."""
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value)
    if isinstance(value, type):
        return None
    cls = type(value)
    if attrs.has(cls):
        names = [field.name for field in attrs.fields(cls)]
    elif dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    else:
        dump = getattr(value, "model_dump", None)
        dumped = dump() if callable(dump) else None
        return cast("Mapping[object, object]", dumped) if isinstance(dumped, Mapping) else None
    return {name: getattr(value, name) for name in names if not name.startswith("_")}


def _foreign(value: object, place: _Place) -> Result[Value, InvalidValue]:
    """Paths and NumPy scalars, told by what they can do, since neither library may be imported here."""
    if isinstance(value, type):
        return place.refuse(f"is the class {value.__name__}, which has no text")
    fspath = getattr(value, "__fspath__", None)
    if callable(fspath):
        path = fspath()
        return _text(path, place) if isinstance(path, str) else place.refuse("is a path of bytes")
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind in {"b", "i", "u", "f"} and getattr(value, "ndim", None) == 0:
        scalar = cast("Any", value).item()
        if isinstance(scalar, (bool, int, float)):
            return Success(scalar)
    return place.refuse(f"is of type {type(value).__name__}, which has no text")


def _metric(value: object, place: _Place) -> Result[float, InvalidValue]:
    if not hasattr(value, "__float__"):
        return place.refuse(f"is of type {type(value).__name__}, not a number")
    try:
        return Success(float(cast("Any", value)))
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:  # as numeric libraries refuse
        return place.refuse(f"is of type {type(value).__name__} without a float: {error}")


def _metric_or_mapping(value: object, place: _Place) -> Result[Value, InvalidValue]:
    mapping = None if hasattr(value, "__float__") else _as_mapping(value)
    if mapping is None:
        return _metric(value, place)
    return _mapping(mapping, value, place, _metric_or_mapping)
