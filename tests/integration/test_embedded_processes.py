"""The embedded store under several processes: nothing is lost, and a kill leaves it readable."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import RunKey, key_of
from mlopus.domain.records import RunRecord
from mlopus.errors import Unsupported
from mlopus.plans.changes import EnsureExperiment, EnsureModel
from mlopus.repositories.embedded import EmbeddedTracking
from mlopus.testing.contracts.tracking_case import (
    NOON,
    batch,
    creating_run,
    found_by,
    fresh,
    point,
    registering,
    spec,
)
from tests.integration.kill_store_scenarios import STORE_SCENARIOS
from tests.integration.killing import killed

WRITING = """
import sys
from mlopus.repositories.embedded import EmbeddedTracking
from mlopus.testing.contracts.tracking_case import *
from mlopus.plans.changes import EnsureExperiment

store = EmbeddedTracking(sys.argv[1])
exp = store.send(EnsureExperiment(name="shared", tags=immutabledict(), operation_id=fresh())).unwrap()
for number in range(int(sys.argv[3])):
    run = store.send(creating_run(exp, name=f"{sys.argv[2]}{number}")).unwrap()
    points = [point("loss", step, step=step) for step in range(20)]
    store.send(batch(run, *points, params={"number": str(number)}, tags={"by": sys.argv[2]})).unwrap()
    print(run.id, flush=True)
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITING, str(folder), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def runs_in(store: EmbeddedTracking) -> list[RunRecord]:
    ensure = EnsureExperiment(name="shared", tags=immutabledict(), operation_id=fresh())
    exp = store.send(ensure).unwrap()
    return found_by(store, spec("run", exps=(exp,)))


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, 15) for name in "ab"]

    written = [process.communicate(timeout=60)[0].split() for process in writers]

    found = runs_in(EmbeddedTracking(str(tmp_path)))
    assert [len(ids) for ids in written] == [15, 15]
    assert sorted(run.id for run in found) == sorted(written[0] + written[1])
    assert sorted(run.name or "" for run in found) == sorted(f"{name}{n}" for name in "ab" for n in range(15))
    assert {run.metrics["loss"] for run in found} == {19.0}


@pytest.mark.parametrize("after", [1, 3])
def test_a_kill_leaves_what_was_acknowledged_and_no_half_of_a_batch(tmp_path: Path, after: int) -> None:
    process = writer(tmp_path, "a", 10_000)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    told += process.communicate()[0].split()
    assert process.returncode == -signal.SIGKILL

    store = EmbeddedTracking(str(tmp_path))
    found = {run.id: run for run in runs_in(store)}

    assert set(told) <= found.keys()
    for run in found.values():
        history = store.metric_history(RunKey(run.id), "loss").unwrap()
        assert (len(history), len(run.params), "by" in run.tags) in {(20, 1, True), (0, 0, False)}
    with sqlite3.connect(tmp_path / "tracking.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.mark.parametrize("scenario", STORE_SCENARIOS)
def test_a_kill_leaves_all_of_a_change_or_nothing_and_the_next_call_goes_well(
    fast_disk: Path, scenario: str
) -> None:
    report = killed(fast_disk, scenario, random_kills=10)

    assert report["points"] >= 20
    assert report["old"] > 0
    assert report["new"] > 0
    assert report["old"] + report["new"] == report["kills"] == report["points"] + 10


@pytest.mark.slow
@pytest.mark.parametrize("scenario", STORE_SCENARIOS)
def test_three_hundred_kills_leave_all_of_a_change_or_nothing(fast_disk: Path, scenario: str) -> None:
    report = killed(fast_disk, scenario, random_kills=300)

    assert report["old"] + report["new"] == report["kills"] == report["points"] + 300


def test_the_folder_can_be_moved(tmp_path: Path) -> None:
    before = EmbeddedTracking(str(tmp_path / "before"))
    exp = before.send(EnsureExperiment(name="shared", tags=immutabledict(), operation_id=fresh())).unwrap()
    run = before.send(creating_run(exp)).unwrap()
    before.close()

    (tmp_path / "before").rename(tmp_path / "a # b%20?")

    after = EmbeddedTracking(str(tmp_path / "a # b%20?"))
    moved = after.get(key_of(run)).unwrap()
    assert run.artifact_uri.startswith(str(tmp_path / "before"))
    assert moved.artifact_uri == run.artifact_uri.replace("before", "a # b%20?")
    assert found_by(after, spec("run", {"repo": moved.artifact_uri}, exps=(exp,))) == [moved]


def test_a_version_is_located_in_a_folder_of_any_name(tmp_path: Path) -> None:
    store = EmbeddedTracking(str(tmp_path / "a # b%20?c"))
    exp = store.send(EnsureExperiment(name="shared", tags=immutabledict(), operation_id=fresh())).unwrap()
    run = store.send(creating_run(exp)).unwrap()
    model = store.send(EnsureModel(name="model", tags=immutabledict(), operation_id=fresh())).unwrap()
    version = store.send(registering(model, run)).unwrap()

    location = store.locate(version, run).unwrap()

    assert (location.subject.key, location.root_url, location.path) == (run.id, run.artifact_uri, "model")


def test_reading_makes_nothing(tmp_path: Path) -> None:
    store = EmbeddedTracking(str(tmp_path / "store"))

    store.get(RunKey("r"))
    store.find(spec("experiment")).unwrap()
    store.metric_history(RunKey("r"), "loss")
    store.ping().unwrap()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", [".trash/x", "0/meta.yaml", "123456/meta.yaml"])
def test_a_folder_of_mlflow_is_refused_at_the_first_verb(tmp_path: Path, inside: str) -> None:
    (tmp_path / inside).parent.mkdir(parents=True)
    (tmp_path / inside).touch()
    store = EmbeddedTracking(str(tmp_path))
    ensure = EnsureExperiment(name="shared", tags=immutabledict(), operation_id=fresh())

    errors = [store.get(RunKey("r")).failure(), store.send(ensure).failure(), store.ping().failure()]

    assert [type(error) for error in errors] == [Unsupported] * 3
    assert "mlflow" in (errors[0].hint or "")
    assert not (tmp_path / "tracking.db").exists()


def test_times_are_kept_in_whole_milliseconds(tmp_path: Path) -> None:
    store = EmbeddedTracking(str(tmp_path))
    exp = store.send(EnsureExperiment(name="shared", tags=immutabledict(), operation_id=fresh())).unwrap()
    run = store.send(creating_run(exp, start_time=NOON.replace(microsecond=1999))).unwrap()
    store.send(batch(run, point("loss", 1.0, seconds=0.0019))).unwrap()

    (kept,) = store.metric_history(RunKey(run.id), "loss").unwrap()

    assert store.get(key_of(run)).unwrap().start_time == NOON.replace(microsecond=1000)
    assert kept.timestamp == NOON.replace(microsecond=1000)
