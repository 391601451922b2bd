from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from immutabledict import immutabledict

from mlopus.repositories.sqlite.attributes import (
    ARRAY,
    BOOL,
    DATE,
    LONGEST_TEXT,
    MARK,
    NAN,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    attribute_rows,
    stored_text,
    typed,
)


def rows(params: dict) -> set[tuple]:
    document = {"id": "r", "params": immutabledict(params), "description": "d"}
    return set(attribute_rows(document, mappings=frozenset({"params"}), values=frozenset({"description"})))


@pytest.mark.parametrize(
    ("value", "row"),
    [
        (None, (NULL, 0)),
        (math.nan, (NAN, 0)),
        (-math.inf, (NUMBER, -math.inf)),
        (2**63 - 1, (NUMBER, 2**63 - 1)),
        (2**63, (MARK, 0)),
        (True, (BOOL, 1)),
        ("é", (STRING, "é")),
        ("x" * LONGEST_TEXT, (STRING, "x" * LONGEST_TEXT)),
        ("x" * (LONGEST_TEXT + 1), (MARK, 0)),
        ("\ud800", (MARK, 0)),
        (datetime(1970, 1, 1, 0, 0, 1, 1999, tzinfo=UTC), (DATE, 1001)),
        ((), (ARRAY, 0)),
        (immutabledict(), (OBJECT, 0)),
    ],
)
def test_a_value_is_stored_with_its_class(value, row) -> None:
    assert typed(value) == row


def test_members_have_rows_under_dotted_paths_and_containers_rows_with_their_size() -> None:
    assert rows({"opt": immutabledict(lr=0.1, name="adam")}) == {
        ("params.opt", 0, OBJECT, 2),
        ("params.opt.lr", 0, NUMBER, 0.1),
        ("params.opt.name", 0, STRING, "adam"),
        ("description", 0, STRING, "d"),
    }


def test_a_list_has_a_row_for_each_element_but_none_for_what_is_inside_of_them() -> None:
    assert rows({"a": (1, (2, 3), immutabledict(b=4))}) - {("description", 0, STRING, "d")} == {
        ("params.a", 0, ARRAY, 3),
        ("params.a", 1, NUMBER, 1),
        ("params.a", 2, ARRAY, 2),
        ("params.a", 3, OBJECT, 1),
    }


def test_a_path_with_two_spellings_is_marked() -> None:
    found = rows({"a": immutabledict(b=1), "a.b": 2})

    assert ("params.a.b", -1, MARK, 0) in found
    assert ("params.a.b", 0, NUMBER, 1) in found


def test_a_dotted_key_beside_a_leaf_is_found_under_its_path() -> None:
    assert {("params.a", 0, NUMBER, 1), ("params.a.b", 0, NUMBER, 2)} <= rows({"a": 1, "a.b": 2})


def test_different_names_stay_different_even_without_a_utf8_form() -> None:
    assert len({stored_text(name) for name in ("\ud800", "\ud801", "?", "a")}) == 4
