"""The caller's query as frozen values, before it is read: a copy in which every value is checked.

What comes out shares nothing mutable with what came in, so the caller's objects are neither
changed nor watched. The one kind of value here that is no `Value` is a compiled pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from typing import Final, TypeAlias, cast

import attrs
from immutabledict import immutabledict

from mlopus.domain.frozen import Leaf
from mlopus.domain.scalars import INT64
from mlopus.errors import InvalidQuery
from mlopus.query.values import from_numpy
from mlopus.result import Failure, Result, Success

Frozen: TypeAlias = Leaf | re.Pattern[str] | tuple["Frozen", ...] | immutabledict[str, "Frozen"]

MAX_DEPTH: Final = 100
"""Levels of nesting, as in MongoDB."""


@attrs.frozen
class Place:
    """Where in a query something stands: what an error names."""

    path: str = ""
    operator: str | None = None

    def at(self, key: str) -> Place:
        """The place of a value under a key of this place's mapping."""
        if key.startswith("$"):
            return Place(self.path, key)
        return Place(f"{self.path}.{key}" if self.path else key)

    def refuse(self, reason: str, hint: str | None = None) -> Failure[InvalidQuery]:
        """Say what is wrong here."""
        return Failure(InvalidQuery(path=self.path, operator=self.operator, reason=reason, hint=hint))


def freeze(value: object, place: Place, depth: int = 0) -> Result[Frozen, InvalidQuery]:
    """Copy a part of a query into frozen values of the plain types."""
    if depth > MAX_DEPTH:
        return place.refuse(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Enum):
        return freeze(value.value, place, depth + 1)
    if (number := from_numpy(value)) is not None:
        value = number
    if isinstance(value, Mapping):
        return _mapping(cast("Mapping[object, object]", value), place, depth)
    if isinstance(value, list | tuple):
        return _array(cast("list[object] | tuple[object, ...]", value), place, depth)
    return _scalar(value, place)


def _scalar(value: object, place: Place) -> Result[Frozen, InvalidQuery]:
    match value:
        case None | bool():
            return Success(value)
        case float():
            return Success(float.__float__(value))
        case int():
            return _integer(value, place)
        case str():
            return _text(value, place)
        case datetime():
            return _moment(value, place)
        case re.Pattern(pattern=bytes()):
            return place.refuse("a pattern of bytes finds no text", "Compile it from a str.")
        case re.Pattern():
            return Success(cast("re.Pattern[str]", value))
        case _:
            return place.refuse(f"a {type(value).__name__} has no meaning in a query", _instead_of(value))


def _integer(value: int, place: Place) -> Result[Frozen, InvalidQuery]:
    if value not in INT64:
        return place.refuse("the integer does not fit into 64 bits", "Use a float for a bound of that size.")
    return Success(int.__int__(value))


def _text(value: str, place: Place) -> Result[str, InvalidQuery]:
    try:
        value.encode()
    except UnicodeEncodeError:
        return place.refuse("the text holds half of a surrogate pair, which no stored text does")
    return Success(str.__str__(value))


def _moment(value: datetime, place: Place) -> Result[Frozen, InvalidQuery]:
    """Take an aware datetime to UTC and whole milliseconds, rounded down."""
    if value.utcoffset() is None:
        hint = "Give it a timezone, as in datetime(2024, 4, 1, tzinfo=timezone.utc)."
        return place.refuse("a datetime needs a timezone", hint)
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        return place.refuse("the datetime is out of range in UTC")
    whole = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return Success(datetime.combine(whole.date(), whole.time(), UTC))


def _array(
    value: list[object] | tuple[object, ...], place: Place, depth: int
) -> Result[Frozen, InvalidQuery]:
    members: list[Frozen] = []
    for member in value:
        result = freeze(member, place, depth + 1)
        if isinstance(result, Failure):
            return result
        members.append(result.unwrap())
    return Success(tuple(members))


def _mapping(value: Mapping[object, object], place: Place, depth: int) -> Result[Frozen, InvalidQuery]:
    members: dict[str, Frozen] = {}
    for key, member in value.items():
        if not isinstance(key, str):
            return place.refuse(f"the key {key!r} is a {type(key).__name__}, not a str")
        name = _text(key, place)
        if isinstance(name, Failure):
            return name
        result = freeze(member, place.at(name.unwrap()), depth + 1)
        if isinstance(result, Failure):
            return result
        members[name.unwrap()] = result.unwrap()
    return Success(immutabledict(members))


def _instead_of(value: object) -> str | None:
    """Say what to pass instead of a type that people try."""
    if isinstance(value, date):
        return "Pass an aware datetime, or the text that is stored."
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return "Pass a list."
    return None
