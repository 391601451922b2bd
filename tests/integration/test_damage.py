"""A cached file that was changed behind our back: not placed, said offline, fetched again online."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

import mlopus
from mlopus.errors import DigestMismatch


@attrs.frozen
class Damaged:
    """A cached artifact of one run, one file of which was then cut short."""

    api: mlopus.MlflowApi
    run: mlopus.RunApi
    cached: Path


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", cache_local_artifacts=True)
    run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("all of it")
    (source / "b.txt").write_text("untouched")
    run.log_artifact(source, "model").unwrap()
    cached = run.get_artifact("model").unwrap()
    (cached / "a.txt").chmod(0o644)
    (cached / "a.txt").write_text("half")
    return Damaged(api, run, cached)


def test_offline_it_is_told_and_nothing_is_placed(damaged: Damaged, tmp_path: Path) -> None:
    placed = damaged.api.in_offline_mode.place_run_artifact(damaged.run, tmp_path / "out", "model")

    assert isinstance(placed.failure(), DigestMismatch)
    assert "a.txt" in str(placed.failure())
    assert not (tmp_path / "out").exists()


def test_online_placing_fetches_it_again(damaged: Damaged, tmp_path: Path) -> None:
    placed = damaged.run.place_artifact(tmp_path / "out", "model").unwrap()

    assert (placed / "a.txt").read_text() == "all of it"


def test_refreshing_mends_the_committed_tree(damaged: Damaged) -> None:
    assert damaged.run.cache_artifact("model").unwrap() == damaged.cached
    assert (damaged.cached / "a.txt").read_text() == "all of it"


def test_a_part_that_is_sound_is_still_placed_offline(damaged: Damaged, tmp_path: Path) -> None:
    offline = damaged.api.in_offline_mode

    placed = offline.place_run_artifact(damaged.run, tmp_path / "b.txt", "model/b.txt").unwrap()

    assert placed.read_text() == "untouched"
