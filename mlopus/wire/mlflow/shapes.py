"""Reading JSON that others wrote: each function takes any value and gives its own type or nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from immutabledict import immutabledict

from mlopus.domain.records import Texts
from mlopus.domain.values import metric_from_server

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_NOTHING: Mapping[str, Any] = immutabledict()


def members(value: object) -> Mapping[str, Any]:
    """The members of an object; none of anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else _NOTHING


def elements(value: object) -> list[object]:
    """The elements of an array; none of anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []


def text(value: object) -> str:
    """A text, or the digits of an integer, as ids come in both forms; "" for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def whole(value: object) -> int:
    """An integer, or one in digits; 0 for anything else."""
    try:
        return int(value) if isinstance(value, int | str) else 0
    except ValueError:
        return 0


def moment(value: object) -> datetime | None:
    """The time of milliseconds since 1970. 0 is how servers keep a time that was never given."""
    ms = whole(value)
    try:
        return _EPOCH + timedelta(milliseconds=ms) if ms else None
    except OverflowError:
        return None


def milliseconds(time: datetime) -> int:
    """Whole milliseconds since 1970, rounded down: a server reads anything else as 0, in silence."""
    return (time - _EPOCH) // _MS


def metric(value: object) -> float | None:
    """A metric's value: a number, or the name of one that is not finite; None if it is neither."""
    try:
        return metric_from_server(float(cast("Any", value)))
    except (TypeError, ValueError):
        return None
    except OverflowError:
        return math.inf if cast("int", value) > 0 else -math.inf


def number_json(value: float) -> float | str:
    """A number as servers take it: raw NaN and infinities would be stored as 0, in silence."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def pairs(value: object, value_name: str = "value", key_name: str = "key") -> Texts:
    """The texts of an array of objects with a key and a value each."""
    found: dict[str, str] = {}
    for element in elements(value):
        pair = members(element)
        key = pair.get(key_name)
        if isinstance(key, str):
            found[key] = text(pair.get(value_name))
    return immutabledict(found)


def pairs_json(texts: Mapping[str, str]) -> list[dict[str, str]]:
    """The array of objects that `pairs` reads."""
    return [{"key": key, "value": value} for key, value in texts.items()]
