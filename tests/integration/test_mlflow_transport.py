"""What happens to requests when the network or the server misbehaves."""

from __future__ import annotations

import base64
import os
import pickle
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, ExperimentName, ModelKey, RunKey
from mlopus.domain.status import RunStatus
from mlopus.errors import (
    AlreadyExists,
    IllegalPath,
    InvalidValue,
    MlopusError,
    NotFound,
    ServerFailed,
    TimedOut,
    Unauthorized,
    Unreachable,
    UnreadableReply,
)
from mlopus.plans.changes import CreateExperiment, CreateRun, LogBatch, RegisterVersion
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.result import Failure, Success
from tests.servers.fixtures import StartLoopback
from tests.servers.messages import Answer, SeenRequest

API = "/api/2.0/mlflow"
RUN_JSON = {"info": {"run_id": "r1", "experiment_id": "1", "status": "RUNNING"}}
RUN = Answer.of_json({"run": RUN_JSON})
FOUND_RUN = Answer.of_json({"runs": [RUN_JSON]})
NOTHING = Answer.of_json({})
GET_RUN, CREATE, SEARCH = f"GET {API}/runs/get", f"POST {API}/runs/create", f"POST {API}/runs/search"
CREATE_RUN = CreateRun(
    exp_id="1",
    name="n",
    tags=immutabledict(),
    status=RunStatus.RUNNING,
    start_time=None,
    operation_id="op1",
)


def at(uri: str, **settings: Any) -> MlflowTracking:
    """The server, without pauses between tries."""
    return MlflowTracking(uri=uri, **{"backoff_s": 0.0, "retry_for_s": 20.0, **settings})


def one_after_another(**answers: Sequence[Answer] | Answer) -> Callable[[SeenRequest], Answer]:
    """Answer each operation, named by the end of its path, with its answers in turn, the last for good."""
    left = {name: [given] if isinstance(given, Answer) else list(given) for name, given in answers.items()}

    def reply(request: SeenRequest) -> Answer:
        own = left[request.path.rpartition("/")[2].replace("-", "_")]
        return own.pop(0) if len(own) > 1 else own[0]

    return reply


def failure(result: Success[Any] | Failure[MlopusError]) -> MlopusError:
    assert isinstance(result, Failure)
    return result.failure()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_that_is_not_there_is_unreachable() -> None:
    uri = f"http://127.0.0.1:{closed_port()}"
    error = failure(at(uri).get(RunKey("r1")))
    assert (type(error), uri in str(error)) == (Unreachable, True)


def test_a_host_that_no_name_server_knows_is_unreachable() -> None:
    assert isinstance(failure(at("http://no-such-host.invalid").get(RunKey("r1"))), Unreachable)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_question_is_asked_again_while_the_server_is_busy(loopback: StartLoopback, status: int) -> None:
    server = loopback(one_after_another(get=[Answer(status=status), Answer(status=status), RUN]))
    assert isinstance(at(server.uri).get(RunKey("r1")), Success)
    assert server.count(GET_RUN) == 3


