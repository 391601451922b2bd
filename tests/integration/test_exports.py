"""What was exported is served from its folder alone: elsewhere, read-only, to another user."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mlopus
from mlopus import MlflowApi, errors, or_raise
from mlopus.plans.steps import ExportTree
from tests.integration.main_job import METRICS, Job, predictions
from tests.integration.snapshots import tree_of

READ = """
import json, os, sys, mlopus
from mlopus import or_raise

def read(folder):
    api = mlopus.connect(cache_dir=folder, offline_mode=True)
    version = or_raise(api.find_model_versions({"model.name": sys.argv[1]}).first())
    names = sorted(path.name for path in or_raise(version.get_artifact()).iterdir())
    return [version.version, or_raise(api.get_run(version.run.id)).exp.name, names]

*others, folder = sys.argv[2:]
for other in others:  # which also loads what a user without rights may not read
    read(other)
if others and os.getuid() == 0:  # nothing is write-protected for root
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(json.dumps(read(folder)))
"""


embedded_or_served = pytest.mark.parametrize(
    "job", ["embedded", pytest.param("server", marks=pytest.mark.server)], indirect=True
)


def carried(folder: Path, **settings: Any) -> MlflowApi:
    """An API of an exported cache alone."""
    return mlopus.connect(cache_dir=folder, offline_mode=True, **settings)


def read_elsewhere(name: str, *folders: Path) -> Any:
    """What a process of its own reads of exported caches: the last one's version, experiment, files.

    The last of several is read as another user, where there can be one.
    """
    done = subprocess.run(
        [sys.executable, "-c", READ, name, *map(str, folders)],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": "/nonexistent"},
    )
    return json.loads(done.stdout)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "carried"
        for path in Path(folder).rglob("*"):
            path.chmod(0o755)


def protect(folder: Path) -> None:
    """Let nobody write in a folder."""
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)


def in_all(name: str) -> list[Any]:
    return ["1", name, ["data", "weights.json"]]


def test_a_version_is_served_from_its_export_alone(job: Job, tmp_path: Path) -> None:
    exported = or_raise(job.version.export(tmp_path / "carried"))

    assert predictions(exported) == [1.0, 4.0]
    assert read_elsewhere(job.name, tmp_path / "carried") == in_all(job.name)


def test_everything_that_leads_to_it_is_found_offline(job: Job, tmp_path: Path) -> None:
    or_raise(job.api.export_model_artifact((job.name, 1), tmp_path))
    api = carried(tmp_path)

    assert or_raise(api.get_model(job.name)) == or_raise(job.api.get_model(job.name))
    assert or_raise(api.get_model_version((job.name, "1"))) == or_raise(job.version.refresh())
    found = or_raise(api.find_runs({"exp.name": job.name, "metrics.fit.loss": {"$lt": 0.2}}).first())
    assert found is not None
    assert found == or_raise(job.api.get_run(job.run_id))
    assert found.metrics["fit"]["loss"] == METRICS["fit"]["loss"]
    listed = or_raise(api.list_model_artifact((job.name, 1), recursive=True))
    assert [e.path for e in listed] == [e.path for e in or_raise(job.version.list_artifacts(recursive=True))]


def test_offline_what_is_cached_is_exported(job: Job, tmp_path: Path) -> None:
    exported = or_raise(job.offline.export_model_artifact((job.name, 1), tmp_path))
    version = or_raise(carried(tmp_path).get_model_version((job.name, 1)))

    assert predictions(exported) == [1.0, 4.0]
    assert version.as_of == or_raise(job.offline.get_model_version((job.name, 1))).as_of


def test_cache_first_what_is_cached_is_exported_without_a_request(job: Job, tmp_path: Path) -> None:
    cache_first = job.api.evolve(max_age_s=3600)

    plan = or_raise(cache_first.plan.export_run_artifact(job.run_id, tmp_path, job.name))

    assert or_raise(job.api.execute(plan)).requests == 0
    assert predictions(or_raise(carried(tmp_path).get_run_artifact(job.run_id, job.name))) == [1.0, 4.0]


def test_a_part_is_exported_as_a_part_and_never_taken_for_the_whole(job: Job, tmp_path: Path) -> None:
    or_raise(job.api.export_run_artifact(job.run_id, tmp_path, f"{job.name}/data"))
    api = carried(tmp_path)

    data = or_raise(api.get_run_artifact(job.run_id, f"{job.name}/data"))
    assert sorted(path.name for path in data.iterdir()) == ["Größe und Maß", "noise.bin", "points.csv"]
    assert isinstance(api.get_run_artifact(job.run_id, job.name).failure(), errors.NotCached)
    assert isinstance(api.get_model_artifact((job.name, 1)).failure(), errors.NotCached)


def test_exporting_again_is_an_empty_plan(job: Job, tmp_path: Path) -> None:
    first = or_raise(job.version.export(tmp_path))
    before = tree_of(tmp_path)

    plan = or_raise(job.api.plan.export_model_artifact(job.version, tmp_path))

    assert plan.is_empty
    assert or_raise(job.api.execute(plan)).value == first
    assert tree_of(tmp_path) == before


def test_the_plan_says_what_is_written_and_how_much_and_writes_that(job: Job, tmp_path: Path) -> None:
    plan = or_raise(job.api.plan.export_model_artifact(job.version, tmp_path / "carried"))
    assert not (tmp_path / "carried").exists()

    text = str(plan)
    exported = or_raise(job.api.execute(plan)).value
    named = sum(f.size_bytes or 0 for step in plan.steps if isinstance(step, ExportTree) for f in step.files)

    assert "export   data/noise.bin" in text
    assert "300.0 KiB   copy" in text
    assert f"metadata of experiment {job.written.exp.id}, run {job.run_id}, model {job.name!r}" in text
    assert sum(p.stat().st_size for p in exported.rglob("*") if p.is_file()) == named


def test_nothing_in_an_export_is_a_link_or_write_protected(job: Job, tmp_path: Path) -> None:
    or_raise(job.version.export(tmp_path))

    paths = [path for path in tmp_path.rglob("*") if path.parts[-2] != "trees"]
    contents = [path for path in paths if "trees" in path.parts and path.is_file()]

    assert not any(path.is_symlink() for path in paths)
    assert all(path.stat().st_nlink == 1 for path in paths if path.is_file())
    assert all(
        path.stat().st_mode & 0o200 for path in contents if path.suffix != ".json" or "weights" in path.name
    )
    assert not list(tmp_path.glob("metadata.db-*"))


@embedded_or_served
def test_an_export_is_served_after_it_was_moved_and_copied(job: Job, tmp_path: Path) -> None:
    or_raise(job.version.export(tmp_path / "carried"))
    shutil.copytree(tmp_path / "carried", tmp_path / "copied", copy_function=shutil.copyfile)
    (tmp_path / "carried").rename(tmp_path / "moved")

    assert read_elsewhere(job.name, tmp_path / "moved") == in_all(job.name)
    assert read_elsewhere(job.name, tmp_path / "copied") == in_all(job.name)


@embedded_or_served
def test_an_export_is_served_to_another_user_and_where_nothing_can_be_written(
    job: Job, tmp_path: Path, public_folder: Path
) -> None:
    for folder in (tmp_path / "own", public_folder):
        or_raise(job.version.export(folder))
    protect(public_folder)
    before = tree_of(public_folder)

    found = read_elsewhere(job.name, tmp_path / "own", public_folder)

    assert found == in_all(job.name)
    assert tree_of(public_folder) == before


def test_an_export_whose_writer_was_killed_is_not_read_where_it_cannot_be_mended(
    tmp_path: Path, public_folder: Path
) -> None:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")
    exp = or_raise(api.create_exp("first"))
    or_raise(api.export_exp_meta(exp, public_folder))
    assert kill_while_writing(public_folder / "metadata.db") == -signal.SIGKILL
    protect(public_folder)

    told = subprocess.run(
        [sys.executable, "-c", LIST, str(public_folder)], capture_output=True, text=True, check=True
    ).stdout

    assert told.startswith("UnreadableCache")
    assert "its writer died" in told
    assert or_raise(carried(mended(public_folder)).get_exp_by_name("first")) == exp


LIST = """
import os, sys, mlopus
mlopus.connect(cache_dir="/nonexistent", offline_mode=True).find_exps().all()  # loads what is needed
if os.getuid() == 0:
    os.setuid(65534)
failure = mlopus.connect(cache_dir=sys.argv[1], offline_mode=True).find_exps().all().failure()
print(type(failure).__name__, failure)
"""


HALF_WRITE = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("CREATE TABLE filler (text)")
for _ in range(200):
    database.execute("INSERT INTO filler VALUES (zeroblob(4000))")
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_while_writing(database: Path) -> int:
    """Let a process die in the middle of a transaction; answers how it ended."""
    return subprocess.run([sys.executable, "-c", HALF_WRITE, str(database)], check=False).returncode


def mended(folder: Path) -> Path:
    """A folder that can be written again."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    return folder
