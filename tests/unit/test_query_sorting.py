"""In which order documents come: a table of the rules of sorting."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from immutabledict import immutabledict

from mlopus.query import find, parse_sorting
from mlopus.query.sorting import document_key

NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)
ABSENT: dict[str, Any] = {}

ASCENDING: dict[str, list[list[dict[str, Any]]]] = {
    "the classes of values": [
        [{"x": []}],
        [ABSENT, {"x": None}],
        [{"x": math.nan}],
        [{"x": -math.inf}],
        [{"x": 1}, {"x": 1.0}],
        [{"x": 2**53}],
        [{"x": 2**53 + 1}],
        [{"x": math.inf}],
        [{"x": ""}],
        [{"x": "A"}],
        [{"x": "a"}],
        [{"x": {}}],
        [{"x": {"a": 1}}],
        [{"x": [[]]}],
        [{"x": [[1]]}],
        [{"x": False}],
        [{"x": True}],
        [{"x": NOON}],
    ],
    "an array by its least element": [[{"x": [9, 1]}], [{"x": 2}, {"x": (2, 8)}], [{"x": [3, 7]}]],
    "null in an array as null": [[{"x": [None, 9]}, ABSENT], [{"x": 0}]],
}

DESCENDING: dict[str, list[list[dict[str, Any]]]] = {
    "missing last but for empty arrays": [[{"x": 2}], [{"x": 1}], [ABSENT, {"x": None}], [{"x": []}]],
    "an array by its greatest element": [[{"x": [1, 9]}], [{"x": 8}, {"x": [8]}], [{"x": [7, 0]}]],
    "NaN after the numbers": [[{"x": -math.inf}], [{"x": math.nan}], [ABSENT]],
}

THROUGH_ARRAYS: dict[str, list[list[dict[str, Any]]]] = {
    "an object that lacks the field counts as null": [
        [{"x": [{"y": 5}, {}]}, {"x": {}}, {"x": 1}],
        [{"x": [{"y": 3}, {"y": 1}]}],
        [{"x": {"y": 2}}],
    ],
    "an array of scalars counts as null": [[{"x": [7, 8]}, {"x": []}, ABSENT], [{"x": {"y": -1}}]],
    "a field's array by its elements": [[{"x": [{"y": [4, 1]}]}], [{"x": {"y": [2, 3]}}]],
    "a dotted key as the path": [[{"x": 9, "x.y": 1}], [{"x": {"y": 2}}], [immutabledict({"x.y": 3})]],
}

THROUGH_ARRAYS_DESCENDING: dict[str, list[list[dict[str, Any]]]] = {
    "an object counts by its greatest": [
        [{"x": [{"y": 1}, {"y": 9}]}],
        [{"x": {"y": 5}}],
        [{"x": [{}]}, ABSENT],
    ],
    "a field's array by its greatest": [[{"x": [{"y": [4, 8]}, {}]}], [{"x": {"y": [7]}}]],
}


def rows(table: dict[str, Any], path: str, direction: int) -> list[Any]:
    return [pytest.param(groups, [(path, direction)], id=name) for name, groups in table.items()]


@pytest.mark.parametrize(
    ("groups", "sorting"),
    [
        *(*rows(ASCENDING, "x", 1), *rows(DESCENDING, "x", -1)),
        *(*rows(THROUGH_ARRAYS, "x.y", 1), *rows(THROUGH_ARRAYS_DESCENDING, "x.y", -1)),
    ],
)
def test_documents_come_in_the_order_of_their_values(
    groups: list[list[dict[str, Any]]], sorting: list[tuple[str, int]]
) -> None:
    in_order = [document for group in groups for document in group]
    scrambled = [document for turn in (1, 0) for document in in_order[turn::2]]
    place = {id(document): number for number, group in enumerate(groups) for document in group}

    found = find(scrambled, sorting=sorting).unwrap()

    assert [place[id(document)] for document in found] == sorted(place[id(document)] for document in in_order)


@pytest.mark.parametrize("direction", [1, -1])
def test_documents_that_tie_keep_the_order_in_which_they_came(direction: int) -> None:
    documents = [{"x": 1, "id": "c"}, {"x": 1.0, "id": "a"}, {"x": [1], "id": "b"}]

    found = find(documents, sorting=[("x", direction)]).unwrap()

    assert [document["id"] for document in found] == ["c", "a", "b"]


def test_the_first_key_decides_before_the_second() -> None:
    documents = [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}, {"x": 2, "y": "a"}, {"y": "c"}]

    found = find(documents, sorting=[("x", -1), ("y", 1)]).unwrap()

    assert found == [{"x": 2, "y": "a"}, {"x": 2, "y": "b"}, {"x": 1, "y": "a"}, {"y": "c"}]


def test_an_id_after_the_sort_key_decides_ties() -> None:
    key = document_key(parse_sorting([("x", -1)]).unwrap())
    documents = [{"x": 1, "id": "c"}, {"x": 2, "id": "b"}, {"x": 1, "id": "a"}]

    ordered = sorted(documents, key=lambda document: (*key(document), document["id"]))

    assert [document["id"] for document in ordered] == ["b", "a", "c"]


def test_without_a_sorting_documents_keep_their_order() -> None:
    documents = [{"x": 2}, {"x": 1}]

    assert find(iter(documents)).unwrap() == documents


def test_the_given_documents_are_found_not_copies() -> None:
    document = {"x": [1]}

    assert find([document], {"x": 1}, [("x", 1)]).unwrap()[0] is document


@pytest.mark.parametrize("sorting", [None, [], ()], ids=repr)
def test_no_sorting_has_no_keys(sorting: Any) -> None:
    assert parse_sorting(sorting).unwrap().keys == ()


def test_a_sorting_may_be_made_of_tuples_or_lists() -> None:
    sorting = parse_sorting((["a.b", 1], ("c", -1))).unwrap()

    assert [(key.path.text, key.descending) for key in sorting.keys] == [("a.b", False), ("c", True)]
