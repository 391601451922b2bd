"""Downloads that are killed or interrupted, and what the next call does with what they left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mlopus
from mlopus.domain.origin import Origin
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.disk.layout import Layout
from mlopus.repositories.disk.leftovers import remove_abandoned
from tests.servers.artifact_server import ArtifactServer, serving

SIZE_BYTES = 32 * 1024 * 1024
LOST_BYTES = 512 * 1024
MANY = {f"part-{number % 20}/file-{number}": bytes([number % 251]) * 4096 for number in range(400)}
FETCHING = """
import sys, mlopus
api = mlopus.connect(sys.argv[1], cache_dir=sys.argv[2], progress="off")
print("ready", flush=True)
print(api.cache_run_artifact("r1", sys.argv[3]).unwrap(), flush=True)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArtifactServer]:
    with serving(tmp_path / "server") as running:
        yield running


def big() -> bytes:
    return random.Random(1).randbytes(SIZE_BYTES)  # noqa: S311 (nothing is kept secret)


def fetching(server: ArtifactServer, cache: Path, path: str = "") -> subprocess.Popen[str]:
    """A process that fetches, and is about to."""
    command = [sys.executable, "-c", FETCHING, server.uri, str(cache), path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def killed(process: subprocess.Popen[str], when: Callable[[], bool]) -> None:
    """Kill it once something is so; it must not have ended before."""
    wait_until(when)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def staged_bytes(cache: Path) -> int:
    # by inode, since what is taken over meanwhile is met under both its names
    sizes_bytes: dict[int, int] = {}
    for folder, _, names in os.walk(cache / "tmp"):
        for name in names:
            path = os.path.join(folder, name)
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            if "/tree/content" in path:
                sizes_bytes[status.st_ino] = status.st_size
    return sum(sizes_bytes.values())


def cached(server: ArtifactServer, cache: Path, path: str = "") -> tuple[Path, int]:
    """Fetch in this process; answers the path, and the bytes that the receipt counts."""
    api = mlopus.connect(server.uri, cache_dir=cache, progress="off")
    receipt = api.execute(api.plan.cache_run_artifact("r1", path).unwrap()).unwrap()
    return receipt.value, receipt.down_bytes


def kill_after(
    size_bytes: int, server: ArtifactServer, cache: Path, path: str, lost_bytes: int = LOST_BYTES
) -> None:
    """Kill a process that fetches, once so many bytes were sent and it has almost all of them."""
    enough_bytes = staged_bytes(cache) + size_bytes - lost_bytes
    server.allow(size_bytes)
    killed(fetching(server, cache, path), lambda: staged_bytes(cache) >= enough_bytes)
    server.allow(None)


def test_a_killed_download_of_one_file_goes_on_where_it_was(server: ArtifactServer, tmp_path: Path) -> None:
    cache, content = tmp_path / "cache", big()
    server.put({"model/weights.bin": content})
    kill_after(SIZE_BYTES // 2, server, cache, "model")

    path, counted = cached(server, cache, "model")

    wait_until(lambda: len(server.requests) == 2)
    (second,) = [request for request in server.requests if request["range"]]
    assert (path / "weights.bin").read_bytes() == content
    assert (second["status"], second["bytes"]) == (206, counted)
    assert second["if_range"] is not None
    assert server.sent_bytes() <= 1.02 * SIZE_BYTES


def test_a_killed_download_of_many_files_asks_for_a_byte_of_what_it_has(
    server: ArtifactServer, tmp_path: Path
) -> None:
    cache, total = tmp_path / "cache", sum(map(len, MANY.values()))
    server.put({f"model/{name}": content for name, content in MANY.items()})
    kill_after(200 * 4096, server, cache, "model", lost_bytes=16 * 4096)

    path, _ = cached(server, cache, "model")

    wait_until(lambda: len(server.requests) >= len(MANY))
    assert {name: (path / name).read_bytes() for name in MANY} == MANY
    asked_for_a_byte = [request for request in server.requests if request["range"] == "bytes=4095-"]
    assert len(asked_for_a_byte) >= len(MANY) // 2 - 16
    assert {(request["status"], request["bytes"]) for request in asked_for_a_byte} == {(206, 1)}
    assert server.sent_bytes() <= total + 16 * 4096 + len(MANY)


def test_a_download_that_is_killed_again_and_again_sends_each_byte_about_once(
    server: ArtifactServer, tmp_path: Path
) -> None:
    cache, content = tmp_path / "cache", big()
    server.put({"weights.bin": content})
    for _ in range(4):
        kill_after(SIZE_BYTES // 5, server, cache, "weights.bin")

    path, _ = cached(server, cache, "weights.bin")

    wait_until(lambda: len(server.requests) == 5)
    starts = [int(request["range"][6:-1]) for request in server.requests if request["range"]]
    assert path.read_bytes() == content
    assert len(set(starts)) == 4
    assert server.sent_bytes() <= SIZE_BYTES + 4 * LOST_BYTES


def test_what_was_replaced_on_the_server_meanwhile_is_never_mixed(
    server: ArtifactServer, tmp_path: Path
) -> None:
    cache, content = tmp_path / "cache", big()
    server.put({"weights.bin": content})
    kill_after(SIZE_BYTES // 3, server, cache, "weights.bin")
    server.put({"weights.bin": content[::-1]})

    path, counted = cached(server, cache, "weights.bin")

    assert path.read_bytes() == content[::-1]
    assert counted == SIZE_BYTES


def test_nothing_is_left_of_a_killed_download_once_it_is_done(server: ArtifactServer, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    server.put({"weights.bin": big()})
    kill_after(SIZE_BYTES // 3, server, cache, "weights.bin")

    cached(server, cache, "weights.bin")

    assert sorted(os.listdir(cache / "tmp")) == ["locks"]


def test_what_no_fetch_goes_on_with_is_removed_when_it_is_old(server: ArtifactServer, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    server.put({"weights.bin": big()})
    kill_after(SIZE_BYTES // 3, server, cache, "weights.bin")

    DiskArtifactCache(str(cache), Origin.of(server.uri)).stage("mem://another").unwrap().discard()
    kept_bytes = staged_bytes(cache)
    remove_abandoned(Layout(str(cache)), kept_for_s=0.0)

    assert kept_bytes > SIZE_BYTES // 3 - LOST_BYTES
    assert sorted(os.listdir(cache / "tmp")) == ["locks"]
