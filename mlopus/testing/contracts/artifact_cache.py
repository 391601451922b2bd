"""What an artifact cache must do. The staging of trees has a contract of its own, in `staging`."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import attrs

from mlopus.domain.manifest import ArtifactSubject, Entry, Manifest
from mlopus.errors import NotCached, NotFound
from mlopus.plans.outcomes import Committed
from mlopus.ports.artifact_cache import ArtifactCache
from mlopus.result import Success
from mlopus.testing.contracts.trees import (
    AWKWARD,
    MODEL,
    MORNING,
    RUN,
    commit_of,
    content_of,
    contents_of,
    manifest_of,
)

LOGGED = ArtifactSubject(kind="logged model", key="m-0123")
PLAIN_URL = ArtifactSubject(kind="url", key="s3://Bucket/some path?x=1")


@attrs.frozen(kw_only=True)
class CacheCase:
    """A cache to be tested, empty, and the ways around it.

    Attributes:
        cache: The cache.
        reopen: Gives the same cache as another process would find it.
        tamper: Gives a committed file other content, or takes it away if that is None.
    """

    cache: ArtifactCache
    reopen: Callable[[], ArtifactCache]
    tamper: Callable[[str, str, bytes | None], None]

    def commit(
        self,
        path: str = "model",
        contents: Mapping[str, bytes] = MODEL,
        *,
        taken_at: datetime = MORNING,
        subject: ArtifactSubject = RUN,
        empty_folders: tuple[str, ...] = (),
        validators: Mapping[str, str] | None = None,
    ) -> Committed:
        """Commit a tree of these files."""
        staging = self.cache.stage().unwrap()
        for name, content in contents.items():
            with staging.create(name) as file:
                file.write(content).unwrap()
        step = commit_of(
            path,
            contents=contents,
            taken_at=taken_at,
            subject=subject,
            empty_folders=empty_folders,
            validators=validators,
        )
        return staging.commit(step).unwrap()

    def covering(self, path: str) -> list[str]:
        """The paths of the entries that answer a path."""
        return [entry.path for entry in self.cache.covering(RUN, path).unwrap()]

    def contents(self, tree_key: str) -> dict[str, bytes]:
        """What a tree holds, read back."""
        source = self.cache.tree(tree_key).unwrap()
        return contents_of(source, self.cache.manifest(tree_key).unwrap().files)


class ArtifactCacheContract:
    """Inherit from this, name the class `Test…`, and give a fixture `case`: a `CacheCase`."""

    def test_at_first_nothing_is_cached(self, case: CacheCase) -> None:
        assert case.cache.covering(RUN, "model") == Success(())
        assert case.cache.overlapping(RUN, "") == Success(())

    def test_what_was_committed_is_served(self, case: CacheCase) -> None:
        committed = case.commit()

        assert committed.manifest == manifest_of(MODEL)
        assert committed.tree_key == committed.manifest.key
        assert case.contents(committed.tree_key) == MODEL

    def test_what_was_committed_is_served_to_other_processes(self, case: CacheCase) -> None:
        committed = case.commit()

        other = case.reopen()

        assert other.manifest(committed.tree_key) == Success(committed.manifest)
        assert [entry.tree_key for entry in other.covering(RUN, "model").unwrap()] == [committed.tree_key]

    def test_a_copy_of_the_cache_serves_the_same(self, case: CacheCase) -> None:
        committed = case.commit()

        copy = pickle.loads(pickle.dumps(case.cache))  # noqa: S301 (its own bytes)

        assert copy.manifest(committed.tree_key) == Success(committed.manifest)

    def test_the_cache_is_the_same_one_whoever_opens_it(self, case: CacheCase) -> None:
        before = case.cache.cache_id
        case.commit()

        assert before == case.cache.cache_id == case.reopen().cache_id != ""

    def test_an_entry_says_where_its_tree_came_from(self, case: CacheCase) -> None:
        committed = case.commit(validators={"MLmodel": '"v1"'})

        (entry,) = case.cache.covering(RUN, "model").unwrap()

        assert entry == Entry(
            subject=RUN,
            path="model",
            tree_key=committed.tree_key,
            name="model",
            is_file=False,
            taken_at=MORNING,
            store_url="mem://runs/3f2a/model",
            validators=entry.validators,
        )
        assert dict(entry.validators) == {"MLmodel": '"v1"'}

    def test_a_hit_can_be_decided_without_validators(self, case: CacheCase) -> None:
        case.commit(validators={"MLmodel": '"v1"'})

        (entry,) = case.cache.covering(RUN, "model", with_validators=False).unwrap()
        (other,) = case.cache.overlapping(RUN, "model", with_validators=False).unwrap()

        assert not entry.validators
        assert not other.validators

    def test_an_entry_answers_what_is_below_it(self, case: CacheCase) -> None:
        case.commit("model")

        assert case.covering("model/data/weights.bin") == ["model"]

    def test_an_entry_of_the_root_answers_everything(self, case: CacheCase) -> None:
        case.commit("")

        assert case.covering("model/data") == case.covering("") == [""]

    def test_an_entry_of_a_part_never_answers_the_whole(self, case: CacheCase) -> None:
        case.commit("model/data", {"weights.bin": b"w"})

        assert case.covering("model") == case.covering("") == []

    def test_an_entry_does_not_answer_a_neighbour_whose_name_begins_alike(self, case: CacheCase) -> None:
        case.commit("model")

        assert case.covering("model2") == case.covering("mod") == []

    def test_the_newest_entry_that_covers_a_path_comes_first(self, case: CacheCase) -> None:
        case.commit("", taken_at=MORNING)
        case.commit("model", taken_at=MORNING + timedelta(hours=2))
        case.commit("model/data", {"x": b"1"}, taken_at=MORNING + timedelta(hours=1))

        assert case.covering("model/data") == ["model", "model/data", ""]

    def test_of_equally_new_entries_the_deepest_comes_first(self, case: CacheCase) -> None:
        for path in ("model", "", "model/data"):
            case.commit(path, {"x": b"1"})

        assert case.covering("model/data/x") == ["model/data", "model", ""]

    def test_overlapping_entries_are_those_above_at_and_below(self, case: CacheCase) -> None:
        for hour, path in enumerate(("", "model", "model/data", "model2", "notes")):
            case.commit(path, taken_at=MORNING + timedelta(hours=hour))

        found = case.cache.overlapping(RUN, "model").unwrap()

        assert [entry.path for entry in found] == ["model/data", "model", ""]

    def test_subjects_do_not_see_each_other(self, case: CacheCase) -> None:
        for subject in (RUN, LOGGED, PLAIN_URL):
            case.commit("", {"who": subject.key.encode()}, subject=subject)

        trees = [case.cache.covering(s, "").unwrap()[0].tree_key for s in (RUN, LOGGED, PLAIN_URL)]

        assert [case.contents(key)["who"] for key in trees] == [
            subject.key.encode() for subject in (RUN, LOGGED, PLAIN_URL)
        ]

    def test_the_same_tree_committed_again_is_one_tree_with_a_newer_entry(self, case: CacheCase) -> None:
        first = case.commit()

        again = case.commit(taken_at=MORNING + timedelta(hours=1))

        assert again == first
        (entry,) = case.cache.covering(RUN, "model").unwrap()
        assert entry.taken_at == MORNING + timedelta(hours=1)

    def test_a_refresh_moves_the_entry_and_leaves_the_old_tree(self, case: CacheCase) -> None:
        old = case.commit(contents={"a": b"old"})
        path = case.cache.tree(old.tree_key).unwrap().local_path("a")
        assert path is not None

        new = case.commit(contents={"a": b"new"}, taken_at=MORNING + timedelta(hours=1))

        assert [e.tree_key for e in case.cache.covering(RUN, "model").unwrap()] == [new.tree_key]
        with open(path, "rb") as file:
            assert file.read() == b"old"

    def test_a_file_can_be_a_tree(self, case: CacheCase) -> None:
        committed = case.commit("data/weights.bin", {"": b"w"})

        assert committed.manifest == manifest_of({"": b"w"}, "weights.bin")
        path = case.cache.tree(committed.tree_key).unwrap().local_path("")
        assert path is not None
        assert (os.path.basename(path), os.path.isfile(path)) == ("weights.bin", True)

    def test_a_tree_has_its_name_on_the_disk_too(self, case: CacheCase) -> None:
        committed = case.commit("some/model")

        source = case.cache.tree(committed.tree_key).unwrap()

        folder, file = source.local_path(""), source.local_path("data/weights.bin")
        assert folder is not None
        assert os.path.basename(folder) == "model"
        assert file == os.path.join(folder, "data/weights.bin")

    def test_awkward_names_are_kept_as_they_are(self, case: CacheCase) -> None:
        committed = case.commit("some folder/größe", AWKWARD)

        assert case.contents(committed.tree_key) == AWKWARD

    def test_empty_folders_are_part_of_a_tree(self, case: CacheCase) -> None:
        committed = case.commit(empty_folders=("logs", "data/none"))

        path = case.cache.tree(committed.tree_key).unwrap().local_path("data/none")
        assert committed.manifest == manifest_of(MODEL, empty_folders=("logs", "data/none"))
        assert path is not None
        assert os.listdir(path) == []

    def test_a_tree_can_be_empty(self, case: CacheCase) -> None:
        committed = case.commit(contents={})

        path = case.cache.tree(committed.tree_key).unwrap().local_path("")
        assert committed.manifest == Manifest(name="model", is_file=False)
        assert path is not None
        assert os.listdir(path) == []

    def test_a_tree_holds_nothing_outside_of_itself(self, case: CacheCase) -> None:
        source = case.cache.tree(case.commit().tree_key).unwrap()

        assert source.local_path("../../..") is None
        assert not isinstance(source.open("../x"), Success)

    def test_what_is_not_in_a_tree_is_not_found(self, case: CacheCase) -> None:
        source = case.cache.tree(case.commit().tree_key).unwrap()

        assert isinstance(source.open("nothing").failure(), NotFound)
        assert source.local_path("nothing") is None

    def test_files_of_a_tree_are_read_only_and_folders_are_not(self, case: CacheCase) -> None:
        folder = case.cache.tree(case.commit().tree_key).unwrap().local_path("")
        assert folder is not None

        assert os.stat(os.path.join(folder, "data/weights.bin")).st_mode & 0o222 == 0
        assert os.stat(os.path.join(folder, "data")).st_mode & 0o200

    def test_a_tree_that_was_never_committed_is_not_cached(self, case: CacheCase) -> None:
        for key in ("0" * 64, "../../etc", ""):
            for answer in (case.cache.manifest(key), case.cache.tree(key), case.cache.damaged(key, "")):
                assert isinstance(answer.failure(), NotCached)

    def test_an_untouched_tree_has_no_damage(self, case: CacheCase) -> None:
        assert case.cache.damaged(case.commit().tree_key, "") == Success(())

    def test_a_file_of_another_size_is_damaged(self, case: CacheCase) -> None:
        key = case.commit().tree_key

        case.tamper(key, "MLmodel", b"longer than it was")

        assert case.cache.damaged(key, "") == Success(("MLmodel",))

    def test_a_file_of_the_same_size_and_another_content_is_damaged(self, case: CacheCase) -> None:
        key = case.commit().tree_key

        case.tamper(key, "MLmodel", b"FLAVORS: {}\n")

        assert case.cache.damaged(key, "") == Success(("MLmodel",))

    def test_a_file_that_is_gone_is_damaged(self, case: CacheCase) -> None:
        key = case.commit().tree_key

        case.tamper(key, "data/weights.bin", None)

        assert case.cache.damaged(key, "data") == Success(("data/weights.bin",))

    def test_damage_elsewhere_in_a_tree_is_not_damage_at_a_path(self, case: CacheCase) -> None:
        key = case.commit().tree_key

        case.tamper(key, "MLmodel", b"longer than it was")

        assert case.cache.damaged(key, "data") == Success(())

    def test_committing_the_same_tree_again_mends_it(self, case: CacheCase) -> None:
        key = case.commit().tree_key
        case.tamper(key, "MLmodel", b"FLAVORS: {}\n")
        case.tamper(key, "data/weights.bin", None)

        case.commit()

        assert case.cache.damaged(key, "") == Success(())
        assert case.contents(key) == MODEL

    def test_withdrawing_a_path_withdraws_entries_at_above_and_below(self, case: CacheCase) -> None:
        for path in ("", "model", "model/data", "model2"):
            case.commit(path)

        withdrawn = case.cache.withdraw(RUN, "model")

        assert withdrawn == Success(("", "model", "model/data"))
        assert [entry.path for entry in case.cache.overlapping(RUN, "").unwrap()] == ["model2"]

    def test_withdrawing_leaves_the_trees(self, case: CacheCase) -> None:
        key = case.commit().tree_key

        case.cache.withdraw(RUN, "").unwrap()

        assert content_of(case.cache.tree(key).unwrap(), "MLmodel") == MODEL["MLmodel"]

    def test_withdrawing_what_is_not_cached_is_nothing(self, case: CacheCase) -> None:
        case.commit("model")

        assert case.cache.withdraw(RUN, "notes") == Success(())
        assert case.cache.withdraw(LOGGED, "") == Success(())

    def test_one_writer_at_a_time_is_alone_at_a_path(self, case: CacheCase) -> None:
        inside: list[int] = []
        most: list[int] = []

        def work() -> None:
            with case.cache.alone(RUN, "model"):
                inside.append(1)
                most.append(len(inside))
                threading.Event().wait(0.01)
                inside.pop()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert most == [1, 1, 1, 1]
