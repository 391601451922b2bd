"""Many readers of one artifact that nobody has yet: with locks that work, and with locks that lie."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.artifact_server import ArtifactServer, serving

PROCESSES, THREADS = 8, 4
CONTENTS = {f"model/part-{number}": bytes([number]) * 50_000 for number in range(20)}
READING = """
import fcntl, hashlib, json, os, sys
from concurrent.futures import ThreadPoolExecutor
if sys.argv[3] == "lying":
    fcntl.flock = lambda handle, how: None
import mlopus

api = mlopus.connect(sys.argv[1], cache_dir=sys.argv[2], progress="off")

def read(number):
    path = api.get_run_artifact("r1", (sys.argv[5], "model")[number % 2]).unwrap()
    files = sorted(p for p in path.rglob("*") if p.is_file()) or [path]
    return len(files), hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()

print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(int(sys.argv[4])) as pool:
    print(json.dumps(list(pool.map(read, range(int(sys.argv[4]))))))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArtifactServer]:
    with serving(tmp_path / "server") as running:
        running.put(CONTENTS)
        yield running


def read_together(server: ArtifactServer, cache: Path, *, locks: str, path: str) -> list[tuple[int, str]]:
    """What each thread of each process read, all let go at once: half of them the path, half all of it."""
    command = [sys.executable, "-c", READING, server.uri, str(cache), locks, str(THREADS), path]
    readers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for reader in readers:
        assert reader.stdin is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
    answers = [json.loads(reader.communicate(timeout=300)[0]) for reader in readers]
    assert [reader.returncode for reader in readers] == [0] * PROCESSES
    return [(count, digest) for process in answers for count, digest in process]


def digest_of(*paths: str) -> str:
    return hashlib.sha256(b"".join(CONTENTS[path] for path in sorted(paths))).hexdigest()


def test_many_cold_readers_of_one_artifact_bring_each_byte_once(
    server: ArtifactServer, tmp_path: Path
) -> None:
    read = read_together(server, tmp_path / "cache", locks="working", path="model")

    assert read == [(len(CONTENTS), digest_of(*CONTENTS))] * PROCESSES * THREADS
    assert server.sent_bytes() == sum(map(len, CONTENTS.values()))


def test_many_cold_readers_whose_locks_lie_all_read_the_right_content(
    server: ArtifactServer, tmp_path: Path
) -> None:
    read = read_together(server, tmp_path / "cache", locks="lying", path="model/part-3")

    assert set(read) == {(len(CONTENTS), digest_of(*CONTENTS)), (1, digest_of("model/part-3"))}
    assert len(read) == PROCESSES * THREADS
    assert server.sent_bytes() <= PROCESSES * THREADS * sum(map(len, CONTENTS.values()))
