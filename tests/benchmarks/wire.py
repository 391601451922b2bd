"""How long a small request takes on a kept connection: a bare socket, httpx as it comes, and mlopus.

The bare socket asks for each acknowledgement at once, which is the fastest that there is. Whether
a connection stalls is a matter of the worker that serves it, so each round opens new ones; within a
round the requests of all sides are interleaved.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
import httpx

from mlopus.domain.keys import ExperimentKey, RunKey
from mlopus.repositories.mlflow import MlflowTracking
from tests.servers.mlflow_server import MlflowServer, running_server, running_workers_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

ROUNDS = 12
REQUESTS = 20
WARM_UP = 3
STALL_S = 0.03
API = "/api/2.0/mlflow"
SERVERS: Mapping[str, Callable[[Path], contextlib.AbstractContextManager[MlflowServer]]] = {
    "4 workers": running_workers_server,
    "1 worker": running_server,
}

# The limit first; ratios are to it.
SIDES = ("bare socket", "httpx", "mlopus")


@attrs.frozen
class Subject:
    """An experiment, and a run with as many values as runs usually have."""

    exp_id: str
    run_id: str

    @property
    def paths(self) -> Mapping[str, str]:
        """What is asked, by the operation's name."""
        return {
            "experiments/get": f"{API}/experiments/get?experiment_id={self.exp_id}",
            "runs/get": f"{API}/runs/get?run_id={self.run_id}",
        }


@attrs.frozen
class Row:
    """One line of the table: a side's median in seconds, and the share of its requests that stalled."""

    side: str
    median_s: float
    stalled: float
    ratio: float


class BareSocket:
    """A connection on which nothing is done but what must be."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str) -> bytes:
        """Ask, and give the body."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        lines = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(lines[b"content-length"]):
            body += self._receive()
        return body

    def _receive(self) -> bytes:
        if hasattr(socket, "TCP_QUICKACK"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionResetError
        return data

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def main(*, rounds: int = ROUNDS, requests: int = REQUESTS) -> None:
    """Print a table for each kind of server."""
    print(f"wire: medians of {rounds * requests} requests on {rounds} kept connections a side, interleaved")
    for kind, running in SERVERS.items():
        with tempfile.TemporaryDirectory() as folder, running(Path(folder, "server")) as server:
            subject = prepare(server.uri)
            for name in subject.paths:
                times = measure(server.uri, subject, name, rounds=rounds, requests=requests)
                for row in rows(times):
                    print(
                        f"  {kind:<10} {name:<16} {row.side:<12}{row.median_s * 1e3:7.1f} ms"
                        f" {row.ratio:6.2f} x  stalled {row.stalled:4.0%}"
                    )


def prepare(uri: str) -> Subject:
    """Make what is asked for."""
    with httpx.Client(base_url=uri + API, trust_env=False, timeout=60) as client:

        def post(path: str, body: Mapping[str, object]) -> dict[str, str]:
            reply = client.post(path, json=body)
            reply.raise_for_status()
            answer: dict[str, str] = reply.json()
            return answer

        exp_id = post("/experiments/create", {"name": f"wire {uuid.uuid4().hex}"})["experiment_id"]
        post("/runs/create", {"experiment_id": exp_id})
        found: list[dict[str, dict[str, str]]] = client.post(
            "/runs/search", json={"experiment_ids": [exp_id], "max_results": 1}
        ).json()["runs"]
        run_id = found[0]["info"]["run_id"]
        params = [{"key": f"p{n}", "value": "v" * 20} for n in range(20)]
        metrics = [{"key": f"m{n}", "value": n, "timestamp": 1, "step": 0} for n in range(20)]
        post("/runs/log-batch", {"run_id": run_id, "params": params, "metrics": metrics})
    return Subject(exp_id, run_id)


def measure(
    uri: str, subject: Subject, name: str, *, rounds: int, requests: int
) -> dict[str, tuple[float, ...]]:
    """Time requests of each side, after some that warm its connection up."""
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        with sides(uri, subject, name) as asking:
            for number in range(WARM_UP + requests):
                for side, ask in asking.items():
                    started = time.perf_counter()
                    ask()
                    if number >= WARM_UP:
                        times[side].append(time.perf_counter() - started)
    return {side: tuple(taken) for side, taken in times.items()}


@contextlib.contextmanager
def sides(uri: str, subject: Subject, name: str) -> Generator[dict[str, Callable[[], object]]]:
    """What asks for the same on each side, on connections of their own."""
    path = subject.paths[name]
    key = ExperimentKey(subject.exp_id) if name == "experiments/get" else RunKey(subject.run_id)
    bare, tracking = BareSocket(uri), MlflowTracking(uri=uri)
    with contextlib.closing(bare), httpx.Client(trust_env=False) as client:
        yield {
            "bare socket": lambda: bare.get(path),
            "httpx": lambda: client.get(uri + path).raise_for_status(),
            "mlopus": lambda: tracking.get(key).unwrap(),
        }


def rows(times: Mapping[str, tuple[float, ...]]) -> tuple[Row, ...]:
    """Compare the sides' medians with the first one's."""
    medians = {side: statistics.median(taken) for side, taken in times.items()}
    limit = medians[SIDES[0]]
    return tuple(
        Row(side, medians[side], sum(t > STALL_S for t in taken) / len(taken), medians[side] / limit)
        for side, taken in times.items()
    )
