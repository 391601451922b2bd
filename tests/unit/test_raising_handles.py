"""A handle and its raising view are the same entity, and lead to each other."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from mlopus.api.client import MlflowApi
from mlopus.api.raising.search import RaisingSearch
from mlopus.domain.status import RunStatus
from mlopus.errors import InvalidQuery
from mlopus.handles import ExpApi, ModelApi, ModelVersionApi, RunApi
from mlopus.handles.raised import raised
from mlopus.handles.raising import RaisingExp, RaisingModel, RaisingModelVersion, RaisingRun

API = MlflowApi()
EXP = ExpApi(id="1", name="demo", api=API)
RUN = RunApi(id="3f2a", name="r1", exp=EXP, repo="memory://a", status=RunStatus.RUNNING, api=API)
MODEL = ModelApi(name="ranker", api=API)
VERSION = ModelVersionApi(
    version="3", model=MODEL, run=RUN, path_in_run="ranker", source="memory://a/ranker", api=API
)
HANDLES = [EXP, RUN, MODEL, VERSION]
each_handle = pytest.mark.parametrize("handle", HANDLES, ids=lambda handle: type(handle).__name__)


@each_handle
def test_a_raising_handle_equals_the_handle(handle: Any) -> None:
    assert handle.raising == handle
    assert hash(handle.raising) == hash(handle)


@each_handle
def test_results_gives_a_handle_of_the_same_api_back(handle: Any) -> None:
    back = handle.raising.results

    assert (type(back), back, back.api) == (type(handle), handle, API)


@each_handle
def test_a_raising_handle_survives_pickling(handle: Any) -> None:
    assert pickle.loads(pickle.dumps(handle.raising)) == handle  # noqa: S301 (our own bytes)


@pytest.mark.parametrize(
    ("handle", "kind"),
    [(EXP, RaisingExp), (RUN, RaisingRun), (MODEL, RaisingModel), (VERSION, RaisingModelVersion)],
)
def test_any_handle_becomes_its_raising_view(handle: object, kind: type) -> None:
    assert type(raised(handle)) is kind


def test_what_is_no_handle_stays_as_it_is() -> None:
    assert raised("a path") == "a path"


def test_parents_are_raising_too() -> None:
    version = VERSION.raising

    assert [type(version.model), type(version.run), type(version.run and version.run.exp)] == [
        RaisingModel,
        RaisingRun,
        RaisingExp,
    ]


def test_parents_of_results_are_plain_again() -> None:
    version = VERSION.raising.results

    assert [type(version.model), type(version.run), type(version.run and version.run.exp)] == [
        ModelApi,
        RunApi,
        ExpApi,
    ]


def test_a_version_without_a_run_has_none_in_either_view() -> None:
    orphan = ModelVersionApi(version="1", model=MODEL, run=None, path_in_run=None, source="s3://b/x", api=API)

    assert orphan.raising.run is None
    assert orphan.raising.results.run is None


def test_when_an_answer_was_taken_is_kept() -> None:
    taken = datetime(2024, 4, 1, tzinfo=UTC)

    assert ExpApi(id="1", name="demo", as_of=taken, api=API).raising.results.as_of == taken


@pytest.mark.parametrize(
    "evaluate", [list, RaisingSearch.all, RaisingSearch.first, RaisingSearch.count, RaisingSearch.cache]
)
def test_a_malformed_query_is_raised_when_it_is_evaluated(evaluate: Callable[[Any], object]) -> None:
    search = API.raising.find_runs({"name": {"$regx": "r"}})

    with pytest.raises(InvalidQuery, match="regx"):
        evaluate(search)


def test_explaining_a_malformed_query_says_what_is_wrong() -> None:
    assert "regx" in API.raising.find_runs({"name": {"$regx": "r"}}).limit(3).explain()


def test_a_copy_with_other_settings_raises_too() -> None:
    assert (
        API.raising.evolve(max_age_s=5).in_offline_mode.settings
        == API.evolve(max_age_s=5, offline_mode=True).settings
    )
