"""The artifact cache on a real disk: what its folder says, damage, sharing, limits, other users."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlopus.domain.origin import Origin
from mlopus.errors import NotCached, StoreFailed, UnreadableCache
from mlopus.plans.outcomes import Committed
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.repositories.disk.owner import Owner
from mlopus.result import Success
from mlopus.testing.contracts.artifact_cache import CacheCase
from mlopus.testing.contracts.trees import MODEL, RUN, commit_of

SERVER = Origin.of("http://127.0.0.1:5000")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "cache"


def opened(folder: Path, origin: Origin = SERVER, *, write_protect: bool = True) -> DiskArtifactCache:
    return DiskArtifactCache(str(folder), origin, write_protect=write_protect)


def committed(cache: DiskArtifactCache, path: str = "model", contents=MODEL) -> Committed:
    case = CacheCase(cache=cache, reopen=lambda: cache, tamper=lambda *_: None)
    return case.commit(path, contents)


def file_of(cache: DiskArtifactCache, key: str, path: str) -> Path:
    return Path(cache.tree(key).unwrap().local_path(path))


class TestFolder:
    def test_looking_makes_no_folder(self, folder) -> None:
        cache = opened(folder)

        looks = (cache.covering(RUN, "x"), cache.withdraw(RUN, "x"), cache.cache_id, cache.is_writable)

        assert looks == (Success(()), Success(()), cache.cache_id, True)
        assert not folder.exists()

    def test_backup_programs_are_told_that_it_is_a_cache(self, folder) -> None:
        committed(opened(folder))

        tag = (folder / "CACHEDIR.TAG").read_text()

        assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
        assert opened(folder).cache_id in tag

    def test_a_cache_keeps_its_id_and_content_where_it_is_moved(self, folder, tmp_path) -> None:
        before = opened(folder).cache_id
        key = committed(opened(folder)).tree_key

        folder.rename(tmp_path / "elsewhere")

        moved = opened(tmp_path / "elsewhere")
        assert moved.cache_id == before
        assert file_of(moved, key, "MLmodel").read_bytes() == MODEL["MLmodel"]

    def test_servers_share_a_cache_without_mixing(self, folder) -> None:
        committed(opened(folder))

        other = opened(folder, Origin.of("http://other:5000"))

        assert other.covering(RUN, "model") == Success(())

    def test_nothing_is_left_in_tmp(self, folder) -> None:
        committed(opened(folder))

        assert os.listdir(folder / "tmp") == []

    def test_a_cache_of_a_newer_mlopus_is_refused_and_left_alone(self, folder) -> None:
        key = committed(opened(folder)).tree_key
        tag = folder / "CACHEDIR.TAG"
        tag.write_text(tag.read_text().replace("mlopus-cache 1 ", "mlopus-cache 2 "))

        refusals = [*_reads(opened(folder), key), opened(folder).stage(), opened(folder).withdraw(RUN, "")]

        assert {type(refusal.failure()) for refusal in refusals} == {UnreadableCache}
        assert "newer" in str(refusals[0].failure())

    def test_a_cache_of_mlopus_1_is_refused_and_left_alone(self, folder) -> None:
        (folder / "metadata/run").mkdir(parents=True)
        (folder / "artifacts/runs/3f2a").mkdir(parents=True)

        refusals = [*_reads(opened(folder), "0" * 64), opened(folder).stage()]

        assert {type(refusal.failure()) for refusal in refusals} == {UnreadableCache}
        assert "import_cache" in refusals[0].failure().hint
        assert sorted(os.listdir(folder)) == ["artifacts", "metadata"]

    def test_the_cache_of_another_program_is_refused(self, folder) -> None:
        folder.mkdir()
        (folder / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")

        assert isinstance(opened(folder).stage().failure(), UnreadableCache)


def _reads(cache: DiskArtifactCache, key: str) -> list:
    return [
        cache.covering(RUN, "model"),
        cache.overlapping(RUN, ""),
        cache.manifest(key),
        cache.tree(key),
        cache.damaged(key, ""),
    ]


class TestDamage:
    def entry(self, folder: Path) -> Path:
        (entry,) = (folder / "entries").glob("*/*/*.json")
        return entry

    @pytest.mark.parametrize("garbage", [b"", b"{", b"\xff\xfe", b'{"format": 1}\n{}\n', b"[]\n[]\n"])
    def test_a_damaged_entry_is_not_served_and_the_next_commit_replaces_it(
        self, folder, garbage, caplog
    ) -> None:
        committed(opened(folder))
        self.entry(folder).write_bytes(garbage)

        found = opened(folder).covering(RUN, "model")

        assert found == Success(())
        assert "is damaged" in caplog.text
        committed(opened(folder))
        assert len(opened(folder).covering(RUN, "model").unwrap()) == 1

    def test_an_entry_that_points_out_of_the_cache_is_not_served(self, folder) -> None:
        committed(opened(folder))
        head, rest = self.entry(folder).read_text().split("\n", 1)
        for change in ({"tree": "../../../etc"}, {"name": "../x"}, {"name": ".."}):
            self.entry(folder).write_text(json.dumps({**json.loads(head), **change}) + "\n" + rest)

            assert opened(folder).covering(RUN, "model") == Success(())

    def test_an_entry_under_the_name_of_another_path_is_not_served(self, folder) -> None:
        committed(opened(folder), "model")
        model = self.entry(folder)
        committed(opened(folder), "notes")
        (notes,) = (path for path in model.parent.iterdir() if path != model)
        shutil.copy(model, notes)

        assert opened(folder).covering(RUN, "notes") == Success(())

    def test_an_entry_of_a_newer_mlopus_is_refused_and_left_alone(self, folder) -> None:
        committed(opened(folder))
        entry = self.entry(folder)
        entry.write_text(entry.read_text().replace('"format": 1', '"format": 2'))
        before = entry.read_text()

        refused = opened(folder).covering(RUN, "model")

        assert isinstance(refused.failure(), UnreadableCache)
        assert isinstance(opened(folder).withdraw(RUN, "").failure(), UnreadableCache)
        assert entry.read_text() == before

    def test_an_entry_whose_tree_is_gone_is_not_served(self, folder) -> None:
        key = committed(opened(folder)).tree_key

        shutil.rmtree(folder / "trees" / key)

        assert opened(folder).covering(RUN, "model") == Success(())
        assert isinstance(opened(folder).tree(key).failure(), NotCached)

    @pytest.mark.parametrize(
        "change", [lambda text: text[:-9], lambda text: text.replace("MLmodel", "MLmodeI")]
    )
    def test_a_damaged_manifest_is_unreadable_until_its_tree_is_committed_again(self, folder, change) -> None:
        key = committed(opened(folder)).tree_key
        manifest = folder / "trees" / key / f"{key}.json"
        text = manifest.read_text()
        manifest.unlink()
        manifest.write_text(change(text))

        refused = opened(folder).manifest(key)

        assert isinstance(refused.failure(), UnreadableCache)
        committed(opened(folder))
        assert opened(folder).manifest(key).unwrap().key == key

    def test_one_flipped_byte_is_found_although_size_and_owner_are_the_same(self, folder) -> None:
        cache = opened(folder)
        key = committed(cache).tree_key
        path = file_of(cache, key, "data/weights.bin")
        path.chmod(0o644)
        with path.open("r+b") as file:
            file.seek(100)
            file.write(b"\xff")

        assert cache.damaged(key, "") == Success(("data/weights.bin",))

    def test_a_cache_copied_without_its_times_is_not_damaged_and_is_hashed_once(
        self, folder, tmp_path
    ) -> None:
        key = committed(opened(folder)).tree_key
        before = file_of(opened(folder), key, "MLmodel").stat().st_mtime_ns
        shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
        copy = opened(tmp_path / "copy")
        os.utime(file_of(copy, key, "MLmodel"), ns=(0, 0))

        damaged = copy.damaged(key, "")

        assert damaged == Success(())
        assert file_of(copy, key, "MLmodel").stat().st_mtime_ns == before

    def test_a_link_in_the_place_of_a_file_is_damage(self, folder, tmp_path) -> None:
        cache = opened(folder)
        key = committed(cache).tree_key
        path = file_of(cache, key, "MLmodel")
        (tmp_path / "other").write_bytes(MODEL["MLmodel"])
        path.unlink()
        path.symlink_to(tmp_path / "other")

        assert cache.damaged(key, "") == Success(("MLmodel",))


class TestSharing:
    def test_equal_files_of_different_trees_are_on_the_disk_once(self, folder) -> None:
        cache = opened(folder)
        one = committed(cache, "one", {"a": b"same", "b": b"1"})
        other = committed(cache, "other", {"x/y": b"same", "b": b"2"})

        assert file_of(cache, one.tree_key, "a").samefile(file_of(cache, other.tree_key, "x/y"))
        assert not file_of(cache, one.tree_key, "b").samefile(file_of(cache, other.tree_key, "b"))
        assert cache.damaged(other.tree_key, "") == Success(())

    def test_equal_files_of_one_tree_are_on_the_disk_once(self, folder) -> None:
        cache = opened(folder)
        key = committed(cache, "one", {"a": b"same", "b": b"same", "c": b"", "d": b""}).tree_key

        assert file_of(cache, key, "a").samefile(file_of(cache, key, "b"))
        assert not file_of(cache, key, "c").samefile(file_of(cache, key, "d"))

    def test_removing_one_tree_leaves_the_other(self, folder) -> None:
        cache = opened(folder)
        one = committed(cache, "one", {"a": b"same"})
        other = committed(cache, "other", {"x": b"same"})

        shutil.rmtree(folder / "trees" / one.tree_key)

        assert file_of(cache, other.tree_key, "x").read_bytes() == b"same"
        assert committed(cache, "third", {"y": b"same"}).manifest.total_bytes == 4

    def test_a_damaged_file_is_not_shared(self, folder) -> None:
        cache = opened(folder)
        one = committed(cache, "one", {"a": b"same"})
        path = file_of(cache, one.tree_key, "a")
        path.chmod(0o644)
        path.write_bytes(b"evil")

        other = committed(cache, "other", {"x": b"same"})

        assert file_of(cache, other.tree_key, "x").read_bytes() == b"same"

    @pytest.mark.parametrize("number", [errno.EMLINK, errno.EPERM, errno.EXDEV])
    def test_where_nothing_can_be_linked_files_are_copied(self, folder, monkeypatch, number) -> None:
        cache = opened(folder)
        one = committed(cache, "one", {"a": b"same"})

        def refuse(*_, **__) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "link", refuse)
        other = committed(cache, "other", {"x": b"same"})

        assert not file_of(cache, one.tree_key, "a").samefile(file_of(cache, other.tree_key, "x"))

    @pytest.mark.parametrize("garbage", [b"garbage" * 1000, b""])
    def test_the_index_of_files_can_be_damaged_or_lost(self, folder, garbage) -> None:
        cache = opened(folder)
        committed(cache, "one", {"a": b"same"})
        (folder / "files.db").write_bytes(garbage)

        committed(cache, "two", {"b": b"same"})
        three = committed(cache, "three", {"c": b"same"})
        four = committed(cache, "four", {"d": b"same"})

        assert file_of(cache, three.tree_key, "c").samefile(file_of(cache, four.tree_key, "d"))

    def test_a_cache_to_be_carried_away_has_writable_files_of_its_own(self, folder) -> None:
        cache = opened(folder, write_protect=False)
        one = committed(cache, "one", {"a": b"same"})
        other = committed(cache, "other", {"b": b"same"})

        path = file_of(cache, one.tree_key, "a")
        assert path.stat().st_mode & stat.S_IWUSR
        assert path.stat().st_nlink == file_of(cache, other.tree_key, "b").stat().st_nlink == 1


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
import mlopus.repositories.disk.staging, mlopus.repositories.disk.links
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
