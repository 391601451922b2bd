"""A search is a lazy value: what it gives, in which order, and what it says of itself."""

from __future__ import annotations

import pytest

import mlopus
from mlopus.errors import InvalidQuery, NotCached, OfflineMode


@pytest.fixture
def api() -> mlopus.MlflowApi:
    """Two experiments; runs r0 to r4 in the first, with rising accuracy, and r5 in the other."""
    api = mlopus.testing.in_memory()
    first, second = (api.get_or_create_exp(name).unwrap() for name in ("first", "second"))
    for number in range(6):
        run = api.start_run(first if number < 5 else second, f"r{number}").unwrap()
        run.log_metrics({"acc": number / 10}).unwrap()
    return api


def names(search: mlopus.Search[mlopus.RunApi]) -> list[str | None]:
    return [run.name for run in search]


def test_without_an_experiment_all_active_ones_are_searched(api: mlopus.MlflowApi) -> None:
    assert sorted(str(name) for name in names(api.find_runs())) == ["r0", "r1", "r2", "r3", "r4", "r5"]


def test_a_condition_on_experiments_chooses_them(api: mlopus.MlflowApi) -> None:
    assert names(api.find_runs({"exp.name": "second"})) == ["r5"]


def test_an_experiment_that_does_not_exist_holds_nothing(api: mlopus.MlflowApi) -> None:
    assert names(api.find_runs({"exp.id": "77"})) == []


def test_sorting_orders_over_all_experiments(api: mlopus.MlflowApi) -> None:
    assert names(api.find_runs(sorting=[("metrics.acc", -1)]))[:2] == ["r5", "r4"]


def test_a_limit_stops_early_and_the_smaller_one_counts(api: mlopus.MlflowApi) -> None:
    search = api.find_runs(sorting=[("metrics.acc", 1)])

    assert names(search.limit(3).limit(2)) == ["r0", "r1"]


def test_a_limit_of_none_finds_nothing(api: mlopus.MlflowApi) -> None:
    assert api.find_runs().limit(0).all().unwrap() == ()


def test_a_negative_limit_is_refused(api: mlopus.MlflowApi) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        api.find_runs().limit(-1)


def test_the_first_of_nothing_is_none(api: mlopus.MlflowApi) -> None:
    assert api.find_runs({"name": "absent"}).first().unwrap() is None


def test_count_counts_matches(api: mlopus.MlflowApi) -> None:
    assert api.find_runs({"metrics.acc": {"$gte": 0.3}}).count().unwrap() == 3


def test_a_search_sees_what_came_after_it_was_made(api: mlopus.MlflowApi) -> None:
    search = api.find_runs({"name": "late"})

    api.start_run(api.get_exp_by_name("first").unwrap(), "late").unwrap()

    assert names(search) == ["late"]


def test_a_malformed_query_comes_out_when_it_is_evaluated(api: mlopus.MlflowApi) -> None:
    assert isinstance(api.find_runs({"name": {"$regx": "r"}}).all().failure(), InvalidQuery)


def test_iterating_raises_the_carried_error(api: mlopus.MlflowApi) -> None:
    with pytest.raises(InvalidQuery):
        names(api.find_runs(sorting=[("metrics.acc", 2)]))


def test_an_unknown_view_is_refused(api: mlopus.MlflowApi) -> None:
    with pytest.raises(ValueError, match="active"):
        api.find_runs(view="gone")  # type: ignore[arg-type]


def test_the_callers_query_stays_as_it_is(api: mlopus.MlflowApi) -> None:
    query = {"exp.id": {"$in": ["0", "1"]}, "metrics.acc": {"$gt": 0.1}}

    api.find_runs(query).all().unwrap()

    assert query == {"exp.id": {"$in": ["0", "1"]}, "metrics.acc": {"$gt": 0.1}}


def test_found_runs_carry_their_experiment_and_an_api(api: mlopus.MlflowApi) -> None:
    run = api.find_runs({"name": "r5"}).first().unwrap()

    assert run is not None
    assert run.exp.name == "second"
    assert run.refresh().unwrap() == run


