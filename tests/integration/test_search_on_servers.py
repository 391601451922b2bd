"""Searches on real servers find what the query's own predicate finds, in the same order, at the told cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.integration.searched import Searched, fill
from tests.integration.searches import FIELDS, GROUPS, queries, searches_for, sortings

pytestmark = pytest.mark.server
KINDS = tuple(FIELDS)
LONG = ("x" * 7000, "é" * 3000)


@pytest.fixture(scope="module", params=["mlflow_2_search_server", "mlflow_search_server"])
def searched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    return fill(request.getfixturevalue(request.param).uri, tmp_path_factory.mktemp("cache"))


def among_ours(searched: Searched, kind: str, query: dict[str, Any]) -> dict[str, Any]:
    """The query for what was made here, where that keeps the server from reading what others made."""
    if kind != "run":
        return query
    return {"exp.id": {"$in": [exp["id"] for exp in searched.documents["experiment"]]}, "$and": [query]}


def test_what_was_made_is_there_to_be_found(searched: Searched) -> None:
    assert {kind: len(documents) for kind, documents in searched.documents.items()} == {
        "experiment": 3,
        "run": 57,
        "model": 5,
        "model version": 20,
    }


@pytest.mark.parametrize("group", GROUPS)
def test_every_operator_on_every_field_finds_what_the_predicate_finds(searched: Searched, group: str) -> None:
    kind, fields = GROUPS[group]
    asked = list(searches_for(fields, searched.documents[kind]))

    wrong = [
        query
        for query in asked
        if searched.found(kind, among_ours(searched, kind, query)) != searched.wanted(kind, query)
    ]

    assert wrong == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_field_orders_as_documents_are_ordered(searched: Searched, group: str) -> None:
    kind, fields = GROUPS[group]
    orders = [[(field, direction)] for field in fields for direction in (1, -1)]
    everything = among_ours(searched, kind, {})

    wrong = [
        order
        for order in orders
        if searched.found(kind, everything, order) != searched.wanted(kind, {}, order)
    ]

    assert wrong == []


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_queries_of_every_shape_find_what_the_predicate_finds(
    searched: Searched, kind: str, data: st.DataObject
) -> None:
    query = data.draw(queries(kind, searched.documents[kind]))
    sorting = data.draw(sortings(kind))

    found = searched.found(kind, among_ours(searched, kind, query), sorting)

    assert found == searched.wanted(kind, query, sorting)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("field", ["metrics.acc", "metrics.loss", "metrics.val.acc", "metrics.é x"])
def test_runs_that_all_have_a_metric_come_from_the_server_in_its_order(
    searched: Searched, field: str, direction: int
) -> None:
    for condition in ({"$gte": -1e308}, {"$lt": 0.9}, {"$gt": 0.0, "$lte": 1e308}):
        query = among_ours(searched, "run", {field: condition})
        order = [(field, direction)]

        assert "order    as they come" in searched.search("run", query, order).explain()
        assert searched.found("run", query, order) == searched.wanted("run", {field: condition}, order)


def test_what_no_address_holds_is_searched_for_all_the_same(searched: Searched) -> None:
    known = [run["id"] for run in searched.documents["run"]]
    many = [f"{number:032x}" for number in range(300)]
    asked: list[tuple[str, dict[str, Any]]] = [
        *(("model", {"name": text}) for text in LONG),
        *(("model", {"tags.mlflow.note": text}) for text in LONG),
        *(("model version", {"source": {"$nin": [text]}}) for text in LONG),
        *(("model version", {"tags.stage": {"$in": [text, "adam"]}}) for text in LONG),
        ("model version", {"run.id": {"$in": [*many, *known]}}),
    ]

    wrong = [
        (kind, list(query))
        for kind, query in asked
        if searched.found(kind, query) != searched.wanted(kind, query)
    ]

    assert wrong == []
