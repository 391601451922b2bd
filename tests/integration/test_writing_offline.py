"""Writing offline: it succeeds at once, is read back at once, and waits on the journal, by no socket."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import mlopus
from mlopus import MetricPoint, MlflowApi, RunApi, RunStatus, or_raise
from mlopus.errors import (
    AlreadyExists,
    InvalidRequest,
    InvalidValue,
    NotCached,
    NotFound,
    OfflineMode,
    StoreFailed,
    UnreadableCache,
)
from mlopus.handles import ModelVersionApi
from tests.integration.main_job import write_model

SERVER = "http://127.0.0.1:9"


@pytest.fixture
def api(tmp_path: Path) -> MlflowApi:
    return opened(tmp_path)


def opened(tmp_path: Path) -> MlflowApi:
    return mlopus.connect(SERVER, cache_dir=tmp_path / "cache", offline_mode=True, journal=True)


@pytest.fixture
def run(api: MlflowApi) -> RunApi:
    return or_raise(api.start_run(or_raise(api.get_or_create_exp("demo")), "r1", {"team": {"name": "Größe"}}))


@pytest.fixture
def version(api: MlflowApi, run: RunApi, tmp_path: Path) -> ModelVersionApi:
    or_raise(api.get_or_create_model("ranker"))
    return or_raise(run.log_model_version("ranker", write_model(tmp_path / "model"), tags={"stage": "new"}))


def verbs(api: MlflowApi) -> list[str]:
    return [write.verb for write in or_raise(api.pending())]


def test_a_run_is_read_back_and_found_as_it_was_written(api: MlflowApi, run: RunApi) -> None:
    or_raise(run.log_params({"opt": {"lr": 0.1}}))
    or_raise(run.set_tags({"reviewed": False}))
    or_raise(run.log_metrics({"loss": 0.5}, step=2))

    again = or_raise(api.get_run(run.id))
    assert (again.name, again.exp.name, again.status) == ("r1", "demo", RunStatus.RUNNING)
    assert (again.params["opt"]["lr"], again.metrics["loss"]) == (0.1, 0.5)
    assert (again.tags["reviewed"], again.tags["team"]["name"]) == (False, "Größe")
    assert or_raise(api.find_runs({"exp.name": "demo", "params.opt.lr": {"$gt": 0}}).all()) == (again,)


def test_a_handle_holds_what_was_written(run: RunApi) -> None:
    written = or_raise(or_raise(run.log_params({"lr": 0.1})).log_metrics({"loss": math.nan}))

    assert written.params == {"lr": 0.1}
    assert math.isnan(written.metrics["loss"])


def test_an_ended_run_has_the_time_of_its_end(api: MlflowApi, run: RunApi) -> None:
    before = datetime.now(UTC)
    ended = or_raise(run.end_run(succeeded=False))

    assert ended.status is RunStatus.FAILED
    assert ended.end_time is not None
    assert abs((ended.end_time - before).total_seconds()) < 60
    assert or_raise(api.get_run(run)).end_time == ended.end_time


def test_the_latest_metric_is_that_of_the_greatest_step(api: MlflowApi, run: RunApi) -> None:
    for step, value in ((5, 0.5), (3, 0.9), (7, 0.1), (6, 0.7)):
        or_raise(run.log_metrics({"loss": value}, step=step))

    assert or_raise(api.get_run(run)).metrics["loss"] == 0.1
    assert [point.step for point in or_raise(run.metric_history("loss"))] == [3, 5, 6, 7]


def test_points_have_the_times_at_which_they_were_logged(run: RunApi) -> None:
    moment = datetime(2026, 1, 2, 3, tzinfo=UTC)
    or_raise(run.log_metric_points({"loss": [MetricPoint(0.5, 1, moment), MetricPoint(math.inf, 0, moment)]}))

    history = or_raise(run.metric_history("loss"))
    assert history == (MetricPoint(math.inf, 0, moment), MetricPoint(0.5, 1, moment))


def test_a_batch_of_a_run_is_queued(api: MlflowApi, run: RunApi) -> None:
    with run.batch() as log:
        for step in range(50):
            or_raise(log.log_metrics({"loss": 1.0 / (step + 1)}, step=step))
        or_raise(log.log_params({"lr": 0.1}))

    assert len(or_raise(run.metric_history("loss"))) == 50
    assert or_raise(api.get_run(run)).params["lr"] == 0.1
    assert verbs(api) == ["get_or_create_exp", "start_run", "batch"]


def test_children_are_found_under_their_parent(api: MlflowApi, run: RunApi) -> None:
    child = or_raise(run.start_child("fold 1"))

    assert or_raise(run.children().all()) == (child,)
    assert or_raise(api.find_child_runs(run.id).all()) == (child,)


def test_artifacts_are_listed_and_read_back(run: RunApi, tmp_path: Path) -> None:
    source = write_model(tmp_path / "model")
    or_raise(run.log_artifact(source, "out/model"))
    or_raise(run.log_artifact(lambda path: path.write_text("hello"), "out/notes.txt"))

    paths = [entry.path for entry in or_raise(run.list_artifacts(recursive=True)) if not entry.is_dir]
    assert paths == [
        "out/model/data/Größe und Maß/empty.txt",
        "out/model/data/noise.bin",
        "out/model/data/points.csv",
        "out/model/weights.json",
        "out/notes.txt",
    ]
    assert (or_raise(run.get_artifact("out/model")) / "data/noise.bin").read_bytes() == bytes(
        range(256)
    ) * 1200
    assert (or_raise(run.get_artifact()) / "out/notes.txt").read_text() == "hello"
    assert (source / "weights.json").exists()


def test_a_source_is_moved_if_it_is_not_to_be_kept(run: RunApi, tmp_path: Path) -> None:
    source = write_model(tmp_path / "model")
    or_raise(run.log_artifact(source, "model", keep_the_source=False))

    assert not source.exists()
    assert (or_raise(run.get_artifact("model")) / "data/points.csv").exists()


def test_publishing_at_a_path_again_replaces_files_and_mirror_removes_others(run: RunApi) -> None:
    def write(**files: str) -> Callable[[Path], None]:
        def into(folder: Path) -> None:
            folder.mkdir()
            for name, text in files.items():
                (folder / name).write_text(text)

        return into

    def shown() -> dict[str, str]:
        return {path.name: path.read_text() for path in or_raise(run.get_artifact("out")).iterdir()}

    or_raise(run.log_artifact(write(a="1", b="1"), "out"))
    or_raise(run.log_artifact(write(b="2", c="2"), "out"))
    added = shown()
    or_raise(run.log_artifact(write(c="3"), "out", mirror=True))

    assert added == {"a": "1", "b": "2", "c": "2"}
    assert shown() == {"c": "3"}


def test_what_was_cached_of_a_run_is_shown_beside_what_is_new(tmp_path: Path) -> None:
    online = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", cache_local_artifacts=True)
    run = or_raise(or_raise(online.get_or_create_exp("demo")).start_run())
    or_raise(run.log_artifact(lambda path: path.write_text("old"), "out/old.txt"))
    or_raise(run.cache_artifact())
    offline = online.evolve(offline_mode=True, journal=True)
    or_raise(offline.log_run_artifact(run.id, lambda path: path.write_text("new"), "out/new.txt"))
    shown = or_raise(offline.get_run_artifact(run.id))
    or_raise(online.flush())

    assert {path.name: path.read_text() for path in (shown / "out").iterdir()} == {
        "old.txt": "old",
        "new.txt": "new",
    }
    assert [entry.path for entry in or_raise(online.list_run_artifacts(run, "out"))] == [
        "out/new.txt",
        "out/old.txt",
    ]


def test_a_version_is_read_back_by_number_and_by_alias(api: MlflowApi, version: ModelVersionApi) -> None:
    or_raise(api.set_alias("ranker", "champion", version.version))

    for key in (("ranker", version.version), ("ranker", "@champion"), "models:/ranker@champion"):
        again = or_raise(api.get_model_version(key))
        assert (again.version, again.tags["stage"], again.path_in_run) == (version.version, "new", "ranker")
        assert again.run == version.run
    assert or_raise(api.get_model("ranker")).aliases == {"champion": version.version}
    found = or_raise(api.find_model_versions({"tags.stage": "new"}).all())
    assert [one.version for one in found] == [version.version]
    assert (or_raise(api.get_model_artifact(("ranker", "@champion"))) / "weights.json").exists()


def test_what_waits_is_listed_with_its_plan(api: MlflowApi, version: ModelVersionApi) -> None:
    writes = or_raise(api.pending())

    assert [write.verb for write in writes] == [
        "get_or_create_exp",
        "start_run",
        "get_or_create_model",
        "log_model_version",
    ]
    assert [write.id for write in writes] == sorted(write.id for write in writes)
    plan = writes[-1].plan
    assert plan is not None
    assert plan.total_bytes == sum(
        path.stat().st_size for path in or_raise(version.get_artifact()).rglob("*") if path.is_file()
    )
    assert "queued" in str(plan)
    assert all(write.error is None for write in writes)


def test_a_plan_of_a_write_says_what_is_not_known(api: MlflowApi, run: RunApi) -> None:
    plan = or_raise(api.plan.start_run(run.exp, "r2"))

    assert "not known before the flush: the run's id and artifact root" in str(plan)
    assert len(verbs(api)) == 2


def test_a_plan_that_is_executed_twice_queues_once(api: MlflowApi, run: RunApi) -> None:
    plan = or_raise(api.plan.start_run(run.exp, "r2"))
    first, second = or_raise(api.execute(plan)).value, or_raise(api.execute(plan)).value

    assert first == second
    assert verbs(api) == ["get_or_create_exp", "start_run", "start_run"]


def test_what_is_there_is_given_and_nothing_is_queued(api: MlflowApi, run: RunApi) -> None:
    assert or_raise(api.get_or_create_exp("demo")).id == run.exp.id
    or_raise(api.log_params(run, {}))
    assert len(verbs(api)) == 2


def test_the_next_process_goes_on_where_the_last_one_stopped(
    api: MlflowApi, run: RunApi, version: ModelVersionApi, tmp_path: Path
) -> None:
    later = opened(tmp_path)
    or_raise(later.log_metrics(run.id, {"loss": 0.5}))
    or_raise(later.end_run(run.id))

    assert or_raise(later.get_run(run.id)).status is RunStatus.FINISHED
    assert verbs(api) == verbs(later)
    of_version = or_raise(later.get_model_version(("ranker", version.version))).run
    assert of_version is not None
    assert of_version.id == run.id


def test_what_a_crash_kept_from_being_shown_is_shown_by_the_next(
    api: MlflowApi, version: ModelVersionApi, tmp_path: Path
) -> None:
    run = version.run
    assert run is not None
    or_raise(run.log_params({"lr": 0.1}))
    or_raise(run.log_metrics({"loss": 0.5}, step=2))
    or_raise(run.end_run())
    before = (or_raise(api.get_run(run.id)), or_raise(api.get_model_version(("ranker", version.version))))
    api.repositories.cache.clear().unwrap()
    later = opened(tmp_path)

    after = (or_raise(later.get_run(run.id)), or_raise(later.get_model_version(("ranker", version.version))))
    assert after == before
    assert after[0].params == before[0].params
    assert (or_raise(later.get_model_artifact(("ranker", version.version))) / "weights.json").exists()


def test_dropping_a_run_drops_all_that_was_logged_to_it_and_nothing_else(
    api: MlflowApi, run: RunApi, version: ModelVersionApi
) -> None:
    other = or_raise(run.exp.start_run("r2"))
    or_raise(run.log_params({"lr": 0.1}))
    entry = or_raise(api.pending())[1]
    or_raise(api.drop(entry.id))

    assert verbs(api) == ["get_or_create_exp", "get_or_create_model", "start_run"]
    assert or_raise(api.find_runs({"exp.name": "demo"}).all()) == (other,)
    assert isinstance(api.get_model_version(("ranker", version.version)).failure(), NotCached)
    assert api.repositories.journal.held_trees().unwrap() == ()


def test_what_stays_of_a_run_after_a_drop_is_still_shown(api: MlflowApi, run: RunApi) -> None:
    or_raise(run.log_params({"kept": 1}))
    or_raise(run.log_artifact(lambda path: path.write_text("kept"), "kept.txt"))
    or_raise(run.log_params({"dropped": 1}))
    or_raise(run.log_artifact(lambda path: path.write_text("dropped"), "dropped.txt"))
    for write in or_raise(api.pending())[-2:]:
        or_raise(api.drop(write.id))

    assert or_raise(api.get_run(run)).params == {"kept": 1}
    assert [entry.path for entry in or_raise(run.list_artifacts())] == ["kept.txt"]


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda api, _: api.drop(99), NotFound),
        (lambda api, _: api.create_exp("demo"), AlreadyExists),
        (lambda api, _: api.start_run("never cached"), NotCached),
        (lambda api, _: api.end_run("never cached"), NotCached),
        (lambda api, run: api.log_run_artifact(run, "/nowhere"), NotFound),
        (lambda api, run: api.log_params(run, {"a": object()}), InvalidValue),
        (lambda api, run: api.log_model_version("never", run, __file__), NotCached),
        (lambda api, run: api.get_run(run, refresh=True), OfflineMode),
        (lambda api, _: api.find_runs().cache(), OfflineMode),
    ],
)  # fmt: skip
def test_what_cannot_be_written_fails_at_once_and_is_not_queued(
    api: MlflowApi, run: RunApi, write: Callable[[MlflowApi, RunApi], Any], error: type[Exception]
) -> None:
    before = verbs(api)

    assert isinstance(write(api, run).failure(), error)
    assert verbs(api) == before


def test_nobody_chooses_the_number_of_a_version(version: ModelVersionApi) -> None:
    run = version.run
    assert run is not None

    assert isinstance(run.log_model_version("ranker", __file__, version=3).failure(), InvalidRequest)


def test_a_cache_that_cannot_be_written_takes_no_writes(tmp_path: Path, monkeypatch) -> None:
    api = opened(tmp_path)
    monkeypatch.setattr(type(api.repositories.cache), "is_writable", property(lambda _: False))

    assert isinstance(api.create_exp("demo").failure(), StoreFailed)


def test_nothing_is_queued_without_a_journal(tmp_path: Path) -> None:
    api = mlopus.connect(SERVER, cache_dir=tmp_path / "cache", offline_mode=True)

    assert isinstance(api.create_exp("demo").failure(), OfflineMode)
    assert verbs(api) == []


def test_a_process_that_dies_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    script = f"""
import mlopus, os, signal
api = mlopus.connect({SERVER!r}, cache_dir={cache!r}, offline_mode=True, journal=True).raising
run = api.get_or_create_exp("demo").start_run("r1")
for step in range(20):
    run.log_metrics({{"loss": 1.0 / (step + 1)}}, step=step)
print(run.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    api = opened(tmp_path)

    assert done.returncode == -signal.SIGKILL
    assert len(or_raise(api.metric_history(done.stdout.strip(), "loss"))) == 20
    assert or_raise(api.get_run(done.stdout.strip())).metrics["loss"] == 1.0 / 20


def test_a_damaged_journal_is_said_and_left_as_it_is(api: MlflowApi, run: RunApi, tmp_path: Path) -> None:
    or_raise(run.log_params({"lr": 0.1}))
    api.repositories.journal.close()  # type: ignore[attr-defined]  # the one on SQLite has it
    file = tmp_path / "cache" / "journal.db"
    damaged = file.read_bytes()[:100] + bytes(range(256)) * (file.stat().st_size // 256)
    file.write_bytes(damaged)
    later = opened(tmp_path)

    assert isinstance(later.pending().failure(), UnreadableCache)
    assert isinstance(later.create_exp("new").failure(), UnreadableCache)
    assert isinstance(later.evolve(offline_mode=False).flush().failure(), UnreadableCache)
    assert or_raise(later.find_exps().count()) == 1
    assert file.read_bytes() == damaged
