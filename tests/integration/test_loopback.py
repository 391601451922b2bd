"""Loopback servers do what the test says, the ways of failing included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.servers.loopback import answering
from tests.servers.messages import Answer, SeenRequest

if TYPE_CHECKING:
    from tests.servers.fixtures import StartLoopback


def test_html_comes_where_json_was_expected(loopback: StartLoopback) -> None:
    server = loopback(Answer.of_html())

    reply = httpx.get(f"{server.uri}/api/2.0/mlflow/runs/get")

    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_function_answers_each_request_for_itself(loopback: StartLoopback) -> None:
    server = loopback(lambda request: Answer.of_json({"asked": request.call}))

    replies = [httpx.post(f"{server.uri}/a").json(), httpx.delete(f"{server.uri}/b").json()]

    assert replies == [{"asked": "POST /a"}, {"asked": "DELETE /b"}]


def test_requests_are_counted_by_method_and_path(loopback: StartLoopback) -> None:
    server = loopback(Answer(status=204))

    for path in ("/a?page=1", "/a?page=2", "/b"):
        httpx.get(server.uri + path)

    assert server.count("GET /a") == 2


def test_counting_starts_again_from_nothing(loopback: StartLoopback) -> None:
    server = loopback(Answer())
    httpx.get(server.uri)

    server.forget()

    assert (server.requests, server.connections) == ((), 0)


def test_a_request_is_remembered_whole(loopback: StartLoopback) -> None:
    server = loopback(Answer())

    httpx.put(f"{server.uri}/a%20b?x=&y=1&y=2", content=iter([b"one ", b"two"]), headers={"X-Who": "me"})

    (seen,) = server.requests
    assert (seen.target, seen.path) == ("/a%20b?x=&y=1&y=2", "/a%20b")
    assert seen.query == (("x", ""), ("y", "1"), ("y", "2"))
    assert (seen.headers["x-who"], seen.body) == ("me", b"one two")


def test_a_reply_can_be_cut_midway(loopback: StartLoopback) -> None:
    server = loopback(Answer(body=b"0123456789", cut_after=4))

    with httpx.stream("GET", server.uri) as reply, pytest.raises(httpx.RemoteProtocolError):
        reply.read()

    assert reply.headers["content-length"] == "10"


def test_a_connection_can_be_closed_without_a_reply(loopback: StartLoopback) -> None:
    server = loopback(Answer(hang_up=True))

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.uri)

    assert len(server.requests) == 1


def test_a_slow_reply_outlasts_a_clients_patience(loopback: StartLoopback) -> None:
    server = loopback(Answer(delay_s=60))

    with pytest.raises(httpx.ReadTimeout):
        httpx.get(server.uri, timeout=0.05)


def test_a_reply_can_stall_midway(loopback: StartLoopback) -> None:
    server = loopback(Answer(body=b"0123456789", stall_after=4, stall_s=60))
    received: list[bytes] = []

    with httpx.stream("GET", server.uri, timeout=0.2) as reply, pytest.raises(httpx.ReadTimeout):
        received.extend(reply.iter_raw(chunk_size=1))

    assert b"".join(received) == b"0123"


def test_a_head_announces_a_body_that_does_not_come(loopback: StartLoopback) -> None:
    server = loopback(Answer(body=b"0123456789"))

    reply = httpx.head(server.uri)

    assert (reply.headers["content-length"], reply.content) == ("10", b"")


def test_a_fault_in_the_answering_function_is_not_lost() -> None:
    def fault(request: SeenRequest) -> Answer:
        raise LookupError(request.path)

    with (
        pytest.raises(LookupError, match="/unexpected"),
        answering(fault) as server,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        httpx.get(f"{server.uri}/unexpected")


def test_opening_a_socket_is_noticed(socket_events: list[str], loopback: StartLoopback) -> None:
    server = loopback(Answer())
    socket_events.clear()

    httpx.get(server.uri)

    assert "socket.connect" in socket_events


def test_no_socket_is_noticed_where_none_is_opened(socket_events: list[str]) -> None:
    httpx.Client().close()

    assert socket_events == []
