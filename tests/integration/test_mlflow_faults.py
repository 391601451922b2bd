"""Servers that break in the middle: bounded time, the right error, and one entity at most."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, or_raise
from mlopus.domain.keys import RunKey
from mlopus.errors import (
    MlopusError,
    PublishFailed,
    ServerFailed,
    TimedOut,
    Unauthorized,
    Unreachable,
    UnreadableReply,
)
from mlopus.result import Success
from tests.integration.mlflow_answers import (
    API,
    CREATE,
    CREATE_RUN,
    FOUND_RUN,
    GET_RUN,
    NOTHING,
    RUN,
    RUN_JSON,
    SEARCH,
    at,
    failure,
    one_after_another,
)
from tests.integration.stores import new_name
from tests.servers.fixtures import StartLoopback, StartProxy
from tests.servers.messages import Answer, SeenRequest
from tests.servers.mlflow_server import MlflowServer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


# Replies that never end, or end wrongly


@contextlib.contextmanager
def dripping(beginning: bytes, drop: bytes) -> Generator[str]:
    """A server that answers with a beginning and then drop after drop, a new one every 20 ms."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65_536)
            connection.sendall(beginning)
            while not ended.wait(0.02):
                connection.sendall(drop)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                drip(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        (HEAD, b"X-More: a\r\n"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b"{"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    ],
    ids=["a header", "headers", "a body", "chunks", "the length of a chunk"],
)
def test_an_answer_that_drips_for_ever_is_given_up_in_time(beginning: bytes, drop: bytes) -> None:
    with dripping(beginning, drop) as uri:
        error = failure(at(uri, timeout_s=0.3, max_retries=0).get(RunKey("r1")))
    assert error == TimedOut(place=uri, request="runs/get", timeout_s=0.3)


def test_a_connection_that_is_not_taken_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        uri = f"http://127.0.0.1:{address[1]}"
        with contextlib.ExitStack() as waiting:
            for _ in range(2):
                client = waiting.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(address)
            error = failure(at(uri, connect_timeout_s=0.2, max_retries=0).get(RunKey("r1")))
    assert (type(error), "no connection in time" in str(error)) == (Unreachable, True)


def test_a_body_shorter_than_announced_is_asked_for_again(loopback: StartLoopback) -> None:
    too_long = attrs.evolve(RUN, headers=(("Content-Length", "9999"),), cut_after=9999)
    server = loopback(one_after_another(get=[too_long, RUN]))
    assert isinstance(at(server.uri).get(RunKey("r1")), Success)


def test_a_body_longer_than_announced_spoils_no_other_answer(loopback: StartLoopback) -> None:
    too_short = attrs.evolve(RUN, headers=(("Content-Length", "5"),))
    server = loopback(one_after_another(get=[too_short, RUN]))
    tracking = at(server.uri)
    assert isinstance(failure(tracking.get(RunKey("r1"))), UnreadableReply)
    assert isinstance(tracking.get(RunKey("r1")), Success)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(body=RUN.body[:-4]), UnreadableReply),
        (Answer.of_html(), UnreadableReply),
        (Answer(status=200, headers=(("Content-Encoding", "gzip"),), body=b"no gzip"), UnreadableReply),
        (Answer(status=429), ServerFailed),
        (Answer(status=429, headers=(("Retry-After", "0"),)), ServerFailed),
        (Answer(status=429, headers=(("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"),)), ServerFailed),
        (Answer(status=503), ServerFailed),
        (Answer(hang_up=True), Unreachable),
        (Answer(body=RUN.body, cut_after=7), Unreachable),
    ],
)
def test_a_server_that_does_so_for_ever_is_asked_a_bounded_number_of_times(
    loopback: StartLoopback, answer: Answer, kind: type[MlopusError]
) -> None:
    server = loopback(answer)
    error = failure(at(server.uri, max_retries=2).get(RunKey("r1")))
    assert (type(error), server.uri in str(error)) == (kind, True)
    assert 1 <= server.count(GET_RUN) <= 3


def test_nothing_is_tried_again_after_the_time_for_it(loopback: StartLoopback) -> None:
    server = loopback(Answer(status=503, delay_s=0.05))
    tracking = at(server.uri, max_retries=10_000, retry_for_s=0.2)
    assert isinstance(failure(tracking.get(RunKey("r1"))), ServerFailed)
    assert server.count(GET_RUN) <= 5


def test_a_burst_of_failures_is_survived(loopback: StartLoopback) -> None:
    burst = [Answer(status=503), Answer(hang_up=True), Answer(status=502), Answer(status=429)]
    server = loopback(one_after_another(get=[*burst, RUN]))
    assert isinstance(at(server.uri).get(RunKey("r1")), Success)


def test_credentials_that_expire_between_pages_are_told(loopback: StartLoopback, tmp_path: Path) -> None:
    page = Answer.of_json({"runs": [RUN_JSON], "next_page_token": "t"})
    expired = Answer(status=401, body=b"expired")
    held = Answer.of_json({"experiment": {"experiment_id": "1", "name": "e"}})
    server = loopback(one_after_another(get=held, search=[page, expired]))
    api = mlopus.connect(server.uri, cache_dir=tmp_path, backoff_s=0.0)
    error = failure(or_raise(api.get_exp("1")).find_runs().all())
    assert (type(error), server.count(SEARCH)) == (Unauthorized, 2)


# Creates whose reply is lost after the server had done it


@attrs.frozen
class Creation:
    """A verb that creates, the request of it that creates, and how many of it there are."""

    path: str
    do: Callable[[MlflowApi, str], object]
    count: Callable[[MlflowApi, str], int]


