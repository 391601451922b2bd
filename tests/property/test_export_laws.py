"""Laws of exports: the folder serves what was exported, needs no second export, and loses nothing it held."""

from __future__ import annotations

from datetime import timedelta

import attrs
from hypothesis import assume, given
from hypothesis import strategies as st

from mlopus.domain.keys import OwnKey, key_of
from mlopus.domain.records import CachedRecord
from mlopus.errors import NotFound
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import ExportFacts, Facts
from mlopus.plans.plan import ExportedAnswer, Plan
from mlopus.plans.planner import plan
from mlopus.plans.proofs import covering
from mlopus.plans.requests import ExportArtifact, ExportMeta
from mlopus.plans.simulate import simulate
from mlopus.plans.steps import CommitTree, ExportTree
from mlopus.result import Failure, Success
from mlopus.testing.strategies_exports import exports
from mlopus.testing.strategies_plans import NOW, World, first_steps
from tests.property.byte_worlds import contents_in, wanted_contents

LONG_AGO = NOW - timedelta(days=1)
Made = tuple[ExportArtifact, World]


def export_of(facts: Facts) -> ExportFacts:
    return gathered(facts.export, "export")


def planned(made: Made) -> Plan:
    """The plan of an export that is not refused because the folder knows better."""
    found = plan(made[0], made[1].facts)
    if isinstance(found, Failure):
        assert type(found.failure()) is NotFound
    assume(isinstance(found, Success))
    return found.unwrap()


def is_kept(made: Plan) -> bool:
    """Whether the folder's own picture stays."""
    return not any(isinstance(step, ExportTree) for step in made.steps)


def by_key(rows: tuple[CachedRecord, ...]) -> dict[OwnKey, CachedRecord]:
    return {key_of(row.record): row for row in rows}


@given(exports())
def test_the_folder_then_serves_what_was_exported_or_what_it_had_later(made: Made) -> None:
    _, world = made
    found = planned(made)
    done = simulate(world.facts, found)
    held = contents_in(export_of(done).cache, world, done)
    if is_kept(found):
        assert held == contents_in(export_of(world.facts).cache, world, world.facts)
    else:
        assert held == wanted_contents(world)


@given(exports())
def test_an_older_picture_is_kept_only_if_it_is_equal(made: Made) -> None:
    request, world = made
    export = export_of(world.facts)
    cache = gathered(export.cache, "cache")
    old = tuple(attrs.evolve(entry, taken_at=LONG_AGO) for entry in cache.entries)
    facts = attrs.evolve(world.facts, export=attrs.evolve(export, cache=attrs.evolve(cache, entries=old)))
    found = plan(request, facts).unwrap()
    done = simulate(facts, found)
    assert contents_in(export_of(done).cache, world, done) == wanted_contents(world)


@given(exports())
def test_nothing_is_written_over_what_was_taken_later(made: Made) -> None:
    _, world = made
    there = covering(export_of(world.facts).cache, gathered(world.facts.location, "location"))
    for step in planned(made).steps:
        if isinstance(step, ExportTree):
            assert there is None or there.taken_at <= step.commit.taken_at


@given(exports())
def test_exporting_again_is_an_empty_plan(made: Made) -> None:
    request, world = made
    done = simulate(world.facts, planned(made))
    again = plan(request, done).unwrap()
    assert again.is_empty
    assert isinstance(again.answer, ExportedAnswer)


@given(exports(), st.integers(0, 4))
def test_an_export_that_is_cut_anywhere_and_made_again_converges(made: Made, steps: int) -> None:
    request, world = made
    whole = simulate(world.facts, planned(made))
    cut = simulate(world.facts, first_steps(planned(made), steps))
    done = simulate(cut, plan(request, cut).unwrap())
    assert contents_in(export_of(done).cache, world, done) == contents_in(
        export_of(whole).cache, world, whole
    )
    assert by_key(export_of(done).held) == by_key(export_of(whole).held)
    assert plan(request, done).unwrap().is_empty


@given(exports())
def test_the_folder_loses_no_other_path_and_no_later_entity(made: Made) -> None:
    _, world = made
    done = simulate(world.facts, planned(made))
    path = gathered(world.facts.location, "location").path
    before, after = export_of(world.facts), export_of(done)
    others = {entry for entry in gathered(before.cache, "cache").entries if entry.path != path}
    assert others <= set(gathered(after.cache, "cache").entries)
    for key, row in by_key(before.held).items():
        assert by_key(after.held)[key].as_of >= row.as_of


@given(exports())
def test_every_entity_that_leads_to_the_artifact_is_there_after_it(made: Made) -> None:
    _, world = made
    found = planned(made)
    done = simulate(world.facts, found)
    carried = by_key(export_of(world.facts).rows)
    assert carried.keys() <= by_key(export_of(done).held).keys()


@given(exports())
def test_metadata_alone_is_written_once(made: Made) -> None:
    request, world = made
    meta = ExportMeta(key=request.artifact.owner, target=request.target)
    done = simulate(world.facts, plan(meta, world.facts).unwrap())
    assert plan(meta, done).unwrap().is_empty
    assert export_of(done).cache == export_of(world.facts).cache


@given(exports())
def test_nothing_but_the_folder_changes_unless_the_artifact_had_to_be_fetched(made: Made) -> None:
    _, world = made
    found = planned(made)
    assume(not any(isinstance(step, CommitTree) for step in found.steps))
    done = simulate(world.facts, found)
    assert attrs.evolve(done, export=world.facts.export) == world.facts
