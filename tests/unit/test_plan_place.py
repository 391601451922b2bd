"""What makes a target hold an artifact, and what is left alone."""

from __future__ import annotations

import attrs
import pytest

from mlopus.domain.manifest import RemoteFile
from mlopus.errors import AlreadyExists, IllegalPath, NotCached
from mlopus.plans.facts import Facts, ProtectedRoot, SettingsFacts, TargetFacts, TargetFile
from mlopus.plans.keeping_steps import RecordPlacement
from mlopus.plans.pending import Pending
from mlopus.plans.place import plan_place
from mlopus.plans.plan import Plan, TargetAnswer
from mlopus.plans.requests import LinkChoice, PlaceArtifact
from mlopus.plans.steps import (
    CachedTree,
    CommitTree,
    FetchFiles,
    PlaceTree,
    StoreTree,
    TargetAbsent,
    TargetPresent,
)
from tests.unit.plan_facts import ARTIFACT, DISK, RUN, cached, listed, of_artifact, only, sha

TARGET = "/home/user/target"
HELD = cached({"a": "one", "empty": ""})
HIT = of_artifact(HELD)
THERE = TargetPresent(digest="seen", file_count=2)
LINKED = (
    TargetFile(path="a", size_bytes=3, links_to=(HELD[1].key, "a")),
    TargetFile(path="empty", size_bytes=0, sha256=sha("")),
)
COPIED = (
    TargetFile(path="a", size_bytes=3, sha256=sha("one")),
    TargetFile(path="empty", size_bytes=0, sha256=sha("")),
)


def request(link: LinkChoice = True, *, overwrite: bool = False) -> PlaceArtifact:
    return PlaceArtifact(artifact=ARTIFACT, target=TARGET, overwrite=overwrite, link=link)


def at(target: TargetFacts, facts: Facts = HIT) -> Facts:
    return attrs.evolve(facts, target=target)


def absent(facts: Facts = HIT) -> Facts:
    return at(TargetFacts(path=TARGET), facts)


def holding(*files: TargetFile) -> Facts:
    return at(TargetFacts(path=TARGET, expectation=THERE, files=files))


def planned(asked: PlaceArtifact, facts: Facts) -> Plan:
    return plan_place(asked, facts).unwrap()


def test_a_cached_tree_is_placed_whole() -> None:
    step = only(planned(request(), absent()), PlaceTree)
    assert step.tree == CachedTree(tree_key=HELD[1].key)
    assert [file.path for file in step.files] == ["a", "empty"]
    assert step.expect == TargetAbsent()


def test_what_is_not_cached_is_fetched_first() -> None:
    plan = planned(request(), absent(of_artifact(listing=listed(RemoteFile(path="a")))))
    assert [type(step) for step in plan.steps] == [FetchFiles, CommitTree, RecordPlacement, PlaceTree]
    assert only(plan, PlaceTree).tree == CachedTree(tree_key=Pending("tree"))


def test_links_into_the_cache_are_recorded_before_they_are_there() -> None:
    record = only(planned(request(), absent()), RecordPlacement)
    assert record == RecordPlacement(root="target", tree_key=HELD[1].key, path="")


@pytest.mark.parametrize("link", [False, "copy", "reflink"])
def test_copies_need_no_record(link: LinkChoice) -> None:
    plan = planned(attrs.evolve(request(), link=link), absent())
    assert [type(step) for step in plan.steps] == [PlaceTree]


def test_where_nothing_can_be_recorded_links_are_placed_all_the_same() -> None:
    facts = absent()
    assert facts.cache is not None
    unwritable = attrs.evolve(facts, cache=attrs.evolve(facts.cache, can_record=False))
    assert [type(step) for step in planned(request(), unwritable).steps] == [PlaceTree]


def test_a_store_on_this_disk_is_placed_from() -> None:
    facts = of_artifact(store=DISK, listing=listed(RemoteFile(path="a")))
    step = only(planned(request(), absent(facts)), PlaceTree)
    assert step.tree == StoreTree(store_url=f"{RUN.repo}/ranker")


def test_the_answer_is_the_target() -> None:
    plan = planned(request(), absent())
    assert plan.answer == TargetAnswer()
    assert plan.roots == {"target": TARGET}


@pytest.mark.parametrize(
    ("link", "ladder"),
    [
        (True, ("symlink",)),
        ("symlink", ("symlink",)),
        (False, ("reflink", "copy")),
        ("hardlink", ("hardlink",)),
        ("reflink", ("reflink",)),
        ("copy", ("copy",)),
    ],
)
def test_only_false_may_fall_back_to_another_kind(link: LinkChoice, ladder: tuple[str, ...]) -> None:
    assert only(planned(request(link), absent()), PlaceTree).ladder == ladder


def test_a_target_that_shows_the_tree_by_links_is_left_alone() -> None:
    assert planned(request(), holding(*LINKED)).is_empty


def test_a_target_that_holds_copies_is_left_alone_if_copies_were_asked_for() -> None:
    assert planned(request("copy"), holding(*COPIED)).is_empty


@pytest.mark.parametrize(("link", "there"), [(True, COPIED), ("copy", LINKED)])
def test_links_are_no_copies_and_copies_are_no_links(link: LinkChoice, there: tuple[TargetFile, ...]) -> None:
    assert isinstance(plan_place(request(link), holding(*there)).failure(), AlreadyExists)


def test_links_to_another_tree_are_something_else() -> None:
    other = attrs.evolve(LINKED[0], links_to=("another-tree", "a"))
    assert isinstance(plan_place(request(), holding(other, LINKED[1])).failure(), AlreadyExists)


def test_a_target_with_one_more_file_is_something_else() -> None:
    more = TargetFile(path="z", size_bytes=1, sha256=sha("z"))
    assert isinstance(plan_place(request("copy"), holding(*COPIED, more)).failure(), AlreadyExists)


def test_what_is_there_is_replaced_only_if_told_so() -> None:
    error = plan_place(request(), holding()).failure()
    assert isinstance(error, AlreadyExists)
    assert "overwrite=True" in str(error.hint)


def test_overwriting_names_what_goes() -> None:
    plan = planned(request(overwrite=True), holding(*COPIED))
    assert only(plan, PlaceTree).expect == THERE
    assert plan.totals.removed_files == 2


@pytest.mark.parametrize(
    "root",
    [
        ProtectedRoot(path="/home/user", kind="cache"),
        ProtectedRoot(path=TARGET, kind="store"),
        ProtectedRoot(path=f"{TARGET}/below", kind="store"),
    ],
)
def test_a_target_inside_or_around_the_cache_or_a_store_is_refused(root: ProtectedRoot) -> None:
    facts = attrs.evolve(absent(), protected=(root,))
    assert isinstance(plan_place(request(), facts).failure(), IllegalPath)


def test_a_target_beside_the_cache_is_free() -> None:
    root = ProtectedRoot(path=f"{TARGET}-cache", kind="cache")
    assert not planned(request(), attrs.evolve(absent(), protected=(root,))).is_empty


def test_offline_what_was_never_cached_is_not_placed() -> None:
    facts = attrs.evolve(absent(of_artifact()), settings=SettingsFacts(mode="offline"))
    assert isinstance(plan_place(request(), facts).failure(), NotCached)
