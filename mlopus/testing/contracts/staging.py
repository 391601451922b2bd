"""What the staging of a tree must do: filling it from anywhere, keeping what is half done unseen."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import attrs
import pytest

from mlopus.domain.manifest import LocalFile
from mlopus.errors import (
    DigestMismatch,
    IllegalPath,
    NotCached,
    StalePlan,
    StoreFailed,
    Unsupported,
)
from mlopus.plans.links import LinkKind
from mlopus.plans.steps import ReusedFile, StageFiles
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.result import Success
from mlopus.testing.contracts.artifact_cache import CacheCase
from mlopus.testing.contracts.resuming import ResumingContract
from mlopus.testing.contracts.trees import MODEL, RUN, BytesSource, Tally, commit_of, manifest_of, sha256

Ladder: TypeAlias = tuple[LinkKind, ...] | Literal["move", "move and link"]

COPY: Ladder = ("reflink", "copy")


class StagingContract(ResumingContract):
    """Inherit from this beside `ArtifactCacheContract`.

    It takes the same fixture `case`, and a fixture `read_only`: the case of a cache that cannot be
    written.
    """

    def test_nothing_is_served_before_the_commit(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()
        with staging.create("MLmodel") as file:
            file.write(b"flavors").unwrap()

        assert case.cache.overlapping(RUN, "") == Success(())

    def test_a_file_whose_writer_fails_is_not_in_the_tree(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()
        with staging.create("whole") as file:
            file.write(b"1").unwrap()
        with contextlib.suppress(ConnectionError), staging.create("half") as file:
            file.write(b"2").unwrap()
            raise ConnectionError

        committed = staging.commit(commit_of(contents={"whole": b"1"})).unwrap()

        assert committed.manifest == manifest_of({"whole": b"1"})

    def test_a_file_can_be_written_again_after_its_writer_failed(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()
        for content, fails in ((b"first", True), (b"second", False), (b"third", False)):
            with contextlib.suppress(ConnectionError), staging.create("a") as file:
                file.write(content).unwrap()
                _fail_if(fails)

        assert staging.commit(commit_of(contents={"a": b""})).unwrap().manifest == manifest_of(
            {"a": b"third"}
        )

    def test_a_file_that_begins_anew_has_only_what_came_then(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()
        with staging.create("a") as file:
            file.write(b"a failed try that was longer").unwrap()
            file.restart().unwrap()
            file.write(b"again").unwrap()
            file.write(memoryview(b" whole")).unwrap()

        committed = staging.commit(commit_of(contents={"a": b""})).unwrap()

        assert committed.manifest == manifest_of({"a": b"again whole"})
        assert case.contents(committed.tree_key) == {"a": b"again whole"}

    def test_a_path_that_leads_out_of_the_tree_is_refused(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()
        for path in ("../x", "/x", "a/../../x", "a\\b"):
            with pytest.raises(IllegalPath), staging.create(path) as file:
                file.write(b"x").unwrap()

    def test_a_name_that_is_no_name_is_refused(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()

        for name in ("a/b", "..", "."):
            refused = staging.commit(attrs.evolve(commit_of(contents={}), name=name))

            assert isinstance(refused.failure(), IllegalPath)

    def test_what_was_discarded_leaves_nothing(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()
        with staging.create("MLmodel") as file:
            file.write(b"flavors").unwrap()

        staging.discard()
        staging.discard()

        assert case.cache.overlapping(RUN, "") == Success(())

    def test_discarding_after_the_commit_leaves_the_tree(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()
        with staging.create("a") as file:
            file.write(b"1").unwrap()
        committed = staging.commit(commit_of(contents={"a": b"1"})).unwrap()

        staging.discard()

        assert case.contents(committed.tree_key) == {"a": b"1"}

    def test_a_folder_cannot_be_committed_as_a_file_nor_a_file_as_a_folder(self, case: CacheCase) -> None:
        for staged, said in (("a", ""), ("", "a")):
            staging = case.cache.stage().unwrap()
            with staging.create(staged) as file:
                file.write(b"1").unwrap()

            refused = staging.commit(commit_of(contents={said: b"1"}))

            assert isinstance(refused.failure(), IllegalPath)
        assert case.cache.overlapping(RUN, "") == Success(())

    def test_files_of_committed_trees_can_be_reused_under_other_paths(self, case: CacheCase) -> None:
        old = case.commit()
        staging = case.cache.stage().unwrap()

        staging.reuse((_reused(old.tree_key, "data/weights.bin", "new/w"),)).unwrap()

        committed = staging.commit(commit_of("other", contents={"new/w": b""})).unwrap()
        assert case.contents(committed.tree_key) == {"new/w": MODEL["data/weights.bin"]}
        assert case.cache.damaged(committed.tree_key, "") == Success(())

    def test_a_file_can_be_reused_as_a_whole_tree(self, case: CacheCase) -> None:
        old = case.commit()
        staging = case.cache.stage().unwrap()

        staging.reuse((_reused(old.tree_key, "MLmodel", ""),)).unwrap()

        committed = staging.commit(commit_of("MLmodel", contents={"": b""})).unwrap()
        assert committed.manifest == manifest_of({"": MODEL["MLmodel"]}, "MLmodel")

    def test_a_damaged_file_is_not_reused(self, case: CacheCase) -> None:
        old = case.commit()
        case.tamper(old.tree_key, "MLmodel", b"FLAVORS: {}\n")
        staging = case.cache.stage().unwrap()

        refused = staging.reuse((_reused(old.tree_key, "MLmodel", "MLmodel"),))

        assert isinstance(refused.failure(), DigestMismatch)

    def test_a_file_that_no_tree_has_is_not_reused(self, case: CacheCase) -> None:
        old = case.commit()
        reused = _reused(old.tree_key, "MLmodel", "x")
        staging = case.cache.stage().unwrap()

        for wrong, error in (
            (attrs.evolve(reused, path_in_tree="nothing"), DigestMismatch),
            (attrs.evolve(reused, sha256=sha256(b"other")), DigestMismatch),
            (attrs.evolve(reused, tree_key="0" * 64), NotCached),
        ):
            refused = staging.reuse((wrong,))

            assert isinstance(refused.failure(), error)

    def test_the_users_files_are_copied_and_left_alone(self, case: CacheCase, tmp_path: Path) -> None:
        folder, tally = _folder(tmp_path, MODEL), Tally()
        staging = case.cache.stage().unwrap()

        done = staging.adopt(*_adoption(folder, COPY), tally).unwrap()

        committed = staging.commit(commit_of(contents=MODEL)).unwrap()
        assert committed.manifest == manifest_of(MODEL)
        assert case.contents(committed.tree_key) == MODEL == _read(folder, MODEL)
        assert (done.file_count, done.total_bytes) == (len(MODEL), sum(map(len, MODEL.values())))
        assert sum(count for _, count in done.links) == len(MODEL)
        assert sorted(tally.files) == sorted(MODEL)

    def test_the_users_files_stay_writable(self, case: CacheCase, tmp_path: Path) -> None:
        folder = _folder(tmp_path, MODEL)
        staging = case.cache.stage().unwrap()
        staging.adopt(*_adoption(folder, COPY), Tally()).unwrap()
        committed = staging.commit(commit_of(contents=MODEL)).unwrap()

        with (folder / "MLmodel").open("r+b") as file:
            file.write(b"changed")

        assert case.contents(committed.tree_key) == MODEL

    def test_a_single_file_of_the_users_is_adopted(self, case: CacheCase, tmp_path: Path) -> None:
        path = _folder(tmp_path, MODEL) / "MLmodel"
        staging = case.cache.stage().unwrap()

        staging.adopt(*_adoption(path, COPY), Tally()).unwrap()

        committed = staging.commit(commit_of("MLmodel", contents={"": b""})).unwrap()
        assert committed.manifest == manifest_of({"": MODEL["MLmodel"]}, "MLmodel")

    def test_files_that_are_on_no_disk_are_copied(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()

        staging.adopt(_step(MODEL, COPY), BytesSource(MODEL), Tally()).unwrap()

        assert staging.commit(commit_of(contents=MODEL)).unwrap().manifest == manifest_of(MODEL)

    def test_a_copy_of_another_content_than_was_hashed_is_stale(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()

        stale = staging.adopt(_step({"a": b"hashed"}, COPY), BytesSource({"a": b"read"}), Tally())

        assert isinstance(stale.failure(), StalePlan)

    @pytest.mark.parametrize("ladder", [COPY, "move", "move and link"])
    def test_a_file_modified_since_it_was_hashed_is_stale_and_left_alone(
        self, case: CacheCase, tmp_path: Path, ladder: Ladder
    ) -> None:
        folder = _folder(tmp_path, {"a": b"1"})
        step, source = _adoption(folder, ladder)
        os.utime(folder / "a", ns=(0, 0))
        staging = case.cache.stage().unwrap()

        stale = staging.adopt(step, source, Tally())

        staging.discard()
        assert isinstance(stale.failure(), StalePlan)
        assert _read(folder, {"a": b""}) == {"a": b"1"}

    def test_links_that_the_user_could_write_through_are_not_adopted(
        self, case: CacheCase, tmp_path: Path
    ) -> None:
        folder = _folder(tmp_path, MODEL)
        staging = case.cache.stage().unwrap()

        kinds: tuple[LinkKind, ...] = ("symlink", "hardlink")
        for kind in kinds:
            refused = staging.adopt(*_adoption(folder, (kind,)), Tally())

            assert isinstance(refused.failure(), Unsupported)

    def test_moved_files_leave_their_place_with_the_commit(self, case: CacheCase, tmp_path: Path) -> None:
        folder = _folder(tmp_path, MODEL)
        staging = case.cache.stage().unwrap()
        staging.adopt(*_adoption(folder, "move"), Tally()).unwrap()
        before = _read(folder, MODEL)

        committed = staging.commit(commit_of(contents=MODEL)).unwrap()

        assert before == MODEL == case.contents(committed.tree_key)
        assert not folder.exists()
        assert case.cache.damaged(committed.tree_key, "") == Success(())

    def test_moved_files_that_are_discarded_stay(self, case: CacheCase, tmp_path: Path) -> None:
        folder = _folder(tmp_path, MODEL)
        staging = case.cache.stage().unwrap()
        staging.adopt(*_adoption(folder, "move"), Tally()).unwrap()

        staging.discard()

        assert _read(folder, MODEL) == MODEL
        assert os.access(folder / "MLmodel", os.W_OK)

    def test_files_moved_into_a_tree_that_is_there_already_are_gone_too(
        self, case: CacheCase, tmp_path: Path
    ) -> None:
        committed = case.commit()
        folder = _folder(tmp_path, MODEL)
        staging = case.cache.stage().unwrap()
        staging.adopt(*_adoption(folder, "move"), Tally()).unwrap()

        again = staging.commit(commit_of(contents=MODEL)).unwrap()

        assert again == committed
        assert not folder.exists()

    def test_files_that_are_moved_can_leave_links_to_the_committed_ones(
        self, case: CacheCase, tmp_path: Path
    ) -> None:
        folder = _folder(tmp_path, MODEL)
        staging = case.cache.stage().unwrap()
        staging.adopt(*_adoption(folder, "move and link"), Tally()).unwrap()

        committed = staging.commit(commit_of(contents=MODEL)).unwrap()

        source = case.cache.tree(committed.tree_key).unwrap()
        assert _read(folder, MODEL) == MODEL
        assert os.readlink(folder / "MLmodel") == source.local_path("MLmodel")
        assert not (folder / "data/empty.txt").is_symlink()

    def test_a_file_with_another_name_elsewhere_is_moved_by_copy(
        self, case: CacheCase, tmp_path: Path
    ) -> None:
        folder = _folder(tmp_path, {"a": b"1"})
        other = tmp_path / "other name"
        os.link(folder / "a", other)
        staging = case.cache.stage().unwrap()
        staging.adopt(*_adoption(folder, "move"), Tally()).unwrap()
        committed = staging.commit(commit_of(contents={"a": b"1"})).unwrap()

        with other.open("r+b") as file:
            file.write(b"2")

        assert case.contents(committed.tree_key) == {"a": b"1"}
        assert not folder.exists()

    def test_what_cannot_be_staged_is_store_failed(self, read_only: CacheCase) -> None:
        assert not read_only.cache.is_writable
        assert isinstance(read_only.cache.stage().failure(), StoreFailed)


def _fail_if(fails: bool) -> None:
    if fails:
        raise ConnectionError


def _reused(tree_key: str, path_in_tree: str, path: str) -> ReusedFile:
    content = MODEL[path_in_tree]
    return ReusedFile(
        path=path,
        tree_key=tree_key,
        path_in_tree=path_in_tree,
        size_bytes=len(content),
        sha256=sha256(content),
    )


def _folder(parent: Path, contents: Mapping[str, bytes]) -> Path:
    """A folder of the user's with these files."""
    for path, content in contents.items():
        target = parent / "source" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return parent / "source"


def _read(folder: Path, paths: Iterable[str]) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in paths}


def _adoption(path: Path, ladder: Ladder) -> tuple[StageFiles, TreeSource]:
    """The step that adopts what is at a path, and the path as a source."""
    workspace = LocalWorkspace(str(path.parent))
    facts = workspace.source_facts(str(path)).unwrap()
    return StageFiles(staged="staged", files=facts.files, ladder=ladder), workspace.source(str(path))


def _step(contents: Mapping[str, bytes], ladder: Ladder) -> StageFiles:
    files = tuple(
        LocalFile(path=path, size_bytes=len(content), mtime_ns=0, sha256=sha256(content))
        for path, content in sorted(contents.items())
    )
    return StageFiles(staged="staged", files=files, ladder=ladder)
