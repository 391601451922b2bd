"""Several servers, threads and processes at once: nobody gets what is another's."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlopus.domain.keys import RunKey
from mlopus.repositories.mlflow import MlflowTracking
from mlopus.result import Success
from tests.integration.mlflow_answers import RUN, at
from tests.servers.fixtures import StartLoopback
from tests.servers.loopback import Loopback

TIMES = 40


def told(server: Loopback) -> set[tuple[str | None, str | None]]:
    return {(r.headers.get("authorization"), r.headers.get("x-mlflow-workspace")) for r in server.requests}


def ask_often(tracking: MlflowTracking, start: threading.Barrier) -> int:
    start.wait()
    return sum(isinstance(tracking.get(RunKey(f"r{n}")), Success) for n in range(TIMES))


def test_threads_on_two_servers_with_two_credentials_do_not_mix(loopback: StartLoopback) -> None:
    one, other = loopback(RUN), loopback(RUN)
    first = at(one.uri, token="one-token", workspace="one")  # noqa: S106
    second = at(other.uri, username="two", password="two-word", workspace="two")  # noqa: S106
    start = threading.Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        answered = list(threads.map(lambda t: ask_often(t, start), (first, second, first, second)))
    assert answered == [TIMES] * 4
    assert (len(one.requests), len(other.requests)) == (2 * TIMES, 2 * TIMES)
    assert told(one) == {("Bearer one-token", "one")}
    assert told(other) == {("Basic dHdvOnR3by13b3Jk", "two")}


def test_threads_on_one_server_with_two_users_do_not_mix(loopback: StartLoopback) -> None:
    server = loopback(RUN)
    start = threading.Barrier(2)
    users = [at(server.uri, token=f"user-{n}", workspace=f"{n}") for n in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda t: ask_often(t, start), users))
    assert told(server) == {("Bearer user-0", "0"), ("Bearer user-1", "1")}


def answer_in_another_process(pickled: bytes) -> bool:
    tracking: MlflowTracking = pickle.loads(pickled)  # noqa: S301 (made by the test)
    return isinstance(tracking.get(RunKey("r1")), Success)


def test_a_pickled_copy_works_in_another_process_with_the_same_credentials(loopback: StartLoopback) -> None:
    server = loopback(RUN)
    tracking = at(server.uri, token="tok-12345")  # noqa: S106
    tracking.get(RunKey("r1"))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(answer_in_another_process, (pickle.dumps(tracking),))
    assert (told(server), server.connections) == ({("Bearer tok-12345", None)}, 2)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_while_threads_are_asking_shares_no_connection(loopback: StartLoopback) -> None:
    server = loopback(RUN)
    tracking = at(server.uri)
    tracking.get(RunKey("before"))
    opened = server.connections
    asking = threading.Barrier(2)
    with ThreadPoolExecutor(1) as threads:
        parent = threads.submit(ask_often, tracking, asking)
        asking.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(8)  # a child that hangs must not hang the test
            os._exit(0 if isinstance(tracking.get(RunKey("child")), Success) else 1)
        _, status = os.waitpid(child, 0)
        assert parent.result() == TIMES
    assert isinstance(tracking.get(RunKey("after")), Success)
    assert (status, opened, server.connections) == (0, 1, 2)