def test_it_is_asked_as_often_as_the_settings_say_and_then_told(loopback: StartLoopback) -> None:
    server = loopback(
        Answer.of_json({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy"}, status=503)
    )
    error = failure(at(server.uri, max_retries=2).get(RunKey("r1")))
    assert (type(error), server.count(GET_RUN)) == (ServerFailed, 3)


def test_a_server_that_asks_to_wait_longer_than_allowed_is_not_waited_for(loopback: StartLoopback) -> None:
    server = loopback(Answer(status=429, headers=(("Retry-After", "3600"),)))
    assert isinstance(failure(at(server.uri).get(RunKey("r1"))), ServerFailed)
    assert server.count(GET_RUN) == 1


def test_a_server_that_says_when_to_come_again_is_heard(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(get=[Answer(status=429, headers=(("Retry-After", "0"),)), RUN]))
    assert isinstance(at(server.uri, backoff_s=3600.0).get(RunKey("r1")), Success)


def test_what_is_refused_is_not_asked_again(loopback: StartLoopback) -> None:
    server = loopback(Answer(status=401))
    assert isinstance(failure(at(server.uri).get(RunKey("r1"))), Unauthorized)
    assert server.count(GET_RUN) == 1


@pytest.mark.parametrize("broken", [Answer(hang_up=True), Answer(body=RUN.body, cut_after=5)])
def test_a_question_whose_answer_breaks_off_is_asked_again(loopback: StartLoopback, broken: Answer) -> None:
    server = loopback(one_after_another(get=[broken, RUN]))
    assert isinstance(at(server.uri).get(RunKey("r1")), Success)


def test_a_server_that_always_hangs_up_is_unreachable_and_named(loopback: StartLoopback) -> None:
    server = loopback(Answer(hang_up=True))
    error = failure(at(server.uri, max_retries=1).get(RunKey("r1")))
    assert (type(error), "runs/get" in str(error)) == (Unreachable, True)


def test_a_server_that_does_not_answer_in_time_is_told_by_the_time(loopback: StartLoopback) -> None:
    server = loopback(Answer(delay_s=30.0))
    error = failure(at(server.uri, timeout_s=0.2, max_retries=0).get(RunKey("r1")))
    assert error == TimedOut(place=server.uri, request="runs/get", timeout_s=0.2)


def test_an_answer_that_stalls_midway_is_no_answer(loopback: StartLoopback) -> None:
    server = loopback(Answer(body=RUN.body, stall_after=3, stall_s=30.0))
    assert isinstance(failure(at(server.uri, timeout_s=0.2, max_retries=0).get(RunKey("r1"))), TimedOut)


def test_a_login_page_is_no_answer(loopback: StartLoopback) -> None:
    server = loopback(Answer.of_html())
    error = failure(at(server.uri).get(RunKey("r1")))
    assert isinstance(error, UnreadableReply)
    assert (error.reason, error.excerpt) == ("HTML instead of JSON", "Sign in")


def test_an_answer_to_another_question_is_no_answer(loopback: StartLoopback) -> None:
    server = loopback(Answer.of_json({"experiment": {}}))
    assert isinstance(failure(at(server.uri).get(RunKey("r1"))), UnreadableReply)


# What creates


def test_a_run_is_created_by_one_request(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(create=RUN))
    assert isinstance(at(server.uri).send(CREATE_RUN), Success)
    assert server.calls == (CREATE,)


@pytest.mark.parametrize("lost", [Answer(hang_up=True), Answer(status=503), Answer(status=500)])
def test_a_run_that_was_created_although_the_reply_was_lost_is_found(
    loopback: StartLoopback, lost: Answer
) -> None:
    server = loopback(one_after_another(create=lost, search=FOUND_RUN))
    assert isinstance(at(server.uri).send(CREATE_RUN), Success)
    assert server.calls == (CREATE, SEARCH)


def test_a_run_is_looked_for_by_its_operation(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(create=Answer(hang_up=True), search=FOUND_RUN))
    at(server.uri).send(CREATE_RUN)
    created, looked_for = (request.json() for request in server.requests)
    assert {"key": "mlopus.op", "value": "op1"} in created["tags"]
    assert looked_for["filter"] == "tags.`mlopus.op` = 'op1'"


def test_a_run_that_was_not_created_is_created_once_more(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(create=[Answer(hang_up=True), RUN], search=NOTHING))
    assert isinstance(at(server.uri).send(CREATE_RUN), Success)
    assert server.calls == (CREATE, SEARCH, CREATE)


def test_a_run_is_not_created_again_while_the_server_may_still_be_at_it(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(create=Answer(delay_s=30.0), search=NOTHING))
    assert isinstance(failure(at(server.uri, timeout_s=0.2).send(CREATE_RUN)), TimedOut)
    assert server.count(CREATE) == 1


def test_a_server_that_did_not_start_on_a_run_is_asked_again(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(create=[Answer(status=429), RUN]))
    assert isinstance(at(server.uri).send(CREATE_RUN), Success)
    assert server.calls == (CREATE, CREATE)


def test_a_run_that_may_exist_is_looked_for_first(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(search=FOUND_RUN))
    change = CreateRun(
        exp_id="1",
        name="n",
        tags=immutabledict(),
        status=RunStatus.SCHEDULED,
        start_time=None,
        operation_id="op1",
        may_exist=True,
    )
    assert isinstance(at(server.uri).send(change), Success)
    assert server.calls == (SEARCH,)


def test_a_version_whose_reply_was_lost_is_not_registered_twice(loopback: StartLoopback) -> None:
    version = {"name": "m", "version": "4", "source": "s3://b/p"}
    found = Answer.of_json({"model_versions": [version]})
    server = loopback(one_after_another(create=Answer(hang_up=True), search=found))
    change = RegisterVersion(
        model_name="m", source="s3://b/p", run_id=None, tags=immutabledict(), operation_id="op1"
    )
    assert at(server.uri).send(change).unwrap().version == "4"
    assert dict(server.requests[1].query)["filter"] == "name = 'm' AND tags.`mlopus.op` = 'op1'"


EXISTS = Answer.of_json({"error_code": "RESOURCE_ALREADY_EXISTS", "message": "it exists"}, status=400)
CREATE_EXPERIMENT = CreateExperiment(name="e", tags=immutabledict(), operation_id="op1")


def experiment(operation_id: str, stage: str = "active") -> Answer:
    tags = [{"key": "mlopus.op", "value": operation_id}]
    held = {"experiment_id": "7", "name": "e", "tags": tags, "lifecycle_stage": stage}
    return Answer.of_json({"experiment": held})


def test_an_experiment_that_this_operation_created_is_its_own(loopback: StartLoopback) -> None:
    answers = {"create": [Answer(hang_up=True), EXISTS], "get_by_name": experiment("op1")}
    server = loopback(one_after_another(**answers))
    assert at(server.uri).send(CREATE_EXPERIMENT).unwrap().id == "7"


def test_an_experiment_that_another_created_is_a_conflict(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(create=EXISTS, get_by_name=experiment("op2")))
    assert isinstance(failure(at(server.uri).send(CREATE_EXPERIMENT)), AlreadyExists)


def test_a_deleted_experiment_keeps_its_name_and_the_hint_says_how_to_have_it(
    loopback: StartLoopback,
) -> None:
    server = loopback(one_after_another(create=EXISTS, get_by_name=experiment("op1", "deleted")))
    error = failure(at(server.uri).send(CREATE_EXPERIMENT))
    assert (type(error), "restore_exp" in (error.hint or "")) == (AlreadyExists, True)


def test_a_batch_may_be_sent_again(loopback: StartLoopback) -> None:
    server = loopback(one_after_another(log_batch=[Answer(hang_up=True), Answer(status=503), Answer()]))
    assert isinstance(at(server.uri).send(LogBatch(run_id="r1")), Success)
    assert len(server.requests) == 3


# Credentials


def authorizations(server: Any) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.requests]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        (
            {"username": "ann", "password": "s:crét"},
            f"Basic {base64.b64encode('ann:s:crét'.encode()).decode()}",
        ),
        ({"token": "abc"}, "Bearer abc"),
        (
            {"username": "ann", "password": "x", "token": "abc"},
            f"Basic {base64.b64encode(b'ann:x').decode()}",
        ),
        ({"username": "ann", "token": "abc"}, "Bearer abc"),
        ({"auth": lambda *_: {"Authorization": "Negotiate xyz"}, "token": "abc"}, "Negotiate xyz"),
    ],
)
def test_each_way_of_being_let_in(loopback: StartLoopback, settings: Any, expected: str | None) -> None:
    server = loopback(RUN)
    at(server.uri, **settings).get(RunKey("r1"))
    assert authorizations(server) == [expected]


