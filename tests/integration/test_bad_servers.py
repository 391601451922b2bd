"""Servers that do not answer, not let in, or are none: typed errors within bounds, and nothing changed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import mlopus
from mlopus import Plan, errors, or_raise
from tests.integration.stores import new_name
from tests.servers.fixtures import StartLoopback, StartProxy
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer


@pytest.fixture
def refusing_uri() -> str:
    """The address of a port where nobody listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def silent_uri() -> Iterator[str]:
    """The address of a port that takes connections and never says anything."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_refuses_connections_is_unreachable(refusing_uri: str, tmp_path: Path) -> None:
    api = mlopus.connect(refusing_uri, cache_dir=tmp_path / "cache")

    failure = api.create_exp("e").failure()

    assert isinstance(failure, errors.Unreachable)
    assert refusing_uri in str(failure)
    assert "offline_mode" in (failure.hint or "")
    assert failure.retriable


def test_a_server_that_refuses_connections_is_not_asked_again_and_again(
    refusing_uri: str, tmp_path: Path, socket_events: list[str]
) -> None:
    api = mlopus.connect(refusing_uri, cache_dir=tmp_path / "cache", backoff_s=0.01)

    api.get_run("0123456789abcdef0123456789abcdef").failure()

    assert 1 <= socket_events.count("socket.connect") <= 10


def test_a_server_that_never_answers_times_out(silent_uri: str, tmp_path: Path) -> None:
    api = mlopus.connect(silent_uri, cache_dir=tmp_path / "cache", timeout_s=0.2, max_retries=0)

    failure = api.create_exp("e").failure()

    assert isinstance(failure, errors.TimedOut)
    assert silent_uri in str(failure)
    assert "timeout_s" in (failure.hint or "")


@pytest.mark.parametrize("credentials", [{}, {"username": "admin", "password": "wrong"}])
def test_wrong_credentials_are_refused_and_change_nothing(
    mlflow_auth_server: MlflowServer, credentials: dict[str, str], tmp_path: Path
) -> None:
    name = new_name()
    right = mlopus.connect(
        mlflow_auth_server.uri,
        cache_dir=tmp_path / "right",
        username=mlflow_auth_server.username,
        password=mlflow_auth_server.password,
    )

    wrong = mlopus.connect(mlflow_auth_server.uri, cache_dir=tmp_path / "wrong", **credentials)
    failure = wrong.create_exp(name).failure()

    assert isinstance(failure, errors.Unauthorized)
    assert mlflow_auth_server.uri in str(failure)
    assert "username" in (failure.hint or "")
    assert "wrong" not in str(failure)
    assert or_raise(right.find_exps({"name": name}).all()) == ()


def test_the_right_credentials_are_let_in(mlflow_auth_server: MlflowServer, tmp_path: Path) -> None:
    api = mlopus.connect(
        mlflow_auth_server.uri,
        cache_dir=tmp_path / "cache",
        username=mlflow_auth_server.username,
        password=mlflow_auth_server.password,
    )

    exp = or_raise(api.create_exp(new_name()))

    assert or_raise(api.get_exp(exp.id)).name == exp.name


def test_a_login_page_instead_of_an_answer_is_refused(loopback: StartLoopback, tmp_path: Path) -> None:
    server = loopback(Answer.of_html())
    api = mlopus.connect(server.uri, cache_dir=tmp_path / "cache")

    failures = [api.get_run("0123456789abcdef0123456789abcdef").failure(), api.create_exp("e").failure()]

    assert {type(failure) for failure in failures} == {errors.UnreadableReply}
    assert server.uri in str(failures[0])
    assert "Sign in" in str(failures[0])
    assert "login page" in (failures[0].hint or "")


def test_a_plan_for_another_server_is_refused(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    other = counting_proxy(mlflow_server.uri)
    here = mlopus.connect(mlflow_server.uri, cache_dir=tmp_path / "cache")
    there = mlopus.connect(other.uri, cache_dir=tmp_path / "cache")
    text = or_raise(here.plan.create_exp(new_name())).to_json()

    failure = there.execute(or_raise(Plan.from_json(text))).failure()

    assert isinstance(failure, errors.StalePlan)
    assert mlflow_server.uri in str(failure)
    assert other.uri in str(failure)
    assert other.calls == ()


def test_a_failing_publish_keeps_the_source_says_where_and_goes_on_when_called_again(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    broken = [True]

    def instead(request: SeenRequest) -> Answer | None:
        registers = request.path.endswith("/model-versions/create")
        return Answer.of_json({"error_code": "BAD_REQUEST"}, status=400) if registers and broken else None

    proxy = counting_proxy(mlflow_server.uri, instead=instead)
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path / "cache")
    model = or_raise(api.create_model(new_name()))
    run = or_raise(or_raise(api.create_exp(model.name)).start_run())
    failure = run.log_model_version(model, lambda path: path.write_text("weights"), "model").failure()
    broken.clear()

    assert isinstance(failure, errors.PublishFailed)
    version = or_raise(run.log_model_version(model, failure.source, "model"))

    assert (failure.receipt.up_bytes, Path(failure.source).read_text()) == (7, "weights")
    assert or_raise(version.load_artifact(Path.read_text)) == "weights"
