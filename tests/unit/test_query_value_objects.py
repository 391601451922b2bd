"""A parsed query is a value of its own; and what the predecessor did wrong with queries stays right."""

import copy
import pickle
import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from immutabledict import immutabledict

from mlopus.domain.status import RunStatus
from mlopus.query import find, parse
from mlopus.query.ast import And, Compare, In, Not, Path

RUN = {"id": "r1", "exp": {"id": "1"}, "status": "FAILED", "metrics": {"acc": 0.95}, "tags": {"by": "O'Hara"}}
OTHER = {"id": "r2", "exp": {"id": "2"}, "status": "KILLED", "metrics": {"acc": 0.5}, "tags": {"by": "x"}}


def found(query: dict[str, Any], sorting: Any = None) -> list[str]:
    return [run["id"] for run in find([RUN, OTHER], query, sorting).unwrap()]


def test_a_list_of_experiments_is_understood() -> None:
    assert found({"exp.id": {"$in": ["1", "3"]}}) == ["r1"]


def test_a_sorting_is_applied_also_without_a_query() -> None:
    assert found({}, [("metrics.acc", 1)]) == ["r2", "r1"]


def test_a_metric_is_compared_as_a_number() -> None:
    assert found({"metrics.acc": {"$gt": 0.9}}) == ["r1"]


def test_a_quote_in_a_value_is_part_of_the_value() -> None:
    assert found({"tags.by": "O'Hara"}) == ["r1"]


def test_a_killed_run_is_not_a_failed_one() -> None:
    assert found({"status": RunStatus.FAILED}) == ["r1"]
    assert found({"status": {"$ne": RunStatus.FAILED}}) == ["r2"]
    assert found({"status": {"$in": (RunStatus.KILLED, RunStatus.RUNNING)}}) == ["r2"]


def test_the_misspelt_operator_is_refused_and_the_right_one_works() -> None:
    assert parse({"exp.id": {"$neq": "1"}}).failure().hint == "Did you mean $ne?"
    assert found({"exp.id": {"$ne": "1"}}) == ["r2"]


def test_null_asks_for_what_is_missing() -> None:
    assert found({"end_time": None}) == ["r1", "r2"]


def test_the_callers_query_is_not_changed() -> None:
    query = {"exp.id": {"$in": ["1"]}, "$or": [{"a": {"$regex": "x", "$options": "i"}}, {"b": None}]}
    before = copy.deepcopy(query)

    find([RUN], query).unwrap()

    assert query == before


def test_a_query_does_not_follow_later_changes_of_what_it_was_parsed_from() -> None:
    members = ["1"]
    query = parse({"exp.id": {"$in": members}}).unwrap()

    members.append("2")

    assert not query.matches(OTHER)


def test_the_callers_document_is_not_changed() -> None:
    document = {"x": [{"y": (1, 2)}, {"y.z": None}]}
    before = copy.deepcopy(document)

    parse({"x.y": {"$gt": 1}, "x.y.z": None}).unwrap().matches(document)

    assert document == before


def test_queries_of_equal_meaning_are_equal() -> None:
    first = parse({"x": {"$in": [1, {"a": [1]}]}, "y": re.compile("a")}).unwrap()
    second = parse(
        immutabledict({"x": {"$in": (1.0, immutabledict({"a": (1,)}))}, "y": re.compile("a")})
    ).unwrap()

    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    "condition", [lambda value: value, lambda value: {"$in": [value]}], ids=["$eq", "$in"]
)
def test_queries_for_one_and_for_true_are_different(condition: Any) -> None:
    assert parse({"x": condition(1)}) != parse({"x": condition(True)})


def test_a_moment_in_a_tree_is_in_utc_and_cut_to_milliseconds() -> None:
    asked = datetime(2024, 4, 1, 12, 0, 0, 1999, tzinfo=timezone(timedelta(hours=2)))

    root = parse({"x": {"$gt": asked}}).unwrap().root

    assert isinstance(root, Compare)
    assert str(root.value) == "2024-04-01 10:00:00.001000+00:00"


def test_a_pickled_query_is_equal_and_still_answers() -> None:
    query = parse({"x": {"$regex": "a", "$ne": None}, "y": {"$elemMatch": {"$gt": 1}}}).unwrap()

    again = pickle.loads(pickle.dumps(query))  # noqa: S301 (our own bytes)

    assert again == query
    assert again.matches({"x": "a", "y": [2]})


def test_a_tree_holds_frozen_values() -> None:
    root = parse({"a": {"$nin": [[1], {"b": [2]}]}, "c": {"d": [3]}}).unwrap().root

    assert root == And(
        (
            Not(In(Path("a"), ((1,), immutabledict({"b": (2,)})))),
            Compare(Path("c"), "eq", immutabledict({"d": (3,)})),
        )
    )


@pytest.mark.parametrize("query", [{}, None, {"$comment": "all"}], ids=str)
def test_an_empty_query_is_a_conjunction_of_nothing(query: Any) -> None:
    assert parse(query).unwrap().root == And(())


def test_one_condition_stands_alone() -> None:
    assert parse({"a.b": {"$gt": 1}}).unwrap().root == Compare(Path("a.b"), "gt", 1)
