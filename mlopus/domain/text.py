"""Values as the texts that MLflow holds, and back.

The codec "plain" writes

- a str bare, unless that would read as something else; then as a JSON string,
- an aware datetime as `2024-04-01T09:00:00.000000+00:00`, in UTC,
- everything else as JSON, with Python's default separators and unicode kept.

Reading turns a text into something else than a str only if writing that gives exactly this text
again. So `read(write(value)) == value` for every value, and `write(read(text)) == text` for every text
that any client ever wrote: `0.10`, `1E5`, `True` and `[1,2]` are not what Python would write, and
stay text.

- A mapping with members has no text, since its members have keys of their own; `{"x": 1}` stays
  text. Inside a list it is JSON.
- Inside a list, a JSON string that is a datetime's text is that datetime, and a str that looks like
  one is quoted once more.
- A float that is not finite is written as `NaN`, `Infinity` or `-Infinity`, and these stay text.
- What is nested deeper than `LIST_LEVELS`, and integers with more digits than Python converts (4300),
  have no text as a value; such texts stay text.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

import attrs
from immutabledict import immutabledict

from mlopus.domain.frozen import EMPTY, LIST_LEVELS, Value
from mlopus.result import Failure, Result, Success

if TYPE_CHECKING:
    from collections.abc import Callable


@attrs.frozen
class NoText:
    """Why a codec has no text for a value, worded to follow the name of what holds it."""

    reason: str


class TextCodec(Protocol):
    """How a leaf of params and tags becomes text.

    `read` takes any text and never fails.
    """

    @property
    def name(self) -> str:
        """The name that `text_codec` of the settings takes."""
        ...

    @property
    def is_exact(self) -> bool:
        """Whether `write(read(text)) == text` for every text."""
        ...

    def write(self, value: Value) -> Result[str, NoText]:
        """The text of a normalised value."""
        ...

    def read(self, text: str) -> Value:
        """The value of a text."""
        ...


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_refuse)
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)


def codec_named(name: str) -> TextCodec:
    """Give the codec that a setting names.

    Raises:
        ValueError: There is no codec of that name.

    Example:
        >>> codec_named("plain").read("0.1")
        0.1
    """
    if name == PLAIN.name:
        return PLAIN
    if name == "mlopus-1":
        from mlopus.domain.text_mlopus1 import MLOPUS_1  # noqa: PLC0415  # it builds on this module

        return MLOPUS_1
    message = f"text_codec is 'plain' or 'mlopus-1', not {name!r}"
    raise ValueError(message)


def write_moment(moment: datetime) -> str:
    """The one text of an aware datetime; OverflowError before year 1 and after 9999 in UTC."""
    if moment.tzinfo is None:
        raise TypeError("a datetime without a time zone is no value")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def read_moment(text: str) -> datetime | None:
    """The datetime of a text, if it is exactly what `write_moment` writes."""
    if len(text) != 32 or text[10] != "T" or not text.endswith("+00:00"):  # noqa: PLR2004  # see write_moment
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if write_moment(moment) == text else None


def non_finite_text(number: float) -> str | None:
    """`NaN`, `Infinity` or `-Infinity`; None for a finite number."""
    if math.isfinite(number):
        return None
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def is_too_deep(text: str) -> bool:
    """Whether a JSON text nests deeper than `LIST_LEVELS`, told before parsing it."""
    if text.count("[") + text.count("{") <= LIST_LEVELS:
        return False
    level = 0
    for character in _JSON_STRING.sub("", text):
        if character in "[{":
            level += 1
            if level > LIST_LEVELS:
                return True
        elif character in "]}":
            level -= 1
    return False


@attrs.frozen
class PlainCodec:
    """The codec "plain"; the rules are in the module's docstring."""

    name: str = "plain"
    is_exact: bool = True

    def write(self, value: Value) -> Result[str, NoText]:
        """The text of a value.

        Fails with:
            NoText: A mapping with members, too many levels or digits, a datetime outside of years 1 to 9999.

        Example:
            >>> [PLAIN.write(value).unwrap() for value in ("adam", "5", 5, None, (1, "a"))]
            ['adam', '"5"', '5', 'null', '[1, "a"]']
        """
        if isinstance(value, str):
            return Success(_quoted_if_needed(value, _read))
        if isinstance(value, immutabledict) and value:
            return Failure(NoText("has no text: the members of a mapping have keys of their own"))
        try:
            if isinstance(value, datetime):
                return Success(write_moment(value))
            if isinstance(value, float):
                return Success(non_finite_text(value) or float.__repr__(value))
            return Success(_ENCODER.encode(_as_json(value, LIST_LEVELS)))
        except (ValueError, OverflowError) as error:
            return Failure(NoText(f"has no text: {error}"))

    def read(self, text: str) -> Value:
        """The value of a text; the text itself where it is no other value's text.

        Example:
            >>> [PLAIN.read(text) for text in ("adam", '"5"', "5", "0.10", '[1, "a"]')]
            ['adam', '5', 5, '0.10', (1, 'a')]
        """
        return _READERS.get(text[:1], _read_bare)(text)


