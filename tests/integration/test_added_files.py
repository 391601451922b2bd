"""A file that somebody put into a cached folder: found offline, told in a shell, and never removed."""

from __future__ import annotations

from pathlib import Path

import pytest

import mlopus
from mlopus import MlflowApi, RunApi, or_raise
from mlopus.__main__ import main
from tests.integration.reference_world import FILES, PATH, write_files
from tests.integration.stores import new_name


@pytest.fixture
def run(tmp_path: Path) -> RunApi:
    """A run of which a folder is cached, and a file of ours is in it."""
    api = mlopus.connect(tmp_path / "tracking", cache_dir=tmp_path / "cache", cache_local_artifacts=True)
    run = or_raise(or_raise(api.create_exp(new_name())).start_run())
    or_raise(run.log_artifact(write_files(tmp_path / "source"), PATH))
    (or_raise(run.cache_artifact(PATH)) / "data/mine.txt").write_text("the only copy")
    return run


def wrong(api: MlflowApi) -> dict[str, str]:
    """What `verify` finds."""
    return {file.path: file.state for file in or_raise(api.verify()).files if file.state != "sound"}


def test_it_is_found_offline(run: RunApi) -> None:
    assert wrong(run.api.in_offline_mode) == {"data/mine.txt": "added"}


def test_there_is_nothing_to_repair(run: RunApi) -> None:
    assert or_raise(run.api.plan.repair()).is_empty


def test_it_stays_where_others_are_repaired(run: RunApi) -> None:
    cached = or_raise(run.cache_artifact(PATH))
    (cached / "weights.json").unlink()
    assert wrong(run.api) == {"data/mine.txt": "added", "weights.json": "missing"}

    or_raise(run.api.repair())

    assert wrong(run.api) == {"data/mine.txt": "added"}
    assert (cached / "data/mine.txt").read_text() == "the only copy"


def test_it_is_not_placed(run: RunApi, tmp_path: Path) -> None:
    placed = or_raise(run.place_artifact(tmp_path / "placed", PATH))

    assert {path.relative_to(placed).as_posix() for path in placed.rglob("*") if path.is_file()} == set(FILES)


def test_a_shell_is_told_its_name(run: RunApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--tracking-uri", str(tmp_path / "tracking"), "--cache-dir", str(tmp_path / "cache")]

    assert main(["verify", *where]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"added    data/mine.txt  {PATH!r} of run {run.id}",
        "3 files sound, 0 damaged, 0 missing, 1 added",
    ]
