"""The names of the operators: those that work here, those that are refused, and what was meant."""

from __future__ import annotations

from typing import Final

from mlopus.query.ast import TypeName

LOGICAL: Final = frozenset({"$and", "$or", "$nor"})
"""Operators on whole queries."""

COMMENT: Final = "$comment"

ON_FIELDS: Final = frozenset(
    {
        "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$not", "$exists", "$type", "$regex",
        "$options", "$mod", "$all", "$elemMatch", "$size",
    }
)  # fmt: skip
"""Operators on the values at a path."""

REFUSED: Final = frozenset(
    {
        "$expr", "$where", "$function", "$jsonSchema", "$text", "$search", "$rand", "$sampleRate",
        "$geoIntersects", "$geoWithin", "$near", "$nearSphere", "$geometry", "$box", "$center", "$polygon",
        "$bitsAllClear", "$bitsAllSet", "$bitsAnyClear", "$bitsAnySet", "$regularExpression",
        "$abs", "$add", "$addFields", "$avg", "$ceil", "$cmp", "$concat", "$cond", "$count", "$dateToString",
        "$divide", "$filter", "$first", "$floor", "$group", "$ifNull", "$last", "$let", "$limit", "$literal",
        "$lookup", "$map", "$match", "$max", "$min", "$multiply", "$orderby", "$project", "$query", "$reduce",
        "$set", "$skip", "$slice", "$sort", "$strLenCP", "$substr", "$subtract", "$sum", "$switch",
        "$toLower", "$toString", "$toUpper", "$unset", "$unwind",
    }
)  # fmt: skip
"""Operators that MongoDB knows and mlopus does not evaluate."""

TYPES: Final[dict[object, TypeName]] = {
    "number": "number",
    "string": "string",
    "object": "object",
    "array": "array",
    "bool": "bool",
    "date": "date",
    "null": "null",
    2: "string",
    3: "object",
    4: "array",
    8: "bool",
    9: "date",
    10: "null",
}
"""The names and numbers that `$type` takes."""

DISTINCT_NUMBERS: Final = frozenset({"int", "long", "double", "decimal", 1, 16, 18, 19})
"""What `$type` refuses because JSON does not tell such numbers apart."""

REGEX_OPTIONS: Final = "imsx"


def refusal(operator: str) -> str:
    """Say why an operator cannot be used at all."""
    if operator in REFUSED:
        return f"operator {operator} is not supported by mlopus"
    return "there is no such operator"


def suggestion(operator: str) -> str:
    """Name the operator that was probably meant, or all there are."""
    import difflib  # noqa: PLC0415 (only a query that is refused pays for it)

    known = sorted(LOGICAL | ON_FIELDS | {COMMENT})
    lowered = {name.lower(): name for name in known}
    nearest = difflib.get_close_matches(operator.lower(), lowered, n=1)
    return f"Did you mean {lowered[nearest[0]]}?" if nearest else f"The operators are {', '.join(known)}."