def test_a_user_in_the_address_lets_in_too_and_is_shown_nowhere(loopback: StartLoopback) -> None:
    server = loopback(Answer(status=401, body=b"no"))
    tracking = at(server.uri.replace("//", "//ann:hunter2@"))
    error = failure(tracking.get(RunKey("r1")))
    assert authorizations(server) == [f"Basic {base64.b64encode(b'ann:hunter2').decode()}"]
    assert "hunter2" not in f"{error} {tracking!r} {tracking.origin} {tracking.transport!r}"


def test_extra_headers_and_the_workspace_are_sent(loopback: StartLoopback) -> None:
    server = loopback(RUN)
    at(server.uri, workspace="team", headers=immutabledict({"X-Extra": "1"})).get(RunKey("r1"))
    headers = server.requests[0].headers
    assert (headers["x-mlflow-workspace"], headers["x-extra"]) == ("team", "1")


def test_no_error_holds_a_secret_that_the_server_echoes(loopback: StartLoopback) -> None:
    def echo(request: SeenRequest) -> Answer:
        words = f"refused {request.headers['authorization']} and {request.headers['x-key']}"
        return Answer.of_json({"error_code": "UNAUTHENTICATED", "message": words}, status=401)

    server = loopback(echo)
    headers = immutabledict({"X-Key": "hunter22"})
    error = failure(at(server.uri, token="tok-12345", headers=headers).get(RunKey("r1")))  # noqa: S106
    assert not any(secret in f"{error!r} {error} {error.hint}" for secret in ("tok-12345", "hunter22"))


