"""What no query may say, and what the refusal tells: all of it when the query is parsed."""

import math
import re
import warnings
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from mlopus.domain.status import RunStatus
from mlopus.errors import InvalidQuery
from mlopus.query import find, operators, parse, parse_sorting
from tests.ids import stable_repr

NAIVE = datetime(2024, 4, 1)  # noqa: DTZ001 (what is refused)
EDGE = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))


def nested(levels: int) -> dict[str, Any]:
    query: dict[str, Any] = {"x": 1}
    for _ in range(levels):
        query = {"$and": [query]}
    return query


REFUSED: dict[str, list[dict[Any, Any]]] = {
    "unknown operators": [
        {"x": {"$neq": 1}},
        {"x": {"$foo": 1}},
        {"$foo": 1},
        {"x": {"$": 1}},
        {"x": {"$date": "2024-04-01"}},
        {"x": {"$not": {"$foo": 1}}},
        {"x": {"$elemMatch": {"$foo": 1}}},
        {"x": {"$elemMatch": {"y": {"$foo": 1}}}},
        {"$or": [{"x": 1}, {"y": {"$foo": 1}}]},
    ],
    "operators that mlopus does not have": [
        {"$expr": {"$gt": ["$a", 1]}},
        {"$where": "true"},
        {"$jsonSchema": {}},
        {"$text": {"$search": "a"}},
        {"x": {"$near": [0, 0]}},
        {"x": {"$geoWithin": {}}},
        {"x": {"$bitsAllSet": 1}},
        {"x": {"$regularExpression": {"pattern": "a", "options": ""}}},
        {"x": {"$sum": 1}},
    ],
    "operators in the wrong place": [
        {"$gt": 1},
        {"$not": {"x": 1}},
        {"x": {"$or": [{"y": 1}]}},
        {"x": {"$gt": 1, "y": 2}},
        {"x": {"y": 2, "$gt": 1}},
        {"x": {"y": {"$gt": 1}}},
        {"x": [{"$gt": 1}]},
        {"x": {"$elemMatch": {"$gt": 1, "y": 2}}},
        {"x": {"$elemMatch": {"$gt": 1, "$or": [{"y": 1}]}}},
        {"x": {"$options": "i"}},
        {"x": {"$eq": 1, "$options": "i"}},
    ],
    "paths": [
        {"": 1},
        {".": 1},
        {".a": 1},
        {"a.": 1},
        {"a..b": 1},
        {"a.$b": 1},
        {"a.$": 1},
        {1: 1},
        {None: 1},
        {"x": {1: 1}},
        {"x": {"$eq": {1: 1}}},
        {".".join(["a"] * 101): 1},
    ],
    "values": [
        {"x": NAIVE},
        {"x": {"$in": [NAIVE]}},
        {"x": date(2024, 4, 1)},
        {"x": EDGE},
        {"x": 2**63},
        {"x": -(2**63) - 1},
        {"x": np.uint64(2**63)},
        {"x": np.datetime64("2024-04-01")},
        {"x": np.array([1, 2])},
        {"x": np.complex128(1j)},
        {"x": b"bytes"},
        {"x": Decimal(1)},
        {"x": {1, 2}},
        {"x": object()},
        {"x": "\ud800"},
        {"\ud800": 1},
        {"x": re.compile(b"a")},
        {"x": [re.compile("a")]},
        {"x": {"y": re.compile("a")}},
    ],
    "operands of order": [
        {"x": {operator: operand}}
        for operator in ("$gt", "$gte", "$lt", "$lte")
        for operand in (None, [1], {"y": 1}, re.compile("a"))
    ],
    "operands of equality": [
        {"x": {"$eq": re.compile("a")}},
        {"x": {"$ne": re.compile("a")}},
        {"x": {"$eq": {"$gt": 1}}},
        {"x": {"$ne": {"$exists": True}}},
    ],
    "operands of $in and $nin": [
        {"x": {operator: operand}}
        for operator in ("$in", "$nin")
        for operand in (1, "ab", None, {"y": 1}, {1, 2}, [{"$gt": 1}], [[re.compile("a")]])
    ],
    "operands of $not": [
        {"x": {"$not": operand}} for operand in (1, None, "a", [], {}, {"y": 1}, {"$gt": 1, "y": 2})
    ],
    "operands of $exists": [
        {"x": {"$exists": operand}} for operand in (None, 2, -1, 1.0, "true", [], {}, math.nan)
    ],
    "operands of $regex": [
        {"x": {"$regex": "("}},
        {"x": {"$regex": "a{99999999999999999999}"}},
        {"x": {"$regex": 1}},
        {"x": {"$regex": None}},
        {"x": {"$regex": "a", "$options": "g"}},
        {"x": {"$regex": "a", "$options": 2}},
        {"x": {"$regex": re.compile("a", re.IGNORECASE), "$options": "m"}},
        {"x": {"$not": {"$regex": "("}}},
    ],
    "operands of $and, $or and $nor": [
        {operator: operand}
        for operator in ("$and", "$or", "$nor")
        for operand in ([], {}, {"x": 1}, None, 1, [1], [{"x": 1}, None], [[{"x": 1}]])
    ],
    "operands of $all": [
        {"x": {"$all": 1}},
        {"x": {"$all": {"y": 1}}},
        {"x": {"$all": [{"$gt": 1}]}},
        {"x": {"$all": [{"$elemMatch": {"y": 1}}, 1]}},
        {"x": {"$all": [1, {"$elemMatch": {"y": 1}}]}},
        {"x": {"$all": [{"$elemMatch": {"y": 1}, "$gt": 1}]}},
        {"x": {"$all": [{"$elemMatch": 1}]}},
    ],
    "operands of $elemMatch": [{"x": {"$elemMatch": operand}} for operand in (1, None, [], [{"y": 1}], "a")],
    "operands of $size": [
        {"x": {"$size": operand}} for operand in (-1, 1.5, "1", True, None, [1], {}, math.nan, math.inf)
    ],
    "operands of $type": [
        {"x": {"$type": operand}}
        for operand in ("int", "long", "double", "decimal", "objectId", "foo", 1, 16, 7, True, None, [], {})
    ],
    "operands of $mod": [
        {"x": {"$mod": operand}}
        for operand in (
            *(2, None, [], [2], [2, 0, 0], [0, 1], [0.5, 1], ["2", 0], [2, None]),
            *([math.nan, 0], [2, math.inf], [True, 0], [1e300, 0]),
        )
    ],
}  # fmt: skip


