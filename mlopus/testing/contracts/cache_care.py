"""What must hold of a cache's own care: what it says it holds, whether that is sound, and what leaves it."""

from __future__ import annotations

import os
import pickle
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from mlopus.domain.manifest import ArtifactSubject
from mlopus.errors import NotCached, StoreFailed
from mlopus.plans.keeping import EntryAt, HeldTree, TreeFacts
from mlopus.plans.keeping_steps import EvictedTree, EvictTrees
from mlopus.plans.outcomes import Evicted
from mlopus.ports.cache_care import CacheCare
from mlopus.result import Success
from mlopus.testing.contracts.artifact_cache import CacheCase
from mlopus.testing.contracts.trees import MODEL, MORNING, RUN

OTHER_RUN = ArtifactSubject(kind="run", key="9c1d")
CHANGED = {**MODEL, "MLmodel": b"flavors: {sklearn}\n"}


def tree_of(case: CacheCase, key: str) -> TreeFacts:
    """What the inventory says of a tree; it must be there."""
    return next(tree for tree in case.cache.care.inventory().unwrap() if tree.tree_key == key)


def keys(case: CacheCase) -> list[str]:
    """The keys of all trees."""
    return [tree.tree_key for tree in case.cache.care.inventory().unwrap()]


def evicting(*trees: TreeFacts, stays: bool = False) -> EvictTrees:
    """A step that evicts trees as they are now."""
    return EvictTrees(
        trees=tuple(
            EvictedTree(
                tree_key=tree.tree_key,
                entries=tree.entries,
                file_count=len(tree.blobs),
                freed_bytes=tree.total_bytes,
                used_at=tree.used_at,
                reason="a test",
                stays=stays,
            )
            for tree in trees
        )
    )