@pytest.mark.parametrize("value", ["a\nb", "é", "\x00"])
def test_a_secret_that_cannot_be_sent_is_named_not_shown(loopback: StartLoopback, value: str) -> None:
    server = loopback(RUN)
    error = failure(at(server.uri, headers=immutabledict({"X-Key": f"hunter2{value}"})).get(RunKey("r1")))
    assert (type(error), "hunter2" in str(error), server.requests) == (InvalidValue, False, ())


def redirected(location: str, status: int = 307) -> Answer:
    return Answer(status=status, headers=(("Location", location),))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_within_the_server_is_followed_as_it_is(loopback: StartLoopback, status: int) -> None:
    server = loopback(one_after_another(create=redirected("/elsewhere", status), elsewhere=RUN))
    assert isinstance(at(server.uri, token="abc").send(CREATE_RUN), Success)  # noqa: S106
    first, second = server.requests
    assert (second.call, second.body) == ("POST /elsewhere", first.body)
    assert authorizations(server) == ["Bearer abc"] * 2


def test_a_redirect_to_another_server_is_refused_and_names_it(loopback: StartLoopback) -> None:
    other = loopback(RUN)
    server = loopback(redirected(f"{other.uri}/api?token=x"))
    error = failure(at(server.uri, token="abc").get(RunKey("r1")))  # noqa: S106
    assert (type(error), other.uri in str(error), "token=x" in str(error)) == (UnreadableReply, True, False)
    assert other.requests == ()


def test_redirects_in_a_circle_end(loopback: StartLoopback) -> None:
    server = loopback(redirected("/again"))
    assert isinstance(failure(at(server.uri).get(RunKey("r1"))), UnreadableReply)


def test_a_registry_elsewhere_gets_its_own_credentials_only(loopback: StartLoopback) -> None:
    registry = loopback(Answer.of_json({"registered_model": {"name": "m"}}))
    server = loopback(RUN)
    tracking = at(server.uri, token="abc", registry_uri=registry.uri)  # noqa: S106
    assert isinstance(tracking.get(ModelKey("m")), Success)
    assert (authorizations(registry), server.requests) == ([None], ())


def test_cookies_are_not_kept(loopback: StartLoopback) -> None:
    server = loopback(Answer(headers=(("Set-Cookie", "session=1; Path=/"),), body=RUN.body))
    tracking = at(server.uri)
    tracking.get(RunKey("r1"))
    tracking.get(RunKey("r1"))
    assert "cookie" not in server.requests[1].headers


def test_a_certificate_file_that_is_none_is_named(tmp_path: Any) -> None:
    path = str(tmp_path / "ca.pem")
    error = failure(at("https://127.0.0.1:1", ca_cert=path).get(RunKey("r1")))
    assert (type(error), path in str(error)) == (IllegalPath, True)


# Connections


