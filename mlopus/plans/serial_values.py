"""Values of requests as JSON and back, type for type: a float stays one, a tuple is no mapping."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, cast

from immutabledict import immutabledict

from mlopus.domain.frozen import Value

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LONG_BITS = 12_000
"""Integers beyond this have more digits than Python converts; JSON holds them in hexadecimal."""


def float_to_json(number: float) -> float | str:
    """A float; what JSON has no number for by name."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def float_from_json(found: object) -> float:
    """The float of a number or a name."""
    if isinstance(found, str) and found in _NON_FINITE:
        return _NON_FINITE[found]
    if isinstance(found, float) or (isinstance(found, int) and not isinstance(found, bool)):
        return float(found)
    raise ValueError(f"{found!r:.60} is no number")


def moment_from_json(found: object) -> datetime:
    """The datetime of an ISO text with an offset."""
    try:
        moment = datetime.fromisoformat(found) if isinstance(found, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{found!r:.60} is no time with an offset")
    return moment


def value_to_json(value: Value) -> Any:
    """A nested value; what JSON has no form for stands in an object with one tag."""
    match value:
        case None | bool() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"float": float_to_json(value)}
        case int():
            return {"int": hex(value)} if value.bit_length() > _LONG_BITS else value
        case datetime():
            return {"time": value.isoformat()}
        case tuple():
            return [value_to_json(member) for member in value]
        case _:
            return {"map": {key: value_to_json(member) for key, member in value.items()}}


def value_from_json(found: object) -> Value:
    """The value that `value_to_json` wrote."""
    if found is None or isinstance(found, bool | int | float | str):
        return found
    if isinstance(found, list):
        return tuple(value_from_json(member) for member in cast("list[object]", found))
    tagged = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    kind, content = next(iter(tagged.items())) if len(tagged) == 1 else ("", None)
    match kind:
        case "float":
            return float_from_json(content)
        case "int" if isinstance(content, str):
            return int(content, 16)
        case "time":
            return moment_from_json(content)
        case "map" if isinstance(content, dict):
            members = cast("dict[str, object]", content)
            return immutabledict({key: value_from_json(member) for key, member in members.items()})
        case _:
            raise ValueError(f"{found!r:.60} is no value")
