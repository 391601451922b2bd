"""Folders and files that are not what they should be: refused by name, and left as they were."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import mlopus
from mlopus import Plan, errors, or_raise
from tests.integration.main_job import Job
from tests.integration.snapshots import state_of, tree_of

on_disk = pytest.mark.parametrize(
    "job", ["embedded", pytest.param("server", marks=pytest.mark.server)], indirect=True
)


@on_disk
def test_a_source_inside_the_cache_is_refused(job: Job) -> None:
    cached = or_raise(job.version.cache_artifact())
    before = state_of(job.api, job.name, job.folder)

    failure = job.api.log_run_artifact(job.run_id, cached, "again").failure()

    assert isinstance(failure, errors.IllegalPath)
    assert str(cached) in str(failure)
    assert "inside the cache" in str(failure)
    assert failure.hint is not None
    assert state_of(job.api, job.name, job.folder) == before


@on_disk
@pytest.mark.parametrize("below", ["cache/here", "cache", "."])
def test_a_target_inside_or_around_the_cache_is_refused(job: Job, below: str) -> None:
    target = job.folder / below
    before = state_of(job.api, job.name, job.folder)

    failure = job.version.place_artifact(target, overwrite=True).failure()

    assert isinstance(failure, errors.IllegalPath)
    assert str(target) in str(failure)
    assert failure.hint is not None
    assert state_of(job.api, job.name, job.folder) == before


def test_a_target_inside_an_embedded_store_is_refused(tmp_path: Path) -> None:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")
    run = or_raise(or_raise(api.create_exp("e")).start_run())
    or_raise(run.log_artifact(lambda path: path.write_text("hello"), "a.txt"))
    before = tree_of(tmp_path)

    failure = run.place_artifact(tmp_path / "store" / "here", "a.txt").failure()

    assert isinstance(failure, errors.IllegalPath)
    assert str(tmp_path / "store") in str(failure)
    assert tree_of(tmp_path) == before


def test_a_newer_cache_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    or_raise(mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache").create_exp("e"))
    or_raise(mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache").get_exp_by_name("e"))
    database = tmp_path / "cache" / "metadata.db"
    set_format(database, 99)
    before = database.read_bytes()

    offline = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", offline_mode=True)
    failure = offline.get_exp_by_name("e").failure()

    assert isinstance(failure, errors.UnreadableCache)
    assert failure.path == str(database)
    assert "newer" in str(failure)
    assert failure.hint is not None
    assert database.read_bytes() == before


def test_a_cache_database_that_is_none_is_refused_and_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "cache" / "metadata.db"
    database.parent.mkdir()
    database.write_bytes(b"this is no database, but it is somebody's file\n" * 100)
    before = database.read_bytes()

    offline = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", offline_mode=True)
    failure = offline.get_exp_by_name("e").failure()

    assert isinstance(failure, errors.UnreadableCache)
    assert str(database) in str(failure)
    assert failure.hint is not None
    assert database.read_bytes() == before


def test_mlflows_own_folder_as_a_tracking_uri_is_refused_and_left_alone(tmp_path: Path) -> None:
    mlruns = tmp_path / "mlruns"
    (mlruns / "0").mkdir(parents=True)
    (mlruns / "0" / "meta.yaml").write_text("experiment_id: '0'\nname: Default\nlifecycle_stage: active\n")
    api = mlopus.connect(mlruns, cache_dir=tmp_path / "cache")
    before = tree_of(mlruns)

    failures = [api.find_exps().all().failure(), api.create_exp("e").failure()]

    assert {type(failure) for failure in failures} == {errors.Unsupported}
    assert str(mlruns) in str(failures[0])
    assert "mlflow" in (failures[0].hint or "")
    assert tree_of(mlruns) == before


def test_an_address_without_a_scheme_is_refused_at_once() -> None:
    with pytest.raises(
        ValueError, match="'localhost:5000' has no scheme: did you mean 'http://localhost:5000'"
    ):
        mlopus.connect("localhost:5000")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://", "names no host"),
        ("http://:5000", "names no host"),
        ("http://host:99999", "names a port that is no number from 1 to 65535"),
        ("http://host:0", "names a port that is no number from 1 to 65535"),
        ("https://user:se/cret@host", "names a port that is no number from 1 to 65535"),
        ("http://[::1", "names a host that cannot be one"),
        ("http://my host:5000", "has white space in it"),
        ("http://host:5000/#/experiments/1", "has a query or a fragment, which would be sent to no one"),
        ("http://host:5000/?a=1", "has a query or a fragment, which would be sent to no one"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_at_once(uri: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        mlopus.connect(uri)

    assert "cret" not in str(refused.value)


@on_disk
def test_a_source_that_is_not_there_is_named_with_what_to_check(job: Job) -> None:
    failure = job.api.log_run_artifact(job.run_id, job.folder / "no-such", "again").failure()

    assert isinstance(failure, errors.NotFound)
    assert str(job.folder / "no-such") in str(failure)
    assert "path" in (failure.hint or "")


def test_a_plan_for_another_store_is_refused(tmp_path: Path) -> None:
    here, there = (
        mlopus.connect(tmp_path / name, cache_dir=tmp_path / "cache") for name in ("here", "there")
    )
    or_raise(there.create_exp("already"))
    text = or_raise(here.plan.create_exp("e")).to_json()

    failure = there.execute(or_raise(Plan.from_json(text))).failure()

    assert isinstance(failure, errors.StalePlan)
    assert str(tmp_path / "here") in str(failure)
    assert str(tmp_path / "there") in str(failure)
    assert "plan again" in (failure.hint or "")
    assert [exp.name for exp in or_raise(there.find_exps().all()) if exp.name != "Default"] == ["already"]


def test_a_text_that_is_no_plan_is_refused() -> None:
    failure = Plan.from_json('{"format": 999}').failure()

    assert isinstance(failure, errors.UnreadablePlan)
    assert "999" in str(failure)
    assert failure.hint is not None


def set_format(database: Path, number: int) -> None:
    """Mark a database as written by a later mlopus."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@on_disk
