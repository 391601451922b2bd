"""Laws of plans that keep a cache in order: they reach their goal and name what goes, which nobody needs."""

from __future__ import annotations

import attrs
from hypothesis import assume, given
from hypothesis import strategies as st

from mlopus.plans.collect import bytes_on_disk, holds_of
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import Facts
from mlopus.plans.keeping import KeepingFacts
from mlopus.plans.keeping_requests import (
    CleanCache,
    CleanTemporary,
    CollectGarbage,
    KeepingRequest,
    RepairCache,
)
from mlopus.plans.keeping_steps import EvictTrees
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan
from mlopus.plans.simulate import simulate
from mlopus.plans.steps import CommitTree, FetchFiles
from mlopus.plans.unsafe import unsafe_path
from mlopus.result import Success
from mlopus.testing.strategies_keeping import HERE, collections, keeping_requests, repairs
from mlopus.testing.strategies_plans import World, digest, first_steps

Collection = tuple[CollectGarbage | CleanCache | CleanTemporary, Facts]


def planned(request: KeepingRequest, facts: Facts) -> Plan:
    return plan(request, facts).unwrap()


def keeping(facts: Facts) -> KeepingFacts:
    return gathered(facts.keeping, "keeping")


def entries(facts: Facts) -> set[object]:
    return {entry for tree in keeping(facts).trees for entry in tree.entries}


@given(collections())
def test_collecting_again_is_an_empty_plan(made: Collection) -> None:
    request, facts = made
    assert planned(request, simulate(facts, planned(request, facts))).is_empty


@given(collections(), st.integers(0, 3))
def test_a_collection_that_is_cut_anywhere_and_planned_again_converges(made: Collection, steps: int) -> None:
    request, facts = made
    whole = simulate(facts, planned(request, facts))
    cut = simulate(facts, first_steps(planned(request, facts), steps))
    assert simulate(cut, planned(request, cut)) == whole


@given(collections())
def test_nothing_goes_that_the_plan_does_not_name(made: Collection) -> None:
    request, facts = made
    found = planned(request, facts)
    after = simulate(facts, found)
    named = [tree for step in found.steps if isinstance(step, EvictTrees) for tree in step.trees]
    keys = {tree.tree_key for tree in keeping(facts).trees} - {tree.tree_key for tree in keeping(after).trees}
    assert keys == {tree.tree_key for tree in named if not tree.stays}
    assert entries(facts) - entries(after) == {entry for tree in named for entry in tree.entries}


@given(collections())
def test_no_tree_goes_that_somebody_needs(made: Collection) -> None:
    request, facts = made
    after = {tree.tree_key for tree in keeping(simulate(facts, planned(request, facts))).trees}
    needed = holds_of(keeping(facts)).keys() & {tree.tree_key for tree in keeping(facts).trees}
    assert needed <= after


@given(collections())
def test_a_collection_within_the_grace_time_takes_nothing(made: Collection) -> None:
    request, facts = made
    graceful = attrs.evolve(facts, keeping=attrs.evolve(keeping(facts), grace_s=1000.0))
    found = plan(CollectGarbage(max_bytes=0, unused_for_s=0.0), graceful).unwrap()
    assert not any(isinstance(step, EvictTrees) for step in found.steps)
    assert isinstance(request, CollectGarbage | CleanCache | CleanTemporary)


@given(collections())
def test_a_budget_is_kept_unless_all_that_is_left_is_needed(made: Collection) -> None:
    request, facts = made
    assume(isinstance(request, CollectGarbage) and request.max_bytes is not None)
    assert isinstance(request, CollectGarbage)
    after = simulate(facts, planned(request, facts))
    ungraceful = attrs.evolve(after, keeping=attrs.evolve(keeping(after), held=(), pins=(), placements=()))
    more = planned(request, attrs.evolve(ungraceful, keeping=attrs.evolve(keeping(ungraceful), grace_s=0.0)))
    is_kept = bytes_on_disk(keeping(after).trees) <= (request.max_bytes or 0)
    assert is_kept or any(isinstance(step, EvictTrees) for step in more.steps)


