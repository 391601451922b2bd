"""A disk that is full during a fetch: a typed error, nothing half visible, and a retry that works."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlopus
from mlopus.errors import ExecutionStopped, StoreFailed
from tests.servers.artifact_server import ArtifactServer, serving

CONTENTS = {"model/small": b"1", "model/weights.bin": bytes(range(256)) * 50_000}
FETCHING = """
import resource, signal, sys, mlopus
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
api = mlopus.connect(sys.argv[1], cache_dir=sys.argv[2], progress="off")
error = api.cache_run_artifact("r1", "model").failure().cause
print(type(error).__name__, "too large" in str(error))
"""


def _mounts() -> bool:
    """Whether this user may make a small disk in memory."""
    return os.geteuid() == 0 and Path("/proc/self/mounts").exists() and "cap_sys_admin" in _capabilities()


def _capabilities() -> str:
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(line.split()[1] for line in status if line.startswith("CapEff:"))
    return "cap_sys_admin" if int(effective, 16) >> 21 & 1 else ""


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArtifactServer]:
    with serving(tmp_path / "server") as running:
        running.put(CONTENTS)
        yield running


def is_served(server: ArtifactServer, cache: Path) -> bool:
    offline = mlopus.connect(server.uri, cache_dir=cache, offline_mode=True)
    return isinstance(offline.get_run_artifact("r1", "model"), mlopus.Success)


def test_a_file_that_may_not_grow_is_an_error_and_a_retry_works(
    server: ArtifactServer, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    done = subprocess.run(
        [sys.executable, "-c", FETCHING, server.uri, str(cache)], capture_output=True, text=True, check=True
    )

    was_served = is_served(server, cache)
    path = (
        mlopus.connect(server.uri, cache_dir=cache, progress="off").get_run_artifact("r1", "model").unwrap()
    )

    assert done.stdout == "StoreFailed True\n"
    assert not was_served
    assert (path / "weights.bin").read_bytes() == CONTENTS["model/weights.bin"]


if _mounts():

    def test_a_full_disk_is_an_error_that_keeps_nothing_of_the_file_and_a_retry_works(
        server: ArtifactServer, tmp_path: Path
    ) -> None:
        with small_disk(tmp_path / "disk") as disk:
            cache = disk / "cache"
            api = mlopus.connect(server.uri, cache_dir=cache, progress="off")
            failed = api.cache_run_artifact("r1", "model")
            was_served = is_served(server, cache)
            staged = sum(path.stat().st_size for path in (cache / "tmp").rglob("*") if path.is_file())
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            path = api.get_run_artifact("r1", "model").unwrap()
            content = (path / "weights.bin").read_bytes()

        error = failed.failure()
        assert isinstance(error, ExecutionStopped)
        assert isinstance(error.cause, StoreFailed)
        assert "No space left" in str(error)
        assert error.cause.hint is not None
        assert not was_served
        assert staged < 100_000
        assert content == CONTENTS["model/weights.bin"]