@pytest.mark.parametrize("below", ["cache/here", "cache", ".", "link to the cache"])
def test_an_export_inside_or_around_the_cache_is_refused(job: Job, below: str) -> None:
    target = job.folder / below
    if below.startswith("link"):
        target.unlink(missing_ok=True)
        target.symlink_to(job.folder / "cache")
    before = state_of(job.api, job.name, job.folder)

    failure = job.version.export(target).failure()

    assert isinstance(failure, errors.IllegalPath)
    assert failure.hint is not None
    assert state_of(job.api, job.name, job.folder) == before


def occupied(folder: Path, kind: str) -> Path:
    """A path that no export may be written to."""
    folder.mkdir()
    match kind:
        case "of mlOpus 1.x":
            (folder / "metadata" / "exp").mkdir(parents=True)
        case "of another program":
            (folder / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
        case "of something else":
            (folder / "notes.txt").write_text("mine")
        case "a file":
            folder.rmdir()
            folder.write_text("mine")
        case "below a file":
            (folder / "file").write_text("mine")
            return folder / "file" / "cache"
    return folder


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("of mlOpus 1.x", errors.UnreadableCache, "import_cache"),
        ("of another program", errors.UnreadableCache, "CACHEDIR.TAG"),
        ("of something else", errors.IllegalPath, "notes.txt"),
        ("a file", errors.IllegalPath, "no cache"),
        ("below a file", errors.StoreFailed, "cannot be written"),
    ],
)
def test_an_export_into_what_is_no_place_for_it_is_refused_before_anything_happens(
    tmp_path: Path, kind: str, error: type[errors.MlopusError], said: str
) -> None:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")
    run = or_raise(or_raise(api.create_exp("e")).start_run())
    or_raise(run.log_artifact(lambda path: path.write_text("hello"), "a.txt"))
    target = occupied(tmp_path / "target", kind)
    before = tree_of(tmp_path)

    for export in (run.export_meta, run.export_artifact):
        failure = export(target).failure()

        assert isinstance(failure, error)
        assert said in f"{failure} {failure.hint}"
        assert tree_of(tmp_path) == before


def test_an_export_into_an_embedded_store_is_refused(tmp_path: Path) -> None:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")
    exp = or_raise(api.create_exp("e"))

    failure = exp.export_meta(tmp_path / "store" / "here").failure()

    assert isinstance(failure, errors.IllegalPath)


def test_an_export_planned_for_a_folder_that_has_changed_is_stale(tmp_path: Path) -> None:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")
    exp = or_raise(api.create_exp("e"))
    plan = or_raise(api.plan.export_exp_meta(exp, tmp_path / "carried"))
    (tmp_path / "carried").mkdir()
    (tmp_path / "carried" / "notes.txt").write_text("mine")

    failure = api.execute(plan).failure()

    assert isinstance(failure, errors.StalePlan)
    assert [path.name for path in (tmp_path / "carried").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("below", ["", "inside", "a.txt/deeper", ".."])
def test_nothing_is_placed_or_exported_among_the_files_of_a_store_on_this_disk(
    tmp_path: Path, below: str
) -> None:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")
    repo = tmp_path / "elsewhere" / "repo"
    run = or_raise(or_raise(api.create_exp("e")).start_run(repo=repo.as_uri()))
    or_raise(run.log_artifact(lambda path: path.write_text("hello"), "a.txt"))
    before = tree_of(tmp_path)

    for put in (
        lambda target: run.place_artifact(target, "a.txt", overwrite=True),
        lambda target: run.export_artifact(target, "a.txt"),
    ):
        failure = put(repo / below).failure()

        assert isinstance(failure, errors.IllegalPath)
        assert tree_of(tmp_path) == before
