"""The operands of the operators on fields: each checked, and turned into the leaf that it means."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Final, TypeAlias, cast

from immutabledict import immutabledict

from mlopus.domain.frozen import Value
from mlopus.domain.scalars import INT64
from mlopus.errors import InvalidQuery
from mlopus.query.ast import Compare, CompareOp, Exists, In, Leaf, Mod, Path, Regex, Size, TypeIs, TypeName
from mlopus.query.freeze import Frozen, Place
from mlopus.query.operators import DISTINCT_NUMBERS, REGEX_OPTIONS, TYPES
from mlopus.query.values import NUMBER_TYPES
from mlopus.result import Failure, Result, Success, collect

Parsed: TypeAlias = Result[Leaf, InvalidQuery]

_FLAGS: Final = {letter: re.RegexFlag[letter.upper()] for letter in REGEX_OPTIONS}


def literal(value: Frozen, place: Place) -> Result[Value, InvalidQuery]:
    """Accept a value that documents may hold: with no pattern and no operator in it."""
    match value:
        case re.Pattern():
            return place.refuse("a pattern is no value", "Pass it to $regex, $in or $not, or alone.")
        case tuple():
            return collect(literal(member, place) for member in value)
        case immutabledict():
            operator = next((key for key in value if key.startswith("$")), None)
            if operator is not None:
                hint = f'Write the path with dots: {{"{place.path}": {{"{operator}": …}}}}.'
                return place.at(operator).refuse("an operator inside a value is not evaluated", hint)
            members = collect(literal(member, place.at(key)) for key, member in value.items())
            if isinstance(members, Failure):
                return members
            return Success(immutabledict(zip(value, members.unwrap(), strict=True)))
        case _:
            return Success(value)


def equality(path: Path, value: Frozen, place: Place) -> Parsed:
    """`{path: value}`, `$eq`."""
    operand = literal(value, place)
    if isinstance(operand, Failure):
        return operand
    return Success(Compare(path, "eq", operand.unwrap()))


def comparison(op: CompareOp, path: Path, value: Frozen, place: Place) -> Parsed:
    """`$gt`, `$gte`, `$lt`, `$lte`."""
    if isinstance(value, bool | int | float | str | datetime):
        return Success(Compare(path, op, value))
    hint = "Use $exists or $eq to ask about null." if value is None else None
    return place.refuse("it takes a number, a text, a bool or a datetime", hint)


def membership(path: Path, value: Frozen, place: Place) -> Parsed:
    """`$in`, `$nin`."""
    if not isinstance(value, tuple):
        return place.refuse("it takes a list of values")
    patterns = tuple(member for member in value if isinstance(member, re.Pattern))
    values = collect(literal(member, place) for member in value if not isinstance(member, re.Pattern))
    if isinstance(values, Failure):
        return values
    return Success(In(path, values.unwrap(), patterns))


def existence(path: Path, value: Frozen, place: Place) -> Parsed:
    """`$exists`."""
    if isinstance(value, int) and value in {0, 1}:
        return Success(Exists(path, bool(value)))
    return place.refuse("it takes True or False")


def class_of(path: Path, value: Frozen, place: Place) -> Parsed:
    """`$type`."""
    asked = value if isinstance(value, tuple) else (value,)
    if not asked:
        return place.refuse("it takes a type or a list of them, not an empty list")
    found: dict[TypeName, None] = {}
    for member in asked:
        name = TYPES.get(member) if isinstance(member, int | float | str) else None
        if name is None:
            return _no_type(member, place)
        found[name] = None
    return Success(TypeIs(path, tuple(found)))


def _no_type(member: Frozen, place: Place) -> Failure[InvalidQuery]:
    if isinstance(member, int | float | str) and not isinstance(member, bool) and member in DISTINCT_NUMBERS:
        return place.refuse(f"{member!r} is not told apart from other numbers here", "Use 'number'.")
    names = ", ".join(dict.fromkeys(TYPES.values()))
    return place.refuse(f"{member!r} is not a type", f"The types are {names}.")


def length(path: Path, value: Frozen, place: Place) -> Parsed:
    """`$size`."""
    number = _whole(value)
    if number is None or number < 0 or number != value:
        return place.refuse("it takes a whole number that is not negative")
    return Success(Size(path, number))


def remainder(path: Path, value: Frozen, place: Place) -> Parsed:
    """`$mod`."""
    numbers = [_whole(member) for member in value] if isinstance(value, tuple) else []
    match numbers:
        case [int(divisor), int(rest)]:
            if divisor == 0:
                return place.refuse("the divisor is 0 once it is cut to an integer")
            return Success(Mod(path, divisor, rest))
        case _:
            return place.refuse("it takes a list of two finite numbers, divisor and remainder")


def _whole(value: Frozen) -> int | None:
    """Cut a number to an integer of 64 bits; None for what is not one, or does not fit."""
    if type(value) not in NUMBER_TYPES or not math.isfinite(number := cast("int | float", value)):
        return None
    return cut if (cut := math.trunc(number)) in INT64 else None


def search(path: Path, value: Frozen, options: Frozen, place: Place) -> Parsed:
    """`$regex` with its `$options`, which are None if not given."""
    if options is None:
        options = ""
    at_options = place.at("$options")
    if not isinstance(options, str):
        return at_options.refuse(f"it takes a text of the letters {REGEX_OPTIONS}")
    unknown = next((letter for letter in options if letter not in _FLAGS), None)
    if unknown is not None:
        return at_options.refuse(f"{unknown!r} is not an option", f"The options are {REGEX_OPTIONS}.")
    flags = re.NOFLAG
    for letter in options:
        flags |= _FLAGS[letter]
    if isinstance(value, re.Pattern):
        if not options:
            return Success(Regex(path, value))
        if value.flags & ~re.UNICODE:
            return at_options.refuse("the pattern was compiled with flags of its own", "Leave $options out.")
        value = value.pattern
    if not isinstance(value, str):
        return place.refuse("it takes a text or a compiled pattern")
    return _compiled(path, value, flags, place)


def _compiled(path: Path, pattern: str, flags: re.RegexFlag, place: Place) -> Parsed:
    """Compile a pattern; a warning is an exception where the caller's program turned it into one."""
    try:
        return Success(Regex(path, re.compile(pattern, flags)))
    except (re.error, OverflowError, RecursionError, Warning) as error:
        reason = f"the pattern is not one of Python's re: {error}"
        return place.refuse(reason)
