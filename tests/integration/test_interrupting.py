"""Ctrl-C, as a real SIGINT to a real process: it stops at once, leaves no half, and the next call goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlopus
from tests.integration.test_resuming import LOST_BYTES, SIZE_BYTES, big, staged_bytes, wait_until
from tests.servers.artifact_server import ArtifactServer, serving
from tests.servers.messages import Answer, SeenRequest

PROMPTLY_S = 15.0
"""Far below the minutes that the server would hold a request up, far above what a busy machine adds."""
SCRIPT = """
import os, signal, sys, mlopus
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a test run in the background would ignore
api = mlopus.connect(sys.argv[1], cache_dir=sys.argv[2], progress="off")
verbs = {
    "fetch": lambda: api.cache_run_artifact("r1", sys.argv[4]),
    "publish": lambda: api.log_run_artifact("r1", sys.argv[4], "out"),
    "place": lambda: api.place_run_artifact("r1", sys.argv[4], "model", overwrite=True, link=False),
}
made = []
def interrupts_itself(event, arguments):
    if event == "open" and ".new/" in str(arguments[0]):
        made.append(arguments[0])
        if len(made) == 100:
            os.kill(os.getpid(), signal.SIGINT)
if sys.argv[3] == "place":
    sys.addaudithook(interrupts_itself)
print("ready", flush=True)
try:
    verbs[sys.argv[3]]().unwrap()
    print("done", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    if sys.argv[3] == "fetch":
        sys.stdin.readline()
        print(api.cache_run_artifact("r1", sys.argv[4]).unwrap(), flush=True)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArtifactServer]:
    with serving(tmp_path / "server") as running:
        yield running


def doing(server: ArtifactServer, cache: Path, verb: str, argument: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, server.uri, str(cache), verb, argument]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def interrupted(process: subprocess.Popen[str]) -> float:
    """Press Ctrl-C; answers how long it took until the caller had the exception."""
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert process.stdout.readline() == "interrupted\n"
    return time.monotonic() - began


def test_a_fetch_that_hears_nothing_is_interrupted_and_the_same_process_goes_on_with_it(
    server: ArtifactServer, tmp_path: Path
) -> None:
    cache, content = tmp_path / "cache", big()
    half, rest = content[: SIZE_BYTES // 2], content[SIZE_BYTES // 2 :]
    server.put({"model/half": half, "model/rest": rest, "model/conf": b"{}"})
    server.allow(SIZE_BYTES // 2)
    with doing(server, cache, "fetch", "model") as process:
        wait_until(lambda: staged_bytes(cache) >= SIZE_BYTES // 2 - 2 * LOST_BYTES)
        took_s = interrupted(process)
        entries = list((cache / "entries").rglob("*.json"))
        server.allow(None)
        path = Path(process.communicate("\n", timeout=60)[0].strip())

    assert took_s < PROMPTLY_S
    assert entries == []
    assert ((path / "half").read_bytes(), (path / "rest").read_bytes()) == (half, rest)
    assert server.sent_bytes() <= SIZE_BYTES + 2 * LOST_BYTES
    assert sorted(os.listdir(cache / "tmp")) == ["locks"]


FETCHING_FROM_S3 = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.integration.objects import store_on
from mlopus.domain.manifest import RemoteFile
from mlopus.testing.contracts.trees import BytesSink
files = tuple(RemoteFile(path=f"{n}.bin", size_bytes=2**26) for n in range(3))
print("ready", flush=True)
try:
    store_on(sys.argv[1]).fetch("s3://b/r", files, BytesSink())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_a_fetch_from_an_object_store_that_hears_nothing_is_interrupted_and_its_process_ends(
    loopback,
) -> None:
    asked, release = threading.Event(), threading.Event()

    def silent(_: SeenRequest) -> Answer:
        asked.set()
        release.wait(120)
        return Answer(status=503)

    command = [sys.executable, "-c", FETCHING_FROM_S3, loopback(silent).uri]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert asked.wait(60)
        began = time.monotonic()
        interrupted(process)
        status = process.wait(60)
        took_s = time.monotonic() - began
        release.set()

    assert status == 0
    assert took_s < PROMPTLY_S


def test_a_publish_is_interrupted_before_anything_of_a_file_is_seen_and_the_next_one_completes_it(
    server: ArtifactServer, tmp_path: Path
) -> None:
    cache, source = tmp_path / "cache", tmp_path / "source"
    source.mkdir()
    (source / "weights.bin").write_bytes(big())
    server.put({"out/weights.bin": b"what was there before"})
    server.allow(SIZE_BYTES // 2)
    with doing(server, cache, "publish", str(source)) as process:
        wait_until(lambda: any(p.stat().st_size for p in server.files.rglob("*.incoming")))
        took_s = interrupted(process)
        process.communicate(timeout=60)

    between = server.contents()
    server.allow(None)
    api = mlopus.connect(server.uri, cache_dir=cache, progress="off")
    api.log_run_artifact("r1", source, "out").unwrap()

    assert took_s < PROMPTLY_S
    assert between == {"out/weights.bin": b"what was there before"}
    assert server.contents() == {"out/weights.bin": big()}
    assert api.get_run_artifact("r1", "out/weights.bin").unwrap().read_bytes() == big()


def test_a_placement_is_interrupted_with_the_old_tree_in_its_place(
    server: ArtifactServer, tmp_path: Path
) -> None:
    cache, target = tmp_path / "cache", tmp_path / "target"
    server.put({f"model/{number:05}": bytes(100) for number in range(300)})
    mlopus.connect(server.uri, cache_dir=cache, progress="off").cache_run_artifact("r1", "model").unwrap()
    target.mkdir()
    (target / "mine").write_bytes(b"old")
    with doing(server, cache, "place", str(target)) as process:
        said = process.communicate(timeout=60)[0]

    assert said == "interrupted\n"
    assert sorted(os.listdir(target)) == ["mine"]
    assert [name for name in os.listdir(tmp_path) if name.startswith(".mlopus-")] == []
    api = mlopus.connect(server.uri, cache_dir=cache, progress="off")
    api.place_run_artifact("r1", target, "model", overwrite=True, link=False).unwrap()
    assert len(os.listdir(target)) == 300
