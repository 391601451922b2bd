"""A reader and a writer of what is being evicted: no file is ever missing, nothing is ever lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.testing.contracts.trees import RUN, content_of
from tests.integration.interleavings import ORDERS, step_of
from tests.integration.kill_scenarios import OLD, SERVER, commit

ROUNDS = 60


def interleaved(name: str, order: str, folder: Path) -> dict[str, int]:
    """What came of doing one act at every point of the other."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.interleavings", name, order, str(folder / "cache")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)  # noqa: T201 (at how many points)
    return json.loads(done.stdout)


@pytest.mark.parametrize("order", ORDERS)
def test_a_reader_has_the_whole_tree_or_is_told_that_there_is_none(order: str, tmp_path: Path) -> None:
    report = interleaved("reading", order, tmp_path)

    assert report["points"] >= 4
    assert report["there"] > 0
    assert report["there"] + report["gone"] == report["points"]


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_committed_while_an_equal_tree_is_evicted_is_served(order: str, tmp_path: Path) -> None:
    report = interleaved("writing", order, tmp_path)

    assert report["points"] >= 15
    assert report["there"] == report["points"]


def test_readers_and_an_eviction_at_the_same_moment_never_miss_a_file(tmp_path: Path) -> None:
    hits = 0
    for number in range(ROUNDS):
        folder = str(tmp_path / str(number))
        commit(DiskArtifactCache(folder, SERVER), OLD, path="model")
        step, start = step_of(DiskArtifactCache(folder, SERVER)), threading.Barrier(3)
        read: list[dict[str, bytes]] = []

        def use(folder: str = folder, start: threading.Barrier = start, read: list = read) -> None:
            cache = DiskArtifactCache(folder, SERVER)
            start.wait()
            for entry in cache.used(cache.covering(RUN, "model").unwrap()):
                source = cache.tree(entry.tree_key).unwrap()
                read.append({path: content_of(source, path) for path in OLD})

        readers = [threading.Thread(target=use) for _ in range(2)]
        for reader in readers:
            reader.start()
        start.wait()
        DiskArtifactCache(folder, SERVER).care.evict(step).unwrap()
        for reader in readers:
            reader.join()

        assert all(contents == OLD for contents in read)
        hits += len(read)

    print(f"{hits} of {2 * ROUNDS} readers were first")  # noqa: T201 (how close the race was)
