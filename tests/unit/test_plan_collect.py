"""Garbage collection, cleaning and pinning, planned: what goes, in which order, and what it stays for."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from mlopus.domain.keys import RunKey
from mlopus.domain.manifest import ArtifactSubject
from mlopus.errors import NotCached, StoreFailed
from mlopus.plans.facts import CacheFacts, Facts
from mlopus.plans.keeping import (
    EntryAt,
    HeldTree,
    KeepingFacts,
    Leftover,
    Pin,
    Placement,
    SeenPlacement,
    TemporaryFolder,
    TreeFacts,
)
from mlopus.plans.keeping_requests import (
    CleanCache,
    CleanTemporary,
    CollectGarbage,
    PinArtifact,
    UnpinArtifact,
)
from mlopus.plans.keeping_steps import (
    ClearMetadata,
    EvictTrees,
    ForgetPlacements,
    PinPath,
    RemovePins,
    RemoveTemporaries,
    SweepLeftovers,
)
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan
from mlopus.plans.render import render
from mlopus.plans.simulate import simulate
from tests.unit.plan_facts import FACTS, NOW, cached, of_artifact, only

HERE = "server-1"
RUN = ArtifactSubject(kind="run", key="3f2a")


def entry(path: str = "model", *, origin: str = HERE, run: str = "3f2a") -> EntryAt:
    return EntryAt(origin_key=origin, subject=ArtifactSubject(kind="run", key=run), path=path)


def tree(
    key: str, *entries: EntryAt, days: float = 2, blobs: tuple[tuple[str, int], ...] | None = None
) -> TreeFacts:
    """A tree of one file of ten bytes, last used so many days ago."""
    return TreeFacts(
        tree_key=key,
        blobs=((f"blob of {key}", 10),) if blobs is None else blobs,
        used_at=NOW - timedelta(days=days),
        entries=entries,
    )


def holding(*trees: TreeFacts, is_writable: bool = True, **more: object) -> Facts:
    keeping = KeepingFacts(origin_key=HERE, grace_s=86_400.0, trees=trees)
    cache = CacheFacts(cache_id="cache", is_writable=is_writable)
    return attrs.evolve(FACTS, cache=cache, keeping=attrs.evolve(keeping, **more))


def collected(facts: Facts, **limits: float) -> Plan:
    return plan(CollectGarbage(**limits), facts).unwrap()  # type: ignore[arg-type]


def gone(found: Plan) -> list[str]:
    return [tree.tree_key for step in found.steps if isinstance(step, EvictTrees) for tree in step.trees]


def kept(found: Plan) -> dict[str, str]:
    return {tree.tree_key: tree.reason for tree in only(found, EvictTrees).kept}


def test_what_an_entry_serves_stays_without_limits() -> None:
    assert collected(holding(tree("a", entry()))).is_empty


def test_what_nothing_serves_goes() -> None:
    found = collected(holding(tree("a", entry()), tree("old")))

    assert gone(found) == ["old"]
    assert only(found, EvictTrees).trees[0].reason == "nothing serves it any more"


def test_what_was_unused_for_long_goes_and_nothing_else() -> None:
    facts = holding(tree("a", entry("a"), days=9), tree("b", entry("b"), days=4))

    assert gone(collected(facts, unused_for_s=5 * 86_400.0)) == ["a"]


def test_the_least_recently_used_go_first_and_no_more_than_needed() -> None:
    facts = holding(*(tree(key, entry(key), days=days) for key, days in [("b", 3), ("c", 9), ("a", 5)]))

    assert gone(collected(facts, max_bytes=30)) == []
    assert gone(collected(facts, max_bytes=29)) == ["c"]
    assert gone(collected(facts, max_bytes=10)) == ["c", "a"]
    assert gone(collected(facts, max_bytes=0)) == ["c", "a", "b"]


def test_of_equally_old_trees_the_order_is_that_of_their_keys() -> None:
    facts = holding(*(tree(key, entry(key)) for key in "cab"))

    assert gone(collected(facts, max_bytes=0)) == ["a", "b", "c"]


def test_what_trees_share_counts_once_and_is_freed_with_the_last() -> None:
    common = ("common", 100)
    facts = holding(
        tree("a", entry("a"), days=9, blobs=(common, ("own a", 1))),
        tree("b", entry("b"), days=8, blobs=(common, ("own b", 2))),
    )

    step = only(collected(facts, max_bytes=0), EvictTrees)

    assert [tree.freed_bytes for tree in step.trees] == [1, 102]
    assert collected(facts, max_bytes=103).is_empty


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (holding(tree("a", entry(), days=0.5)), "used 12 h ago"),
        (
            holding(tree("a", entry()), pins=(Pin(origin_key=HERE, subject=RUN, path="model"),)),
            "pinned: 'model' of run 3f2a",
        ),
        (
            holding(tree("a", entry()), held=(HeldTree(tree_key="a", by="hold", reason="process 7"),)),
            "process 7",
        ),
        (
            holding(tree("a", entry()), held=(HeldTree(tree_key="a", by="journal", reason="entry 3"),)),
            "entry 3",
        ),
        (
            holding(
                tree("a", entry()),
                placements=(
                    SeenPlacement(placement=Placement(target="/t", tree_key="a", path=""), state="linked"),
                ),
            ),
            "linked from /t",
        ),
    ],
    ids=["grace", "pin", "hold", "journal", "placement"],
)
def test_what_is_needed_stays_and_the_plan_says_why(facts: Facts, reason: str) -> None:
    assert facts.keeping is not None
    more = attrs.evolve(facts.keeping, trees=(*facts.keeping.trees, tree("other", entry("other"), days=1.5)))

    found = collected(attrs.evolve(facts, keeping=more), max_bytes=0)

    assert gone(found) == ["other"]
    assert kept(found) == {"a": reason}
    assert "keep     'model' of run 3f2a" in render(found)


@pytest.mark.parametrize(
    ("path", "stays"),
    [("model", True), ("model/data", True), ("", True), ("models", False), ("notes", False)],
)
def test_a_pin_keeps_what_is_at_above_and_below_its_path(path: str, stays: bool) -> None:
    pins = (Pin(origin_key=HERE, subject=RUN, path=path),)

    assert collected(holding(tree("a", entry("model")), pins=pins), max_bytes=0).is_empty is stays


def test_a_pin_is_of_one_server_and_one_run() -> None:
    pins = (Pin(origin_key=HERE, subject=RUN, path=""),)
    facts = holding(tree("a", entry(origin="server-2")), tree("b", entry(run="9c1d")), pins=pins)

    assert gone(collected(facts, max_bytes=0)) == ["a", "b"]


def test_links_that_cannot_be_seen_now_are_named_when_their_tree_goes() -> None:
    unseen = Placement(target="/disk/t", tree_key="a", path="")
    facts = holding(tree("a", entry()), placements=(SeenPlacement(placement=unseen, state="unseen"),))

    found = collected(facts, max_bytes=0)

    assert only(found, EvictTrees).unseen == (unseen,)
    assert only(found, ForgetPlacements).placements == (unseen,)
    assert collected(facts).is_empty


def test_records_of_links_that_are_gone_are_forgotten() -> None:
    void = Placement(target="/t", tree_key="a", path="")
    facts = holding(tree("a", entry()), placements=(SeenPlacement(placement=void, state="gone"),))

    found = collected(facts)

    assert found.steps == (ForgetPlacements(placements=(void,)),)


def test_what_dead_writers_left_is_swept() -> None:
    left = Leftover(name="m-1-2-3", size_bytes=7)

    found = collected(holding(leftovers=(left,)))

    assert found.steps == (SweepLeftovers(leftovers=(left,)),)
    assert found.totals.freed_bytes == 7


def test_nothing_is_planned_for_a_cache_that_cannot_be_written() -> None:
    facts = holding(tree("old"), is_writable=False)

    assert isinstance(plan(CollectGarbage(), facts).failure(), StoreFailed)


def test_a_plan_says_what_goes_what_it_frees_and_why() -> None:
    facts = holding(tree("a", entry("model"), days=40), tree("b" * 64, days=3))
    expected = """\
