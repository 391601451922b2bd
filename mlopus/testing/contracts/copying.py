"""What the staging of a tree must do with copies of other trees' files."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mlopus.errors import DigestMismatch, NotFound
from mlopus.plans.steps import PlacedFile
from mlopus.testing.contracts.artifact_cache import CacheCase
from mlopus.testing.contracts.trees import MODEL, BytesSource, Tally, commit_of, manifest_of, sha256


class CopyingContract:
    """Inherit from this beside `ArtifactCacheContract`; it takes the same fixture `case`."""

    def test_files_of_another_tree_are_copied_and_share_nothing(self, case: CacheCase) -> None:
        old = case.commit()
        source = case.cache.tree(old.tree_key).unwrap()
        staging, meter = case.cache.stage().unwrap(), Tally()

        copied = staging.copy(_placed(MODEL), source, meter).unwrap()

        committed = staging.commit(commit_of("other", contents=MODEL)).unwrap()
        case.tamper(old.tree_key, "MLmodel", b"FLAVORS: {}\n")
        assert case.contents(committed.tree_key) == MODEL
        assert (copied.file_count, copied.total_bytes) == (len(MODEL), sum(map(len, MODEL.values())))
        assert sorted(meter.files) == sorted(MODEL)

    @pytest.mark.parametrize("told", ["sha256", "size"])
    def test_a_copy_that_is_not_what_was_told_is_refused(self, case: CacheCase, told: str) -> None:
        staging = case.cache.stage().unwrap()
        wanted = PlacedFile(
            path="a",
            size_bytes=3 if told == "size" else None,
            sha256=sha256(b"another") if told == "sha256" else None,
        )

        refused = staging.copy((wanted,), BytesSource({"a": b"some"}), Tally())

        assert isinstance(refused.failure(), DigestMismatch)

    def test_what_nothing_is_told_of_is_copied_all_the_same(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()
        wanted = PlacedFile(path="a", size_bytes=None, sha256=None)

        staging.copy((wanted,), BytesSource({"a": b"some"}), Tally()).unwrap()

        committed = staging.commit(commit_of(contents={"a": b"some"})).unwrap()
        assert committed.manifest == manifest_of({"a": b"some"})

    def test_a_file_that_is_gone_cannot_be_copied(self, case: CacheCase) -> None:
        staging = case.cache.stage().unwrap()

        refused = staging.copy(_placed({"gone": b"1"}), BytesSource({}), Tally())

        assert isinstance(refused.failure(), NotFound)


def _placed(contents: Mapping[str, bytes]) -> tuple[PlacedFile, ...]:
    return tuple(
        PlacedFile(path=path, size_bytes=len(content), sha256=sha256(content))
        for path, content in contents.items()
    )
