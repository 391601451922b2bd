"""What happens to requests when the network or the server misbehaves."""

from __future__ import annotations

import socket

import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import RunKey
from mlopus.domain.status import RunStatus
from mlopus.errors import (
    AlreadyExists,
    ServerFailed,
    TimedOut,
    Unauthorized,
    Unreachable,
    UnreadableReply,
)
from mlopus.plans.changes import CreateExperiment, CreateRun, LogBatch, RegisterVersion
from mlopus.result import Success
from tests.integration.mlflow_answers import (
    CREATE,
    CREATE_RUN,
    FOUND_RUN,
    GET_RUN,
    NOTHING,
    RUN,
    SEARCH,
    at,
    failure,
    one_after_another,
)
from tests.servers.fixtures import StartLoopback
from tests.servers.messages import Answer


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
