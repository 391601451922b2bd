"""The artifact cache on a real disk: full disks, and other users of the machine."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlopus.errors import StoreFailed
from mlopus.repositories.disk.owner import Owner
from mlopus.result import Success
from mlopus.testing.contracts.trees import MODEL, RUN, commit_of
from tests.integration.disk_caches import committed, file_of, opened


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "cache"


class TestLimits:
    def test_a_full_disk_leaves_nothing_visible_and_a_retry_works(self, folder) -> None:
        script = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
from mlopus.domain.origin import Origin
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
staging = DiskArtifactCache({str(folder)!r}, Origin.of("http://127.0.0.1:5000")).stage().unwrap()
try:
    with staging.create("big") as file:
        print(type(file.write(bytes(200_000)).failure()).__name__)
except Exception as error:
    print(type(error).__name__, error.reason)
staging.discard()
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

        assert done.stdout.split("\n")[:2] == ["StoreFailed", "StoreFailed File too large"]
        assert opened(folder).overlapping(RUN, "") == Success(())
        assert committed(opened(folder)).tree_key

    def test_a_disk_that_refuses_a_rename_leaves_the_old_entry(self, folder, monkeypatch) -> None:
        old = committed(opened(folder))
        staging = opened(folder).stage().unwrap()
        with staging.create("new") as file:
            file.write(b"1").unwrap()

        def refuse(*_, **__) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patched:
            patched.setattr(os, "rename", refuse)
            failed = staging.commit(commit_of(contents={"new": b"1"}))
        staging.discard()

        assert isinstance(failed.failure(), StoreFailed)
        assert "disk space" in (failed.failure().hint or "")
        assert opened(folder).covering(RUN, "model").unwrap()[0].tree_key == old.tree_key

    def test_what_dead_writers_left_is_removed_by_the_next_and_the_living_are_spared(self, folder) -> None:
        script = f"""
import os
from mlopus.domain.origin import Origin
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
staging = DiskArtifactCache({str(folder)!r}, Origin.of("http://127.0.0.1:5000")).stage().unwrap()
with staging.create("big") as file:
    file.write(b"half")
    os._exit(0)
"""
        alive = opened(folder).stage().unwrap()
        subprocess.run([sys.executable, "-c", script], check=True)
        before = len(os.listdir(folder / "tmp"))

        opened(folder).stage().unwrap().discard()

        assert (before, len(os.listdir(folder / "tmp"))) == (2, 1)
        with alive.create("a") as file:
            file.write(b"1").unwrap()
        assert alive.commit(commit_of(contents={"a": b"1"})).unwrap()

    def test_a_folder_of_another_machine_is_left_alone_while_it_is_young(self, folder) -> None:
        committed(opened(folder))
        name = f"00000000-{os.getpid()}-1-abcd"
        (folder / "tmp" / name).mkdir()

        opened(folder).stage().unwrap().discard()

        assert os.listdir(folder / "tmp") == [name]
        assert not Owner.of_name(name).is_dead()


def _chmod_folders(root: Path, mode: int) -> None:
    for folder, _, _ in os.walk(root):
        Path(folder).chmod(mode)


class TestOtherUsers:
    def test_a_cache_that_cannot_be_written_is_read(self, folder) -> None:
        key = committed(opened(folder)).tree_key
        script = f"""
import os
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
cache = DiskArtifactCache({str(folder)!r}, Origin.of("http://127.0.0.1:5000"))
(entry,) = cache.covering(ArtifactSubject(kind="run", key="3f2a"), "model").unwrap()
source = cache.tree(entry.tree_key).unwrap()
with source.open("MLmodel").unwrap() as file:
    print(cache.is_writable, file.read(), cache.damaged(entry.tree_key, "").unwrap())
print(type(cache.stage().failure()).__name__)
print(type(cache.withdraw(entry.subject, "").failure()).__name__)
"""
        imports = """
from mlopus.domain.manifest import ArtifactSubject
from mlopus.domain.origin import Origin
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
import mlopus.repositories.disk.staging, mlopus.repositories.disk.links, mlopus.repositories.disk.leftovers
import mlopus.repositories.sqlite.keeping
"""
        _chmod_folders(folder, 0o555)
        os.utime(file_of(opened(folder), key, "MLmodel"), ns=(0, 0))  # as if it had been copied
        reach = [path for path in folder.parents if not path.stat().st_mode & 0o005]
        for path in reach:
            path.chmod(path.stat().st_mode | 0o055)

        done = subprocess.run(
            [sys.executable, "-c", imports + script], capture_output=True, text=True, check=False
        )

        _chmod_folders(folder, 0o755)
        assert done.stderr == ""
        assert done.stdout.split("\n")[:3] == [
            f"False {MODEL['MLmodel']!r} ()",
            "StoreFailed",
            "StoreFailed",
        ]

    def test_files_follow_the_umask(self, folder) -> None:
        before = os.umask(0o077)
        try:
            cache = opened(folder)
            key = committed(cache).tree_key
        finally:
            os.umask(before)

        assert stat.S_IMODE(file_of(cache, key, "MLmodel").stat().st_mode) == 0o400
        assert stat.S_IMODE(file_of(cache, key, "data").stat().st_mode) == 0o700
