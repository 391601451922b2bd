"""What a workspace must tell of what it made: placements as they are now, and temporary folders."""

from __future__ import annotations

from mlopus.plans.keeping import Placement
from mlopus.plans.steps import CachedTree
from mlopus.result import Success
from mlopus.testing.contracts.trees import MODEL, Tally
from mlopus.testing.contracts.workspace_case import Cached, WorkspaceCase, place_of


def placed(case: WorkspaceCase, kind: str = "symlink") -> tuple[Placement, Cached]:
    """A tree that is placed at `target`, and the record of it."""
    cached, target = Cached.of(MODEL), case.path("shelf/target")
    step = place_of(MODEL, kinds=(kind,), tree=CachedTree(tree_key=cached.key))  # type: ignore[arg-type]
    case.workspace.place(step, target, cached.source, Tally()).unwrap()
    return Placement(target=target, tree_key=cached.key, path=""), cached


class KeepingSightContract:
    """Inherit from this, name the class `Test…`, and give a fixture `case`: a `WorkspaceCase`."""

    def test_links_that_are_there_are_seen(self, case: WorkspaceCase) -> None:
        placement, cached = placed(case)

        assert case.workspace.seen(placement, cached.source) == "linked"
        assert case.workspace.seen(placement, None) == "linked"

    def test_one_link_that_is_left_is_enough(self, case: WorkspaceCase) -> None:
        placement, cached = placed(case)
        case.write(f"{placement.target}/notes.txt", b"the user's own")

        assert case.workspace.seen(placement, cached.source) == "linked"

    def test_a_target_that_is_not_there_is_gone(self, case: WorkspaceCase) -> None:
        case.make_folder(case.path("shelf"))
        placement = Placement(target=case.path("shelf/target"), tree_key="0" * 64, path="")

        assert case.workspace.seen(placement, None) == "gone"

    def test_a_target_that_holds_something_else_is_gone(self, case: WorkspaceCase) -> None:
        target = case.fill({"MLmodel": b"another"}, "target")
        placement = Placement(target=target, tree_key="0" * 64, path="")

        assert case.workspace.seen(placement, None) == "gone"

    def test_links_to_another_tree_are_no_links_to_this_one(self, case: WorkspaceCase) -> None:
        placement, _ = placed(case)
        other = Placement(target=placement.target, tree_key="0" * 64, path="")

        assert case.workspace.seen(other, None) == "gone"

    def test_a_target_whose_folder_is_not_there_is_not_seen(self, case: WorkspaceCase) -> None:
        placement = Placement(target=case.path("disk/shelf/target"), tree_key="0" * 64, path="")

        assert case.workspace.seen(placement, None) == "unseen"

    def test_what_a_callback_wrote_is_told_and_can_be_removed(self, case: WorkspaceCase) -> None:
        path = case.workspace.temporary_path().unwrap()
        for name, content in {"a.txt": b"one", "more/b.txt": b"three"}.items():
            case.write(f"{path}/{name}", content)

        (folder,) = case.workspace.temporaries().unwrap()

        assert (folder.file_count, folder.size_bytes) == (2, 8)
        assert case.workspace.remove_temporaries((folder.name,)) == Success(2)
        assert case.workspace.temporaries() == Success(())
        assert case.read(f"{path}/a.txt") is None

    def test_other_temporary_folders_stay(self, case: WorkspaceCase) -> None:
        paths = [case.workspace.temporary_path().unwrap() for _ in range(2)]
        for path in paths:
            case.write(f"{path}/a.txt", b"one")
        kept, gone = case.workspace.temporaries().unwrap()

        case.workspace.remove_temporaries((gone.name, "..", "nothing")).unwrap()

        assert case.workspace.temporaries() == Success((kept,))