ROWS = [
    pytest.param(query, id=f"{name}: {number}")
    for name, queries in REFUSED.items()
    for number, query in enumerate(queries)
]


@pytest.mark.parametrize("query", ROWS)
def test_a_query_without_a_meaning_is_refused_when_it_is_parsed(query: Any) -> None:
    assert isinstance(parse(query).failure(), InvalidQuery)


@pytest.mark.parametrize("levels", [60, 5000])
def test_a_query_nested_too_deep_is_refused(levels: int) -> None:
    assert "deeper than 100 levels" in parse(nested(levels)).failure().reason


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    assert "deeper than 100 levels" in parse({"x": value}).failure().reason


def test_a_pattern_that_python_warns_about_is_refused_where_warnings_are_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = parse({"x": {"$regex": "[[a]"}})

    assert "Possible nested set" in result.failure().reason


@pytest.mark.parametrize(
    ("query", "path", "operator", "hint"),
    [
        ({"x": {"$neq": 1}}, "x", "$neq", "Did you mean $ne?"),
        ({"x": {"$exist": True}}, "x", "$exist", "Did you mean $exists?"),
        ({"x": {"$GTE": 1}}, "x", "$GTE", "Did you mean $gte?"),
        ({"x": {"$elemmatch": {}}}, "x", "$elemmatch", "Did you mean $elemMatch?"),
        ({"x": {"$in": {1: 2}.keys()}}, "x", "$in", "Pass a list."),
        ({"x": {"$in": np.array([1])}}, "x", "$in", "Pass a list."),
        ({"x": {"$regexp": "a"}}, "x", "$regexp", "Did you mean $regex?"),
        ({"$an": [{}]}, "", "$an", "Did you mean $and?"),
        ({"$or": [{"x": 1}, {"a.b": {"$inn": [1]}}]}, "a.b", "$inn", "Did you mean $in?"),
        ({"x": {"$elemMatch": {"y": {"$siz": 1}}}}, "x.y", "$siz", "Did you mean $size?"),
        ({"$gt": 1}, "", "$gt", 'Write {"field": {"$gt": …}}.'),
        ({"x": {"$or": [{}]}}, "x", "$or", 'Put it around the field: {"$or": [{"x": …}, …]}.'),
        ({"x": {"y": {"$gt": 1}}}, "x.y", "$gt", 'Write the path with dots: {"x.y": {"$gt": …}}.'),
        ({"x": {"$gt": None}}, "x", "$gt", "Use $exists or $eq to ask about null."),
        ({"x": {"$type": "int"}}, "x", "$type", "Use 'number'."),
    ],
    ids=str,
)
def test_a_refusal_names_the_place_and_what_to_write_instead(
    query: Any, path: str, operator: str, hint: str
) -> None:
    error = parse(query).failure()

    assert (error.path, error.operator, error.hint) == (path, operator, hint)


