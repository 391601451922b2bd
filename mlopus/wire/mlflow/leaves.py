"""From one condition of a query to what MLflow's server is asked for it.

What makes a condition more than its own clause:

- Texts of params and tags are values here: 5 is also the text `5.0`, and `[5, 6]` has 5 among its
  elements, so their texts are asked for by a part that all of them contain.
- `params.a.b` is the param `a.b`, and `b` of the objects in a list that is the param `a`.
- Servers keep a time that was never given as 0, and old ones a NaN as 0.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, TypeAlias

from mlopus.domain.frozen import Value
from mlopus.domain.status import status_named
from mlopus.domain.text import TextCodec
from mlopus.query.ast import Compare, CompareOp, In, Leaf, Path, Regex
from mlopus.wire.mlflow.clauses import (
    NOTHING,
    Clause,
    ClauseField,
    Operator,
    Pushed,
    any_of,
    containing,
    is_key,
    is_literal,
    not_pushed,
)
from mlopus.wire.mlflow.shapes import milliseconds

LeafRule: TypeAlias = Callable[[Leaf], Pushed]

_OPERATORS: Final[dict[CompareOp, Operator]] = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_PLAIN_PATTERN = re.compile(r"\^?([\w \-,:;/@~]+)")
_LARGEST_EXACT: Final = 10**15
_MAX_IDS: Final = 1000


def text_attribute(name: str, *, takes_in: bool) -> LeafRule:
    """A text that is the same on the server: equality is exact."""

    def one_by_one(path: Path, values: tuple[Value, ...]) -> Pushed:
        return any_of(tuple(rule(Compare(path, "eq", value)) for value in values))

    def rule(leaf: Leaf) -> Pushed:
        match leaf:
            case Compare(_, "eq", str(value)) if is_literal(value) and value:
                return _clause("attribute", name, "=", value)
            case In(_, values, ()) if takes_in and 0 < len(values) <= _MAX_IDS:
                texts = tuple(value for value in values if isinstance(value, str) and _is_member(value))
                if len(texts) == len(values):
                    return _clause("attribute", name, "IN", texts)
                return one_by_one(leaf.path, values)
            case In(_, values, ()):
                return one_by_one(leaf.path, values)
            case Regex(_, pattern):
                return _found_by_part(leaf.path, "attribute", name, _literal_part(pattern))
            case _:
                pass
        return _no_filter(leaf)

    return rule


def run_status(name: str) -> LeafRule:
    """A run's status; one that is not known here is null in every document."""

    def rule(leaf: Leaf) -> Pushed:
        match leaf:
            case Compare(_, "eq", str(value)):
                return _clause("attribute", name, "=", value) if status_named(value) else NOTHING
            case In(_, values, ()):
                return any_of(tuple(rule(Compare(leaf.path, "eq", value)) for value in values))
            case _:
                return _no_filter(leaf)

    return rule


def time_attribute(name: str) -> LeafRule:
    """A time: in whole milliseconds on the server as in queries, 0 where it was never given."""

    def rule(leaf: Leaf) -> Pushed:
        match leaf:
            case Compare(_, op, datetime() as moment):
                ms = milliseconds(moment)
                clause = Clause("attribute", name, _OPERATORS[op], ms)
                given = Clause("attribute", name, ">", 0)
                return Pushed(((clause, given) if _holds(0, op, ms) else (clause,),))
            case _:
                return _no_filter(leaf)

    return rule


def version_number(name: str) -> LeafRule:
    """A whole number that every row has."""

    def rule(leaf: Leaf) -> Pushed:
        match leaf:
            case Compare(_, op, int() | float() as value) if _is_version(value):
                return _clause("attribute", name, _OPERATORS[op], int(value))
            case In(_, values, ()):
                return any_of(tuple(rule(Compare(leaf.path, "eq", value)) for value in values))
            case _:
                return _no_filter(leaf)

    return rule


def experiment_ids(leaf: Leaf) -> Pushed:
    """The experiments of runs are named in the search itself, not in its filter."""
    match leaf:
        case Compare(_, "eq", str(value)):
            return _clause("exp_ids", leaf.path.text, "IN", (value,))
        case In(_, values, ()):
            texts = tuple(value for value in values if isinstance(value, str))
            return _clause("exp_ids", leaf.path.text, "IN", texts)
        case _:
            return _no_filter(leaf)


def metric(leaf: Leaf) -> Pushed:
    """A metric's latest value."""
    key = ".".join(leaf.path.parts[1:])
    if not is_key(key):
        return _no_filter(leaf)
    match leaf:
        case Compare(_, op, int() | float() as value) if not isinstance(value, bool):
            return _metric_comparison(leaf.path, key, op, value)
        case In(_, values, ()):
            numbers = tuple(v for v in values if isinstance(v, int | float) and not isinstance(v, bool))
            if len(numbers) == len(values):
                return any_of(tuple(_metric_comparison(leaf.path, key, "eq", value) for value in numbers))
        case _:
            pass
    return _no_filter(leaf)


