"""Kills flushes of one journal, again and again, at steps and at random moments; then flushes to the end.

Run as a program, in a process of its own without threads, since it forks:
`python -m tests.integration.flush_kills <uri> <name> <folder> <seed> <kills>`. It prints a summary as
JSON. A flush that is done before it is killed is counted as none; then the next journal is written.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlopus
from mlopus import MlflowApi
from mlopus.execution import execute
from tests.integration.offline_job import train

TIMEOUT_S = 5.0
LONGEST_KILL_S = 1.5
MOST_STEPS = 9


def connected(uri: str, folder: Path, **settings: Any) -> MlflowApi:
    return mlopus.connect(
        uri, cache_dir=folder / "cache", timeout_s=TIMEOUT_S, retry_for_s=20, progress="off", **settings
    )


def main(uri: str, name: str, folder: Path, seed: int, kills: int) -> dict[str, object]:
    """Write offline, kill, flush; with as many journals as it takes."""
    chance = random.Random(seed)  # noqa: S311 (nothing is kept secret)
    names: list[str] = []
    at_steps = at_moments = 0
    while at_steps + at_moments < kills:
        names.append(f"{name}-{len(names)}")
        own = folder / names[-1]
        train(connected(uri, own, offline_mode=True, journal=True), names[-1], own / "source")
        while at_steps + at_moments < kills:
            is_step = chance.random() < 0.5
            step, delay = chance.randint(1, MOST_STEPS), chance.uniform(0.02, LONGEST_KILL_S)
            status = (
                _flushed(uri, own, lambda step=step: _die_at(step)) if is_step else _killed(uri, own, delay)
            )
            if not os.WIFSIGNALED(status):
                assert os.WEXITSTATUS(status) == 0
                break
            assert os.WTERMSIG(status) == signal.SIGKILL
            at_steps, at_moments = at_steps + is_step, at_moments + (not is_step)
        tries = 0
        while os.WEXITSTATUS(_flushed(uri, own, lambda: None)) != 0:
            tries += 1
            assert tries < 20, "it never gets through"
    return {"seed": seed, "names": names, "at_steps": at_steps, "at_moments": at_moments}


def kill_at(uri: str, name: str, folder: Path, step: int) -> bool:
    """Kill a flush at one step, flush again; whether there is such a step."""
    train(connected(uri, folder, offline_mode=True, journal=True), name, folder / "source")
    status = _flushed(uri, folder, lambda: _die_at(step))
    if not os.WIFSIGNALED(status):
        return False
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert os.WEXITSTATUS(_flushed(uri, folder, lambda: None)) == 0
    return True


def _flushed(uri: str, folder: Path, prepare: Callable[[], None]) -> int:
    """How a child ends that flushes: with 0 once nothing waits any more."""
    child = os.fork()
    if child == 0:
        _flush(uri, folder, prepare)
    return os.waitpid(child, 0)[1]


def _killed(uri: str, folder: Path, delay: float) -> int:
    child = os.fork()
    if child == 0:
        _flush(uri, folder, lambda: None)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _flush(uri: str, folder: Path, prepare: Callable[[], None]) -> None:
    try:
        prepare()
        report = connected(uri, folder).flush().unwrap()
        if not report.is_complete:
            print(report, file=sys.stderr)  # noqa: T201 (what went wrong)
        os._exit(0 if report.is_complete else 1)
    except BaseException as error:  # noqa: BLE001 (a child that raises must not go on as its parent)
        print(repr(error), file=sys.stderr)  # noqa: T201 (as above)
        os._exit(2)


def _die_at(point: int) -> None:
    """Let this process kill itself before or after a step that it executes: two points for each."""
    perform: Any = execute._perform
    seen = 0

    def tick() -> None:
        nonlocal seen
        seen += 1
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def performed(*arguments: Any) -> Any:
        tick()
        outcome = perform(*arguments)
        tick()
        return outcome

    execute._perform = performed  # type: ignore[assignment]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))))  # noqa: T201
