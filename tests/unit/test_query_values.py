"""Which values are equal, and which order they have: a table of the classes and their traps."""

import math
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from immutabledict import immutabledict

from mlopus.query import parse
from mlopus.query.values import order_key

NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)
NOON_IN_DELHI = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
MS = timedelta(milliseconds=1)
BIG = 2**53


class Status(Enum):
    FAILED = "FAILED"


class Level(IntEnum):
    HIGH = 3


class Moment(datetime):
    """As pandas has one."""


class Name(str):
    __slots__ = ()


EQUAL = [
    ("an integer and a float", 1, 1.0),
    ("zeros of both signs", 0.0, -0.0),
    ("NaN and NaN", math.nan, float("nan")),
    ("infinities", math.inf, float("inf")),
    ("integers beyond 64 bits in the document", 2.0**70, 2**70),
    ("dates in different zones", NOON, NOON_IN_DELHI),
    ("dates of the same millisecond", NOON, NOON + timedelta(microseconds=999)),
    ("a date of a subclass", Moment(2024, 4, 1, 12, tzinfo=UTC), NOON),
    ("a date of a subclass in the document", NOON, Moment(2024, 4, 1, 12, tzinfo=UTC)),
    ("a text of a subclass", Name("a"), "a"),
    ("a text of a subclass in the document", "a", Name("a")),
    ("objects with keys in another order", {"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ("empty objects", {}, {}),
    ("arrays", [1, "a", None], [1.0, "a", None]),
    ("nested containers", {"a": [{"b": []}]}, {"a": [{"b": []}]}),
    ("a list and a tuple", [1, 2], (1, 2)),
    ("a dict and a frozen one", {"a": (1,)}, immutabledict({"a": [1]})),
    ("an enum and its value", Status.FAILED, "FAILED"),
    ("a value and an enum of it", "FAILED", Status.FAILED),
    ("an integer enum and its value", Level.HIGH, 3),
    ("a numpy float", np.float64(0.5), 0.5),
    ("a numpy float in the document", 0.5, np.float32(0.5)),
    ("a numpy integer", np.int32(7), 7),
    ("a numpy integer in the document", 7, np.int64(7)),
    ("a numpy bool", np.bool_(True), True),
    ("a numpy text", np.str_("a"), "a"),
    ("null and null", None, None),
]

DIFFERENT = [
    ("one and true", 1, True),
    ("true and one", True, 1),
    ("zero and false", 0, False),
    ("true and a numpy one", True, np.int64(1)),
    ("a number and its text", 1, "1"),
    ("integers that are one float", BIG, BIG + 1),
    ("a float and the next integer", float(BIG), BIG + 1),
    ("NaN and a number", math.nan, 1.0),
    ("a number and NaN", 1.0, math.nan),
    ("a date and its text", NOON, NOON.isoformat()),
    ("a text and its date", NOON.isoformat(), NOON),
    ("dates a millisecond apart", NOON, NOON + MS),
    ("texts in another case", "a", "A"),
    ("composed and decomposed text", "\u00e9", "e\u0301"),
    ("arrays in another order", [1, 2], [2, 1]),
    ("arrays of different length", [1], [1, 1]),
    ("an object and a larger one", {"a": 1}, {"a": 1, "b": 2}),
    ("an object and an array", {}, []),
    ("null and zero", None, 0),
    ("null and an empty text", None, ""),
    ("true and one inside an array", [True], [1]),
]

ASCENDING: list[list[Any]] = [
    [None],
    [math.nan, -math.inf, -1, -0.5, 0, 0.5, 1, BIG, BIG + 1, 2**63, 1e300, math.inf],
    ["", "A", "B", "a", "aa", "é", "\uffff", "🦊"],
    [{}, {"a": 1}, {"a": 1, "b": 0}, {"a": 2}, {"b": 0}, {"a": "text"}],
    [[], [1], [1, 0], [2], ["a"]],
    [False, True],
    [NOON - MS, NOON, NOON + MS],
]


def table(rows: list[Any]) -> list[Any]:
    return [pytest.param(*row, id=name) for name, *row in rows]


def holds(condition: Any, value: Any) -> bool:
    return parse({"x": condition}).unwrap().matches({"x": value})


@pytest.mark.parametrize(("asked", "stored"), table(EQUAL))
def test_equal_values_match(asked: Any, stored: Any) -> None:
    assert holds({"$eq": asked}, stored)
    assert holds({"$in": ["other", asked]}, stored)
    assert not holds({"$ne": asked}, stored)


@pytest.mark.parametrize(("asked", "stored"), table(DIFFERENT))
def test_different_values_do_not_match(asked: Any, stored: Any) -> None:
    assert not holds({"$eq": asked}, stored)
    assert not holds({"$in": [asked]}, stored)
    assert holds({"$nin": [asked]}, stored)


@pytest.mark.parametrize("values", ASCENDING, ids=lambda values: type(values[-1]).__name__)
def test_values_of_a_class_ascend(values: list[Any]) -> None:
    keys = [order_key(value) for value in values]

    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_the_classes_ascend_from_null_to_date() -> None:
    keys = [order_key(value) for values in ASCENDING for value in values]

    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "values", [[-1, 0, 0.5, BIG, BIG + 1], ["A", "a", "é"], [False, True], [NOON, NOON + MS]], ids=str
)
def test_operators_of_order_follow_the_order_of_values(values: list[Any]) -> None:
    for low, high in pairwise(values):
        assert holds({"$gt": low}, high)
        assert holds({"$gte": low, "$lt": high}, low)
        assert holds({"$lte": high}, high)
        assert not holds({"$gt": low}, low)
        assert not holds({"$lt": high}, high)
        assert not holds({"$gte": high}, low)


@pytest.mark.parametrize("operator", ["$gt", "$gte", "$lt", "$lte"])
@pytest.mark.parametrize("stored", [None, "5", True, False, [], {}, NOON, math.nan], ids=repr)
def test_a_number_is_ordered_against_numbers_only(operator: str, stored: Any) -> None:
    assert not holds({operator: 5}, stored)


@pytest.mark.parametrize("operator", ["$gt", "$gte", "$lt", "$lte"])
@pytest.mark.parametrize("asked", ["m", True, NOON], ids=repr)
def test_a_value_of_another_class_is_ordered_against_no_number(operator: str, asked: Any) -> None:
    assert not holds({operator: asked}, 5)


@pytest.mark.parametrize(
    ("operator", "matches"), [("$gt", False), ("$gte", True), ("$lt", False), ("$lte", True)]
)
def test_nan_is_ordered_against_itself_only(operator: str, matches: bool) -> None:
    assert holds({operator: math.nan}, math.nan) is matches
    assert not holds({operator: math.nan}, 1.0)
    assert not holds({operator: 1.0}, math.nan)


@pytest.mark.parametrize(
    "value",
    [NOON.replace(tzinfo=None), b"bytes", {1, 2}, object(), 1j],
    ids=lambda value: type(value).__name__,
)
def test_a_document_with_a_value_that_json_lacks_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="may not hold"):
        holds({"$in": [NOON, 1]}, [value])


def test_a_document_that_is_no_mapping_is_a_type_error() -> None:
    query = parse({"a": 1}).unwrap()

    with pytest.raises(TypeError, match="a document must be a mapping, not a list"):
        query.matches([])