def _register(api: MlflowApi, name: str) -> Any:
    run = or_raise(or_raise(api.get_or_create_exp(name)).start_run())
    return run.log_model_version(name, lambda path: path.write_text("weights"), "model")


CREATIONS = {
    "experiment": Creation(
        "/experiments/create",
        lambda api, name: api.create_exp(name),
        lambda api, name: or_raise(api.find_exps({"name": name}).count()),
    ),
    "ensured experiment": Creation(
        "/experiments/create",
        lambda api, name: api.get_or_create_exp(name),
        lambda api, name: or_raise(api.find_exps({"name": name}).count()),
    ),
    "model": Creation(
        "/registered-models/create",
        lambda api, name: api.create_model(name),
        lambda api, name: or_raise(api.find_models({"name": name}).count()),
    ),
    "run": Creation(
        "/runs/create",
        lambda api, name: or_raise(api.get_exp_by_name(name)).start_run("r"),
        lambda api, name: or_raise(or_raise(api.get_exp_by_name(name)).find_runs().count()),
    ),
    "version": Creation(
        "/model-versions/create",
        _register,
        lambda api, name: or_raise(or_raise(api.get_model(name)).find_versions().count()),
    ),
}
LOST = {
    "hung up": lambda _: Answer(hang_up=True),
    "cut": lambda answer: attrs.evolve(answer, cut_after=3),
    "503": lambda _: Answer(status=503),
    "504": lambda _: Answer(status=504),
    "html": lambda _: Answer.of_html(),
    "truncated": lambda answer: attrs.evolve(answer, body=answer.body[:-9]),
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
@pytest.mark.parametrize("creation", CREATIONS.values(), ids=CREATIONS)
def test_what_was_created_though_its_reply_was_lost_is_the_only_one(
    mlflow_server: MlflowServer,
    counting_proxy: StartProxy,
    tmp_path: Path,
    creation: Creation,
    lost: Callable[[Answer], Answer],
) -> None:
    name = new_name()
    direct = mlopus.connect(mlflow_server.uri, cache_dir=tmp_path / "direct")
    if creation.path in ("/runs/create", "/model-versions/create"):
        or_raise(direct.create_exp(name))
        or_raise(direct.create_model(name))
    seen: list[SeenRequest] = []

    def spoil(request: SeenRequest, answer: Answer) -> Answer:
        if not request.path.endswith(creation.path):
            return answer
        seen.append(request)
        return lost(answer) if len(seen) == 1 else answer

    proxy = counting_proxy(mlflow_server.uri, spoil=spoil)
    done = creation.do(mlopus.connect(proxy.uri, cache_dir=tmp_path / "cache", backoff_s=0.0), name)
    assert isinstance(done, Success)
    assert (len(seen), creation.count(direct, name)) == (1, 1)


def test_a_batch_whose_reply_was_lost_is_logged_once(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    losses = [Answer(hang_up=True), Answer(status=503)]

    def spoil(request: SeenRequest, answer: Answer) -> Answer:
        return losses.pop() if request.path.endswith("/log-batch") and losses else answer

    proxy = counting_proxy(mlflow_server.uri, spoil=spoil)
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path, backoff_s=0.0)
    run = or_raise(or_raise(api.create_exp(new_name())).start_run())
    or_raise(run.log_metrics({"loss": 0.5}, step=1))
    assert proxy.count(f"POST {API}/runs/log-batch") == 3
    assert len(or_raise(run.metric_history("loss"))) == 1


# Creates of which nothing is known


@pytest.mark.parametrize(
    ("lost", "kind"),
    [
        (Answer(delay_s=30.0), TimedOut),
        (Answer(status=504), ServerFailed),
        (Answer.of_html(), UnreadableReply),
    ],
)
def test_a_create_that_may_be_under_way_is_looked_for_and_not_sent_again(
    loopback: StartLoopback, lost: Answer, kind: type[MlopusError]
) -> None:
    server = loopback(one_after_another(create=lost, search=NOTHING))
    error = failure(at(server.uri, timeout_s=0.2).send(CREATE_RUN))
    assert (type(error), server.count(CREATE)) == (kind, 1)
    assert "mlopus.op = 'op1'" in (error.hint or "")


def test_a_create_that_was_late_is_found(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(create=Answer(delay_s=30.0), search=[NOTHING, FOUND_RUN]))
    assert isinstance(at(server.uri, timeout_s=0.2).send(CREATE_RUN), Success)
    assert server.calls == (CREATE, SEARCH, SEARCH)


def test_a_create_that_cannot_be_looked_for_says_what_to_look_for(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(create=Answer(hang_up=True), search=Answer(status=401)))
    error = failure(at(server.uri).send(CREATE_RUN))
    assert (type(error), server.calls) == (Unreachable, (CREATE, SEARCH))
    assert "mlopus.op = 'op1'" in (error.hint or "")


def test_a_create_that_is_lost_each_time_is_sent_a_bounded_number_of_times(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(create=Answer(hang_up=True), search=NOTHING))
    error = failure(at(server.uri).send(CREATE_RUN))
    assert (type(error), "mlopus.op" in (error.hint or "")) == (Unreachable, False)
    assert (server.count(CREATE), server.count(SEARCH)) == (4, 4)


def test_a_version_that_was_perhaps_registered_is_not_simply_called_for_again(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    def instead(request: SeenRequest) -> Answer | None:
        return Answer(status=504) if request.path.endswith("/model-versions/create") else None

    proxy = counting_proxy(mlflow_server.uri, instead=instead)
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path, backoff_s=0.0)
    model = or_raise(api.create_model(new_name()))
    error = failure(_register(api, model.name))
    assert (type(error), proxy.count(f"POST {API}/model-versions/create")) == (PublishFailed, 1)
    assert "mlopus.op" in (error.hint or "")
