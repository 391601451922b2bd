"""What a workspace must do."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest

from mlopus.errors import DigestMismatch, IllegalPath, NotFound, StalePlan
from mlopus.plans.facts import TargetFacts
from mlopus.plans.links import LinkKind
from mlopus.plans.steps import CachedTree, TargetPresent
from mlopus.ports.subtree import Subtree
from mlopus.result import Success
from mlopus.testing.contracts.trees import (
    AWKWARD,
    MODEL,
    BytesSource,
    Tally,
    sha256,
)
from mlopus.testing.contracts.workspace_case import Cached, WorkspaceCase, place_of

KINDS: tuple[LinkKind, ...] = ("symlink", "hardlink", "copy")


class WorkspaceContract:
    """Inherit from this, name the class `Test…`, and give a fixture `case`: a `WorkspaceCase`.

    What it must do with sources stands in `workspace_sources`; inherit from its classes too.
    """

    def test_where_nothing_is_a_target_is_absent(self, case: WorkspaceCase) -> None:
        facts = case.facts(case.path("target"))

        assert facts == TargetFacts(path=case.path("target"))

    def test_a_target_tells_what_it_holds(self, case: WorkspaceCase) -> None:
        target = case.fill(MODEL, "target")
        case.make_folder(f"{target}/logs")

        facts = case.facts(target)

        assert isinstance(facts.expectation, TargetPresent)
        assert facts.expectation.file_count == len(MODEL)
        assert [(file.path, file.size_bytes) for file in facts.files] == [
            (path, len(MODEL[path])) for path in sorted(MODEL)
        ]
        assert (facts.is_file, facts.empty_folders) == (False, ("logs",))

    def test_a_target_is_hashed_only_to_be_compared_with_a_tree(self, case: WorkspaceCase) -> None:
        target = case.fill(MODEL, "target")

        alone, compared = case.facts(target), case.facts(target, "0" * 64)

        assert {file.sha256 for file in alone.files} == {None}
        assert {file.path: file.sha256 for file in compared.files} == {
            path: sha256(content) for path, content in MODEL.items()
        }

    def test_a_target_that_changes_is_expected_otherwise(self, case: WorkspaceCase) -> None:
        target = case.fill({"a": b"12"}, "target")
        seen = [case.facts(target).expectation]
        changes: tuple[Callable[[], None], ...] = (
            lambda: case.write(f"{target}/a", b"21"),
            lambda: case.write(f"{target}/b", b""),
            lambda: case.make_folder(f"{target}/c"),
            lambda: case.link(f"{target}/d", "a"),
        )
        for change in changes:
            change()
            seen.append(case.facts(target).expectation)

        assert len(set(seen)) == len(seen)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_tree_is_placed_whole(self, case: WorkspaceCase, kind: LinkKind) -> None:
        cached, target, tally = Cached.of(MODEL), case.path("not/yet/there"), Tally()
        step = place_of(MODEL, kinds=(kind,), tree=CachedTree(tree_key=cached.key))

        placed = case.workspace.place(step, target, cached.source, tally).unwrap()

        assert case.contents(target, MODEL) == MODEL
        assert sorted(case.names(target)) == ["MLmodel", "data"]
        assert placed.file_count == len(MODEL)
        assert placed.total_bytes == sum(len(content) for content in MODEL.values())
        assert sorted(tally.files) == sorted(MODEL)

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_was_used_for_each_file_is_told(self, case: WorkspaceCase, kind: LinkKind) -> None:
        cached = Cached.of(MODEL)
        step = place_of(MODEL, kinds=(kind,), tree=CachedTree(tree_key=cached.key))

        placed = case.workspace.place(step, case.path("target"), cached.source, Tally()).unwrap()

        # the empty file is made, not linked
        expected = {"copy": 3} if kind == "copy" else {kind: 2, "copy": 1}
        assert dict(placed.links) == expected

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_file_is_placed_at_the_target_itself(self, case: WorkspaceCase, kind: LinkKind) -> None:
        cached, target = Cached.of({"": b"alone"}), case.path("folder/file.bin")
        step = place_of({"": b"alone"}, kinds=(kind,), tree=CachedTree(tree_key=cached.key))

        case.workspace.place(step, target, cached.source, Tally()).unwrap()

        assert case.read(target) == b"alone"
        assert case.names(case.path("folder")) == ["file.bin"]

    def test_placed_links_are_recognised_as_those_of_their_tree(self, case: WorkspaceCase) -> None:
        cached, target = Cached.of(MODEL), case.path("target")
        step = place_of(MODEL, kinds=("symlink",), tree=CachedTree(tree_key=cached.key))
        case.workspace.place(step, target, cached.source, Tally()).unwrap()

        ours, other = case.facts(target, cached.key), case.facts(target, "0" * 64)

        shown = {file.path: file.links_to for file in ours.files}
        assert shown["data/weights.bin"] == (cached.key, "data/weights.bin")
        assert [file.size_bytes for file in ours.files] == [len(MODEL[file.path]) for file in ours.files]
        assert {file.links_to for file in other.files} == {None}

    def test_links_to_a_part_of_a_tree_name_their_place_in_the_whole(self, case: WorkspaceCase) -> None:
        cached, target = Cached.of(MODEL), case.path("target")
        step = place_of(
            {"weights.bin": MODEL["data/weights.bin"]},
            kinds=("symlink",),
            tree=CachedTree(tree_key=cached.key, path="data"),
        )

        case.workspace.place(step, target, Subtree(cached.source, "data"), Tally()).unwrap()

        (file,) = case.facts(target, cached.key).files
        assert (file.path, file.links_to) == ("weights.bin", (cached.key, "data/weights.bin"))

    def test_copies_are_write_protected_and_folders_are_not(self, case: WorkspaceCase) -> None:
        target = case.path("target")
        case.workspace.place(place_of(MODEL), target, BytesSource(MODEL), Tally()).unwrap()

        assert not case.is_writable(f"{target}/data/weights.bin")
        case.write(f"{target}/data/new", b"1")
        assert case.read(f"{target}/data/new") == b"1"

    def test_empty_folders_and_awkward_names_are_placed(self, case: WorkspaceCase) -> None:
        target = case.path("größe und ziel")
        step = place_of(AWKWARD, empty_folders=("logs", "a/b"))

        case.workspace.place(step, target, BytesSource(AWKWARD), Tally()).unwrap()

        assert case.contents(target, AWKWARD) == AWKWARD
        assert case.facts(target).empty_folders == ("a/b", "logs")

    def test_what_was_there_is_replaced_whole(self, case: WorkspaceCase) -> None:
        target = case.fill({"old": b"1", "MLmodel": b"2", "gone/deep": b"3"}, "folder/target")
        step = place_of(MODEL, expect=case.facts(target).expectation)

        case.workspace.place(step, target, BytesSource(MODEL), Tally()).unwrap()

        assert case.contents(target, MODEL) == MODEL
        assert sorted(case.names(target)) == ["MLmodel", "data"]
        assert case.names(case.path("folder")) == ["target"]

    def test_a_folder_can_take_the_place_of_a_file_and_the_reverse(self, case: WorkspaceCase) -> None:
        target = case.fill({"": b"a file"}, "folder/target")
        for contents in ({"a": b"a folder"}, {"": b"a file again"}):
            step = place_of(contents, expect=case.facts(target).expectation)

            case.workspace.place(step, target, BytesSource(contents), Tally()).unwrap()

            assert case.contents(target, contents) == contents
        assert case.names(case.path("folder")) == ["target"]

    def test_a_link_is_replaced_and_what_it_leads_to_stays(self, case: WorkspaceCase) -> None:
        elsewhere = case.fill({"precious": b"1"}, "elsewhere")
        target = case.path("folder/target")
        case.make_folder(case.path("folder"))
        case.link(target, elsewhere)
        step = place_of(MODEL, expect=case.facts(target).expectation)

        case.workspace.place(step, target, BytesSource(MODEL), Tally()).unwrap()

        assert case.contents(target, MODEL) == MODEL
        assert case.read(f"{elsewhere}/precious") == b"1"

    def test_nothing_is_placed_over_what_was_not_expected(self, case: WorkspaceCase) -> None:
        target = case.fill({"mine": b"1"}, "folder/target")

        stale = case.workspace.place(place_of(MODEL), target, BytesSource(MODEL), Tally())

        assert isinstance(stale.failure(), StalePlan)
        assert case.names(target) == ["mine"]
        assert case.names(case.path("folder")) == ["target"]

    def test_a_target_that_moved_on_since_it_was_seen_is_left_alone(self, case: WorkspaceCase) -> None:
        target = case.fill({"mine": b"1"}, "folder/target")
        step = place_of(MODEL, expect=case.facts(target).expectation)
        case.write(f"{target}/also mine", b"2")

        stale = case.workspace.place(step, target, BytesSource(MODEL), Tally())

        assert isinstance(stale.failure(), StalePlan)
        assert sorted(case.names(target)) == ["also mine", "mine"]

    def test_a_target_that_is_gone_since_it_was_seen_is_stale(self, case: WorkspaceCase) -> None:
        step = place_of(MODEL, expect=TargetPresent(digest="as seen", file_count=1))

        stale = case.workspace.place(step, case.path("target"), BytesSource(MODEL), Tally())

        assert isinstance(stale.failure(), StalePlan)
        assert case.names(case.root) == []

    @pytest.mark.parametrize("kind", KINDS)
    def test_if_a_file_is_missing_nothing_appears(self, case: WorkspaceCase, kind: LinkKind) -> None:
        cached = Cached.of({"a": b"1"})
        step = place_of({"a": b"1", "b": b"2"}, kinds=(kind,), tree=CachedTree(tree_key=cached.key))

        missing = case.workspace.place(step, case.path("target"), cached.source, Tally())

        assert isinstance(missing.failure(), NotFound)
        assert case.names(case.root) == []

    def test_if_a_file_has_another_size_nothing_appears(self, case: WorkspaceCase) -> None:
        step = place_of({"a": b"12345"})

        wrong = case.workspace.place(step, case.path("target"), BytesSource({"a": b"1"}), Tally())

        assert isinstance(wrong.failure(), DigestMismatch)
        assert case.names(case.root) == []

    def test_nothing_is_placed_outside_of_the_target(self, case: WorkspaceCase) -> None:
        files = {"../outside": b"1"}

        refused = case.workspace.place(place_of(files), case.path("target"), BytesSource(files), Tally())

        assert isinstance(refused.failure(), IllegalPath)
        assert case.names(case.root) == []

    def test_a_path_is_absolute_and_its_folders_are_real(self, case: WorkspaceCase) -> None:
        case.make_folder(case.path("real"))
        case.link(case.path("link"), case.path("real"))

        assert case.workspace.resolve(case.path("link/x")) == case.path("real/x")
        assert case.workspace.resolve(case.path("real/../link")) == case.path("link")
        assert case.workspace.resolve("~/x").endswith("/x")
        assert case.workspace.resolve("x").startswith("/")

    def test_a_temporary_path_is_new_and_goes_with_its_folder(self, case: WorkspaceCase) -> None:
        one, other = (case.workspace.temporary_path().unwrap() for _ in range(2))
        case.write(f"{one}/written/by a callback", b"1")
        case.write(other, b"2")

        case.workspace.discard_temporary(one).unwrap()

        assert one != other
        assert case.read(f"{one}/written/by a callback") is None
        assert case.read(other) == b"2"

    def test_only_temporary_paths_are_discarded(self, case: WorkspaceCase) -> None:
        mine = case.fill({"": b"precious"}, "mine/artifact")
        temporary = case.workspace.temporary_path().unwrap()

        for path in (mine, f"{temporary}/..", f"{temporary}/../../artifact", case.root):
            assert isinstance(case.workspace.discard_temporary(path).failure(), IllegalPath)
        assert case.read(mine) == b"precious"

    def test_a_workspace_can_be_sent_to_another_process(self, case: WorkspaceCase) -> None:
        target = case.fill(MODEL, "target")

        copy = pickle.loads(pickle.dumps(case.workspace))  # noqa: S301 (its own bytes)

        assert copy.target_facts(target, None) == Success(case.facts(target))
