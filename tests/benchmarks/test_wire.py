"""The benchmark of requests asks all sides for the same; how fast it is, no test asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.wire import SIDES, WARM_UP, Subject, measure, prepare, rows
from tests.servers.messages import Answer

if TYPE_CHECKING:
    from tests.servers.fixtures import StartLoopback
    from tests.servers.mlflow_server import MlflowServer

RUN = Answer.of_json({"run": {"info": {"run_id": "r1", "experiment_id": "1", "status": "RUNNING"}}})


def test_all_sides_ask_a_real_server_for_the_same(mlflow_server: MlflowServer) -> None:
    subject = prepare(mlflow_server.uri)

    times = measure(mlflow_server.uri, subject, "experiments/get", rounds=1, requests=2)

    assert {side: len(taken) for side, taken in times.items()} == dict.fromkeys(SIDES, 2)


def test_each_round_has_a_connection_of_its_own_on_each_side(loopback: StartLoopback) -> None:
    server = loopback(RUN)

    measure(server.uri, Subject("1", "r1"), "runs/get", rounds=2, requests=4)

    assert len({request.target for request in server.requests}) == 1
    assert (server.connections, len(server.requests)) == (2 * len(SIDES), 2 * len(SIDES) * (4 + WARM_UP))


def test_ratios_are_to_the_bare_socket_and_stalls_are_counted() -> None:
    times = {"bare socket": (0.01, 0.01), "httpx": (0.05, 0.05), "mlopus": (0.01, 0.04)}

    shown = [(row.side, round(row.ratio, 3), row.stalled) for row in rows(times)]

    assert shown == [("bare socket", 1.0, 0.0), ("httpx", 5.0, 1.0), ("mlopus", 2.5, 0.5)]