def test_within_an_experiment_only_its_runs_are_found(api: mlopus.MlflowApi) -> None:
    assert names(api.get_exp_by_name("second").unwrap().find_runs()) == ["r5"]


def test_children_are_found_by_their_parent(api: mlopus.MlflowApi) -> None:
    parent = api.find_runs({"name": "r0"}).first().unwrap()
    assert parent is not None

    parent.start_child("child").unwrap()

    assert names(parent.children()) == names(api.find_child_runs(parent.id)) == ["child"]


def test_caching_a_search_makes_it_work_offline(api: mlopus.MlflowApi) -> None:
    api.repositories.cache.clear().unwrap()

    assert api.find_runs({"metrics.acc": {"$gt": 0.2}}).cache().unwrap() == 3
    assert names(api.in_offline_mode.find_runs(sorting=[("name", 1)])) == ["r3", "r4", "r5"]


def test_caching_a_search_offline_is_refused(api: mlopus.MlflowApi) -> None:
    assert isinstance(api.in_offline_mode.find_runs().cache().failure(), OfflineMode)


def test_offline_an_experiment_never_cached_is_no_empty_answer(api: mlopus.MlflowApi) -> None:
    assert isinstance(api.in_offline_mode.find_runs({"exp.id": "77"}).all().failure(), NotCached)


def test_rows_from_the_cache_say_when_they_were_taken(api: mlopus.MlflowApi) -> None:
    offline = api.in_offline_mode.find_runs()

    assert offline.as_of is not None
    assert all(run.as_of is not None and run.as_of >= offline.as_of for run in offline)


def test_rows_from_the_store_are_of_now(api: mlopus.MlflowApi) -> None:
    assert {run.as_of for run in api.find_runs()} == {None}


def test_coverage_tells_the_cache_from_the_server(api: mlopus.MlflowApi) -> None:
    assert api.find_runs().coverage == "everything on the server"
    assert "cache" in api.in_offline_mode.find_runs().coverage


def test_explain_asks_nobody_and_names_who_would_evaluate(api: mlopus.MlflowApi) -> None:
    assert "memory" in api.find_runs({"metrics.acc": {"$gt": 0.2}}).explain()


def test_a_data_frame_has_a_column_for_each_dotted_field(api: mlopus.MlflowApi) -> None:
    frame = api.find_runs({"exp.name": "first"}, sorting=[("metrics.acc", 1)]).to_pandas()

    assert list(frame["metrics.acc"]) == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_versions_are_found_by_number_and_by_their_run(api: mlopus.MlflowApi) -> None:
    run = api.find_runs({"name": "r0"}).first().unwrap()
    model = api.create_model("ranker").unwrap()
    assert run is not None
    for _ in range(2):
        run.log_model_version(model, lambda path: path.write_text("w"), overwrite=True).unwrap()

    found = run.find_model_versions({"version": {"$gte": 2}}).all().unwrap()

    assert [(version.version, version.run) for version in found] == [("2", run.refresh().unwrap())]
    assert [v.version for v in model.find_versions(sorting=[("version", -1)])] == ["2", "1"]


@pytest.mark.parametrize(
    ("asked", "versions"),
    [
        ("2", ["2"]),
        ({"$in": ["2", 10, "x"]}, ["2", "10"]),
        ({"$gte": "9"}, ["9", "10"]),
        ({"$not": {"$gt": "1"}}, ["1"]),
        ({"$nin": [str(number) for number in range(2, 10)]}, ["1", "10"]),
    ],
    ids=str,
)
def test_digits_that_a_version_is_compared_with_are_a_number(asked: object, versions: list[str]) -> None:
    api = mlopus.testing.in_memory()
    run = api.start_run(api.create_exp("demo").unwrap()).unwrap()
    model = api.create_model("ranker").unwrap()
    for number in range(10):
        model.log_version(run, lambda path: path.touch(), f"m{number}").unwrap()

    found = api.find_model_versions({"$or": [{"version": asked}]}, sorting=[("version", 1)])

    assert [version.version for version in found] == versions
