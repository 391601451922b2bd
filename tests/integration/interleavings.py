"""Lets one act on a cache happen in the middle of another, at every point of it, and looks at what is left.

Run as a program, in a process of its own, since audit hooks stay: `python -m tests.integration.interleavings
<scenario> <folder>`. It prints a summary as JSON and fails with a traceback where a reader lost a file.

A point is an event that Python audits (opening, renaming, linking, removing, …): the inner act is done whole
just before that operation of the outer one.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable

from mlopus.plans.keeping_steps import EvictTrees
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.testing.contracts.cache_care import evicting
from mlopus.testing.contracts.trees import RUN, content_of
from tests.integration.kill_scenarios import NEW, OLD, SERVER, commit, served
from tests.integration.kills import AUDITED


class Trap:
    """An audit hook that does something at one point of the act that it is armed for."""

    def __init__(self) -> None:
        self.point = 0
        self._count = 0
        self._act: Callable[[], None] | None = None

    def arm(self, point: int, act: Callable[[], None]) -> None:
        self.point, self._count, self._act = point, 0, act

    def disarm(self) -> bool:
        """Whether the point was reached."""
        was_reached, self._act = self._act is None, None
        return was_reached

    def __call__(self, event: str, _: object) -> None:
        if self._act is None or not event.startswith(AUDITED):
            return
        self._count += 1
        if self._count == self.point:
            act, self._act = self._act, None
            act()


class Reading:
    """A reader is given a tree while it is evicted: it has the whole, or is told that there is nothing."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        commit(self._cache, OLD, path="model")
        self._step = step_of(self._cache)
        self._found: list[str] = []

    @property
    def _cache(self) -> DiskArtifactCache:
        return DiskArtifactCache(self._folder, SERVER)

    def evict(self) -> None:
        self._cache.care.evict(self._step).unwrap()

    def use(self) -> None:
        cache = self._cache
        entries = cache.used(cache.covering(RUN, "model").unwrap())
        self._found = [entry.tree_key for entry in entries]

    def check(self) -> str:
        for key in self._found:
            source = self._cache.tree(key).unwrap()
            assert {path: content_of(source, path) for path in OLD} == OLD
        return "there" if self._found else "gone"


class Writing:
    """A tree that nothing serves is committed anew while it is evicted: in the end it is served, whole."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        commit(self._cache, OLD, path="model")
        commit(self._cache, NEW, path="model")
        self._step = step_of(self._cache)

    @property
    def _cache(self) -> DiskArtifactCache:
        return DiskArtifactCache(self._folder, SERVER)

    def evict(self) -> None:
        self._cache.care.evict(self._step).unwrap()

    def use(self) -> None:
        commit(self._cache, OLD, path="again")

    def check(self) -> str:
        assert served(self._cache, "again") == OLD
        assert served(self._cache, "model") == NEW
        return "there"


def step_of(cache: DiskArtifactCache) -> EvictTrees:
    """A step that evicts what holds the old files."""
    trees = cache.care.inventory().unwrap()
    return evicting(*(tree for tree in trees if len(tree.blobs) == len(OLD)))


SCENARIOS = {"reading": Reading, "writing": Writing}
ORDERS = {"while it is evicted": ("evict", "use"), "evicted meanwhile": ("use", "evict")}


def main(name: str, order: str, folder: str) -> dict[str, object]:
    """Do the inner act at every point of the outer one; what was left, counted."""
    trap = Trap()
    sys.addaudithook(trap)
    outer, inner = ORDERS[order]
    left = {"there": 0, "gone": 0}
    point = 0
    while True:
        point += 1
        scenario = SCENARIOS[name](folder)
        trap.arm(point, getattr(scenario, inner))
        getattr(scenario, outer)()
        was_reached = trap.disarm()
        if was_reached:
            left[scenario.check()] += 1
        shutil.rmtree(folder)
        if not was_reached:
            return {"scenario": name, "order": order, "points": point - 1, **left}


if __name__ == "__main__":
    os.makedirs(os.path.dirname(sys.argv[3]), exist_ok=True)
    print(json.dumps(main(sys.argv[1], sys.argv[2], sys.argv[3])))  # noqa: T201
