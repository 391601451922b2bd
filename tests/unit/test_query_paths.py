"""Which values a path reaches: a table of MongoDB's rules, and the one rule of ours."""

from typing import Any

import pytest
from immutabledict import immutabledict

from mlopus.query import parse

REACHED = [
    ("a name in an object", "a", {"a": 5}, [5]),
    ("names in nested objects", "a.b.c", {"a": {"b": {"c": 5}}}, [5]),
    ("an object at the end", "a", {"a": {"b": 1}}, [{"b": 1}]),
    ("a null at the end", "a", {"a": None}, [None]),
    ("an array at the end gives its elements and itself", "a", {"a": [1, 2]}, [1, 2, [1, 2]]),
    ("an element that is an array is not expanded again", "a", {"a": [[1]]}, [[1], [[1]]]),
    ("an empty array at the end gives itself", "a", {"a": []}, [[]]),
    ("an array of objects is walked element by element", "a.b", {"a": [{"b": 1}, {"b": 2}]}, [1, 2]),
    ("an array below an array of objects is expanded", "a.b", {"a": [{"b": [1]}]}, [1, [1]]),
    ("arrays of objects in arrays of objects", "a.b.c", {"a": [{"b": [{"c": 1}]}]}, [1]),
    ("an index", "a.0", {"a": [5, 6]}, [5]),
    (
        "an index, then a name; as a name, the index is missing",
        "a.1.b",
        {"a": [{"b": 1}, {"b": 2}]},
        [2, None],
    ),
    ("an index of an object; as a name, it is missing", "a.0", {"a": [{}]}, [{}, None]),
    ("an index into an array that an index gave", "a.0.1", {"a": [[5, 6]]}, [6]),
    ("an array given by an index is not expanded", "a.0", {"a": [[1, 2]]}, [[1, 2]]),
    ("names are walked into an array that an index gave", "a.0.b", {"a": [[{"b": 1}]]}, [1]),
    ("an array at a name below an index is expanded", "a.0.b", {"a": [{"b": [1, 2]}]}, [1, 2, [1, 2], None]),
    ("digits that no array has are a name", f"a.{'9' * 5000}", {"a": {"9" * 5000: 5}}, [5]),
    ("a number is also a name", "a.0", {"a": {"0": 5}}, [5]),
    ("both readings of a number are tried", "a.0", {"a": [{"0": 5}]}, [5, {"0": 5}]),
    ("a tuple is an array", "a", {"a": (1, 2)}, [1, 2, [1, 2]]),
    ("a frozen object is an object", "a.b", immutabledict({"a": immutabledict({"b": 1})}), [1]),
    ("a dotted key beside its parent", "a.b", {"a": 1, "a.b": 2}, [2]),
    ("a dotted key without its parent", "a.b", {"a.b": 2}, [2]),
    ("a dotted key below an object", "x.a.b", {"x": {"a": 1, "a.b": 2}}, [2]),
    ("a dotted key in an object of an array", "x.a.b", {"x": [{"a.b": 2}]}, [2]),
    ("a dotted key of all the path", "a.b.c", {"a": 1, "a.b.c": 2}, [2]),
    ("a dotted key, then a name", "a.b.c", {"a": 1, "a.b": {"c": 2}}, [2]),
    ("a name, then a dotted key", "a.b.c", {"a": {"b.c": 2}}, [2]),
    ("a dotted key, then an element", "a.b.0", {"a": 1, "a.b": [7]}, [7]),
    ("a dotted key holding an array", "a.b", {"a": 1, "a.b": [1]}, [1, [1]]),
    ("all readings of a path with dotted keys", "a.b", {"a": {"b": 1}, "a.b": 2}, [1, 2]),
]

MISSING = [
    ("a name that is not in the object", "a", {"b": 1}, True),
    ("a name below an empty object", "a.b", {"a": {}}, True),
    ("a name below a number", "a.b", {"a": 5}, True),
    ("a name below a text", "a.b", {"a": "b"}, True),
    ("a name below null", "a.b", {"a": None}, True),
    ("names below a missing name", "a.b.c", {}, True),
    ("a name that one object of an array lacks", "a.b", {"a": [{}]}, True),
    ("a name below an empty array", "a.b", {"a": []}, False),
    ("a name below an array of scalars", "a.b", {"a": [1, 2]}, False),
    ("a name below an array of arrays", "a.b", {"a": [[{"b": 1}]]}, False),
    ("an index beyond the array", "a.5", {"a": [1]}, False),
    ("a name below a scalar that an index gave", "a.0.b", {"a": [1]}, False),
    ("an index written with a leading zero", "a.00", {"a": [1]}, False),
    ("a dotted key whose parent exists", "a.c", {"a": 1, "a.b": 2}, True),
    ("a name below a dotted key's scalar", "a.b.c", {"a.b": 2}, True),
]


def table(rows: list[Any]) -> list[Any]:
    return [pytest.param(*row, id=name) for name, *row in rows]


def holds(query: dict[str, Any], document: Any) -> bool:
    return parse(query).unwrap().matches(document)


@pytest.mark.parametrize(("path", "document", "values"), table(REACHED))
def test_a_path_reaches_each_of_its_values(path: str, document: Any, values: list[Any]) -> None:
    assert all(holds({path: {"$eq": value}}, document) for value in values)


@pytest.mark.parametrize(("path", "document", "values"), table(REACHED))
def test_a_path_reaches_no_other_value(path: str, document: Any, values: list[Any]) -> None:
    strangers = [value for value in (1, 2, 5, 6, 7, [1], [1, 2], None) if value not in values]

    assert not any(holds({path: {"$eq": value}}, document) for value in strangers)


@pytest.mark.parametrize(("path", "document", "values"), table(REACHED))
def test_what_a_path_reaches_exists(path: str, document: Any, values: list[Any]) -> None:
    assert holds({path: {"$exists": bool(values)}}, document)


@pytest.mark.parametrize(("path", "document", "counts_as_null"), table(MISSING))
def test_what_a_path_does_not_reach_does_not_exist(path: str, document: Any, counts_as_null: bool) -> None:
    assert holds({path: {"$exists": False}}, document)
    assert holds({path: None}, document) is counts_as_null


@pytest.mark.parametrize(
    "operator", [{"$regex": "x"}, {"$type": "string"}, {"$gt": "a"}, {"$in": ["x"]}, {"$mod": [2, 0]}]
)
def test_no_operator_looks_into_an_array_that_an_index_gave(operator: dict[str, Any]) -> None:
    assert not holds({"a.0": operator}, {"a": [["x", 2]]})


def test_a_path_of_a_hundred_names_is_walked() -> None:
    document: dict[str, Any] = {"n": 1}
    for _ in range(99):
        document = {"n": [document]}

    assert holds({".".join(["n"] * 100): 1}, document)
