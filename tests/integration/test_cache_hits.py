"""What a hit looks at on the disk: one entry and its tree, however many files and other entries there are."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlopus
from mlopus import RunApi, or_raise

FILES = 2000
LOOKS = ("stat", "lstat", "access", "listdir", "scandir", "readlink")


def some(count: int) -> Callable[[Path], object]:
    """Writes a folder of so many files."""

    def write(folder: Path) -> None:
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.txt").write_text(str(number))

    return write


def cached(folder: Path, files: int, others: int) -> RunApi:
    """A run whose `data` is cached, and so are other artifacts of it."""
    api = mlopus.connect(folder / "store", cache_dir=folder / "cache", cache_local_artifacts=True)
    run = or_raise(or_raise(api.get_or_create_exp("hits")).start_run())
    or_raise(run.log_artifact(some(files), "data"))
    for number in range(others):
        or_raise(run.log_artifact(lambda path: path.touch(), f"other{number}"))
    or_raise(run.get_artifact("data"))
    return run


def looks_of_a_hit(run: RunApi, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Each look at the cache that a hit takes: what was called, and on which folder of the cache."""
    seen: list[tuple[str, str]] = []

    def watched(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **options: Any) -> Any:
            below = str(path).removeprefix(f"{folder / 'cache'}").strip("/")
            seen.append((name, below.partition("/")[0]))
            return act(path, *rest, **options)

        return call

    with monkeypatch.context() as patched:
        for name in LOOKS:
            patched.setattr(os, name, watched(name, getattr(os, name)))
        patched.setattr(builtins, "open", watched("open", open))
        or_raise(run.get_artifact("data"))
    return seen


def test_a_hit_looks_at_one_tree_and_lists_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = looks_of_a_hit(cached(tmp_path, FILES, 0), tmp_path, monkeypatch)

    assert [look for look in seen if look[1] == "entries"] == [("open", "entries")] * 2  # one is there
    assert {name for name, _ in seen}.isdisjoint({"listdir", "scandir"})
    assert sum(below == "trees" for _, below in seen) <= 3


def test_hits_in_a_loop_note_the_use_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = cached(tmp_path, 1, 0)
    fresh = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", cache_local_artifacts=True)
    noted: list[object] = []
    monkeypatch.setattr(os, "utime", lambda path, **_: noted.append(path))

    paths = {or_raise(fresh.get_run_artifact(run.id, "data")) for _ in range(50)}

    assert noted == [str(path.parent) for path in paths]


def test_a_hit_costs_the_same_for_many_files_and_beside_many_artifacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"

    few = looks_of_a_hit(cached(small, 1, 0), small, monkeypatch)
    many = looks_of_a_hit(cached(large, 100, 20), large, monkeypatch)

    assert many == few