class CacheCareContract:
    """Inherit from this, name the class `Test…`, and give the fixtures `case` and `read_only`."""

    def test_at_first_there_is_nothing_to_care_for(self, case: CacheCase) -> None:
        care = case.cache.care

        assert care.inventory() == Success(())
        assert care.entries() == Success(())
        assert care.leftovers(0) == Success(())
        assert care.held_trees() == Success(())

    def test_the_inventory_has_each_tree_with_all_that_serve_it(self, case: CacheCase) -> None:
        key = case.commit("model").tree_key
        case.commit("model", subject=OTHER_RUN)

        (tree,) = case.reopen().care.inventory().unwrap()

        origin_key = case.cache.care.origin_key
        assert tree.tree_key == key
        assert tree.total_bytes == sum(map(len, MODEL.values()))
        assert tree.entries == (
            EntryAt(origin_key=origin_key, subject=RUN, path="model"),
            EntryAt(origin_key=origin_key, subject=OTHER_RUN, path="model"),
        )

    def test_a_tree_that_was_refreshed_is_served_by_nothing(self, case: CacheCase) -> None:
        old = case.commit("model").tree_key
        new = case.commit("model", CHANGED, taken_at=MORNING + timedelta(hours=1)).tree_key

        assert tree_of(case, old).entries == ()
        assert [entry.path for entry in tree_of(case, new).entries] == ["model"]

    def test_equal_files_of_two_trees_are_one_on_the_disk(self, case: CacheCase) -> None:
        one, two = case.commit("model").tree_key, case.commit("model", CHANGED, subject=OTHER_RUN).tree_key

        shared = set(tree_of(case, one).blobs) & set(tree_of(case, two).blobs)

        assert len(MODEL["data/weights.bin"]) in {size for _, size in shared}

    def test_entries_are_told_in_full(self, case: CacheCase) -> None:
        case.commit("notes", validators={"MLmodel": "etag"})
        case.commit("model")

        entries = case.reopen().care.entries().unwrap()

        assert [entry.path for entry in entries] == ["model", "notes"]
        assert entries[1].validators == {"MLmodel": "etag"}

    def test_using_a_tree_moves_the_time_of_its_last_use(self, case: CacheCase) -> None:
        key = case.commit().tree_key
        before = tree_of(case, key).used_at

        assert case.cache.care.mark_used((key, "0" * 64)) == (key,)

        assert tree_of(case, key).used_at > before

    def test_entries_that_are_in_use_are_those_that_still_stand(self, case: CacheCase) -> None:
        case.commit("model")
        case.commit("notes", CHANGED)
        entries = case.reopen().overlapping(RUN, "").unwrap()
        case.cache.withdraw(RUN, "notes").unwrap()

        assert [entry.path for entry in case.reopen().used(entries)] == ["model"]

    def test_a_sound_tree_is_sound_file_by_file(self, case: CacheCase) -> None:
        check = case.cache.care.check(case.commit().tree_key).unwrap()

        assert check.is_sound
        assert [(file.path, file.size_bytes) for file in check.files] == sorted(
            (path, len(content)) for path, content in MODEL.items()
        )

    def test_damage_is_told_from_what_is_missing(self, case: CacheCase) -> None:
        key = case.commit().tree_key
        case.tamper(key, "MLmodel", b"FLAVORS: {}\n")
        case.tamper(key, "data/weights.bin", None)

        check = case.reopen().care.check(key).unwrap()

        states = {file.path: file.state for file in check.files}
        assert states == {"MLmodel": "damaged", "data/weights.bin": "missing", "data/empty.txt": "sound"}
        assert check.wrong == ("MLmodel", "data/weights.bin")

    def test_what_was_added_is_told_and_is_no_damage(self, case: CacheCase) -> None:
        key = case.commit().tree_key
        folder = Path(case.cache.tree(key).unwrap().local_path("") or "")
        (folder / "data/notes.txt").write_bytes(b"mine")
        (folder / "link").symlink_to(folder / "data")
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__/loader.pyc").write_bytes(b"compiled")

        check = case.reopen().care.check(key).unwrap()

        states = {file.path: file.state for file in check.files}
        assert states == dict.fromkeys(MODEL, "sound") | {"data/notes.txt": "added", "link": "added"}
        assert [file.path for file in check.files] == sorted(states)
        assert (check.is_sound, check.wrong) == (False, ())

    def test_a_tree_that_is_not_there_is_missing_whole(self, case: CacheCase) -> None:
        for key in ("0" * 64, "../../etc"):
            assert [file.state for file in case.cache.care.check(key).unwrap().files] == ["missing"]

    def test_a_path_tells_its_tree(self, case: CacheCase) -> None:
        key = case.commit().tree_key
        folder = case.cache.tree(key).unwrap().local_path("")
        assert folder is not None
        care = case.cache.care

        assert care.tree_at(folder) == key
        assert care.tree_at(os.path.join(folder, "data/weights.bin")) == key
        assert care.tree_at(os.path.join(folder, "nothing")) is None
        assert care.tree_at(os.path.dirname(os.path.dirname(folder))) is None

    def test_a_hold_is_seen_by_others_as_long_as_it_lasts(self, case: CacheCase) -> None:
        key = case.commit().tree_key
        reason = f"held by process {os.getpid()}"

        with case.cache.care.hold(key):
            assert case.reopen().care.held_trees() == Success(
                (HeldTree(tree_key=key, by="hold", reason=reason),)
            )

        assert case.reopen().care.held_trees() == Success(())

    def test_what_is_not_there_cannot_be_held(self, case: CacheCase) -> None:
        with pytest.raises(NotCached), case.cache.care.hold("0" * 64):
            raise AssertionError
        assert case.cache.care.held_trees() == Success(())

    def test_evicting_removes_the_entries_and_the_tree(self, case: CacheCase) -> None:
        key, kept = case.commit("model").tree_key, case.commit("notes", CHANGED).tree_key

        evicted = case.cache.care.evict(evicting(tree_of(case, key)))

        assert evicted == Success(Evicted(tree_keys=(key,)))
        assert keys(case) == [kept]
        assert case.covering("model") == []
        assert isinstance(case.cache.tree(key).failure(), NotCached)
        assert case.contents(kept) == CHANGED

    def test_a_tree_that_was_used_since_stays_with_its_entries(self, case: CacheCase) -> None:
        key = case.commit("model").tree_key
        step = evicting(tree_of(case, key))
        case.cache.care.mark_used((key,))

        assert case.cache.care.evict(step) == Success(Evicted(tree_keys=(), spared=(key,)))
        assert case.covering("model") == ["model"]
        assert case.contents(key) == MODEL

    def test_a_tree_that_was_committed_again_since_stays(self, case: CacheCase) -> None:
        key = case.commit("model").tree_key
        step = evicting(tree_of(case, key))
        case.commit("copy/model")

        assert case.cache.care.evict(step).unwrap().spared == (key,)
        assert case.covering("copy/model") == ["copy/model"]

    def test_a_tree_that_is_held_stays(self, case: CacheCase) -> None:
        key = case.commit("model").tree_key

        with case.cache.care.hold(key):
            step = evicting(tree_of(case, key))
            assert case.cache.care.evict(step).unwrap().spared == (key,)

        assert case.contents(key) == MODEL

    def test_an_entry_that_names_another_tree_by_now_stays(self, case: CacheCase) -> None:
        old = case.commit("model").tree_key
        step = evicting(tree_of(case, old))
        case.commit("model", CHANGED, taken_at=MORNING + timedelta(hours=1))

        assert case.cache.care.evict(step).unwrap().tree_keys == (old,)
        assert case.covering("model") == ["model"]

    def test_entries_can_go_alone(self, case: CacheCase) -> None:
        key = case.commit("model").tree_key
        case.commit("model", subject=OTHER_RUN)
        whole = tree_of(case, key)
        own = attrs.evolve(whole, entries=whole.entries[:1])

        case.cache.care.evict(evicting(own, stays=True)).unwrap()

        assert tree_of(case, key).entries == whole.entries[1:]
        assert case.contents(key) == MODEL

    def test_evicting_again_is_no_error(self, case: CacheCase) -> None:
        step = evicting(tree_of(case, case.commit().tree_key))
        case.cache.care.evict(step).unwrap()

        assert isinstance(case.cache.care.evict(step), Success)
        assert keys(case) == []

    def test_what_was_evicted_can_be_committed_again(self, case: CacheCase) -> None:
        key = case.commit().tree_key
        case.cache.care.evict(evicting(tree_of(case, key))).unwrap()

        assert case.commit().tree_key == key
        assert case.contents(key) == MODEL

    def test_what_nobody_left_is_not_swept(self, case: CacheCase) -> None:
        case.commit()

        assert case.cache.care.sweep(("nothing", "..", "locks")) == Success(0)
        assert len(keys(case)) == 1

    def test_where_nothing_can_be_written_nothing_is_evicted_or_held(self, read_only: CacheCase) -> None:
        care = read_only.cache.care
        tree = EvictedTree(
            tree_key="0" * 64, entries=(), file_count=0, freed_bytes=0, used_at=MORNING, reason="a test"
        )

        assert isinstance(care.evict(EvictTrees(trees=(tree,))).failure(), StoreFailed)
        with pytest.raises(StoreFailed), care.hold("0" * 64):
            raise AssertionError
        assert care.inventory() == Success(())

    def test_care_can_be_pickled(self, case: CacheCase) -> None:
        key = case.commit().tree_key

        copy: CacheCare = pickle.loads(pickle.dumps(case.cache.care))  # noqa: S301 (what this test pickled)

        assert [tree.tree_key for tree in copy.inventory().unwrap()] == [key]
