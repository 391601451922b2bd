"""What staging must do with fetches that stop: keep what came, and offer it to the next one of the same."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from mlopus.errors import DigestMismatch, MlopusError, StalePlan
from mlopus.ports.streams import Kept
from mlopus.result import Success
from mlopus.testing.contracts.artifact_cache import CacheCase
from mlopus.testing.contracts.trees import commit_of, manifest_of, sha256

URL = "mem://runs/3f2a/model"


class ResumingContract:
    """A part of `StagingContract`."""

    def test_what_a_writer_that_stopped_left_is_taken_over_by_the_next_of_the_same_url(
        self, case: CacheCase
    ) -> None:
        _stop_while_fetching(case, {"a": b"first half", "data/b": b"whole"})
        staging = case.cache.stage(URL).unwrap()
        for path, rest in (("a", b", second"), ("data/b", b"")):
            with staging.create(path) as file:
                assert file.kept is not None
                assert (file.kept.validator, file.kept.is_own) == ("v1", False)
                file.resume(file.kept.size_bytes).unwrap()
                file.write(rest).unwrap()

        committed = staging.commit(commit_of(contents={"a": b"", "data/b": b""})).unwrap()

        whole = {"a": b"first half, second", "data/b": b"whole"}
        assert committed.manifest == manifest_of(whole)
        assert case.contents(committed.tree_key) == whole
        assert case.cache.damaged(committed.tree_key, "") == Success(())

    def test_a_part_of_what_is_left_can_be_taken(self, case: CacheCase) -> None:
        _stop_while_fetching(case, {"a": b"first half"})
        staging = case.cache.stage(URL).unwrap()
        with staging.create("a") as file:
            file.resume(5).unwrap()
            file.write(b" part").unwrap()
            digest = file.sha256

        committed = staging.commit(commit_of(contents={"a": b""})).unwrap()

        assert digest == sha256(b"first part")
        assert case.contents(committed.tree_key) == {"a": b"first part"}

    def test_what_is_left_is_no_part_of_a_file_that_does_not_take_it(self, case: CacheCase) -> None:
        _stop_while_fetching(case, {"a": b"first half", "gone": b"x", "dir/gone": b"y"})
        staging = case.cache.stage(URL).unwrap()
        with staging.create("a") as file:
            file.identify("v2").unwrap()
            file.write(b"anew").unwrap()

        committed = staging.commit(commit_of(contents={"a": b""})).unwrap()

        assert committed.manifest == manifest_of({"a": b"anew"})
        assert case.contents(committed.tree_key) == {"a": b"anew"}

    def test_what_is_left_is_offered_to_one_writer(self, case: CacheCase) -> None:
        _stop_while_fetching(case, {"a": b"first half"})
        stagings = [case.cache.stage(URL).unwrap() for _ in range(2)]

        offered: list[bool] = []
        for staging in stagings:
            with staging.create("a") as file:
                offered.append(file.kept is not None)

        assert offered == [True, False]

    def test_what_was_left_and_not_taken_is_left_again(self, case: CacheCase) -> None:
        _stop_while_fetching(case, {"a": b"first half"})
        case.cache.stage(URL).unwrap().discard()

        with case.cache.stage(URL).unwrap().create("a") as file:
            assert file.kept == Kept(size_bytes=10, validator="v1")

    def test_what_was_fetched_from_elsewhere_is_not_offered(self, case: CacheCase) -> None:
        _stop_while_fetching(case, {"a": b"first half"})

        for staging in (case.cache.stage("mem://other").unwrap(), case.cache.stage().unwrap()):
            with staging.create("a") as file:
                assert file.kept is None

    def test_nothing_is_left_of_content_that_nobody_could_recognise(self, case: CacheCase) -> None:
        _stop_while_fetching(case, {"a": b"first half"}, validator=None)

        with case.cache.stage(URL).unwrap().create("a") as file:
            assert file.kept is None

    def test_nothing_is_left_after_the_commit(self, case: CacheCase) -> None:
        staging = case.cache.stage(URL).unwrap()
        with staging.create("a") as file:
            file.identify("v1").unwrap()
            file.write(b"1").unwrap()
        staging.commit(commit_of(contents={"a": b"1"})).unwrap()
        staging.discard()

        with case.cache.stage(URL).unwrap().create("a") as file:
            assert file.kept is None

    def test_a_try_after_a_failed_one_goes_on_with_its_bytes(self, case: CacheCase) -> None:
        staging = case.cache.stage(URL).unwrap()
        with contextlib.suppress(ConnectionError), staging.create("a") as file:
            file.identify("v1").unwrap()
            file.write(b"first").unwrap()
            raise ConnectionError
        with staging.create("a") as file:
            assert file.kept == Kept(size_bytes=5, validator="v1", is_own=True)
            file.resume(5).unwrap()
            file.identify("v1").unwrap()
            file.write(b", second").unwrap()

        committed = staging.commit(commit_of(contents={"a": b""})).unwrap()

        assert case.contents(committed.tree_key) == {"a": b"first, second"}

    def test_bytes_that_were_found_to_be_wrong_are_not_kept(self, case: CacheCase) -> None:
        wrong = DigestMismatch(path="a", place="the store", expected="1", found="2")
        stale = StalePlan(thing="a", expected="v1", found="v2")
        for error in (wrong, stale):
            staging = case.cache.stage(URL).unwrap()
            with contextlib.suppress(MlopusError), staging.create("a") as file:
                file.identify("v1").unwrap()
                file.write(b"first").unwrap()
                raise error
            with staging.create("a") as file:
                assert file.kept is None

    def test_a_file_that_stopped_is_not_in_the_tree(self, case: CacheCase) -> None:
        staging = case.cache.stage(URL).unwrap()
        with contextlib.suppress(ConnectionError), staging.create("half") as file:
            file.identify("v1").unwrap()
            file.write(b"first").unwrap()
            raise ConnectionError
        with staging.create("whole") as file:
            file.write(b"1").unwrap()

        committed = staging.commit(commit_of(contents={"whole": b"1"})).unwrap()

        assert case.contents(committed.tree_key) == {"whole": b"1"}


def _stop_while_fetching(
    case: CacheCase, contents: Mapping[str, bytes], validator: str | None = "v1"
) -> None:
    """Leave what a writer had fetched, that was stopped: the last of the files half way."""
    staging = case.cache.stage(URL).unwrap()
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as files:
        for path, content in contents.items():
            file = files.enter_context(staging.create(path))
            if validator is not None:
                file.identify(validator).unwrap()
            file.write(content).unwrap()
        raise KeyboardInterrupt
    staging.discard()
