"""What a workspace must do with the user's files: tell of sources, and remove what a plan names."""

from __future__ import annotations

import attrs
import pytest

from mlopus.domain.manifest import LocalFile
from mlopus.errors import IllegalPath, NotFound, StalePlan
from mlopus.plans.links import LinkKind
from mlopus.plans.steps import RemoveFiles
from mlopus.testing.contracts.trees import (
    AWKWARD,
    MODEL,
    content_of,
    sha256,
)
from mlopus.testing.contracts.workspace_case import WorkspaceCase

KINDS: tuple[LinkKind, ...] = ("symlink", "hardlink", "copy")


class SourceContract:
    """What a workspace must tell of sources."""

    def test_a_source_is_hashed_in_the_order_of_its_paths(self, case: WorkspaceCase) -> None:
        facts = case.workspace.source_facts(case.fill(MODEL)).unwrap()

        assert [(file.path, file.size_bytes, file.sha256) for file in facts.files] == [
            (path, len(MODEL[path]), sha256(MODEL[path])) for path in sorted(MODEL)
        ]
        assert (facts.path, facts.is_file) == (case.path("source"), False)

    def test_a_large_file_is_hashed_as_any_other(self, case: WorkspaceCase) -> None:
        content = bytes(3 * 1024 * 1024 + 1)

        facts = case.workspace.source_facts(case.fill({"big": content, "small": b"1"})).unwrap()

        assert [file.sha256 for file in facts.files] == [sha256(content), sha256(b"1")]

    def test_a_source_can_be_a_file(self, case: WorkspaceCase) -> None:
        facts = case.workspace.source_facts(case.fill({"": b"1"})).unwrap()

        assert facts.is_file
        assert [file.path for file in facts.files] == [""]

    def test_empty_folders_of_a_source_are_told(self, case: WorkspaceCase) -> None:
        source = case.fill(MODEL)
        case.make_folder(f"{source}/logs/deep")

        assert case.workspace.source_facts(source).unwrap().empty_folders == ("logs/deep",)

    def test_a_source_that_is_not_there_is_not_found(self, case: WorkspaceCase) -> None:
        assert isinstance(case.workspace.source_facts(case.path("nothing")).failure(), NotFound)

    def test_links_count_as_their_content_and_are_told(self, case: WorkspaceCase) -> None:
        outside = case.fill({"far": b"far"}, "outside")
        source = case.fill({"data/near": b"near"})
        case.link(f"{source}/inside", "data/near")
        case.link(f"{source}/also inside", "data")
        case.link(f"{source}/leaves", f"{outside}/far")

        facts = case.workspace.source_facts(source).unwrap()

        assert {file.path: file.sha256 for file in facts.files} == {
            "also inside/near": sha256(b"near"),
            "data/near": sha256(b"near"),
            "inside": sha256(b"near"),
            "leaves": sha256(b"far"),
        }
        assert facts.links_inside == ("also inside", "inside")
        assert facts.links_leaving == ("leaves",)

    @pytest.mark.parametrize("target", ["nothing", "../nothing", ".", "..", "loop", "loop/x"])
    def test_links_that_lead_nowhere_or_into_a_circle_are_refused(
        self, case: WorkspaceCase, target: str
    ) -> None:
        source = case.fill({"a": b"1"})
        case.link(f"{source}/loop", target)

        assert isinstance(case.workspace.source_facts(source).failure(), IllegalPath)

    def test_a_name_that_is_no_plain_path_is_refused(self, case: WorkspaceCase) -> None:
        for number, name in enumerate(("back\\slash", "bell\a", "C:drive")):
            source = case.fill({name: b"1"}, f"source-{number}")

            assert isinstance(case.workspace.source_facts(source).failure(), IllegalPath)

    def test_names_that_are_one_on_some_system_are_refused(self, case: WorkspaceCase) -> None:
        source = case.fill({"Case": b"1", "case": b"2"})

        assert isinstance(case.workspace.source_facts(source).failure(), IllegalPath)

    def test_a_source_can_be_read(self, case: WorkspaceCase) -> None:
        source = case.workspace.source(case.fill(AWKWARD))

        assert {path: content_of(source, path) for path in AWKWARD} == AWKWARD
        assert isinstance(source.open("nothing").failure(), NotFound)
        assert isinstance(source.open("../x").failure(), IllegalPath)


class RemovalContract:
    """What a workspace must do with files that a plan removes."""

    def test_files_are_removed_with_the_folders_that_this_empties(self, case: WorkspaceCase) -> None:
        source = case.fill(MODEL, "parent/source")
        case.make_folder(f"{source}/logs")

        removed = case.workspace.remove(removal_of(case, source, ("logs",)), source).unwrap()

        assert removed.file_count == len(MODEL)
        assert case.names(case.path("parent")) == []

    def test_what_a_step_does_not_name_stays(self, case: WorkspaceCase) -> None:
        source = case.fill(MODEL)
        step = removal_of(case, source)
        case.write(f"{source}/data/new", b"1")

        case.workspace.remove(step, source).unwrap()

        assert case.names(source) == ["data"]
        assert case.names(f"{source}/data") == ["new"]

    def test_a_single_file_is_removed(self, case: WorkspaceCase) -> None:
        source = case.fill({"": b"1"}, "parent/file")

        case.workspace.remove(removal_of(case, source), source).unwrap()

        assert case.names(case.path("parent")) == []

    def test_files_that_are_gone_already_are_not_counted(self, case: WorkspaceCase) -> None:
        source = case.fill(MODEL)
        step = removal_of(case, source)
        case.workspace.remove(step, source).unwrap()

        assert case.workspace.remove(step, source).unwrap().file_count == 0

    def test_if_one_file_has_changed_none_is_removed(self, case: WorkspaceCase) -> None:
        source = case.fill(MODEL)
        step = removal_of(case, source)
        case.write(f"{source}/MLmodel", b"changed since")

        stale = case.workspace.remove(step, source)

        assert isinstance(stale.failure(), StalePlan)
        assert case.contents(source, MODEL) == {**MODEL, "MLmodel": b"changed since"}

    def test_a_link_in_the_place_of_a_file_is_not_removed(self, case: WorkspaceCase) -> None:
        source = case.fill({"a": b"1", "b": b"2"})
        step = removal_of(case, source)
        case.workspace.remove(attrs.evolve(step, files=step.files[:1]), source).unwrap()
        case.link(f"{source}/a", "b")

        assert isinstance(case.workspace.remove(step, source).failure(), StalePlan)

    def test_nothing_is_removed_outside_of_the_root(self, case: WorkspaceCase) -> None:
        precious = case.fill({"precious": b"1"}, "other")
        facts = case.workspace.source_facts(precious).unwrap()
        files = (attrs.evolve(facts.files[0], path="../other/precious"),)
        step = RemoveFiles(root="source", files=files, empty_folders=(), is_file=False)

        refused = case.workspace.remove(step, case.fill({"a": b"1"}))

        assert isinstance(refused.failure(), IllegalPath)
        assert case.read(f"{precious}/precious") == b"1"


def removal_of(case: WorkspaceCase, source: str, empty_folders: tuple[str, ...] = ()) -> RemoveFiles:
    """A step that removes the files of a source as they are now."""
    facts = case.workspace.source_facts(source).unwrap()
    files: tuple[LocalFile, ...] = facts.files
    return RemoveFiles(root="source", files=files, empty_folders=empty_folders, is_file=facts.is_file)
