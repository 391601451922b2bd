"""Garbage collection on a real disk: what goes, what stays and why, and what the plan says of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, RunApi, or_raise
from mlopus.errors import InvalidValue, NotCached, UnreadableCache
from mlopus.plans.outcomes import Evicted

DAY_S = 24 * 3600


@attrs.frozen
class Cached:
    """An API, and runs whose artifact `data` is cached; each used a day later than the one before."""

    api: MlflowApi
    runs: tuple[RunApi, ...]
    folder: Path

    def path(self, number: int) -> Path:
        """Where the artifact of a run is in the cache, without using it."""
        trees = self.folder / "cache" / "trees"
        return next(path for path in trees.glob("*/data") if (path / "own.txt").read_text() == str(number))

    def there(self) -> list[int]:
        """The numbers of the runs whose tree is on the disk."""
        trees = self.folder / "cache" / "trees"
        return sorted(int((path / "own.txt").read_text()) for path in trees.glob("*/data"))

    def age(self, number: int, days: float) -> None:
        """Let a tree be last used so many days ago."""
        tree, used_s = self.path(number).parent, os.stat(self.folder).st_mtime - days * DAY_S
        os.utime(tree, (used_s, used_s))


@pytest.fixture
def cached(tmp_path: Path) -> Cached:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", cache_local_artifacts=True)
    exp = or_raise(api.get_or_create_exp("gc"))
    runs: list[RunApi] = []
    for number in range(4):
        run = or_raise(exp.start_run(str(number)))

        def write(path: Path, number: int = number) -> None:
            path.mkdir()
            (path / "own.txt").write_text(str(number))
            (path / "common.bin").write_bytes(b"c" * 100_000)

        or_raise(run.log_artifact(write, "data"))
        or_raise(run.get_artifact("data"))
        runs.append(run)
    held = Cached(api, tuple(runs), tmp_path)
    for number in range(4):
        held.age(number, days=10 - number)
    return held


def test_without_limits_only_what_nothing_serves_goes(cached: Cached) -> None:
    or_raise(cached.runs[0].clean_cached_artifact())

    or_raise(cached.api.gc())

    assert cached.there() == [1, 2, 3]


def test_over_a_budget_the_least_recently_used_go_first(cached: Cached) -> None:
    report = or_raise(cached.api.cache_report())

    plan = or_raise(cached.api.plan.gc(max_bytes=report.total_bytes - 2))
    or_raise(cached.api.execute(plan))

    assert report.total_bytes == 100_004
    assert (plan.totals.freed_bytes, plan.totals.evicted_files) == (2, 4)
    assert cached.there() == [2, 3]


def test_a_budget_of_nothing_frees_what_the_disk_has(cached: Cached) -> None:
    plan = or_raise(cached.api.plan.gc(max_bytes=0))

    or_raise(cached.api.execute(plan))

    assert plan.totals.freed_bytes == 100_004
    assert cached.there() == []
    assert or_raise(cached.api.cache_report()).total_bytes == 0


def test_what_was_unused_for_long_goes(cached: Cached) -> None:
    or_raise(cached.api.gc(unused_for_s=8.5 * DAY_S))

    assert cached.there() == [2, 3]


def test_what_was_returned_within_the_grace_time_stays(cached: Cached) -> None:
    again = cached.api.evolve()  # as another process, which has not noted a use lately
    or_raise(again.get_run_artifact(cached.runs[0].id, "data"))

    plan = or_raise(cached.api.plan.gc(max_bytes=0))
    or_raise(cached.api.execute(plan))

    assert cached.there() == [0]
    assert "keep" in str(plan)
    assert "used 0 s ago" in str(plan)


def test_what_is_pinned_stays_until_it_is_unpinned(cached: Cached) -> None:
    or_raise(cached.api.pin(cached.runs[1], "data"))
    cached.age(1, days=9)

    or_raise(cached.api.gc(max_bytes=0))
    first = cached.there()
    or_raise(cached.api.unpin(cached.runs[1]))
    cached.age(1, days=9)
    or_raise(cached.api.gc(max_bytes=0))

    assert (first, cached.there()) == ([1], [])


def test_what_another_process_holds_stays_until_it_has_died(cached: Cached) -> None:
    path = cached.path(2)
    holding = (
        "import sys, mlopus\n"
        "api = mlopus.connect(cache_dir=sys.argv[1], offline_mode=True)\n"
        "with api.hold(sys.argv[2]):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(cached.folder / "cache"), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        cached.age(2, days=9)
        plan = or_raise(cached.api.plan.gc(max_bytes=0))
        or_raise(cached.api.execute(plan))
        first = cached.there()
        process.kill()
    cached.age(2, days=9)
    or_raise(cached.api.gc(max_bytes=0))

    assert f"held by process {process.pid}" in str(plan)
    assert (first, cached.there()) == ([2], [])


@pytest.mark.parametrize("link", ["symlink", "hardlink"])
def test_what_a_placement_links_to_stays_until_the_links_are_gone(cached: Cached, link, tmp_path) -> None:
    target = tmp_path / "shelf" / "mine"
    or_raise(cached.runs[0].place_artifact(target, "data", link=link))
    cached.age(0, days=10)

    plan = or_raise(cached.api.plan.gc(max_bytes=0))
    or_raise(cached.api.execute(plan))
    first, read = cached.there(), (target / "own.txt").read_text()
    shutil.rmtree(target)
    or_raise(cached.api.gc(max_bytes=0))

    assert f"linked from {target}" in str(plan)
    assert (first, read, cached.there()) == ([0], "0", [])
    assert or_raise(cached.api.plan.gc()).is_empty  # the record is gone too


def test_a_placed_copy_needs_nothing_of_the_cache(cached: Cached, tmp_path) -> None:
    or_raise(cached.runs[0].place_artifact(tmp_path / "copy", "data", link="copy"))
    cached.age(0, days=10)

    or_raise(cached.api.gc(max_bytes=0))

    assert cached.there() == []
    assert (tmp_path / "copy" / "own.txt").read_text() == "0"


def test_links_that_cannot_be_seen_now_are_named(cached: Cached, tmp_path) -> None:
    target = tmp_path / "disk" / "mine"
    or_raise(cached.runs[0].place_artifact(target, "data"))
    cached.age(0, days=10)
    (tmp_path / "disk").rename(tmp_path / "unmounted")

    plan = or_raise(cached.api.plan.gc(unused_for_s=9.5 * DAY_S))

    assert f"unseen   {target}" in str(plan)


def test_a_plan_spares_what_is_used_before_it_is_executed(cached: Cached) -> None:
    plan = or_raise(cached.api.plan.gc(max_bytes=0))
    or_raise(cached.api.evolve().get_run_artifact(cached.runs[3].id, "data"))

    receipt = or_raise(cached.api.execute(plan))

    outcome = receipt.steps[0].outcome
    assert isinstance(outcome, Evicted)
    assert (len(outcome.tree_keys), len(outcome.spared)) == (3, 1)
    assert cached.there() == [3]


def test_what_was_evicted_is_fetched_again(cached: Cached) -> None:
    or_raise(cached.api.gc(max_bytes=0))

    assert isinstance(cached.api.in_offline_mode.get_run_artifact(cached.runs[0].id).failure(), NotCached)
    assert (or_raise(cached.runs[0].get_artifact("data")) / "own.txt").read_text() == "0"


def test_a_second_collection_has_nothing_to_do(cached: Cached) -> None:
    or_raise(cached.api.gc(max_bytes=50))

    assert or_raise(cached.api.plan.gc(max_bytes=50)).is_empty


def test_what_dead_writers_left_is_swept(cached: Cached) -> None:
    died = "from mlopus.repositories.disk.owner import Owner; print(Owner.current().new_name())"
    done = subprocess.run([sys.executable, "-c", died], capture_output=True, text=True, check=True)
    name = done.stdout.strip()
    left = cached.folder / "cache" / "tmp" / name / "tree"
    left.mkdir(parents=True)
    (left / "part").write_bytes(b"x" * 1000)

    plan = or_raise(cached.api.plan.gc())
    or_raise(cached.api.execute(plan))

    assert plan.totals.freed_bytes == 1000
    assert not left.parent.exists()


def test_nothing_is_evicted_while_it_cannot_be_told_what_is_pinned(cached: Cached) -> None:
    (cached.folder / "cache" / "journal.db").write_bytes(b"garbage that is no database at all" * 50)

    assert isinstance(cached.api.gc(max_bytes=0).failure(), UnreadableCache)
    assert isinstance(cached.api.clean_all_cache().failure(), UnreadableCache)
    assert cached.there() == [0, 1, 2, 3]
    assert or_raise(cached.api.get_run_artifact(cached.runs[0].id, "data")).exists()


def test_two_runs_with_equal_files_use_the_disk_once_and_evicting_one_leaves_the_other(
    cached: Cached,
) -> None:
    report = or_raise(cached.api.cache_report())

    or_raise(cached.api.gc(unused_for_s=9.5 * DAY_S))

    assert report.shared_bytes == 300_000
    assert [use.total_bytes for use in report.subjects] == [100_001] * 4
    assert cached.there() == [1, 2, 3]
    assert or_raise(cached.api.verify()).is_sound


def test_cleaning_everything_leaves_what_is_pinned_and_says_so(cached: Cached) -> None:
    or_raise(cached.api.pin(cached.runs[1]))

    plan = or_raise(cached.api.plan.clean_all_cache())
    or_raise(cached.api.execute(plan))

    assert cached.there() == [1]
    assert f"keep     'data' of run {cached.runs[1].id}" in str(plan)
    assert "pinned" in str(plan)
    offline = cached.api.in_offline_mode
    assert isinstance(offline.get_run(cached.runs[0].id).failure(), NotCached)
    assert or_raise(offline.get_run_artifact(cached.runs[1].id, "data")).exists()
    assert or_raise(cached.api.plan.clean_all_cache()).is_empty


def test_cleaning_everything_of_one_server_leaves_what_others_share(cached: Cached, tmp_path: Path) -> None:
    other = mlopus.connect(tmp_path / "other", cache_dir=tmp_path / "cache", cache_local_artifacts=True)
    run = or_raise(or_raise(other.get_or_create_exp("gc")).start_run())
    shutil.copytree(cached.path(0), tmp_path / "data")
    or_raise(run.log_artifact(tmp_path / "data"))
    or_raise(run.get_artifact("data"))

    or_raise(cached.api.clean_all_cache())

    assert cached.there() == [0]
    offline = other.in_offline_mode
    assert or_raise(offline.get_run(run.id)).id == run.id
    assert or_raise(offline.get_run_artifact(run.id, "data")).exists()
    assert isinstance(cached.api.in_offline_mode.get_run_artifact(cached.runs[0].id).failure(), NotCached)


def test_what_callbacks_left_is_cleaned_and_nothing_else(cached: Cached) -> None:
    cached.api.log_run_artifact("no-such-run", lambda path: path.write_text("kept"), "notes.txt").failure()
    (cached.folder / "cache" / "temp" / "of-the-user").mkdir()

    plan = or_raise(cached.api.plan.clean_temp_artifacts())
    receipt = or_raise(cached.api.execute(plan))

    assert (plan.totals.removed_files, receipt.removed_files) == (1, 1)
    assert os.listdir(cached.folder / "cache" / "temp") == ["of-the-user"]
    assert or_raise(cached.api.plan.clean_temp_artifacts()).is_empty


@pytest.mark.parametrize(
    "arguments", [{"max_bytes": -1}, {"unused_for_s": -0.5}, {"unused_for_s": float("nan")}]
)
def test_numbers_that_mean_nothing_are_refused(cached: Cached, arguments) -> None:
    assert isinstance(cached.api.gc(**arguments).failure(), InvalidValue)


@pytest.mark.parametrize("arguments", [{"max_bytes": "1 GB"}, {"max_bytes": 1.5}, {"unused_for_s": True}])
def test_what_is_no_number_raises(cached: Cached, arguments) -> None:
    with pytest.raises(TypeError):
        cached.api.gc(**arguments)


def test_what_is_not_cached_cannot_be_pinned(cached: Cached) -> None:
    assert isinstance(cached.api.pin("3f2a").failure(), NotCached)
    assert isinstance(cached.api.pin(cached.runs[0], "other").failure(), NotCached)


def test_a_version_is_pinned_offline_by_what_its_metadata_says(tmp_path: Path) -> None:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", cache_local_artifacts=True)
    run = or_raise(or_raise(api.get_or_create_exp("gc")).start_run())
    version = or_raise(or_raise(api.get_or_create_model("ranker")).log_version(run, Path.touch))
    or_raise(version.cache_artifact())
    offline = api.in_offline_mode

    or_raise(offline.pin("models:/ranker/1"))

    assert [use.kept_by for use in or_raise(offline.cache_report()).subjects] == [
        (f"pinned: 'ranker' of run {run.id}",)
    ]
    assert or_raise(offline.plan.pin(("ranker", 1))).is_empty


def test_bytes_that_wait_to_be_published_are_neither_collected_nor_cleaned(tmp_path: Path) -> None:
    given = {"cache_dir": tmp_path / "cache", "offline_mode": True, "journal": True, "grace_s": 0}
    api = mlopus.connect("http://127.0.0.1:5000", **given)
    run = or_raise(api.start_run(or_raise(api.create_exp("gc"))))
    (tmp_path / "notes.txt").write_text("not sent yet")
    or_raise(api.log_run_artifact(run, tmp_path / "notes.txt"))

    plan = or_raise(api.plan.gc(max_bytes=0))
    or_raise(api.gc(max_bytes=0))
    read = or_raise(api.get_run_artifact(run, "notes.txt")).read_text()
    or_raise(api.clean_all_cache())

    assert plan.is_empty
    assert read == "not sent yet"
    held = or_raise(api.verify())
    assert (held.is_sound, held.count("sound")) == (True, 1)
    again = mlopus.connect("http://127.0.0.1:5000", **given)
    assert len(or_raise(again.pending())) == 3
    assert or_raise(again.get_run(run.id)).id == run.id


def test_links_left_in_a_source_that_was_moved_keep_the_tree(tmp_path: Path) -> None:
    api = mlopus.testing.in_memory()
    exp = or_raise(api.get_or_create_exp("gc"))
    run = or_raise(exp.start_run())
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "own.txt").write_text("mine")
    plan = or_raise(
        api.evolve(grace_s=0).plan.log_run_artifact(run, tmp_path / "data", allow_duplication=False)
    )
    or_raise(api.execute(plan))

    kept = or_raise(api.evolve(grace_s=0).cache_report()).subjects[0].kept_by

    assert kept == (f"linked from {tmp_path / 'data'}",)
    assert (tmp_path / "data" / "own.txt").read_text() == "mine"
