"""Caches and targets under several processes, some of which die."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mlopus.domain.origin import Origin
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.testing.contracts.trees import RUN, contents_of
from tests.integration.kill_scenarios import SCENARIOS
from tests.integration.killing import killed

SERVER = Origin.of("http://127.0.0.1:5000")
COMMITTING = """
import sys
from datetime import timedelta
from mlopus.domain.origin import Origin
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.testing.contracts.trees import MORNING, commit_of

cache = DiskArtifactCache(sys.argv[1], Origin.of("http://127.0.0.1:5000"))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    contents = {f"part-{part}/file": f"{number} of {part}".encode() * 500 for part in range(5)}
    staging = cache.stage().unwrap()
    for path, content in contents.items():
        with staging.create(path) as file:
            file.write(content).unwrap()
    step = commit_of(contents=contents, taken_at=MORNING + timedelta(seconds=number))
    print(staging.commit(step).unwrap().tree_key, flush=True)
"""


def committing(folder: str, first: int, last: int) -> subprocess.Popen[str]:
    """A process that commits trees of these numbers, one after the other, once it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMITTING, folder, str(first), str(last)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.close()


def ended(process: subprocess.Popen[str]) -> list[str]:
    """What a process printed, once it has ended well."""
    with process:
        assert process.stdout is not None
        printed = process.stdout.read().split()
    assert process.returncode == 0
    return printed


def test_a_reader_of_what_another_process_refreshes_sees_one_version_whole(tmp_path) -> None:
    first = committing(str(tmp_path), 0, 1)
    go(first)
    ended(first)
    writer = committing(str(tmp_path), 1, 60)
    cache = DiskArtifactCache(str(tmp_path), SERVER)
    go(writer)
    seen: list[int] = []

    while writer.poll() is None or not seen:
        (entry,) = cache.covering(RUN, "model/part-3").unwrap()
        source = cache.tree(entry.tree_key).unwrap()
        contents = contents_of(source, cache.manifest(entry.tree_key).unwrap().files)
        seen.append(int(contents["part-0/file"].split()[0]))
        expected = {f"part-{part}/file": f"{seen[-1]} of {part}".encode() * 500 for part in range(5)}
        assert contents == expected

    ended(writer)
    assert seen == sorted(seen)
    assert len(set(seen)) > 5


def test_processes_that_commit_the_same_at_once_all_succeed_with_one_tree(tmp_path) -> None:
    writers = [committing(str(tmp_path), 0, 5) for _ in range(4)]

    for writer in writers:
        go(writer)
    keys = [ended(writer) for writer in writers]

    cache = DiskArtifactCache(str(tmp_path), SERVER)
    assert keys == [keys[0]] * 4
    assert sorted(os.listdir(tmp_path / "trees")) == sorted(keys[0])
    assert [cache.damaged(key, "").unwrap() for key in keys[0]] == [()] * 5
    assert [entry.tree_key in keys[0] for entry in cache.covering(RUN, "model").unwrap()] == [True]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_leaves_the_old_state_or_the_new_one_and_the_next_call_goes_well(fast_disk, scenario) -> None:
    report = killed(fast_disk, scenario, random_kills=30)

    assert report["points"] >= 20
    assert report["old"] > 0
    assert report["old"] + report["new"] == report["kills"] == report["points"] + 30


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_thousand_kills_leave_the_old_state_or_the_new_one(fast_disk, scenario) -> None:
    report = killed(fast_disk, scenario, random_kills=1000)

    assert report["old"] + report["new"] == report["kills"] == report["points"] + 1000