collect garbage of the cache                                  online, 1 stage
  1  evict    'model' of run 3f2a                 10 B   unused for 40 d
     evict    tree bbbbbbbbbbbb                   10 B   nothing serves it any more
  moves 0 B up · 0 B down · 0 requests · removes 2 cached files · frees 20 B"""

    assert render(collected(facts, unused_for_s=30 * 86_400.0)) == expected


def test_what_frees_nothing_is_not_evicted_for_a_budget() -> None:
    common = (("common", 10),)
    facts = holding(
        tree("a", entry("a"), days=9, blobs=common),
        tree("b", entry("b"), days=8, blobs=common),
        held=(HeldTree(tree_key="b", by="journal", reason="entry 3"),),
    )

    assert gone(collected(facts, max_bytes=0)) == []
    assert gone(collected(facts, unused_for_s=1.0)) == ["a"]


def test_a_budget_that_cannot_be_kept_is_told() -> None:
    found = collected(holding(tree("a", entry(), days=0)), max_bytes=4)

    assert found.is_empty
    assert render(found).splitlines()[1:] == [
        "  nothing to do",
        "  note: 10 B stay, over the budget of 4 B: they are needed, or were used within the grace time",
    ]
    assert collected(holding(tree("a", entry(), days=0)), max_bytes=10).notes == ()


def test_cleaning_all_takes_this_servers_entries_and_what_nothing_serves() -> None:
    facts = holding(
        tree("mine", entry(), days=0), tree("old"), tree("theirs", entry(origin="server-2"), days=9)
    )

    found = plan(CleanCache(), facts).unwrap()

    assert sorted(gone(found)) == ["mine", "old"]


def test_a_tree_that_another_server_needs_loses_only_the_entries_of_this_one() -> None:
    both = tree("both", entry(), entry(origin="server-2"))

    step = only(plan(CleanCache(), holding(both)).unwrap(), EvictTrees)

    assert (step.trees[0].stays, step.trees[0].entries, step.trees[0].freed_bytes) == (True, (entry(),), 0)


def test_cleaning_all_forgets_metadata_if_there_is_any() -> None:
    assert plan(CleanCache(), holding()).unwrap().is_empty
    assert plan(CleanCache(), holding(has_metadata=True)).unwrap().steps == (ClearMetadata(),)


def test_what_is_pinned_is_not_cleaned() -> None:
    facts = holding(
        tree("a", entry()), tree("b", entry("b")), pins=(Pin(origin_key=HERE, subject=RUN, path="model"),)
    )

    found = plan(CleanCache(), facts).unwrap()

    assert (gone(found), kept(found)) == (["b"], {"a": "pinned: 'model' of run 3f2a"})
    assert plan(CleanCache(), simulate(facts, found)).unwrap().is_empty


def test_temporary_folders_are_removed_by_name() -> None:
    folder = TemporaryFolder(name="m-1-2-3", file_count=2, size_bytes=5)

    found = plan(CleanTemporary(), holding(temporaries=(folder,))).unwrap()

    assert found.steps == (RemoveTemporaries(folders=(folder,)),)
    assert found.totals.removed_files == 2
    assert plan(CleanTemporary(), holding()).unwrap().is_empty


def pinning(*pins: Pin, is_writable: bool = True, path: str = "ranker") -> Facts:
    facts = of_artifact(cached({"a": "one"}), path=path)
    assert facts.cache is not None
    keeping = KeepingFacts(origin_key=HERE, pins=pins)
    return attrs.evolve(facts, keeping=keeping, cache=attrs.evolve(facts.cache, is_writable=is_writable))


PIN = PinArtifact(owner=RunKey("3f2a"), path="ranker")
PINNED = Pin(origin_key=HERE, subject=RUN, path="ranker")


def test_a_pin_names_the_path_and_the_trees_that_hold_it_now() -> None:
    step = only(plan(PIN, pinning()).unwrap(), PinPath)

    assert step == PinPath(pin=PINNED, tree_keys=(cached({"a": "one"})[1].key,))


def test_pinning_what_is_pinned_is_nothing() -> None:
    assert plan(PIN, pinning(PINNED)).unwrap().is_empty


def test_pinning_what_is_not_cached_is_refused() -> None:
    facts = pinning()
    assert facts.cache is not None
    empty = attrs.evolve(facts, cache=attrs.evolve(facts.cache, entries=()))

    assert isinstance(plan(PIN, empty).failure(), NotCached)


def test_unpinning_removes_the_pins_at_and_below_a_path() -> None:
    inner, outer = attrs.evolve(PINNED, path="ranker/data"), attrs.evolve(PINNED, path="")
    elsewhere = attrs.evolve(PINNED, origin_key="server-2")
    pins = (PINNED, inner, outer, elsewhere)

    found = plan(UnpinArtifact(owner=RunKey("3f2a"), path="ranker"), pinning(*pins)).unwrap()
    other = plan(UnpinArtifact(owner=RunKey("3f2a"), path="other"), pinning(*pins, path="other"))

    assert only(found, RemovePins).pins == (PINNED, inner)
    assert other.unwrap().is_empty


@pytest.mark.parametrize("request_", [PIN, UnpinArtifact(owner=RunKey("3f2a"), path="ranker")])
def test_nothing_is_pinned_or_unpinned_in_a_cache_that_cannot_be_written(request_) -> None:
    pins = () if isinstance(request_, PinArtifact) else (PINNED,)

    assert isinstance(plan(request_, pinning(*pins, is_writable=False)).failure(), StoreFailed)
