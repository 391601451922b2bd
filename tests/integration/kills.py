"""Kills a process at points of an act and at random moments, and looks at what is left.

Run as a program, in a process of its own without threads, since it forks:
`python -m tests.integration.kills <scenario> <folder> <seed> <random kills> <most points>`. It prints a
summary as JSON and fails with a traceback at the first state that is neither the old nor the new one.

A point is an event that Python audits (opening, renaming, linking, removing, …), or a statement of SQLite:
the child dies by its own SIGKILL just before the one, just after the other.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from tests.integration.kill_scenarios import SCENARIOS, Scenario
from tests.integration.kill_store_scenarios import STORE_SCENARIOS
from tests.integration.kill_transfers import TRANSFER_SCENARIOS

AUDITED = ("open", "os.", "shutil.", "socket.", "sqlite3.")
STATEMENTS = ("execute", "executemany", "executescript")
ALL: dict[str, Callable[[str], Scenario]] = {**SCENARIOS, **STORE_SCENARIOS, **TRANSFER_SCENARIOS}


def main(name: str, folder: str, seed: int, random_kills: int, most_points: int) -> dict[str, object]:
    """Kill at every point, or at so many of them, then at random moments; the states found, counted."""
    make = ALL[name]
    total, seconds = _measured(make, folder)
    found = {"old": 0, "new": 0}
    died_at = 0
    moments = random.Random(seed)  # noqa: S311 (nothing is kept secret)
    for point in moments.sample(range(1, total + 1), total):
        state = _after_kill(make, folder, lambda scenario, point=point: _dying_at(point, scenario))
        if state is not None:  # with threads, an act may be done before it comes to one of the last points
            died_at += 1
            found[state] += 1
        if died_at == most_points:
            break
    while sum(found.values()) < died_at + random_kills:  # what was done before the kill does not count
        delay = moments.uniform(0, seconds)
        state = _after_kill(make, folder, lambda scenario, delay=delay: _killed_after(delay, scenario))
        if state is not None:
            found[state] += 1
    return {"scenario": name, "seed": seed, "points": died_at, "kills": sum(found.values()), **found}


def _measured(make: Callable[[str], Scenario], folder: str) -> tuple[int, float]:
    """How many points an act has, and how long it takes, once all that it imports is loaded."""
    warm = make(folder)
    warm.prepare()
    warm.act()
    shutil.rmtree(folder)
    scenario = make(folder)
    scenario.prepare()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        count = _Counter(None)
        count.start()
        began = time.perf_counter()
        scenario.act()
        count.is_armed = False
        os.write(writer, json.dumps([count.count, time.perf_counter() - began]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as file:
        count, seconds = json.loads(file.read())
    assert scenario.check() == "new"
    shutil.rmtree(folder)
    return count, seconds


def _after_kill(make: Callable[[str], Scenario], folder: str, kill: Callable[[Scenario], int]) -> str | None:
    """The state after a kill, and that the next call goes well; None if the child was done before."""
    scenario = make(folder)
    scenario.prepare()
    status = kill(scenario)
    state = scenario.check()
    scenario.recover()
    assert scenario.check() == "new"
    shutil.rmtree(folder)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        return None
    assert os.WTERMSIG(status) == signal.SIGKILL
    return state


def _dying_at(point: int, scenario: Scenario) -> int:
    child = os.fork()
    if child == 0:
        _Counter(point).start()
        scenario.act()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _killed_after(delay: float, scenario: Scenario) -> int:
    child = os.fork()
    if child == 0:
        scenario.act()
        os._exit(0)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


class _Counter:
    """Counts what touches files and databases, and ends the process at a point."""

    def __init__(self, point: int | None) -> None:
        self.count = 0
        self.is_armed = True
        self._point = point

    def start(self) -> None:
        """Count from now on; what other threads do in a database is not seen."""
        sys.addaudithook(self._audited)
        sys.setprofile(self._called)

    def _audited(self, event: str, _: object) -> None:
        if self.is_armed and event.startswith(AUDITED):
            self._reach()

    def _called(self, _: FrameType, event: str, called: object) -> None:
        if self.is_armed and event == "c_return" and getattr(called, "__name__", "") in STATEMENTS:
            self._reach()

    def _reach(self) -> None:
        self.count += 1
        if self.count == self._point:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))))  # noqa: T201