def _as_json(value: Value, levels: int) -> Any:
    """What the JSON encoder takes; ValueError beyond `levels`."""
    if isinstance(value, str):
        return _quoted_if_needed(value, _read_member)
    if isinstance(value, float):
        return non_finite_text(value) or value
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, (tuple, immutabledict)) and levels == 0:
        message = f"it is nested deeper than {LIST_LEVELS} levels"
        raise ValueError(message)
    if isinstance(value, tuple):
        return [_as_json(member, levels - 1) for member in value]
    if isinstance(value, immutabledict):
        return {key: _as_json(member, levels - 1) for key, member in value.items()}
    return value


def _from_json(value: object) -> Value:
    if isinstance(value, str):
        return _read_member(value)
    if isinstance(value, list):
        return tuple(_from_json(member) for member in cast("list[object]", value))
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return immutabledict({key: _from_json(member) for key, member in members.items()})
    return cast("Value", value)


def _quoted_if_needed(text: str, read: Callable[[str], Value]) -> str:
    """A text that `read` reads as this very str."""
    return text if read(text) == text else _ENCODER.encode(text)


def _unquoted_if_needed(text: str, read: Callable[[str], Value]) -> str:
    """The str that `_quoted_if_needed` turns into this text."""
    try:
        inner, _ = _DECODER.raw_decode(text)  # anything behind it makes the comparison fail
    except ValueError:
        return text
    return inner if isinstance(inner, str) and _quoted_if_needed(inner, read) == text else text


def _read(text: str) -> Value:
    return _READERS.get(text[:1], _read_bare)(text)


def _read_bare(text: str) -> Value:
    return text


def _read_word(text: str) -> Value:
    return _WORDS.get(text, text)


def _read_number(text: str) -> Value:
    if text[10:11] == "T":
        return read_moment(text) or text
    try:
        number = float(text) if "." in text or "e" in text else int(text)
    except ValueError:
        return text
    return number if repr(number) == text else text


def _read_quoted(text: str) -> Value:
    return _unquoted_if_needed(text, _read)


def _read_list(text: str) -> Value:
    if is_too_deep(text):
        return text
    try:
        plain, _ = _DECODER.raw_decode(text)
        return _from_json(plain) if _ENCODER.encode(plain) == text else text
    except ValueError:
        return text


def _read_member(text: str) -> str | datetime:
    """A JSON string inside a list."""
    if text[:1] == '"':
        return _unquoted_if_needed(text, _read_member)
    return read_moment(text) or text


_WORDS: dict[str, Value] = {"null": None, "true": True, "false": False, "{}": EMPTY}
_READERS: dict[str, Callable[[str], Value]] = {
    **dict.fromkeys("-0123456789", _read_number),
    **dict.fromkeys("ntf{", _read_word),
    '"': _read_quoted,
    "[": _read_list,
}

PLAIN = PlainCodec()
