"""What is seen of a transfer: one bar on a terminal, nothing in a pipe, values for functions."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlopus
from mlopus.execution.counting import CountingMeter
from mlopus.execution.progress import TOLD_EVERY_S, Progress
from tests.servers.artifact_server import ArtifactServer, serving

SIZE_BYTES = 10 * 1024 * 1024
FETCHING = """
import sys, mlopus
mlopus.connect(sys.argv[1], cache_dir=sys.argv[2]).cache_run_artifact("r1", "model").unwrap()
"""


class StopHere(Exception):
    """What a program's function raises."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArtifactServer]:
    with serving(tmp_path / "server") as running:
        running.put({f"model/{number}": bytes(SIZE_BYTES // 10) for number in range(10)})
        yield running


def fetching(server: ArtifactServer, cache: Path, stderr: int) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", FETCHING, server.uri, str(cache)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, check=True)


def test_one_bar_is_drawn_on_a_terminal(server: ArtifactServer, tmp_path: Path) -> None:
    reading, writing = pty.openpty()
    termios.tcsetwinsize(writing, (24, 120))
    done = fetching(server, tmp_path / "cache", writing)
    os.close(writing)
    drawn = b""
    while True:
        try:
            drawn += os.read(reading, 65536)
        except OSError:  # the other end is closed, and all is read
            break
    os.close(reading)

    lines = drawn.decode().rstrip("\r\n").split("\n")
    assert len(lines) == 1
    assert "100%" in lines[0]
    assert "10.0M/10.0M" in lines[0]
    assert done.stdout == b""


def test_nothing_is_drawn_in_a_pipe(server: ArtifactServer, tmp_path: Path) -> None:
    done = fetching(server, tmp_path / "cache", subprocess.PIPE)

    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_function_is_told_how_far_a_plan_is(server: ArtifactServer, tmp_path: Path) -> None:
    told: list[Progress] = []
    api = mlopus.connect(server.uri, cache_dir=tmp_path / "cache", progress=told.append)

    receipt = api.execute(api.plan.cache_run_artifact("r1", "model").unwrap()).unwrap()

    first, last = told[0], told[-1]
    assert (first.done_bytes, first.is_over, last.is_over) == (0, False, True)
    assert [moment.is_over for moment in told].count(True) == 1
    assert last.total_bytes == last.down_bytes == SIZE_BYTES == receipt.down_bytes
    assert (last.finished_files, last.requests) == (10, receipt.requests)


def test_bytes_that_an_earlier_transfer_brought_count_as_done(server: ArtifactServer, tmp_path: Path) -> None:
    told: list[Progress] = []

    def stop_half_way(moment: Progress) -> None:
        if moment.finished_files >= 3:
            raise StopHere

    stopping = mlopus.connect(server.uri, cache_dir=tmp_path / "cache", progress=stop_half_way, concurrency=1)
    server.allow(SIZE_BYTES // 2)
    with pytest.raises(StopHere):
        stopping.evolve(timeout_s=3.0, retry_for_s=0.0).cache_run_artifact("r1", "model")
    server.allow(None)
    stopping.evolve(progress=told.append).cache_run_artifact("r1", "model").unwrap()

    assert told[-1].done_bytes == SIZE_BYTES
    assert told[-1].resumed_bytes > 0


def test_what_a_function_raises_ends_the_transfer_and_reaches_the_caller(
    server: ArtifactServer, tmp_path: Path
) -> None:
    calls: list[Progress] = []

    def stop(moment: Progress) -> None:
        calls.append(moment)
        if len(calls) == 2:
            raise StopHere
        time.sleep(2 * TOLD_EVERY_S)  # so that the next change is told

    api = mlopus.connect(server.uri, cache_dir=tmp_path / "cache", progress=stop)
    with pytest.raises(StopHere):
        api.cache_run_artifact("r1", "model")

    assert [moment.is_over for moment in calls] == [False, False]
    assert isinstance(api.in_offline_mode.get_run_artifact("r1", "model"), mlopus.Failure)


def test_a_transfer_that_begins_anew_takes_its_bytes_back() -> None:
    told: list[Progress] = []
    with CountingMeter("plan", 10, told.append) as meter:
        meter.received(6)
        meter.received(-6)
        meter.received(10)

    assert (told[-1].down_bytes, told[-1].done_bytes) == (10, 10)
