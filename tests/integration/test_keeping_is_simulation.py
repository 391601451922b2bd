"""Execution of plans that keep a cache in order ends where simulation says, in memory and on a disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, RunApi, or_raise
from mlopus.api import keeping_calls
from mlopus.api.calls import Call
from mlopus.api.gathering import gather
from mlopus.errors import MlopusError
from mlopus.plans.envelope import gathered
from mlopus.plans.keeping import KeepingFacts
from mlopus.plans.planner import plan
from mlopus.plans.simulate import simulate
from mlopus.plans.symbols import learned
from mlopus.result import Result


@attrs.frozen
class World:
    """An API and runs with something cached: shared, placed, served no more; and what a callback left."""

    api: MlflowApi
    runs: tuple[RunApi, ...]
    folder: Path


Scenario: TypeAlias = Callable[[World], Result[Call, MlopusError]]


def collect(world: World) -> Result[Call, MlopusError]:
    return keeping_calls.gc(world.api)


def collect_to_a_budget(world: World) -> Result[Call, MlopusError]:
    return keeping_calls.gc(world.api, max_bytes=1010)


def collect_everything(world: World) -> Result[Call, MlopusError]:
    return keeping_calls.gc(world.api, max_bytes=0, unused_for_s=0)


def collect_beside_a_pin(world: World) -> Result[Call, MlopusError]:
    or_raise(world.api.pin(world.runs[1]))
    return keeping_calls.gc(world.api, max_bytes=0)


def collect_after_links_are_gone(world: World) -> Result[Call, MlopusError]:
    for path in (world.folder / "placed").iterdir():
        path.unlink()
    return keeping_calls.gc(world.api, max_bytes=0)


def clean_everything(world: World) -> Result[Call, MlopusError]:
    return keeping_calls.clean_all_cache(world.api)


def clean_what_callbacks_left(world: World) -> Result[Call, MlopusError]:
    return keeping_calls.clean_temp_artifacts(world.api)


def pin(world: World) -> Result[Call, MlopusError]:
    return keeping_calls.pin(world.api, world.runs[0], "data")


def unpin(world: World) -> Result[Call, MlopusError]:
    or_raise(world.api.pin(world.runs[0], "data"))
    return keeping_calls.unpin(world.api, world.runs[0])


def repair(world: World) -> Result[Call, MlopusError]:
    path = or_raise(world.runs[1].get_artifact("data")) / "own.txt"
    path.chmod(0o644)
    path.write_text("damaged")
    return keeping_calls.repair(world.api)


NOWHEN = datetime(2000, 1, 1, tzinfo=UTC)
SCENARIOS: tuple[Scenario, ...] = (
    collect,
    collect_to_a_budget,
    collect_everything,
    collect_beside_a_pin,
    collect_after_links_are_gone,
    clean_everything,
    clean_what_callbacks_left,
    pin,
    unpin,
    repair,
)


@pytest.fixture(params=["memory", "disk"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "memory":
        api = mlopus.testing.in_memory(grace_s=0)
    else:
        given = {"cache_dir": tmp_path / "cache", "cache_local_artifacts": True, "grace_s": 0}
        api = mlopus.connect(tmp_path / "store", **given)
    exp = or_raise(api.get_or_create_exp("world"))
    runs: list[RunApi] = []
    for number in range(4):
        run = or_raise(exp.start_run())

        def write(path: Path, number: int = number) -> None:
            path.mkdir()
            (path / "own.txt").write_text(f"own {number}")
            (path / "common.txt").write_text("c" * 1000)

        or_raise(run.log_artifact(write, "data"))
        or_raise(run.cache_artifact("data"))
        runs.append(run)
    or_raise(runs[2].place_artifact(tmp_path / "placed", "data"))
    or_raise(runs[3].clean_cached_artifact())
    api.log_run_artifact("no-such-run", lambda path: path.write_text("left"), "notes").failure()
    return World(api, tuple(runs), tmp_path)


def keeping_of(world: World, call: Call) -> KeepingFacts:
    """What is gathered for a call, without the moments at which trees were used."""
    api = world.api
    facts = or_raise(gather(call, api.repositories, api.settings, api.recent_parents))
    return timeless(gathered(facts.keeping, "keeping"))


def timeless(keeping: KeepingFacts) -> KeepingFacts:
    trees = tuple(attrs.evolve(tree, used_at=NOWHEN) for tree in keeping.trees)
    return attrs.evolve(keeping, trees=trees)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_execution_ends_where_simulation_says(scenario: Scenario, world: World) -> None:
    call = or_raise(scenario(world))
    api = world.api
    before = or_raise(gather(call, api.repositories, api.settings, api.recent_parents))
    made = or_raise(plan(call.request, before))

    receipt = or_raise(api.execute(made))
    expected = simulate(before, made, learned((done.step, done.outcome) for done in receipt.steps))

    assert receipt.steps or scenario is collect_to_a_budget
    assert keeping_of(world, call) == timeless(gathered(expected.keeping, "keeping"))
