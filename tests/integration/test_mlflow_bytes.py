"""What is on the wire: sizes of bodies, numbers, ids, and answers with more or less in them than expected."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import mlopus
from mlopus import or_raise
from mlopus.errors import InvalidRequest, MlopusError, NotFound, ServerFailed, Unauthorized, UnreadableReply
from mlopus.result import Success
from tests.integration.mlflow_answers import API, failure
from tests.integration.stores import new_name
from tests.servers.fixtures import StartLoopback, StartProxy
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer

LOG_BATCH = f"POST {API}/runs/log-batch"
MOST_BYTES = 1_000_000
RUN_INFO = {"run_id": "r1", "experiment_id": "1", "status": "RUNNING"}
HELD = {"run": {"info": RUN_INFO}, "experiment": {"experiment_id": "1", "name": "e"}}


def taking_all(request: SeenRequest) -> Answer:
    """A server that has one run, and takes what is logged to it without a word, as some do."""
    return Answer(body=b"") if request.method == "POST" else Answer.of_json(HELD)


def connected(uri: str, tmp_path: Path) -> mlopus.MlflowApi:
    return mlopus.connect(uri, cache_dir=tmp_path / "cache", backoff_s=0.0)


def batches(requests: tuple[SeenRequest, ...]) -> list[dict[str, Any]]:
    return [request.json() for request in requests if request.call == LOG_BATCH]


# Batches


@pytest.mark.parametrize(
    ("kind", "count", "sizes"),
    [("params", 250, [100, 100, 50]), ("tags", 150, [100, 50]), ("metrics", 2_001, [1000, 1000, 1])],
)
def test_batches_hold_as_many_as_the_server_takes(
    loopback: StartLoopback, tmp_path: Path, kind: str, count: int, sizes: list[int]
) -> None:
    server = loopback(taking_all)
    run = or_raise(connected(server.uri, tmp_path).get_run("r1"))
    log = {"params": run.log_params, "tags": run.set_tags, "metrics": run.log_metrics}[kind]
    assert isinstance(log({f"k{n}": n for n in range(count)}), Success)
    assert [len(batch[kind]) for batch in batches(server.requests)] == sizes


@pytest.mark.parametrize("char", ["x", "é", "漢", "😀", '"', "\u2028", "\x01"])
def test_no_body_is_over_a_megabyte_whatever_the_characters(
    loopback: StartLoopback, tmp_path: Path, char: str
) -> None:
    server = loopback(taking_all)
    run = or_raise(connected(server.uri, tmp_path).get_run("r1"))
    values = {f"k{n}": char * 6_000 for n in range(100)}
    assert isinstance(run.set_tags(values), Success)
    logged = [pair for batch in batches(server.requests) for pair in batch["tags"]]
    assert max(len(request.body) for request in server.requests) <= MOST_BYTES
    assert {pair["key"]: pair["value"] for pair in logged} == values


def test_metrics_of_the_longest_keys_stay_under_a_megabyte(loopback: StartLoopback, tmp_path: Path) -> None:
    server = loopback(taking_all)
    run = or_raise(connected(server.uri, tmp_path).get_run("r1"))
    metrics = {f"{'é' * 240}{n}": -1.7976931348623157e308 for n in range(1_000)}
    assert isinstance(run.log_metrics(metrics, step=-(2**53)), Success)
    assert max(len(request.body) for request in server.requests) <= MOST_BYTES


# Numbers and ids


def test_numbers_leave_as_servers_read_them(loopback: StartLoopback, tmp_path: Path) -> None:
    server = loopback(taking_all)
    run = or_raise(connected(server.uri, tmp_path).get_run("r1"))
    run.log_metrics({"nan": math.nan, "up": math.inf, "down": -math.inf, "one": 1})
    (batch,) = batches(server.requests)
    sent = {metric["key"]: metric["value"] for metric in batch["metrics"]}
    assert sent == {"nan": "NaN", "up": "Infinity", "down": "-Infinity", "one": 1}
    assert {type(metric["timestamp"]) for metric in batch["metrics"]} == {int}
    assert type(batch["run_id"]) is str


def test_numbers_come_back_from_a_real_server(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    proxy = counting_proxy(mlflow_server.uri)
    api = connected(proxy.uri, tmp_path)
    run = or_raise(or_raise(api.create_exp(new_name())).start_run())
    or_raise(run.log_metrics({"nan": math.nan, "up": math.inf, "down": -math.inf, "tiny": 5e-324}))
    metrics = or_raise(api.get_run(run.id, refresh=True)).metrics
    assert math.isnan(metrics["nan"])
    assert (metrics["up"], metrics["down"], metrics["tiny"]) == (math.inf, -math.inf, 5e-324)


def test_ids_are_sent_as_texts(loopback: StartLoopback, tmp_path: Path) -> None:
    server = loopback(taking_all)
    api = connected(server.uri, tmp_path)
    exp = or_raise(api.get_exp("1"))
    exp.start_run()
    exp.find_runs().all()
    sent = {request.path.rpartition("/mlflow/")[2]: request for request in server.requests if request.body}
    assert sent["runs/create"].json()["experiment_id"] == "1"
    assert sent["runs/search"].json()["experiment_ids"] == ["1"]


# Answers with more or less in them


def test_fields_that_nobody_knows_are_ignored(loopback: StartLoopback, tmp_path: Path) -> None:
    info = {**RUN_INFO, "new": {"a": [1]}, "lifecycle_stage": "active"}
    held = {
        "run": {"info": info, "data": {"new": 1}, "new": None},
        "experiment": HELD["experiment"],
        "new": 1,
    }
    api = connected(loopback(Answer.of_json(held)).uri, tmp_path)
    assert or_raise(api.get_run("r1")).id == "r1"


def test_fields_that_are_missing_are_empty(loopback: StartLoopback, tmp_path: Path) -> None:
    held = {"run": {"info": {"run_id": "r1", "experiment_id": "1"}}, "experiment": HELD["experiment"]}
    run = or_raise(connected(loopback(Answer.of_json(held)).uri, tmp_path).get_run("r1"))
    assert (dict(run.params), dict(run.metrics), dict(run.tags), run.end_time) == ({}, {}, {}, None)


# Shapes of errors


def told(code: str, status: int) -> Answer:
    return Answer.of_json({"error_code": code, "message": "the server's words"}, status=status)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (told("RESOURCE_DOES_NOT_EXIST", 404), NotFound),
        (told("INVALID_PARAMETER_VALUE", 400), NotFound),
        (told("BAD_REQUEST", 400), InvalidRequest),
        (told("PERMISSION_DENIED", 403), Unauthorized),
        (told("INTERNAL_ERROR", 500), ServerFailed),
        (told("REQUEST_LIMIT_EXCEEDED", 429), ServerFailed),
        (Answer.of_json({"detail": "the server's words"}, status=503), ServerFailed),
        (Answer.of_json({"detail": [{"msg": "the server's words"}]}, status=422), InvalidRequest),
        (Answer(status=403, body=b"the server's words"), Unauthorized),
        (Answer.of_html("<h1>the server's words</h1>", status=500), ServerFailed),
        (Answer.of_html("<h1>the server's words</h1>", status=404), UnreadableReply),
        (Answer.of_html("<h1>the server's words</h1>", status=405), UnreadableReply),
        (Answer(status=418, body=b"the server's words"), InvalidRequest),
    ],
)
def test_each_shape_of_an_error_keeps_its_words_and_names_the_request(
    loopback: StartLoopback, tmp_path: Path, answer: Answer, kind: type[MlopusError]
) -> None:
    server = loopback(answer)
    api = mlopus.connect(server.uri, cache_dir=tmp_path, max_retries=0)
    error = failure(api.get_run("r1"))
    assert (type(error), server.uri in str(error)) == (kind, True)
    if kind is not NotFound:
        assert "the server's words" in f"{error}{getattr(error, 'excerpt', '')}"
        assert "runs/get" in str(error)


def test_bodies_are_json_in_utf8_with_their_type(loopback: StartLoopback, tmp_path: Path) -> None:
    server = loopback(taking_all)
    or_raise(connected(server.uri, tmp_path).get_run("r1")).set_tags({"word": "漢😀"})
    request = next(request for request in server.requests if request.call == LOG_BATCH)
    assert request.headers["content-type"] == "application/json"
    assert "漢😀".encode() in request.body
    assert json.loads(request.body)["tags"] == [{"key": "word", "value": "漢😀"}]
