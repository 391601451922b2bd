"""A run of many files: requests, bytes and memory of fetching it once, and of asking for it again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.artifact_server import ArtifactServer, serving

FOLDERS = 20
FETCHING = """
import json, resource, sys, mlopus
api = mlopus.connect(sys.argv[1], cache_dir=sys.argv[2], progress="off")
api.list_run_artifacts("r1").unwrap()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
plan = api.plan.cache_run_artifact("r1", "model").unwrap()
receipt = api.execute(plan).unwrap()
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
again = api.execute(api.plan.get_run_artifact("r1", "model").unwrap()).unwrap()
api.get_run_artifact("r1", "model").unwrap()
print(json.dumps({
    "planned": [plan.totals.down_bytes, plan.totals.requests],
    "counted": [receipt.down_bytes, receipt.requests],
    "files": [step.outcome.file_count for step in receipt.steps if hasattr(step.outcome, "file_count")],
    "again": [again.requests, again.down_bytes],
    "grown_bytes": grown * (1 if sys.platform == "darwin" else 1024),
}))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArtifactServer]:
    with serving(tmp_path / "server") as running:
        yield running


def fetched(server: ArtifactServer, cache: Path, files: int) -> dict[str, Any]:
    server.put({f"model/{n % FOLDERS:02}/{n:06}": n.to_bytes(64, "big") for n in range(files)})
    command = [sys.executable, "-c", FETCHING, server.uri, str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def check(server: ArtifactServer, cache: Path, files: int) -> None:
    told = fetched(server, cache, files)

    assert told["planned"] == told["counted"] == [files * 64, files]
    assert (told["files"], told["again"]) == ([files], [0, 0])
    assert len(server.requests) == files
    assert told["grown_bytes"] < 60 * 1024 * 1024


def test_six_hundred_files_take_as_many_requests_as_planned_and_none_again(
    server: ArtifactServer, tmp_path: Path
) -> None:
    check(server, tmp_path / "cache", 600)


@pytest.mark.slow
def test_ten_thousand_files_take_as_many_requests_as_planned_and_none_again(
    server: ArtifactServer, tmp_path: Path
) -> None:
    check(server, tmp_path / "cache", 10_000)
