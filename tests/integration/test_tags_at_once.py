"""Tags of experiments, models and versions: a request each, some at a time, and what a refusal leaves."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import mlopus
from mlopus import or_raise
from mlopus.errors import InvalidRequest
from tests.integration.stores import new_name
from tests.servers.fixtures import StartLoopback, StartProxy
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer

SET_TAG = "POST /api/2.0/mlflow/experiments/set-experiment-tag"
AT_ONCE = 8
NO = Answer.of_json({"error_code": "INVALID_PARAMETER_VALUE", "message": "no such tag"}, status=400)


@pytest.mark.parametrize("server", ["mlflow_server", "mlflow_2_server"])
def test_tags_of_each_kind_are_set_on_a_real_server(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    api = mlopus.connect(request.getfixturevalue(server).uri, cache_dir=tmp_path)
    exp, model = or_raise(api.create_exp(new_name())), or_raise(api.create_model(new_name()))
    version = or_raise(model.log_version(or_raise(exp.start_run()), lambda path: path.touch()))
    wanted = {f"tag{number:02}": number for number in range(20)}

    changed = [or_raise(entity.set_tags(wanted)) for entity in (exp, model, version)]

    seen = [or_raise(entity.refresh()).tags for entity in changed]
    assert [{key: tags.get(key) for key in wanted} for tags in seen] == [wanted] * 3


def test_tags_are_a_request_each(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    proxy = counting_proxy(mlflow_server.uri)
    exp = or_raise(mlopus.connect(proxy.uri, cache_dir=tmp_path).create_exp(new_name()))
    proxy.forget()

    or_raise(exp.set_tags({f"tag{number}": number for number in range(20)}))

    assert proxy.calls == (SET_TAG,) * 20


def test_eight_are_sent_at_a_time(loopback: StartLoopback, tmp_path: Path) -> None:
    together = threading.Barrier(AT_ONCE)

    def answer(_: SeenRequest) -> Answer:
        together.wait(10)
        return Answer.of_json({})

    server = loopback(answer)
    api = mlopus.connect(server.uri, cache_dir=tmp_path)

    or_raise(api.set_tags_on_exp("7", {f"tag{number}": number for number in range(2 * AT_ONCE)}))

    assert (len(server.requests), server.connections) == (2 * AT_ONCE, AT_ONCE)


def test_a_refusal_is_answered_with_what_was_set_before_it(loopback: StartLoopback, tmp_path: Path) -> None:
    others = threading.Semaphore(0)

    def answer(request: SeenRequest) -> Answer:
        if request.json()["key"] == "bad":
            assert all(others.acquire(timeout=10) for _ in range(2))
            return NO
        others.release()
        return Answer.of_json({})

    api = mlopus.connect(loopback(answer).uri, cache_dir=tmp_path)

    error = api.set_tags_on_exp("7", {"a": 1, "bad": 2, "c": 3}).failure()

    assert (type(error), error.reply) == (InvalidRequest, "no such tag")
    assert "2 of 3 tags were set: a, c. Setting them again does no harm." in (error.hint or "")


def test_after_a_refusal_no_more_are_sent(loopback: StartLoopback, tmp_path: Path) -> None:
    server = loopback(NO)
    api = mlopus.connect(server.uri, cache_dir=tmp_path)

    error = api.set_tags_on_exp("7", {f"tag{number}": number for number in range(100)}).failure()

    assert isinstance(error, InvalidRequest)
    assert "tags were set" not in (error.hint or "")
    assert len(server.requests) <= AT_ONCE