def _metric_comparison(path: Path, key: str, op: CompareOp, value: float) -> Pushed:
    if not abs(value) < sys.float_info.max:
        return not_pushed(f"{path}: servers keep infinities as the largest number, and NaN aside")
    number = float(value)
    if number != value:
        return not_pushed(f"{path}: {value} is no number that servers hold exactly")
    clause = Clause("metric", key, _OPERATORS[op], number)
    if _holds(0, op, number):
        return Pushed(((clause,),), (f"{path}: old servers take NaN for 0",))
    return Pushed(((clause,),))


def encoded_text(field: ClauseField, codec: TextCodec) -> LeafRule:
    """A param or tag, whose text stands for a value."""

    def rule(leaf: Leaf) -> Pushed:
        path = leaf.path
        parts = path.parts[1:]
        if not parts or not is_key(".".join(parts)):
            return _no_filter(leaf)
        if field == "tag" and parts[0] == "mlflow":
            return _mlflow_tag(leaf, ".".join(parts))
        if not codec.is_exact:
            return not_pushed(f"{path}: under the codec {codec.name!r} one value has many texts")
        match leaf:
            case Compare(_, "eq", value):
                return _found_by_part(path, field, ".".join(parts), _part_of(value), _ancestors(parts))
            case In(_, values, ()):
                found = (
                    _found_by_part(path, field, ".".join(parts), _part_of(value), _ancestors(parts))
                    for value in values
                )
                return any_of(tuple(found))
            case Regex(_, pattern):
                return _found_by_part(path, field, ".".join(parts), _literal_part(pattern), _ancestors(parts))
            case _:
                return _no_filter(leaf)

    return rule


def _mlflow_tag(leaf: Leaf, key: str) -> Pushed:
    """MLflow's own tags are texts on both sides."""
    match leaf:
        case Compare(_, "eq", str(value)) if is_literal(value):
            return _clause("tag", key, "=", value)
        case In(_, values, ()):
            return any_of(tuple(_mlflow_tag(Compare(leaf.path, "eq", value), key) for value in values))
        case Regex(_, pattern):
            return _found_by_part(leaf.path, "tag", key, _literal_part(pattern))
        case _:
            return _no_filter(leaf)


def _found_by_part(
    path: Path, field: ClauseField, key: str, part: str | None, ancestors: Iterable[tuple[str, str]] = ()
) -> Pushed:
    """Ask for texts with a part that every match has, under the key and in the lists above it."""
    if part is None:
        return not_pushed(f"{path}: the server has no filter for this value")
    branches: list[tuple[Clause]] = []
    for holder, *follow, after in ((key, part, ""), *((above, name, part, "_") for above, name in ancestors)):
        pattern = containing(*follow, after=after)
        if pattern is None:
            return not_pushed(f"{path}: the server has no filter for this value")
        branches.append((Clause(field, holder, "LIKE", pattern),))
    return Pushed(
        tuple(branches), (f"{path}: the server finds a part of the text, the value is compared here",)
    )


def _ancestors(parts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The keys above a key that may hold lists, each with the name to look for in them, if it is no index."""
    above = ((".".join(parts[:length]), parts[length]) for length in range(1, len(parts)))
    return tuple((key, "" if name.isdigit() else name) for key, name in above if is_key(key))


def _part_of(value: Value) -> str | None:
    """What the text of every value that equals this one contains, in a list or not."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float() if _is_whole(value):
            return str(abs(int(value))) if abs(value) < _LARGEST_EXACT else None
        case float() if value - value == 0:
            return repr(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        case _:
            return None


def _literal_part(pattern: re.Pattern[str]) -> str | None:
    """The text that a pattern without any syntax looks for."""
    plain = _PLAIN_PATTERN.fullmatch(pattern.pattern)
    return plain[1] if plain and pattern.flags == re.compile("").flags else None


def _is_member(text: str) -> bool:
    """Whether a text can be written in a list, in which old servers read no double quotes."""
    return text != "" and "'" not in text and is_literal(text)


def _is_whole(value: float) -> bool:
    return isinstance(value, int) or value.is_integer()


def _is_version(value: float) -> bool:
    return not isinstance(value, bool) and _is_whole(value) and 0 <= value < _LARGEST_EXACT


def _holds(left: float, op: CompareOp, right: float) -> bool:
    match op:
        case "eq":
            return left == right
        case "gt":
            return left > right
        case "gte":
            return left >= right
        case "lt":
            return left < right
        case "lte":
            return left <= right


def _clause(field: ClauseField, key: str, op: Operator, operand: str | float | tuple[str, ...]) -> Pushed:
    return Pushed(((Clause(field, key, op, operand),),))


def _no_filter(leaf: Leaf) -> Pushed:
    return not_pushed(f"{leaf.path}: the server has no filter for this condition")
