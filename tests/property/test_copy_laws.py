"""Laws of copying: the target comes to hold what the source holds, once, however often it is begun."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlopus.domain.keys import RunKey, VersionKey
from mlopus.domain.records import COPIED_FROM_TAG, OPERATION_TAG, PARENT_TAG, RUN_NAME_TAG
from mlopus.errors import AlreadyExists, IllegalPath
from mlopus.plans.copy_facts import CopyFacts, HeldRun
from mlopus.plans.copy_requests import CopyRequest
from mlopus.plans.copy_steps import CopyFiles, CopyRuns
from mlopus.plans.copy_values import points_lacking
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import Facts
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan, replayable
from mlopus.plans.provenance import copied_from, tags_to_copy
from mlopus.plans.simulate import simulate
from mlopus.plans.unsafe import unsafe_path
from mlopus.result import Failure, Success
from mlopus.testing.strategies_copies import copies, grown
from mlopus.testing.strategies_plans import first_steps


def both(facts: Facts) -> CopyFacts:
    return gathered(facts.copying, "both")


def planned(request: CopyRequest, facts: Facts) -> Plan:
    found = plan(request, facts)
    if isinstance(found, Failure):
        assert isinstance(found.failure(), AlreadyExists | IllegalPath)
    assume(isinstance(found, Success))
    return found.unwrap()


def copy_of(run: HeldRun, facts: Facts) -> HeldRun:
    text = copied_from(both(facts).source.origin, RunKey(run.record.id))
    (copy,) = (one for one in both(facts).target.runs if one.record.tags[COPIED_FROM_TAG] == text)
    return copy


def own(tags: Any) -> dict[str, str]:
    named = {COPIED_FROM_TAG, OPERATION_TAG, PARENT_TAG, RUN_NAME_TAG}
    return {key: text for key, text in tags.items() if key not in named}


def lacks_nothing(facts: Facts) -> bool:
    """Whether each run and version of the source has exactly one copy, which holds what it holds."""
    for run in both(facts).source.runs:
        copy = copy_of(run, facts)
        assert copy.record.params == run.record.params
        assert own(tags_to_copy(run.record.tags)).items() <= own(copy.record.tags).items()
        assert points_lacking(run.points, copy.points) == ()
        assert run.record.status in (None, copy.record.status)
        assert run.record.end_time in (None, copy.record.end_time)
        held = {file.path: file.sha256 for file in copy.tree.files} if copy.tree is not None else {}
        for file in run.tree.files if run.tree is not None else ():
            assert held[file.path] == file.sha256
    origin = both(facts).source.origin
    texts = [version.record.tags[COPIED_FROM_TAG] for version in both(facts).target.versions]
    wanted = {
        copied_from(origin, VersionKey(held.record.name, held.record.version))
        for held in both(facts).source.versions
    }
    assert sorted(texts) == sorted(wanted)
    return True


@given(copies())
def test_copying_makes_the_target_hold_what_the_source_holds(made: tuple[CopyRequest, Facts]) -> None:
    request, facts = made
    assert lacks_nothing(simulate(facts, planned(request, facts)))


@given(copies())
def test_copying_again_is_an_empty_plan(made: tuple[CopyRequest, Facts]) -> None:
    request, facts = made
    again = planned(request, simulate(facts, planned(request, facts)))
    assert again.is_empty, str(again)


@given(copies(), st.integers(0, 8))
def test_copying_that_is_cut_anywhere_and_planned_again_converges(
    made: tuple[CopyRequest, Facts], steps: int
) -> None:
    request, facts = made
    cut = simulate(facts, first_steps(planned(request, facts), steps))
    done = simulate(cut, planned(request, cut))
    assert lacks_nothing(done)
    assert planned(request, done).is_empty


@pytest.mark.parametrize("kind", [CopyRuns, CopyFiles])
@given(made=copies(), done=st.integers(0, 3))
def test_copying_that_is_cut_inside_a_step_converges(
    kind: type[CopyRuns | CopyFiles], made: tuple[CopyRequest, Facts], done: int
) -> None:
    request, facts = made
    whole = planned(request, facts)
    at = next((i for i, stage in enumerate(whole.stages) if isinstance(stage[0], kind)), None)
    assume(at is not None)
    stages = (*whole.stages[:at], tuple(_cut(step, done) for step in whole.stages[at]))
    cut = simulate(facts, attrs.evolve(whole, stages=stages))
    assert lacks_nothing(simulate(cut, planned(request, cut)))


def _cut(step: Any, done: int) -> Any:
    """A step of which only so many runs, or files, are done."""
    if isinstance(step, CopyRuns):
        return attrs.evolve(step, runs=step.runs[:done])
    begun = step.trees[:1]
    return attrs.evolve(step, trees=tuple(attrs.evolve(one, files=one.files[:done]) for one in begun))


@given(copies())
def test_executing_the_same_copy_twice_makes_it_once(made: tuple[CopyRequest, Facts]) -> None:
    request, facts = made
    kept = replayable(planned(request, facts), facts)
    twice = simulate(simulate(facts, kept), kept)
    assert lacks_nothing(twice)


@given(st.data(), copies())
def test_what_comes_later_is_copied_later(data: st.DataObject, made: tuple[CopyRequest, Facts]) -> None:
    request, facts = made
    done = simulate(facts, planned(request, facts))
    later = data.draw(grown(done))
    assert lacks_nothing(simulate(later, planned(request, later)))


@given(copies())
def test_the_order_in_which_runs_were_found_does_not_change_the_plan(
    made: tuple[CopyRequest, Facts],
) -> None:
    request, facts = made
    source = both(facts).source
    mixed = attrs.evolve(source, runs=source.runs[::-1], versions=source.versions[::-1])
    turned = attrs.evolve(facts, copying=attrs.evolve(both(facts), source=mixed))
    found = planned(request, facts)
    other = planned(request, turned)
    assert [s for s in other.steps if not isinstance(s, CopyFiles)] == [
        s for s in found.steps if not isinstance(s, CopyFiles)
    ]
    assert other.totals == found.totals


@given(copies())
def test_a_copy_comes_back_from_json_as_it_was_and_stays_in_its_roots(
    made: tuple[CopyRequest, Facts],
) -> None:
    request, facts = made
    found = planned(request, facts)
    assert repr(Plan.from_json(found.to_json()).unwrap()) == repr(found)
    assert unsafe_path(found) is None
