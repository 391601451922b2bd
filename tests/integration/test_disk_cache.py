"""The artifact cache on a real disk: what its folder says, damage, sharing."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from mlopus.domain.origin import Origin
from mlopus.errors import NotCached, UnreadableCache
from mlopus.repositories.disk.artifact_cache import DiskArtifactCache
from mlopus.result import Success
from mlopus.testing.contracts.trees import MODEL, RUN
from tests.integration.disk_caches import committed, file_of, opened


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "cache"


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