@given(collections())
def test_no_tree_stays_that_was_used_before_one_that_goes_for_the_budget(made: Collection) -> None:
    request, facts = made
    step = next((s for s in planned(request, facts).steps if isinstance(s, EvictTrees)), None)
    assume(step is not None and isinstance(request, CollectGarbage))
    assert step is not None
    for_budget = [tree.used_at for tree in step.trees if tree.reason == "over the budget"]
    going = {tree.tree_key for tree in step.trees}
    kept = {tree.tree_key for tree in step.kept}
    needed = {name for t in keeping(facts).trees if t.tree_key in kept for name, _ in t.blobs}
    left = [
        t
        for t in keeping(facts).trees
        if t.tree_key not in going | kept and any(name not in needed for name, _ in t.blobs)
    ]
    assert all(tree.used_at >= last for tree in left for last in for_budget)


@given(collections())
def test_what_a_plan_frees_is_what_the_disk_gets_back(made: Collection) -> None:
    request, facts = made
    found = planned(request, facts)
    before, after = keeping(facts), keeping(simulate(facts, found))
    freed = bytes_on_disk(before.trees) - bytes_on_disk(after.trees)
    swept = sum(item.size_bytes for item in set(before.leftovers) - set(after.leftovers))
    assert found.totals.freed_bytes == freed + swept


@given(collections())
def test_cleaning_leaves_what_other_servers_serve(made: Collection) -> None:
    _, facts = made
    after = simulate(facts, planned(CleanCache(), facts))
    assert entries(facts) - entries(after) <= {
        entry for tree in keeping(facts).trees for entry in tree.entries if entry.origin_key == HERE
    }


@given(st.data(), collections())
def test_the_order_in_which_a_cache_was_looked_at_does_not_change_the_plan(
    data: st.DataObject, made: Collection
) -> None:
    request, facts = made
    held = keeping(facts)
    mixed = attrs.evolve(
        held,
        trees=tuple(data.draw(st.permutations(held.trees))),
        placements=tuple(data.draw(st.permutations(held.placements))),
    )
    assert plan(request, attrs.evolve(facts, keeping=mixed)) == plan(request, facts)


@given(repairs())
def test_a_repair_fetches_or_reuses_every_file_that_the_store_lists(made: tuple[RepairCache, World]) -> None:
    request, world = made
    found = planned(request, world.facts)
    for step in found.steps:
        if isinstance(step, FetchFiles):
            paths = {file.path for file in step.files} | {file.path for file in step.reused}
            assert paths == set(world.remote.contents)


@given(repairs())
def test_what_a_repair_reuses_is_sound_and_what_the_store_holds(made: tuple[RepairCache, World]) -> None:
    request, world = made
    wrong = {path for damage in keeping(world.facts).damage for path in damage.paths}
    for step in planned(request, world.facts).steps:
        for file in step.reused if isinstance(step, FetchFiles) else ():
            assert file.path_in_tree not in wrong
            assert file.sha256 == digest(world.remote.contents[file.path])


@given(repairs(), st.integers(0, 2))
def test_a_repair_that_is_cut_anywhere_and_planned_again_converges(
    made: tuple[RepairCache, World], steps: int
) -> None:
    request, world = made
    cut = simulate(world.facts, first_steps(planned(request, world.facts), steps))
    done = simulate(cut, planned(request, cut))
    assert keeping(done).damage == ()
    assert planned(request, done).is_empty


@given(repairs())
def test_a_repair_commits_as_often_as_it_fetches(made: tuple[RepairCache, World]) -> None:
    request, world = made
    steps = planned(request, world.facts).steps
    fetched = [step.staged for step in steps if isinstance(step, FetchFiles)]
    assert fetched == [step.staged for step in steps if isinstance(step, CommitTree)]


@given(keeping_requests())
def test_no_step_leaves_its_root(made: tuple[KeepingRequest, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    assume(isinstance(found, Success))
    assert unsafe_path(found.unwrap()) is None


@given(keeping_requests())
def test_a_plan_comes_back_from_json_as_it_was(made: tuple[KeepingRequest, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    assume(isinstance(found, Success))
    assert Plan.from_json(found.unwrap().to_json()) == found


@given(keeping_requests())
def test_what_was_done_once_is_an_empty_plan(made: tuple[KeepingRequest, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    assume(isinstance(found, Success))
    assert planned(request, simulate(world.facts, found.unwrap())).is_empty
