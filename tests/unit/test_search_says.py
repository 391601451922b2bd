"""What a search says before it asks anybody, and when it cannot do what it was asked."""

from __future__ import annotations

import sys

import attrs
import pytest

import mlopus
from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache

SERVER = "http://127.0.0.1:5000"


@attrs.frozen
class ReadOnlyCache(MemoryMetadataCache):
    @property
    def is_writable(self) -> bool:
        return False


def test_explain_shows_the_servers_filter_though_no_experiment_is_named() -> None:
    said = mlopus.connect(SERVER).find_runs({"metrics.acc": {"$gt": 0.5}}).explain()

    assert "pushes   runs in experiments that are active: metrics.`acc` > 0.5" in said


def test_explain_shows_the_experiments_that_a_query_names() -> None:
    said = mlopus.connect(SERVER).find_runs({"exp.id": {"$in": ["7", "9"]}}).explain()

    assert "pushes   runs in experiments 7, 9: all" in said


@pytest.mark.parametrize(
    ("query", "limit", "pages", "requests"),
    [
        ({"exp.id": "7"}, None, "of up to 1000 rows", "pages + 1 for each experiment found"),
        ({"exp.id": "7"}, 1, "of up to 1 row", "pages + 1 for each experiment found"),
        (
            {"exp.id": "7", "params.a": {"$gt": 1}},
            1,
            "of up to 1000 rows",
            "pages + 1 for each experiment found",
        ),
        ({"tags.a": 1}, None, "of up to 1000 rows", "pages + 1 for the list of experiments"),
        (
            {"exp.id": "7", "$or": [{"id": "a"}, {"status": "FAILED"}]},
            None,
            "of up to 1000 rows, in 2 searches",
            "pages + 1 for each experiment found",
        ),
        ({"exp.id": {"$in": []}}, None, "of up to 1000 rows", "none, since nothing can match"),
    ],
    ids=str,
)
def test_explain_tells_pages_and_requests(
    query: object, limit: int | None, pages: str, requests: str
) -> None:
    search = mlopus.connect(SERVER).find_runs(query)  # type: ignore[arg-type]

    said = (search if limit is None else search.limit(limit)).explain().splitlines()

    assert said[-2:] == [f"pages    {pages}", f"requests {requests}"]


def test_explain_tells_that_runs_are_searched_for_before_their_versions() -> None:
    search = mlopus.connect(SERVER).find_model_versions({"run.metrics.acc": {"$gt": 0.5}, "run.name": None})

    said = search.explain().splitlines()

    assert said[1:3] == [
        "first    runs in experiments of any stage: metrics.`acc` > 0.5",
        "then     versions of these runs; if they are more than 60, of all:",
    ]
    assert said[-1].startswith("requests 2 for the runs + pages + ")


@pytest.mark.parametrize(
    "query",
    [
        {"model.name": "a", "run.status": "FAILED"},
        {"run.status": {"$ne": "FAILED"}},
        {"run.exp.name": "a"},
        {"run.metrics.acc": None},
        {"$or": [{"run.status": "FAILED"}, {"version": 1}]},
        {"run.id": "a"},
    ],
    ids=str,
)
def test_runs_are_not_searched_for_first_where_that_saves_nothing(query: dict[str, object]) -> None:
    assert "first" not in mlopus.connect(SERVER).find_model_versions(query).explain()


def test_explain_of_models_tells_that_prompts_are_asked_for_too() -> None:
    said = mlopus.connect(SERVER).find_models({"tags.a": 1}).explain()

    assert said.endswith("pages    of up to 1000 rows, in 2 searches\nrequests pages")


def test_explain_tells_that_nothing_is_requested_offline_or_without_a_network() -> None:
    api = mlopus.testing.in_memory()

    assert [one.find_runs().explain().splitlines()[-1] for one in (api, api.in_offline_mode)] == [
        "requests none",
        "requests none",
    ]


def test_caching_a_search_where_nothing_can_be_written_is_a_failure() -> None:
    api = mlopus.testing.in_memory()
    read_only = mlopus.MlflowApi(tracking=api.repositories.tracking, cache=ReadOnlyCache())

    assert isinstance(read_only.find_exps().cache().failure(), mlopus.errors.StoreFailed)


def test_without_pandas_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(ImportError, match=r"mlopus\[pandas\]"):
        mlopus.testing.in_memory().find_exps().to_pandas()
