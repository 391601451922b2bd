"""Who is let in, what stays secret, and whose connections are whose."""

from __future__ import annotations

import base64
import os
import pickle
from typing import Any

import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, ExperimentName, ModelKey, RunKey
from mlopus.errors import (
    IllegalPath,
    InvalidValue,
    NotFound,
    UnreadableReply,
)
from mlopus.plans.changes import LogBatch
from mlopus.result import Success
from tests.integration.mlflow_answers import (
    API,
    CREATE_RUN,
    RUN,
    at,
    failure,
    one_after_another,
)
from tests.servers.fixtures import StartLoopback
from tests.servers.messages import Answer, SeenRequest

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
