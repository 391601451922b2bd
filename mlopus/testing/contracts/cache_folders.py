"""What every implementation of the cache folders port must do."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import attrs

from mlopus.domain.keys import RunKey
from mlopus.domain.records import CachedRecord, ExperimentRecord, RunRecord
from mlopus.errors import StoreFailed
from mlopus.ports.cache_folders import CacheFolders
from mlopus.result import Success
from mlopus.testing.contracts.trees import MODEL, MORNING, RUN, commit_of

RUN_RECORD = RunRecord(id="r1", exp_id="1", name="first")
RECORDS = (ExperimentRecord(id="1", name="demo"), RUN_RECORD)


@attrs.frozen(kw_only=True)
class FoldersCase:
    """Cache folders to be tested, and the ways around them.

    Attributes:
        folders: The cache folders.
        reopened: Other folders of the same place and origin.
        vacant: Where nothing is yet.
        taken: A folder that is no cache and holds `notes.txt`.
        read_only: A folder that cannot be written.
    """

    folders: CacheFolders
    reopened: Callable[[], CacheFolders]
    vacant: str
    taken: str
    read_only: str


class CacheFoldersContract:
    """Inherit from this in a class whose fixture `case` gives a `FoldersCase`."""

    def test_where_nothing_is_there_is_no_cache_and_room_for_one(self, case: FoldersCase) -> None:
        seen = case.folders.facts(case.vacant).unwrap()

        assert (seen.is_cache, seen.is_writable, seen.others) == (False, True, ())

    def test_looking_at_a_folder_makes_nothing(self, case: FoldersCase) -> None:
        case.folders.facts(case.vacant).unwrap()
        assert case.folders.artifacts(case.vacant).overlapping(RUN, "") == Success(())
        case.folders.metadata(case.vacant).get(RunKey("r1")).failure()

        assert not case.reopened().facts(case.vacant).unwrap().is_cache

    def test_a_folder_is_made_a_cache_once_and_keeps_its_id(self, case: FoldersCase) -> None:
        before = case.folders.facts(case.vacant).unwrap()

        case.folders.create(case.vacant).unwrap()
        case.folders.create(case.vacant).unwrap()

        assert case.reopened().facts(case.vacant).unwrap() == attrs.evolve(before, is_cache=True)

    def test_what_a_folder_that_is_no_cache_holds_is_named(self, case: FoldersCase) -> None:
        seen = case.folders.facts(case.taken).unwrap()

        assert (seen.is_cache, seen.others) == (False, ("notes.txt",))

    def test_a_folder_that_cannot_be_written_says_so(self, case: FoldersCase) -> None:
        assert not case.folders.facts(case.read_only).unwrap().is_writable
        assert isinstance(case.folders.create(case.read_only).failure(), StoreFailed)

    def test_entities_that_are_written_are_there_for_others(self, case: FoldersCase) -> None:
        case.folders.create(case.vacant).unwrap()
        case.folders.metadata(case.vacant).put(RECORDS, MORNING).unwrap()

        found = case.reopened().metadata(case.vacant).get(RunKey("r1")).unwrap()

        assert found == CachedRecord(record=RUN_RECORD, as_of=MORNING)

    def test_trees_that_are_written_are_there_for_others(self, case: FoldersCase) -> None:
        case.folders.create(case.vacant).unwrap()
        staging = case.folders.artifacts(case.vacant).stage().unwrap()
        for path, content in MODEL.items():
            with staging.create(path) as file:
                file.write(content).unwrap()
        committed = staging.commit(commit_of(contents=MODEL)).unwrap()

        found = case.reopened().artifacts(case.vacant)

        assert [entry.tree_key for entry in found.overlapping(RUN, "").unwrap()] == [committed.tree_key]
        with found.tree(committed.tree_key).unwrap().open("MLmodel").unwrap() as reader:
            assert reader.read() == MODEL["MLmodel"]

    def test_two_folders_do_not_mix(self, case: FoldersCase) -> None:
        case.folders.metadata(case.vacant).put(RECORDS, MORNING).unwrap()

        other = case.folders.metadata(f"{case.vacant}-other").get(RunKey("r1"))

        assert not isinstance(other, Success)

    def test_it_can_be_pickled(self, case: FoldersCase) -> None:
        case.folders.create(case.vacant).unwrap()
        copy = pickle.loads(pickle.dumps(case.folders))  # noqa: S301 (our own)

        assert copy.facts(case.vacant) == case.folders.facts(case.vacant)

    def test_a_path_is_made_absolute(self, case: FoldersCase) -> None:
        assert case.folders.resolve(f"{case.vacant}/a/../b/") == f"{case.vacant}/b"
