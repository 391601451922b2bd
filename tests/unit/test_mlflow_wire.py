"""What is asked of a server, and what its replies say; samples are shaped as real servers shape them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import ExperimentKey, ModelKey, RunKey
from mlopus.domain.records import ExperimentRecord, MetricSample, ModelRecord, RunRecord, VersionRecord
from mlopus.domain.status import RunStatus
from mlopus.errors import IllegalPath, InvalidValue
from mlopus.plans.changes import LogBatch
from mlopus.plans.search import Page
from mlopus.result import Failure
from mlopus.wire.mlflow import artifacts, experiments, models, runs, server
from mlopus.wire.mlflow.http import HttpRequest, WrongShape
from mlopus.wire.mlflow.pages import PageRequest
from mlopus.wire.mlflow.shapes import metric, milliseconds, moment, number_json
from mlopus.wire.mlflow.ui import page_of

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
NOON_MS = 1795435200123

RUN_JSON: dict[str, Any] = {
    "info": {
        "run_uuid": "r1",
        "run_id": "r1",
        "experiment_id": "7",
        "run_name": "brave-owl",
        "user_id": "",
        "status": "FINISHED",
        "start_time": NOON_MS,
        "end_time": NOON_MS + 1000,
        "artifact_uri": "mlflow-artifacts:/7/r1/artifacts",
        "lifecycle_stage": "active",
        "of_a_later_version": {"x": 1},
    },
    "data": {
        "metrics": [
            {"key": "acc", "value": 0.5, "timestamp": NOON_MS, "step": 0},
        ],
        "params": [{"key": "opt.lr", "value": "0.1"}, {"key": "empty", "value": ""}],
        "tags": [{"key": "mlflow.runName", "value": "brave-owl"}],
    },
    "inputs": {},
    "outputs": {"model_outputs": [{"model_id": "m-1", "step": 0}, {"model_id": "m-1", "step": 1}]},
}


def body_of(request: HttpRequest) -> Any:
    assert request.body is not None
    return json.loads(request.body)


def test_a_run_is_read_whole() -> None:
    assert runs.run_from_reply({"run": RUN_JSON}).unwrap() == RunRecord(
        id="r1",
        exp_id="7",
        name="brave-owl",
        status=RunStatus.FINISHED,
        start_time=NOON.replace(microsecond=123000),
        end_time=NOON.replace(microsecond=123000) + timedelta(seconds=1),
        artifact_uri="mlflow-artifacts:/7/r1/artifacts",
        params=immutabledict({"opt.lr": "0.1", "empty": ""}),
        metrics=immutabledict({"acc": 0.5}),
        tags=immutabledict({"mlflow.runName": "brave-owl"}),
        logged_model_ids=("m-1",),
    )


def test_metrics_that_are_not_finite_are_read() -> None:
    held = {"loss": "NaN", "big": 1.7976931348623157e308, "low": -1.7976931348623157e308}
    data = {"metrics": [{"key": key, "value": value, "step": 0} for key, value in held.items()]}
    metrics = runs.run_from_reply({"run": {"info": {"run_id": "r1"}, "data": data}}).unwrap().metrics
    assert (math.isnan(metrics["loss"]), metrics["big"], metrics["low"]) == (True, math.inf, -math.inf)


@pytest.mark.parametrize(
    "info",
    [
        {"run_id": "r1"},
        {"run_uuid": "r1"},
        {"run_id": "r1", "start_time": 0, "end_time": 0, "run_name": ""},
        {"run_id": "r1", "start_time": 10**30, "status": "PAUSED", "experiment_id": None},
        {"run_id": "r1", "start_time": "soon", "status": 5, "artifact_uri": {}},
    ],
)
def test_what_a_run_lacks_or_says_strangely_is_tolerated(info: dict[str, object]) -> None:
    assert runs.run_from_reply({"run": {"info": info}}).unwrap() == RunRecord(id="r1", exp_id="")


def test_ids_that_come_as_numbers_are_text() -> None:
    run = {"info": {"run_id": 5, "experiment_id": 7}}
    found = runs.run_from_reply({"run": run}).unwrap()
    assert (found.id, found.exp_id) == ("5", "7")


@pytest.mark.parametrize("reply", [{}, {"run": {}}, {"run": {"info": {}}}, {"run": []}, [], None, "run"])
def test_a_reply_without_a_run_is_of_the_wrong_shape(reply: object) -> None:
    assert isinstance(runs.run_from_reply(reply).failure(), WrongShape)


def test_an_experiment_is_read_whole() -> None:
    reply = {
        "experiment": {
            "experiment_id": "7",
            "name": "ranking",
            "artifact_location": "mlflow-artifacts:/7",
            "lifecycle_stage": "deleted",
            "creation_time": NOON_MS,
            "last_update_time": NOON_MS,
            "tags": [{"key": "team", "value": "search"}],
            "workspace": "default",
        }
    }
    at = NOON.replace(microsecond=123000)
    assert experiments.get_experiment_from_reply(reply).unwrap() == ExperimentRecord(
        id="7",
        name="ranking",
        tags=immutabledict({"team": "search"}),
        lifecycle_stage="deleted",
        artifact_location="mlflow-artifacts:/7",
        created_at=at,
        updated_at=at,
    )


def test_a_model_is_read_with_its_aliases() -> None:
    reply = {
        "registered_model": {
            "name": "ranker",
            "creation_timestamp": NOON_MS,
            "description": "",
            "aliases": [{"alias": "champion", "version": "3"}, {"alias": "old", "version": 1}],
        }
    }
    assert models.model_from_reply(reply).unwrap() == ModelRecord(
        name="ranker",
        aliases=immutabledict({"champion": "3", "old": "1"}),
        created_at=NOON.replace(microsecond=123000),
    )


def test_a_version_without_a_run_has_none() -> None:
    reply = {"model_version": {"name": "ranker", "version": 3, "source": "s3://b/p", "run_id": ""}}
    assert models.version_from_reply(reply).unwrap() == VersionRecord(
        name="ranker", version="3", source="s3://b/p"
    )


def test_aliases_of_models_are_found_by_version() -> None:
    aliases = immutabledict({"b": "1", "a": "1", "c": "2"})
    found = models.aliases_of((ModelRecord(name="m", aliases=aliases),))
    assert found == {("m", "1"): ("a", "b"), ("m", "2"): ("c",)}


@pytest.mark.parametrize("token", [None, "", "eyJvZmZzZXQiOjF9", "opaque/+="])
def test_page_tokens_pass_through_as_they_are(token: str | None) -> None:
    reply = {"runs": [RUN_JSON], "next_page_token": token}
    page = runs.search_runs_from_reply(reply).unwrap()
    asked = runs.search_runs_request(PageRequest(token=page.next_token), ("7",), "active")
    assert body_of(asked).get("page_token") == (token or None)


def test_an_empty_reply_to_a_search_is_an_empty_page() -> None:
    assert runs.search_runs_from_reply({}).unwrap() == Page(records=())


def test_a_row_that_names_no_entity_makes_the_page_unreadable() -> None:
    assert isinstance(runs.search_runs_from_reply({"runs": [RUN_JSON, {}]}), Failure)


def test_pages_are_never_larger_than_servers_allow() -> None:
    page = PageRequest(page_size=10**6)
    sizes = (
        body_of(runs.search_runs_request(page, ("1",), "all"))["max_results"],
        body_of(experiments.search_experiments_request(page, "all"))["max_results"],
        dict(models.search_models_request(page).query)["max_results"],
        dict(models.search_versions_request(page).query)["max_results"],
    )
    assert sizes == (50_000, 50_000, "1000", "10000")


def test_every_parameter_of_a_registrys_search_is_sent() -> None:
    page = PageRequest(filter="name = 'a&b'", order_by=("name ASC", "timestamp DESC"), token="t=")  # noqa: S106
    assert models.search_models_request(page).target == (
        "/api/2.0/mlflow/registered-models/search?filter=name%20%3D%20%27a%26b%27&max_results=1000"
        "&order_by=name%20ASC&order_by=timestamp%20DESC&page_token=t%3D"
    )


def test_a_batch_sends_whole_milliseconds_and_names_what_is_not_finite() -> None:
    samples = tuple(
        MetricSample(key="m", value=value, step=step, timestamp=NOON)
        for step, value in enumerate((1.5, math.nan, math.inf, -math.inf, -0.0))
    )
    batch = LogBatch(run_id="r1", metrics=samples)
    sent = body_of(runs.log_batch_request("r1", batch))
    assert [(m["value"], m["timestamp"], m["step"]) for m in sent["metrics"]] == [
        (1.5, NOON_MS, 0),
        ("NaN", NOON_MS, 1),
        ("Infinity", NOON_MS, 2),
        ("-Infinity", NOON_MS, 3),
        (-0.0, NOON_MS, 4),
    ]


def test_what_is_not_given_is_not_sent() -> None:
    assert body_of(runs.update_run_request("r1", None, None, None)) == {"run_id": "r1"}


@pytest.mark.parametrize("value", [0.1, -1e-300, 5e-324, 1e308, math.nan, math.inf, -math.inf, -0.0])
def test_a_metric_survives_its_way_to_a_server_and_back(value: float) -> None:
    there = json.loads(json.dumps(number_json(value), allow_nan=False))
    assert repr(metric(there)) == repr(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.5", 1.5), ("-inf", -math.inf), (10**400, math.inf), (None, None), ("x", None), ([], None)],
)
def test_a_metric_is_read_in_any_form(value: object, expected: float | None) -> None:
    assert metric(value) == expected


@pytest.mark.parametrize(
    "time", [NOON, datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
)
def test_a_time_survives_to_the_millisecond(time: datetime) -> None:
    assert moment(milliseconds(time)) == time.replace(microsecond=time.microsecond // 1000 * 1000)


def test_points_of_a_metric_are_read_with_their_steps() -> None:
    reply = {
        "metrics": [{"key": "a", "value": "NaN", "timestamp": NOON_MS, "step": -1}, {"key": "a", "value": 2}],
        "next_page_token": "t",
    }
    (first, second), token = runs.metric_history_from_reply(reply).unwrap()
    assert (math.isnan(first.value), first.step, second, token) == (True, -1, MetricPoint(2.0), "t")


def test_what_creates_is_not_safe_to_repeat() -> None:
    tags: immutabledict[str, str] = immutabledict()
    unsafe = (
        runs.create_run_request("1", None, None, tags),
        models.create_version_request("m", "s3://b/p", None, None, tags),
        experiments.create_experiment_request("e", tags, None),
        models.create_model_request("m", tags),
    )
    safe = (
        runs.log_batch_request("r", LogBatch(run_id="r")),
        runs.update_run_request("r", RunStatus.FAILED, NOON, None),
        artifacts.upload_request("a"),
    )
    assert [r.replay_safe for r in (*unsafe, *safe)] == [False] * 4 + [True] * 3


def test_abilities_are_what_the_server_says_is_on() -> None:
    reply = {"store_type": "SqlStore", "artifact_serving_enabled": True, "workspaces_enabled": False}
    assert server.abilities_from_reply(reply).unwrap() == {"artifact_serving_enabled"}


@pytest.mark.parametrize(
    ("body", "is_version"), [(b"3.17.2\n", True), (b"2.22.5", True), (b"<html>", False), (b"", False)]
)
def test_a_version_is_told_from_a_login_page(body: bytes, is_version: bool) -> None:
    assert isinstance(server.version_from_body(body), Failure) is not is_version


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mlflow-artifacts:/1/r/artifacts/", artifacts.ProxyRoot(host=None, path="1/r/artifacts")),
        ("mlflow-artifacts:///1/r", artifacts.ProxyRoot(host=None, path="1/r")),
        ("mlflow-artifacts://Host:8080/1/r", artifacts.ProxyRoot(host="host:8080", path="1/r")),
        ("mlflow-artifacts://[::1]:80/a b", artifacts.ProxyRoot(host="[::1]:80", path="a b")),
        ("mlflow-artifacts:/", artifacts.ProxyRoot(host=None, path="")),
    ],
)
def test_a_url_of_the_proxy_names_a_host_or_the_server_itself(
    url: str, expected: artifacts.ProxyRoot
) -> None:
    assert artifacts.proxy_root(url).unwrap() == expected


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("mlflow-artifacts:/1/../2", IllegalPath),
        ("mlflow-artifacts://5000/p", InvalidValue),
        ("mlflow-artifacts://user:secret@host/p", InvalidValue),
        ("mlflow-artifacts:/1/a?b=c", InvalidValue),
        ("mlflow-artifacts:/1/a#b", InvalidValue),
        ("mlflow-artifacts://host:port/p", InvalidValue),
        ("s3://bucket/p", InvalidValue),
    ],
)
def test_a_url_that_is_none_of_the_proxys_is_refused(url: str, error: type[Exception]) -> None:
    assert type(artifacts.proxy_root(url).failure()) is error


@pytest.mark.parametrize(
    "name", ["../x", "..", "/etc/passwd", "a/b", "C:x", "..\\x", "a\x00b", "", ".", "a\nb"]
)
def test_a_hostile_name_in_a_listing_is_refused(name: str) -> None:
    reply = {"files": [{"path": "fine", "is_dir": False}, {"path": name, "is_dir": False, "file_size": 1}]}
    assert isinstance(artifacts.list_from_reply(reply).failure(), IllegalPath)


def test_a_name_listed_twice_is_refused() -> None:
    entry = {"path": "a", "is_dir": False, "file_size": 1}
    assert isinstance(artifacts.list_from_reply({"files": [entry, entry]}).failure(), IllegalPath)


def test_a_file_without_a_size_is_empty_and_a_folder_has_none() -> None:
    reply = {"files": [{"path": "empty", "is_dir": False}, {"path": "dir", "is_dir": True}]}
    assert [(e.name, e.size_bytes) for e in artifacts.list_from_reply(reply).unwrap()] == [
        ("dir", None),
        ("empty", 0),
    ]


@pytest.mark.parametrize("path", ["p%41x", "a#b", "100%25", "is it?", "a;", "d?/#"])
def test_a_name_that_the_proxy_would_change_or_refuse_is_not_uploaded(path: str) -> None:
    assert isinstance(artifacts.uploadable("1/r", path).failure(), IllegalPath)


def test_each_segment_of_a_path_is_encoded() -> None:
    assert artifacts.download_request("1/r/ü b/100%?x").target == (
        "/api/2.0/mlflow-artifacts/artifacts/1/r/%C3%BC%20b/100%25%3Fx"
    )


@pytest.mark.parametrize(
    ("key", "workspace", "page"),
    [
        (ExperimentKey("7"), None, "/#/experiments/7"),
        (RunKey("r1"), None, "/#/experiments/7/runs/r1"),
        (ModelKey("a b"), "team/1", "/#/models/a%20b?workspace=team%2F1"),
    ],
)
def test_pages_of_the_ui_have_their_routes(key: Any, workspace: str | None, page: str) -> None:
    assert page_of(key, "7", workspace) == page