@pytest.mark.parametrize("operator", sorted(operators.REFUSED))
def test_an_operator_of_mongodb_that_mlopus_lacks_is_called_so(operator: str) -> None:
    reason = f"operator {operator} is not supported by mlopus"

    assert parse({operator: 1}).failure().reason == reason
    assert parse({"x": {operator: 1}}).failure().reason == reason


def test_an_unknown_operator_like_no_other_lists_those_that_exist() -> None:
    error = parse({"x": {"$zzz": 1}}).failure()

    assert error.hint is not None
    assert "$all, $and, $comment, $elemMatch, $eq" in error.hint


@pytest.mark.parametrize("query", [1, "x", [], [{"x": 1}], {"x"}, object()], ids=stable_repr)
def test_a_query_that_is_no_mapping_is_a_type_error(query: Any) -> None:
    with pytest.raises(TypeError, match="a query must be a mapping, not a"):
        parse(query)


SORTINGS: list[Any] = [
    ["x"],
    [("x",)],
    [("x", 1, 1)],
    [("x", 0)],
    [("x", 2)],
    [("x", True)],
    [("x", 1.0)],
    [("x", "desc")],
    [("x", None)],
    [(1, 1)],
    [("", 1)],
    [("a..b", 1)],
    [("$x", 1)],
    [("a.$x", -1)],
    [("x", 1), ("x", -1)],
    [None],
    [object()],
]


@pytest.mark.parametrize("sorting", SORTINGS, ids=stable_repr)
def test_a_sorting_without_a_meaning_is_refused(sorting: Any) -> None:
    assert isinstance(parse_sorting(sorting).failure(), InvalidQuery)
    assert isinstance(find([], sorting=sorting).failure(), InvalidQuery)


@pytest.mark.parametrize("sorting", ["x", {"x": 1}, 1, {("x", 1)}], ids=stable_repr)
def test_a_sorting_that_is_no_list_is_a_type_error(sorting: Any) -> None:
    with pytest.raises(TypeError, match="a sorting must be a list"):
        parse_sorting(sorting)


@pytest.mark.parametrize(
    "query",
    [
        OrderedDict(x=OrderedDict({"$gt": 1})),
        {"x": {"$gt": np.float64(1)}},
        {"x": {"$gt": datetime(2024, 4, 1, tzinfo=UTC)}},
        {"x": {"$in": (1, 2)}},
        {"x": {"$in": (RunStatus.FAILED, np.int64(1), np.float32(0.5), np.bool_(True))}},
        {"x": {"$size": np.int64(2)}},
        {"x": {"$mod": (np.int8(2), np.float64(1))}},
        {"x": {"$exists": np.bool_(True)}},
        {np.str_("x"): 1},
        nested(49),
        {".".join(["a"] * 100): 1},
        {"x": 2**63 - 1},
        {"a b/c`'\"%.é": "'\"\\`%\n;--"},
        {"x": "a" * 10_000},
    ],
    ids=lambda query: ascii(query)[:60],
)
def test_an_unusual_query_that_has_a_meaning_is_accepted(query: Any) -> None:
    assert parse(query).unwrap().matches({}) is False
