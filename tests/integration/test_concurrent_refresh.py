"""A reader in one process, while another refreshes what it reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mlopus
from mlopus import or_raise
from tests.integration import reading

FILES = 12
REFRESHES = 25


def test_a_reader_never_sees_a_missing_file_or_a_mixture(tmp_path: Path) -> None:
    store, cache = str(tmp_path / "store"), tmp_path / "cache"
    publisher = mlopus.connect(store, cache_dir=tmp_path / "publishers cache")
    refresher = mlopus.connect(store, cache_dir=cache)
    run = or_raise(or_raise(publisher.create_exp("e")).start_run())
    seen: list[str] = []

    def refresh(content: str) -> None:
        or_raise(run.log_artifact(write_files(tmp_path / "source", content), "model"))
        or_raise(refresher.cache_run_artifact(run.id, "model"))

    refresh("content 0")
    with subprocess.Popen(
        [sys.executable, reading.__file__, store, str(cache), run.id, str(FILES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for number in range(1, REFRESHES):
            refresh(f"content {number}")
            for line in reader.stdout:
                seen.append(line.strip())
                if seen[-1] == f"content {number}":
                    break
        reader.stdin.close()
        seen += [line.strip() for line in reader.stdout]

    assert reader.returncode == 0
    assert set(seen) - {f"content {number}" for number in range(REFRESHES)} == set()
    assert [f"content {number}" in seen for number in range(1, REFRESHES)] == [True] * (REFRESHES - 1)


def test_a_path_that_was_given_keeps_its_content_while_it_is_refreshed(tmp_path: Path) -> None:
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache")
    run = or_raise(or_raise(api.create_exp("e")).start_run())
    or_raise(run.log_artifact(write_files(tmp_path / "source", "old"), "model"))
    given = or_raise(run.cache_artifact("model"))
    placed = or_raise(api.in_offline_mode.place_run_artifact(run.id, tmp_path / "placed", "model"))
    or_raise(run.log_artifact(write_files(tmp_path / "source", "new"), "model"))

    fresh = or_raise(run.cache_artifact("model"))

    assert [reading.what_is_in(folder, FILES) for folder in (given, placed, fresh)] == ["old", "old", "new"]


def write_files(folder: Path, content: str) -> Path:
    """A folder of files that all have the same content."""
    for number in range(FILES):
        path = folder / f"part{number % 3}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder
