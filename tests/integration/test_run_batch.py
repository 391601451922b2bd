"""Batches of a run: few requests, nothing lost, and every failure told."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

import mlopus
from mlopus import MetricPoint, MlflowApi, RunApi, errors, or_raise
from mlopus.errors import MlopusError
from mlopus.plans.changes import PARAM_ALREADY_SET, LogBatch, TrackingChange
from mlopus.repositories.memory.artifact_cache import MemoryArtifactCache
from mlopus.repositories.memory.artifact_store import MemoryArtifactStore
from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache
from mlopus.repositories.memory.tracking import MemoryTracking
from mlopus.result import Failure, Result
from tests.integration.stores import new_name
from tests.servers.fixtures import StartProxy
from tests.servers.mlflow_server import MlflowServer

LIMIT_S = 20.0
UNREACHABLE = errors.Unreachable(place="memory", reason="made so by a test")
Fault = Callable[[LogBatch], MlopusError | None]


class Watched:
    """A store in memory that records each request to log, and fails where it is told to."""

    def __init__(self) -> None:
        self.store = MemoryTracking()
        self.requests: list[LogBatch] = []
        self.fault: Fault = lambda _: None
        self.heard = threading.Semaphore(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def metered(self, _: object) -> Watched:
        return self

    def send(self, change: TrackingChange) -> Result[Any, MlopusError]:
        if not isinstance(change, LogBatch):
            return self.store.send(change)
        self.requests.append(change)
        fault = self.fault(change)
        done = self.store.send(change) if fault is None else Failure(fault)
        self.heard.release()
        return done

    def fail_once(self, error: MlopusError = UNREACHABLE) -> None:
        faults = iter([error])
        self.fault = lambda _: next(faults, None)


@attrs.frozen(kw_only=True)
class World:
    """A run of a store that is watched."""

    store: Watched
    run: RunApi

    @property
    def points(self) -> list[float]:
        """The values of the metric `m`, by step."""
        return [point.value for point in or_raise(self.run.metric_history("m"))]


@pytest.fixture
def world() -> World:
    store: Any = Watched()
    api = MlflowApi(
        tracking=store,
        cache=MemoryMetadataCache(),
        artifacts=MemoryArtifactCache(),
        stores=MemoryArtifactStore(),
    )
    return World(store=store, run=or_raise(or_raise(api.create_exp("demo")).start_run()))


def log_and_fail(run: RunApi) -> None:
    with run.batch() as log:
        or_raise(log.log_metrics({"m": 1}))
        raise ZeroDivisionError


def test_params_metrics_and_tags_of_a_block_are_one_request(world: World) -> None:
    with world.run.batch() as log:
        or_raise(log.log_params({"opt": {"lr": 0.1}}))
        or_raise(log.log_metrics({"m": 1}))
        or_raise(log.log_metric_points({"n": [MetricPoint(2.0, 0)]}))
        or_raise(log.set_tags({"stage": "trial"}))

    run = or_raise(world.run.refresh())
    assert (run.params["opt"]["lr"], run.metrics, run.tags["stage"]) == (0.1, {"m": 1.0, "n": 2.0}, "trial")
    assert len(world.store.requests) == 1


def test_ten_thousand_points_are_ten_requests(world: World) -> None:
    with world.run.batch(max_delay_s=math.inf) as log:
        for step in range(10_000):
            or_raise(log.log_metrics({"m": step}, step))

    assert [len(request.metrics) for request in world.store.requests] == [1000] * 10
    assert world.points == [float(step) for step in range(10_000)]


def test_requests_are_full_where_calls_do_not_fit_them(world: World) -> None:
    with world.run.batch(max_items=10, max_delay_s=math.inf) as log:
        for step in range(10):
            or_raise(log.log_metrics({"a": step, "b": step, "c": step}, step))

    assert [len(request.metrics) for request in world.store.requests] == [10, 10, 10]


@pytest.mark.server
def test_a_server_is_asked_once_for_a_thousand_points(
    mlflow_server: MlflowServer, counting_proxy: StartProxy, tmp_path: Path
) -> None:
    proxy = counting_proxy(mlflow_server.uri)
    api = mlopus.connect(proxy.uri, cache_dir=tmp_path / "cache")
    run = or_raise(or_raise(api.get_or_create_exp(new_name())).start_run())
    proxy.forget()

    with run.batch(max_delay_s=math.inf) as log:
        or_raise(log.log_params({"depth": 3}))
        for step in range(2000):
            or_raise(log.log_metrics({"loss": 1 / (step + 1)}, step))

    assert len(proxy.calls) == 3  # 2001 values
    assert len(or_raise(run.metric_history("loss"))) == 2000


def test_what_waits_is_sent_in_time_without_another_call(world: World) -> None:
    with world.run.batch(max_delay_s=0.05) as log:
        or_raise(log.log_metrics({"m": 1}))

        assert world.store.heard.acquire(timeout=LIMIT_S)


def test_a_block_leaves_no_thread(world: World) -> None:
    before = threading.active_count()

    with world.run.batch(max_delay_s=3600) as log:
        or_raise(log.log_metrics({"m": 1}))
        inside = threading.active_count()

    assert (inside, threading.active_count()) == (before + 1, before)


def test_an_exception_passes_through_once_all_is_sent(world: World) -> None:
    with pytest.raises(ZeroDivisionError):
        log_and_fail(world.run)

    assert world.points == [1.0]


def test_what_cannot_be_sent_at_the_end_is_raised(world: World) -> None:
    world.store.fault = lambda _: UNREACHABLE

    with pytest.raises(errors.Unreachable, match="made so by a test"), world.run.batch() as log:
        or_raise(log.log_metrics({"m": 1}))


def test_what_cannot_be_sent_at_the_end_is_chained_to_the_exception_of_the_block(world: World) -> None:
    world.store.fault = lambda _: UNREACHABLE

    with pytest.raises(errors.Unreachable) as raised:
        log_and_fail(world.run)

    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_a_bad_value_is_refused_at_the_call_and_costs_no_other(world: World) -> None:
    with world.run.batch() as log:
        or_raise(log.log_metrics({"m": 1}))
        assert isinstance(log.log_params({"long": "x" * 6001}).failure(), errors.ValueTooLong)
        assert isinstance(log.log_metrics({"m": "much"}).failure(), errors.InvalidValue)

    assert world.points == [1.0]


def test_a_failed_request_is_told_by_the_next_call_which_takes_nothing(world: World) -> None:
    world.store.fail_once()

    with world.run.batch(max_items=2, max_delay_s=math.inf) as log:
        or_raise(log.log_metrics({"m": 0, "n": 0}))
        told = log.log_metrics({"m": 1}, 1)
        or_raise(log.log_metrics({"m": 2}, 2))

    assert told.failure() == UNREACHABLE
    assert world.points == [0.0, 2.0]


def test_what_was_not_answered_is_sent_again_in_time(world: World) -> None:
    world.store.fail_once()

    with world.run.batch(max_delay_s=0.05) as log:
        or_raise(log.log_metrics({"m": 1}))
        assert world.store.heard.acquire(timeout=LIMIT_S)
        assert world.store.heard.acquire(timeout=LIMIT_S)

    assert world.points == [1.0]


def test_a_param_that_somebody_else_set_costs_no_metrics_and_is_raised_at_the_end(world: World) -> None:
    log = world.run.batch().__enter__()
    or_raise(world.run.api.log_params(world.run.id, {"depth": 3}))
    or_raise(log.log_params({"depth": 4}))
    or_raise(log.log_metrics({"m": 1}))

    with pytest.raises(errors.InvalidRequest) as raised:
        log.__exit__(None, None, None)

    assert raised.value.code == PARAM_ALREADY_SET
    assert world.points == [1.0]


@pytest.mark.parametrize("earlier", ["in the block", "before"])
def test_a_param_with_another_value_is_refused_at_the_call(world: World, earlier: str) -> None:
    run = world.run if earlier == "in the block" else or_raise(world.run.log_params({"depth": 3}))

    with run.batch() as log:
        again = log.log_params({"depth": 3})
        other = log.log_params({"depth": 4, "width": 1})

    assert again == mlopus.Success(None)
    assert other.failure().code == PARAM_ALREADY_SET
    assert or_raise(run.refresh()).params == {"depth": 3}


def test_the_last_value_of_a_tag_counts(world: World) -> None:
    with world.run.batch() as log:
        or_raise(log.set_tags({"stage": "first"}))
        or_raise(log.set_tags({"stage": "last"}))

    assert or_raise(world.run.refresh()).tags["stage"] == "last"


def test_threads_may_share_a_batch(world: World) -> None:
    with world.run.batch(max_items=7) as log:

        def log_many(number: int) -> None:
            for step in range(200):
                or_raise(log.log_metrics({f"m{number}": step}, step))

        threads = [threading.Thread(target=log_many, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    sent = [sample for request in world.store.requests for sample in request.metrics]
    assert [[s.step for s in sent if s.key == f"m{n}"] for n in range(4)] == [list(range(200))] * 4


def test_offline_each_call_needs_the_server_and_the_end_does_not(world: World) -> None:
    offline = or_raise(or_raise(world.run.cache_meta()).api.in_offline_mode.get_run(world.run))

    with offline.batch() as log:
        failure = log.log_metrics({"m": 1}).failure()

    assert isinstance(failure, errors.OfflineMode)


def test_the_raising_view_raises_what_is_wrong_at_the_call(world: World) -> None:
    with world.run.raising.batch() as log:
        log.log_metrics({"m": 1})
        with pytest.raises(errors.InvalidValue):
            log.log_metrics({"m": "much"})

    assert world.points == [1.0]


def test_a_batch_takes_nothing_outside_its_block(world: World) -> None:
    with world.run.batch() as log:
        pass

    with pytest.raises(RuntimeError, match="inside its `with` block"):
        log.log_metrics({"m": 1})


def test_a_batch_is_entered_once(world: World) -> None:
    with world.run.batch() as log:
        pass

    with pytest.raises(RuntimeError, match="once"), log:
        pass


@pytest.mark.parametrize("wrong", [{"max_items": 0}, {"max_delay_s": 0}, {"max_delay_s": math.nan}])
def test_limits_out_of_their_range_are_refused(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        world.run.batch(**wrong)


KILLED = """
import os, signal, sys, time, mlopus
api = mlopus.connect(sys.argv[1], cache_dir=sys.argv[2])
with api.get_or_create_exp("demo").unwrap().start_run("killed").unwrap() as run:
    with run.batch(max_delay_s=0.05) as log:
        log.log_metrics({"m": 1}).unwrap()
        while "m" not in run.refresh().unwrap().metrics:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
"""
FORKED = """
import math, os, sys, mlopus
api = mlopus.connect(sys.argv[1], cache_dir=sys.argv[2])
run = api.get_or_create_exp("demo").unwrap().start_run("forked").unwrap()
with run.batch(max_delay_s=math.inf) as log:
    log.log_metrics({"m": 1}).unwrap()
    child = os.fork()
    if child:
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
points = len(run.metric_history("m").unwrap())
if not child:
    os._exit(points)
print(ended, points)
"""


def run_program(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it on an embedded store."""
    command = [sys.executable, "-c", program, str(folder / "store"), str(folder / "cache")]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_a_forked_child_that_leaves_the_block_sends_nothing(tmp_path: Path) -> None:
    assert run_program(FORKED, tmp_path).stdout == "0 1\n"


def test_a_killed_process_loses_at_most_what_waited_in_the_last_delay(tmp_path: Path) -> None:
    killed = run_program(KILLED, tmp_path)

    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "other")
    run = or_raise(api.find_runs({"name": "killed"}).first())
    assert killed.returncode < 0
    assert run is not None
    assert run.metrics == {"m": 1.0}
