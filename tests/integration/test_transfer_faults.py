"""Every way in which a download can go wrong: how often it is asked for, and what comes of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from mlopus.domain.manifest import RemoteFile
from mlopus.errors import (
    DigestMismatch,
    InvalidRequest,
    MlopusError,
    TimedOut,
    Unauthorized,
    Unavailable,
    UnreadableReply,
)
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.repositories.stores.proxy import MlflowArtifactsStore
from mlopus.result import Failure, Success
from mlopus.testing.contracts.trees import BytesSink, Tally
from tests.servers.fixtures import StartLoopback
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer, SeenRequest

ROOT = "mlflow-artifacts:/1/r/artifacts"
BODY = random.Random(1).randbytes(1_500_000)  # noqa: S311 (nothing is kept secret)
FILE = RemoteFile(path="f", size_bytes=len(BODY))
ETAG = ("ETag", '"v1"')
WHOLE = Answer(headers=(ETAG,), body=BODY)
LONGEST_S = 30.0
"""Far above what the bounds of these tests add up to."""


def rest_of(request: SeenRequest) -> Answer:
    """What a server with ranges answers."""
    start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
    if not start:
        return WHOLE
    span = ("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
    return Answer(status=206, headers=(ETAG, span), body=BODY[start:])


def in_turn(*answers: Answer) -> Callable[[SeenRequest], Answer]:
    """These answers, one a request, then what a sound server gives."""
    left = list(answers)
    return lambda request: left.pop(0) if left else rest_of(request)


def fetch(server: Loopback, **settings: Any) -> tuple[Any, BytesSink, Tally]:
    bounds = {"backoff_s": 0.01, "max_retries": 3, "retry_for_s": 5.0, "timeout_s": 15.0, **settings}
    store = MlflowArtifactsStore(transport=MlflowTracking(uri=server.uri, **bounds).transport)
    sink, tally = BytesSink(), Tally()
    began = time.monotonic()
    fetched = store.metered(tally).fetch(ROOT, (FILE,), sink)
    assert time.monotonic() - began < LONGEST_S
    return fetched, sink, tally


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_a_drop_costs_one_request_more_and_no_byte(loopback: StartLoopback, fraction: float) -> None:
    server = loopback(in_turn(Answer(headers=(ETAG,), body=BODY, cut_after=int(len(BODY) * fraction))))

    fetched, sink, tally = fetch(server)

    assert (fetched.unwrap(), sink.contents) == ({"f": '"v1"'}, {"f": BODY})
    assert (tally.requests, tally.received_bytes) == (2, len(BODY))


def test_the_whole_instead_of_the_rest_is_read_past_what_was_there(loopback: StartLoopback) -> None:
    server = loopback(in_turn(Answer(headers=(ETAG,), body=BODY, cut_after=500_000), WHOLE))

    fetched, sink, tally = fetch(server)

    assert (sink.contents, tally.received_bytes) == ({"f": BODY}, len(BODY))
    assert (fetched.unwrap(), len(server.requests)) == ({"f": '"v1"'}, 2)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(loopback: StartLoopback, status: int) -> None:
    server = loopback(in_turn(Answer(status=status, headers=(("Retry-After", "1"),))))
    began = time.monotonic()

    fetched, sink, tally = fetch(server)

    assert (sink.contents, tally.requests) == ({"f": BODY}, 2)
    assert isinstance(fetched, Success)
    assert time.monotonic() - began >= 1.0


def test_a_burst_of_failures_is_survived(loopback: StartLoopback) -> None:
    server = loopback(in_turn(Answer(status=503), Answer(status=502), Answer(status=504)))

    _, sink, tally = fetch(server)

    assert (sink.contents, tally.requests) == ({"f": BODY}, 4)


def test_failures_without_an_end_are_given_up(loopback: StartLoopback) -> None:
    server = loopback(Answer(status=503))

    fetched, sink, tally = fetch(server)

    assert isinstance(fetched.failure(), Unavailable)
    assert (sink.contents, tally.requests, tally.received_bytes) == ({}, 1 + 3, 0)


def test_a_stall_is_given_up_and_gone_on_from(loopback: StartLoopback) -> None:
    stalling = Answer(headers=(ETAG,), body=BODY, stall_after=600_000, stall_s=60.0)
    server = loopback(in_turn(stalling))

    _, sink, tally = fetch(server, timeout_s=1.0)

    assert (sink.contents, tally.requests, tally.received_bytes) == ({"f": BODY}, 2, len(BODY))


def test_a_server_that_always_stalls_times_out(loopback: StartLoopback) -> None:
    server = loopback(Answer(body=BODY, stall_after=10, stall_s=60.0))

    fetched, sink, _ = fetch(server, timeout_s=0.5, max_retries=0)

    assert isinstance(fetched.failure(), TimedOut)
    assert sink.contents == {}


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"!", b"", b"<html>Sign in</html>"])
def test_a_body_of_another_length_is_refused_at_once(loopback: StartLoopback, body: bytes) -> None:
    server = loopback(Answer(headers=(("Content-Type", "text/html"),), body=body))

    fetched, sink, tally = fetch(server)

    assert isinstance(fetched.failure(), DigestMismatch)
    assert (sink.contents, tally.requests, tally.received_bytes) == ({}, 1, 0)


def test_html_instead_of_a_listing_is_no_listing(loopback: StartLoopback) -> None:
    server = loopback(Answer.of_html())
    store = MlflowArtifactsStore(transport=MlflowTracking(uri=server.uri, retry_for_s=0.0).transport)

    assert isinstance(store.list_tree(ROOT).failure(), UnreadableReply)


@pytest.mark.parametrize(
    ("status", "error", "requests"),
    [(401, Unauthorized, 2), (403, Unauthorized, 2), (400, InvalidRequest, 2 + 1)],  # 400: is it a folder?
)
def test_a_refusal_half_way_ends_it_and_what_came_is_kept(
    loopback: StartLoopback, status: int, error: type[MlopusError], requests: int
) -> None:
    cut = Answer(headers=(ETAG,), body=BODY, cut_after=800_000)
    server = loopback(in_turn(cut, Answer(status=status)))

    fetched, sink, tally = fetch(server)

    assert isinstance(fetched, Failure)
    assert isinstance(fetched.failure(), error)
    assert (sink.contents, tally.requests, tally.received_bytes) == ({}, requests, 0)
    validator, partial = sink.partial["f"]
    assert (validator, partial) == ('"v1"', BODY[: len(partial)])
    assert len(partial) > 0
