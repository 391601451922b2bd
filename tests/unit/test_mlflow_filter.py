"""What MLflow is asked for a query, in its own grammar, and what is left to be checked here."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

import pytest

from mlopus.domain.status import EntityKind, View
from mlopus.domain.text import codec_named
from mlopus.plans.search import SearchSpec
from mlopus.query import parse, parse_sorting
from mlopus.wire.mlflow.filter import ServerSearches, server_searches

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def asked(
    query: Any,
    sorting: Any = None,
    *,
    kind: EntityKind = "run",
    codec: str = "plain",
    view: View = "active",
    exp_ids: tuple[str, ...] = ("1", "2"),
) -> ServerSearches:
    spec = SearchSpec(
        kind=kind,
        query=parse(query).unwrap(),
        sorting=parse_sorting(sorting).unwrap(),
        view=view,
        exp_ids=exp_ids,
    )
    return server_searches(spec, codec_named(codec))


def filters(searches: ServerSearches) -> list[str]:
    return [search.filter for search in searches.searches]


@pytest.mark.parametrize(
    ("query", "filter_"),
    [
        ({}, ""),
        ({"id": "abc"}, "attributes.run_id = 'abc'"),
        ({"id": {"$in": ["a", "b"]}}, "attributes.run_id IN ('a', 'b')"),
        ({"id": {"$nin": ["a", "b"]}}, "attributes.run_id NOT IN ('a', 'b')"),
        ({"id": {"$ne": "a"}}, "attributes.run_id != 'a'"),
        ({"status": "FAILED"}, "attributes.status = 'FAILED'"),
        (
            {"$nor": [{"status": "FAILED"}, {"status": "KILLED"}]},
            "attributes.status != 'FAILED' AND attributes.status != 'KILLED'",
        ),
        ({"name": "it's"}, 'attributes.run_name = "it\'s"'),
        ({"metrics.acc": {"$gte": 0.5}}, "metrics.`acc` >= 0.5"),
        ({"metrics.acc": {"$gt": 1e20}}, "metrics.`acc` > 1e20"),
        ({"metrics.val/acc top 1": {"$lt": -1e-5}}, "metrics.`val/acc top 1` < -1e-05"),
        ({"metrics.val.acc": 3}, "metrics.`val.acc` = 3.0"),
        ({"start_time": {"$gte": NOON}}, "attributes.start_time >= 1795435200000"),
        ({"end_time": {"$lt": NOON}}, "attributes.end_time < 1795435200000 AND attributes.end_time > 0"),
        ({"tags.mlflow.user": "ann"}, "tags.`mlflow.user` = 'ann'"),
        ({"id": "a", "status": "KILLED"}, "attributes.run_id = 'a' AND attributes.status = 'KILLED'"),
    ],
)
def test_what_the_server_compares_as_queries_do_is_asked_exactly(query: Any, filter_: str) -> None:
    found = asked(query)
    assert (filters(found), found.push_down.is_exact, found.push_down.rechecked) == ([filter_], True, ())


@pytest.mark.parametrize(
    ("query", "filter_"),
    [
        ({"params.lr": 0.1}, "params.`lr` LIKE '%0.1%'"),
        ({"params.seed": 5}, "params.`seed` LIKE '%5%'"),
        ({"params.seed": -5.0}, "params.`seed` LIKE '%5%'"),
        ({"params.on": True}, "params.`on` LIKE '%true%'"),
        ({"params.at": NOON}, "params.`at` LIKE '%2026-11-23T12:00:00.000%'"),
        ({"tags.stage": "prod"}, "tags.`stage` LIKE '%prod%'"),
        ({"tags.by": 'O\'Neil "x" \\ (C++)'}, "tags.`by` LIKE '%O%Neil %x% % _C___%'"),
        ({"tags.stage": {"$regex": "^pro"}}, "tags.`stage` LIKE '%pro%'"),
        ({"metrics.acc": {"$gt": -1}}, "metrics.`acc` > -1.0"),
    ],
)
def test_where_the_server_finds_more_the_rest_is_checked_here(query: Any, filter_: str) -> None:
    found = asked(query)
    assert (filters(found), found.push_down.is_exact) == ([filter_], False)
    assert found.push_down.rechecked[0].startswith(next(iter(query)))


@pytest.mark.parametrize(
    "query",
    [
        {"params.lr": {"$gt": 0.1}},
        {"params.lr": {"$ne": 0.1}},
        {"params.lr": {"$exists": True}},
        {"params.lr": None},
        {"params.lr": [1, 2]},
        {"params.lr": 1e22},
        {"params.lr": "a\nb"},
        {"params.`": 1},
        {"params": {"lr": 1}},
        {"tags.x": {"$regex": "a.b"}},
        {"metrics.acc": {"$ne": 1}},
        {"metrics.acc": {"$lte": float("inf")}},
        {"metrics.acc": {"$gt": 2**53 + 1}},
        {"metrics.acc": {"$exists": False}},
        {"metrics.acc": "high"},
        {"name": {"$ne": "a"}},
        {"name": "both ' and \""},
        {"name": "back\\slash"},
        {"end_time": {"$ne": NOON}},
        {"end_time": None},
        {"name": None},
        {"status": None},
        {"id": {"$gt": "a"}},
        {"repo": "s3://bucket"},
        {"exp.name": "ranking"},
        {"$or": [{"id": "a"}, {"params.lr": {"$gt": 1}}]},
        {"$or": [{"id": str(number)} for number in range(9)]},
    ],
)
def test_what_the_server_would_answer_otherwise_is_not_asked(query: Any) -> None:
    found = asked(query)
    assert (filters(found), found.push_down.is_exact) == ([""], False)


def test_what_cannot_be_asked_does_not_keep_the_rest_from_being_asked() -> None:
    found = asked({"status": "FAILED", "params.lr": {"$gt": 0.1}})
    assert (filters(found), found.push_down.is_exact) == (["attributes.status = 'FAILED'"], False)


def test_a_nested_param_is_also_looked_for_in_lists_above_it() -> None:
    assert filters(asked({"params.opt.lr": 0.1})) == [
        "params.`opt.lr` LIKE '%0.1%'",
        "params.`opt` LIKE '_%lr%0.1%'",
    ]


def test_an_index_in_a_path_is_no_name_to_look_for() -> None:
    assert filters(asked({"params.layers.0": 64}))[1] == "params.`layers` LIKE '_%64%'"


def test_alternatives_are_searches_of_their_own() -> None:
    found = asked({"$or": [{"id": "a"}, {"status": "FAILED"}], "metrics.acc": {"$gt": 0.5}})
    assert filters(found) == [
        "metrics.`acc` > 0.5 AND attributes.run_id = 'a'",
        "metrics.`acc` > 0.5 AND attributes.status = 'FAILED'",
    ]


@pytest.mark.parametrize(
    ("query", "exp_ids"),
    [
        ({"exp.id": "1"}, [("1",)]),
        ({"exp.id": {"$in": ["2", "3"]}}, [("2",)]),
        ({"exp.id": {"$ne": "1"}}, [("2",)]),
        ({"exp.id": "3"}, []),
        ({"$or": [{"exp.id": "1"}, {"exp.id": "3"}]}, [("1",)]),
    ],
)
def test_experiments_are_named_beside_the_filter(query: Any, exp_ids: list[tuple[str, ...]]) -> None:
    assert [search.exp_ids for search in asked(query).searches] == exp_ids


def test_without_an_experiment_there_is_nothing_to_ask() -> None:
    assert asked({}, exp_ids=()).searches == ()


@pytest.mark.parametrize(
    "query", [{"status": "PAUSED"}, {"id": {"$in": []}}, {"$or": [{"status": "PAUSED"}]}]
)
def test_what_no_run_can_be_is_not_asked(query: Any) -> None:
    assert asked(query).searches == ()


def test_under_a_codec_with_many_texts_for_a_value_only_mlflows_own_tags_are_asked() -> None:
    found = asked({"params.lr": 0.1, "tags.mlflow.user": "ann"}, codec="mlopus-1")
    assert filters(found) == ["tags.`mlflow.user` = 'ann'"]


@pytest.mark.parametrize(
    ("sorting", "order_by"),
    [
        ([("start_time", -1)], ("attributes.start_time DESC", "attributes.run_id ASC")),
        (
            [("end_time", -1), ("start_time", -1)],
            ("attributes.end_time DESC", "attributes.start_time DESC", "attributes.run_id ASC"),
        ),
        ([("start_time", -1), ("id", -1)], ("attributes.start_time DESC", "attributes.run_id DESC")),
        ([("id", 1), ("name", 1)], ("attributes.run_id ASC",)),
    ],
)
def test_an_order_that_is_the_servers_too_is_asked_for(sorting: Any, order_by: tuple[str, ...]) -> None:
    found = asked({}, sorting)
    assert (found.order_by, found.push_down.is_sorted) == (order_by, True)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("condition", [0.5, {"$gt": 0.5}, {"$lte": 0.5}, {"$in": [0.5]}], ids=str)
def test_the_order_of_a_metric_that_all_have_is_asked_for(condition: Any, direction: int) -> None:
    found = asked({"metrics.val.acc": condition}, [("metrics.val.acc", direction)])

    wanted = f"metrics.`val.acc` {'ASC' if direction == 1 else 'DESC'}"
    assert (found.order_by, found.push_down.is_sorted) == ((wanted, "attributes.run_id ASC"), True)


@pytest.mark.parametrize(
    "condition", [{"$exists": True}, {"$ne": 0.5}, {"$gt": math.inf}, {"$not": {"$gt": 0.5}}], ids=str
)
def test_the_order_of_a_metric_that_some_may_lack_is_not_asked_for(condition: Any) -> None:
    found = asked({"metrics.acc": condition, "metrics.val": {"$gt": 1}}, [("metrics.acc", -1)])

    assert (found.order_by, found.push_down.is_sorted) == ((), False)


@pytest.mark.parametrize(
    "sorting",
    [
        [("start_time", 1)],
        [("end_time", 1)],
        [("name", 1)],
        [("params.lr", -1)],
        [("metrics.acc", -1)],
        [("start_time", -1), ("metrics.acc", -1)],
    ],
)
def test_an_order_that_servers_see_otherwise_is_not_asked_for(sorting: Any) -> None:
    found = asked({}, sorting)
    assert (found.order_by, found.push_down.is_sorted) == ((), False)


def test_rows_of_several_searches_are_in_no_order() -> None:
    assert not asked({"$or": [{"id": "a"}, {"id": "b"}]}, [("start_time", -1)]).push_down.is_sorted


def test_without_an_order_any_is_right() -> None:
    assert asked({"params.lr": {"$gt": 1}}).push_down.is_sorted


@pytest.mark.parametrize(
    ("kind", "query", "filter_"),
    [
        ("experiment", {"name": "a"}, "name = 'a'"),
        ("experiment", {"name": {"$ne": "a"}}, "name != 'a'"),
        ("experiment", {"created_at": {"$gt": NOON}}, "creation_time > 1795435200000"),
        ("experiment", {"tags.mlflow.kind": "x"}, "tags.`mlflow.kind` = 'x'"),
        ("model", {"name": "a"}, "name = 'a'"),
        ("model version", {"model.name": "a", "version": 3}, "name = 'a' AND version_number = 3"),
        ("model version", {"version": {"$gte": 2.0}}, "version_number >= 2"),
        ("model version", {"run.id": {"$in": ["a", "b"]}}, "run_id IN ('a', 'b')"),
        ("model version", {"source": "s3://b/p"}, "source_path = 's3://b/p'"),
    ],
)
def test_each_kind_has_fields_of_its_own(kind: EntityKind, query: Any, filter_: str) -> None:
    found = asked(query, kind=kind)
    assert (found.searches[0].filter, found.push_down.is_exact) == (filter_, True)


@pytest.mark.parametrize("kind", ["model", "model version"])
def test_a_registry_is_asked_for_prompts_too_which_it_would_leave_out(kind: EntityKind) -> None:
    assert filters(asked({}, kind=kind)) == ["", "tags.`mlflow.prompt.is_prompt` = 'true'"]


def test_prompts_of_a_given_name_are_asked_for_only_if_there_is_no_model_of_it() -> None:
    searches = asked({"model.name": "a"}, kind="model version").searches
    assert [search.is_last_resort for search in searches] == [False, True]


@pytest.mark.parametrize("kind", ["model", "model version"])
def test_a_registry_has_nothing_deleted_to_ask_for(kind: EntityKind) -> None:
    assert asked({}, kind=kind, view="deleted").searches == ()


def test_versions_of_one_model_come_in_order_of_their_numbers() -> None:
    found = asked({"model.name": "a"}, [("version", -1)], kind="model version")
    assert (found.order_by, found.push_down.is_sorted) == (("version_number DESC",), True)


def test_versions_of_several_models_do_not() -> None:
    assert not asked({}, [("version", -1)], kind="model version").push_down.is_sorted


IDS = [f"{number:032x}" for number in range(1000)]
OF_A_REGISTRY: list[tuple[EntityKind, dict[str, Any]]] = [
    ("model", {"name": "é" * 3000}),
    ("model", {"tags.mlflow.note": "y" * 7000}),
    ("model", {"tags.note": {"$regex": "y" * 7000}}),
    ("model", {"$and": [{f"tags.mlflow.{number}": "y" * 500} for number in range(10)]}),
    ("model version", {"source": "s3://" + "/" * 2000}),
    ("model version", {"run.id": {"$in": IDS[:300]}}),
    ("model version", {"run.id": {"$in": IDS}, "version": {"$gt": 3}}),
]


@pytest.mark.parametrize(("kind", "query"), OF_A_REGISTRY)
def test_what_is_asked_of_a_registry_fits_into_an_address(kind: EntityKind, query: dict[str, Any]) -> None:
    sizes = [len(quote(filter_, safe="")) for filter_ in filters(asked(query, kind=kind))]

    assert max(sizes) < 3200


@pytest.mark.parametrize(("kind", "query"), [*OF_A_REGISTRY[:5], OF_A_REGISTRY[6]])
def test_what_is_too_long_for_an_address_is_checked_here(kind: EntityKind, query: dict[str, Any]) -> None:
    told = asked(query, kind=kind).push_down

    assert (told.is_exact, told.rechecked[-1]) == (
        False,
        "a condition is too long for the address of a request",
    )


def test_a_list_that_is_too_long_for_an_address_is_asked_for_in_parts() -> None:
    found = asked({"run.id": {"$in": IDS[:300]}, "version": {"$gt": 3}}, kind="model version")

    of_runs = [next(c for c in search.clauses if c.key == "run_id") for search in found.searches[:5]]
    assert [value for clause in of_runs for value in cast("tuple[str, ...]", clause.operand)] == IDS[:300]
    assert {search.clauses[1].key for search in found.searches} == {"version_number"}
    assert (len(found.searches), found.push_down.is_exact) == (10, True)


def test_a_text_with_a_quote_is_no_member_of_a_list_that_old_servers_read() -> None:
    assert filters(asked({"id": {"$in": ["it's", "a"]}})) == [
        'attributes.run_id = "it\'s"',
        "attributes.run_id = 'a'",
    ]


def test_what_is_asked_in_the_body_of_a_request_may_be_long() -> None:
    assert filters(asked({"name": "é" * 3000})) == [f"attributes.run_name = '{'é' * 3000}'"]


def test_what_is_asked_is_told_in_the_servers_words() -> None:
    found = asked({"id": "a"}, [("start_time", -1)])
    assert found.push_down.evaluated == (
        "runs in experiments 1, 2: attributes.run_id = 'a'",
        "order by attributes.start_time DESC, attributes.run_id ASC",
    )
