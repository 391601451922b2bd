"""Laws of plans on bytes: they reach their goal, need no second time, and survive being cut anywhere."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlopus.errors import AlreadyExists, NotFound
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import Facts
from mlopus.plans.plan import Plan, TreeAnswer
from mlopus.plans.planner import plan
from mlopus.plans.requests import (
    CacheArtifact,
    CleanCachedArtifact,
    GetArtifact,
    PlaceArtifact,
    Request,
)
from mlopus.plans.simulate import simulate
from mlopus.plans.steps import (
    PlaceTree,
    RemoveRemoteFiles,
    StoreTree,
    TargetPresent,
)
from mlopus.plans.trees import hit
from mlopus.plans.unsafe import unsafe_path
from mlopus.result import Failure, Success
from mlopus.testing.strategies_exports import exports
from mlopus.testing.strategies_plans import (
    World,
    artifact_of,
    digest,
    first_steps,
    publishes,
    shuffled,
    targets,
    worlds,
)
from tests.property.byte_worlds import cached_contents, contents, wanted_contents

LINKS = st.sampled_from((True, False, "symlink", "hardlink", "reflink", "copy"))


@st.composite
def placements(draw: st.DrawFn) -> tuple[PlaceArtifact, World]:
    world = draw(worlds())
    target = draw(targets())
    request = PlaceArtifact(
        artifact=artifact_of(world.facts),
        target=target.path,
        overwrite=draw(st.booleans()),
        link=draw(LINKS),
    )
    return request, attrs.evolve(world, facts=attrs.evolve(world.facts, target=target))


@st.composite
def byte_requests(draw: st.DrawFn) -> tuple[Request, World]:
    kind = draw(st.sampled_from(("cache", "get", "clean", "place", "export", "publish")))
    if kind == "place":
        return draw(placements())
    if kind == "export":
        return draw(exports())
    if kind == "publish":
        return draw(publishes())
    world = draw(worlds())
    artifact = artifact_of(world.facts)
    requests = {"cache": CacheArtifact, "get": GetArtifact, "clean": CleanCachedArtifact}
    return requests[kind](artifact=artifact), world


def planned(request: Request, facts: Facts) -> Plan:
    return plan(request, facts).unwrap()


def target_contents(world: World, facts: Facts) -> dict[str, str]:
    target, cache = gathered(facts.target, "target"), gathered(facts.cache, "cache")
    named, found = contents(world), {}
    for file in target.files:
        tree, path = file.links_to or ("", "")
        if file.sha256 is not None:
            found[file.path] = named[file.sha256]
        elif tree in cache.manifests:
            held = gathered(cache.manifests[tree].subtree(path), "file")
            found[file.path] = named[held.files[0].sha256]
        else:
            found[file.path] = world.remote.contents[path]
    return found


def listed_paths(facts: Facts) -> set[str]:
    listing = gathered(gathered(facts.store, "store").listing, "listing")
    return {file.path for file in listing.files}


@given(worlds())
def test_caching_makes_the_cache_hold_what_the_store_holds(world: World) -> None:
    done = simulate(world.facts, planned(CacheArtifact(artifact=artifact_of(world.facts)), world.facts))
    assert cached_contents(world, done) == dict(world.remote.contents)


@given(worlds())
def test_caching_again_is_an_empty_plan(world: World) -> None:
    request = CacheArtifact(artifact=artifact_of(world.facts))
    done = simulate(world.facts, planned(request, world.facts))
    assert planned(request, done).is_empty


@given(worlds(), st.integers(0, 4))
def test_caching_that_is_cut_anywhere_and_planned_again_converges(world: World, steps: int) -> None:
    request = CacheArtifact(artifact=artifact_of(world.facts))
    cut = simulate(world.facts, first_steps(planned(request, world.facts), steps))
    done = simulate(cut, planned(request, cut))
    assert cached_contents(world, done) == dict(world.remote.contents)
    assert planned(request, done).is_empty


@given(worlds())
def test_having_an_artifact_at_hand_needs_no_second_plan(world: World) -> None:
    request = GetArtifact(artifact=artifact_of(world.facts))
    again = planned(request, simulate(world.facts, planned(request, world.facts)))
    assert again.is_empty
    assert isinstance(again.answer, TreeAnswer)


@given(worlds())
def test_offline_only_what_is_cached_is_answered_and_nothing_is_done(world: World) -> None:
    facts = attrs.evolve(world.facts, settings=attrs.evolve(world.facts.settings, mode="offline"))
    found = plan(GetArtifact(artifact=artifact_of(facts)), facts)
    if hit(facts) is None:
        assert isinstance(found.failure(), NotFound)
    else:
        assert found.unwrap().is_empty


@given(placements())
def test_placing_makes_the_target_hold_the_artifact(made: tuple[PlaceArtifact, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    if isinstance(found, Failure):
        assert isinstance(found.failure(), AlreadyExists)
    else:
        done = simulate(world.facts, found.unwrap())
        assert target_contents(world, done) == wanted_contents(world)


@given(placements())
def test_placing_again_is_an_empty_plan_where_content_can_be_told(made: tuple[PlaceArtifact, World]) -> None:
    request, world = made
    first = plan(request, world.facts)
    assume(isinstance(first, Success))
    placed = [step for step in first.unwrap().steps if isinstance(step, PlaceTree)]
    is_blind = any(
        isinstance(step.tree, StoreTree)
        and step.ladder != ("symlink",)
        and file.sha256 is None
        and file.size_bytes != 0
        for step in placed
        for file in step.files
    )
    done = simulate(world.facts, first.unwrap())
    again = plan(request, done)
    if not is_blind:
        assert again.unwrap().is_empty
    elif request.overwrite:
        assert simulate(done, again.unwrap()).target == done.target
    else:
        assert isinstance(again.failure(), AlreadyExists)


@given(placements(), st.integers(0, 4))
def test_placing_that_is_cut_anywhere_and_planned_again_converges(
    made: tuple[PlaceArtifact, World], steps: int
) -> None:
    request, world = made
    first = plan(request, world.facts)
    assume(isinstance(first, Success))
    cut = simulate(world.facts, first_steps(first.unwrap(), steps))
    whole = simulate(world.facts, first.unwrap())
    again = plan(request, cut)
    if isinstance(again, Failure):
        assert isinstance(again.failure(), AlreadyExists)
        assert cut.target == whole.target
    else:
        assert target_contents(world, simulate(cut, again.unwrap())) == target_contents(world, whole)


@given(placements())
def test_a_target_is_replaced_only_if_asked_and_named(made: tuple[PlaceArtifact, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    assume(isinstance(found, Success))
    target = gathered(world.facts.target, "target")
    for step in found.unwrap().steps:
        if isinstance(step, PlaceTree):
            assert step.expect == target.expectation
            assert request.overwrite or not isinstance(step.expect, TargetPresent)
            named = step.expect.file_count if isinstance(step.expect, TargetPresent) else 0
            assert found.unwrap().totals.removed_files == named


@given(byte_requests())
def test_no_step_leaves_its_root(made: tuple[Request, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    assume(isinstance(found, Success))
    assert unsafe_path(found.unwrap()) is None


@given(byte_requests())
def test_nothing_goes_from_the_store_that_the_plan_does_not_name(made: tuple[Request, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    assume(isinstance(found, Success))
    gone = listed_paths(world.facts) - listed_paths(simulate(world.facts, found.unwrap()))
    removals = [step for step in found.unwrap().steps if isinstance(step, RemoveRemoteFiles)]
    assert gone == {file.path for step in removals for file in step.files}


@given(st.data(), byte_requests())
def test_the_order_in_which_facts_were_gathered_does_not_change_the_plan(
    data: st.DataObject, made: tuple[Request, World]
) -> None:
    request, world = made
    mixed = data.draw(shuffled(world.facts))
    assert plan(request, mixed) == plan(request, world.facts)


@given(byte_requests())
def test_a_plan_comes_back_from_json_as_it_was(made: tuple[Request, World]) -> None:
    request, world = made
    found = plan(request, world.facts)
    assume(isinstance(found, Success))
    assert Plan.from_json(found.unwrap().to_json()) == found


@pytest.mark.parametrize("kind", [CacheArtifact, GetArtifact])
@given(worlds())
def test_what_is_reused_from_the_cache_is_what_the_store_holds(
    kind: type[CacheArtifact | GetArtifact], world: World
) -> None:
    found = planned(kind(artifact=artifact_of(world.facts)), world.facts)
    for step in found.steps:
        for file in getattr(step, "reused", ()):
            assert digest(world.remote.contents[file.path]) == file.sha256