def test_connections_are_kept(loopback: StartLoopback) -> None:
    server = loopback(RUN)
    tracking = at(server.uri)
    for _ in range(5):
        tracking.get(RunKey("r1"))
    assert (len(server.requests), server.connections) == (5, 1)


def test_nothing_is_connected_before_something_is_asked(socket_events: list[str]) -> None:
    tracking = at("http://127.0.0.1:1")
    tracking.metered(tracking.transport.meter)
    assert (str(tracking.facts.origin), socket_events) == ("http://127.0.0.1:1", [])


def test_a_path_before_the_api_is_kept(loopback: StartLoopback) -> None:
    server = loopback(RUN)
    at(f"{server.uri}/behind/proxy/").get(RunKey("r1"))
    assert server.calls == (f"GET /behind/proxy{API}/runs/get",)


def test_the_systems_proxy_is_used(loopback: StartLoopback, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = loopback(RUN)
    monkeypatch.setenv("HTTP_PROXY", proxy.uri)
    monkeypatch.setenv("NO_PROXY", "")
    at("http://mlflow.invalid").get(RunKey("r1"))
    assert proxy.requests[0].target == f"http://mlflow.invalid{API}/runs/get?run_id=r1"


def test_a_copy_in_another_process_works_and_is_equal(loopback: StartLoopback) -> None:
    server = loopback(RUN)
    tracking = at(server.uri, token="abc")  # noqa: S106
    tracking.get(RunKey("r1"))
    copy = pickle.loads(pickle.dumps(tracking))  # noqa: S301 (made in this line)
    assert isinstance(copy.get(RunKey("r1")), Success)
    assert (copy == tracking, authorizations(server)) == (True, ["Bearer abc"] * 2)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_has_connections_of_its_own(loopback: StartLoopback) -> None:
    server = loopback(RUN)
    tracking = at(server.uri)
    tracking.get(RunKey("r1"))
    child = os.fork()
    if child == 0:
        os._exit(0 if isinstance(tracking.get(RunKey("r1")), Success) else 1)
    _, status = os.waitpid(child, 0)
    assert isinstance(tracking.get(RunKey("r1")), Success)
    assert (status, server.connections) == (0, 2)


def test_two_servers_with_two_credentials_do_not_mix(loopback: StartLoopback) -> None:
    one, other = loopback(RUN), loopback(RUN)
    first, second = at(one.uri, token="one"), at(other.uri, token="two")  # noqa: S106
    for tracking in (first, second, first):
        tracking.get(RunKey("r1"))
    assert (authorizations(one), authorizations(other)) == (["Bearer one"] * 2, ["Bearer two"])


class CountingMeter:
    def __init__(self) -> None:
        self.requests = 0

    def requested(self, count: int = 1) -> None:
        self.requests += count

    def sent(self, size_bytes: int) -> None: ...

    def received(self, size_bytes: int) -> None: ...

    def finished(self, path: str) -> None: ...


def test_every_try_is_metered(loopback: StartLoopback) -> None:
    server = loopback(
        one_after_another(get=[Answer(status=503), redirected("/elsewhere"), RUN], elsewhere=RUN)
    )
    meter = CountingMeter()
    assert isinstance(at(server.uri).metered(meter).get(RunKey("r1")), Success)
    assert meter.requests == len(server.requests) == 3


@pytest.mark.parametrize(
    "key", [RunKey("half \ud800"), ExperimentName("half \ud800"), ExperimentKey("a/b ü?&=")]
)
def test_a_key_of_any_characters_is_asked_for(loopback: StartLoopback, key: Any) -> None:
    missing = Answer.of_json({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}, status=404)
    server = loopback(missing)
    assert isinstance(failure(at(server.uri).get(key)), NotFound)


def test_text_that_is_none_is_refused_before_it_is_sent(loopback: StartLoopback) -> None:
    server = loopback(RUN)
    change = LogBatch(run_id="r1", tags=immutabledict({"t": "half \ud800"}))
    assert isinstance(failure(at(server.uri).send(change)), InvalidValue)
    assert server.requests == ()
