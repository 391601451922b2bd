"""What a copy is planned to do with runs and files: from facts alone."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, RunKey, VersionKey
from mlopus.domain.records import COPIED_FROM_TAG, ExperimentRecord
from mlopus.domain.status import RunStatus
from mlopus.plans.bindings import copied_key
from mlopus.plans.changes import DeleteEntity
from mlopus.plans.copy_facts import HeldRun
from mlopus.plans.copy_steps import CopiedFile, CopyFiles, CopyRuns, EndRuns, RunCopy, RunEnd
from mlopus.plans.envelope import gathered
from mlopus.plans.pending import Pending
from mlopus.plans.plan import EntityAnswer, Plan
from mlopus.plans.simulate import simulate
from tests.unit.copy_facts import (
    CHILD,
    EXP,
    NOW,
    PARENT,
    REQUEST,
    RUN_REQUEST,
    SOURCE,
    TARGET,
    after,
    changed_file,
    copied_run,
    facts_of,
    file,
    names,
    planned,
    sample,
    source_run,
    step_of,
    with_source,
)


def test_a_first_copy_makes_runs_brings_files_ends_runs_and_registers_last() -> None:
    assert names(planned(facts_of())) == [
        "EnsureExperiment",
        "CopyRuns",
        "CopyFiles",
        "EndRuns",
        "EnsureModel",
        "UpdateDescription",
        "CopyVersions",
        "FetchEntity",
    ]


def test_a_plan_names_both_stores() -> None:
    made = planned(facts_of())

    assert (made.source, made.origin) == (SOURCE, TARGET)


def test_a_run_is_created_with_its_start_time_after_the_one_it_is_nested_in() -> None:
    runs = step_of(planned(facts_of(runs=(CHILD, PARENT))), CopyRuns).runs

    assert [(run.source_id, run.parent, run.start_time) for run in runs] == [
        ("parent", None, NOW - timedelta(hours=2)),
        ("child", "parent", NOW - timedelta(hours=2)),
    ]


def test_tags_of_the_source_store_are_not_copied_and_one_says_where_from() -> None:
    run = step_of(planned(facts_of()), CopyRuns).runs[0]

    assert run.tags == {"kind": "sweep", COPIED_FROM_TAG: "file:///mine#runs/parent"}


def test_a_run_ends_as_its_source_and_one_that_goes_on_is_left_running() -> None:
    ends = step_of(planned(facts_of()), EndRuns).ends

    assert ends == (RunEnd(source_id="parent", status=RunStatus.FINISHED, end_time=NOW - timedelta(hours=1)),)


def test_planning_a_copy_again_is_empty_and_answers_the_copy() -> None:
    again = planned(after(facts_of()))

    assert again.is_empty
    assert isinstance(again.answer, EntityAnswer)
    assert isinstance(again.answer.record, ExperimentRecord)


def test_only_new_points_are_copied() -> None:
    done = after(facts_of())
    grown = attrs.evolve(source_run(done, "parent"), points=(*PARENT.points, sample(0.25, 2)))
    again = planned(with_source(done, grown, CHILD))

    assert [run.points for run in step_of(again, CopyRuns).runs] == [(sample(0.25, 2),)]
    assert names(again) == ["CopyRuns", "FetchEntity"]


@pytest.mark.parametrize(
    "same", [sample(float("nan"), 3), sample(float("inf"), 3), sample(-0.0, 3)], ids=["nan", "inf", "-0"]
)
def test_a_point_that_is_there_is_not_copied_again(same: object) -> None:
    odd = attrs.evolve(PARENT, points=(same, same))
    facts = facts_of(runs=(odd,), versions=())

    assert len(step_of(planned(facts), CopyRuns).runs[0].points) == 1
    assert planned(after(facts)).is_empty


def test_of_a_changed_tag_and_a_new_param_only_these_are_copied() -> None:
    record = attrs.evolve(
        PARENT.record, tags=PARENT.record.tags | {"kind": "grid"}, params=PARENT.record.params | {"n": "2"}
    )
    done = after(facts_of())
    again = planned(with_source(done, attrs.evolve(PARENT, record=record), CHILD))

    (run,) = step_of(again, CopyRuns).runs
    assert (run.tags, run.params, run.name) == ({"kind": "grid"}, {"n": "2"}, None)


def test_a_file_with_another_digest_is_the_only_one_copied() -> None:
    done = after(facts_of())
    changed = changed_file(source_run(done, "parent"), "ranker/weights", "other")
    again = planned(with_source(done, changed, CHILD))

    (copied,) = step_of(again, CopyFiles).trees
    assert copied.files == (CopiedFile(file=file("ranker/weights", sha256="other"), reason="changed"),)
    assert (copied.kept, again.total_bytes) == (1, 6)


def test_files_of_equal_size_without_digests_are_not_taken_for_the_same() -> None:
    done = after(facts_of())
    again = planned(with_source(done, PARENT, CHILD))

    (copied,) = step_of(again, CopyFiles).trees
    assert [one.file.path for one in copied.files] == ["log.txt", "ranker/weights"]


def test_what_the_cache_holds_of_changed_files_is_withdrawn_before() -> None:
    again = planned(with_source(after(facts_of()), changed_file(PARENT, "ranker/weights", "other"), CHILD))

    assert names(again)[0] == "WithdrawEntries"


def test_a_run_that_was_resumed_is_resumed_there() -> None:
    record = attrs.evolve(PARENT.record, status=RunStatus.RUNNING)
    again = planned(with_source(after(facts_of(versions=())), attrs.evolve(PARENT, record=record, tree=None)))

    assert step_of(again, EndRuns).ends == (
        RunEnd(source_id="parent", status=RunStatus.RUNNING, end_time=None),
    )


def test_a_run_copied_alone_is_nested_once_its_parent_comes() -> None:
    alone = planned(facts_of(runs=(CHILD,), versions=()), RUN_REQUEST)
    done = after(facts_of(runs=(CHILD,), versions=()), RUN_REQUEST)
    both = planned(with_source(done, PARENT, CHILD))

    assert [run.parent for run in step_of(alone, CopyRuns).runs] == [None]
    assert [(run.source_id, run.parent) for run in step_of(both, CopyRuns).runs] == [
        ("parent", None),
        ("child", "parent"),
    ]


def test_runs_nested_in_a_circle_are_copied_without_their_parents() -> None:
    def nested(run_id: str, parent: str) -> HeldRun:
        tags = immutabledict({"mlflow.parentRunId": parent})
        return HeldRun(record=attrs.evolve(CHILD.record, id=run_id, tags=tags))

    facts = facts_of(runs=(nested("a", "b"), nested("b", "a"), nested("c", "c")), versions=())

    assert [run.parent for run in step_of(planned(facts), CopyRuns).runs] == [None, None, None]
    assert planned(after(facts)).is_empty


def test_the_copy_of_a_new_run_is_answered_by_what_its_step_binds() -> None:
    made = planned(facts_of(runs=(PARENT, CHILD)), RUN_REQUEST)

    assert made.answer.key == Pending("copy of run child")  # type: ignore[union-attr]


def test_a_plan_comes_back_from_json_as_it_was() -> None:
    made = planned(facts_of())

    assert Plan.from_json(made.to_json()).unwrap() == made


def test_a_path_that_leaves_the_tree_is_found_in_a_plan_from_json() -> None:
    text = planned(facts_of()).to_json().replace('"log.txt"', '"../log.txt"')

    assert "'..'" in str(Plan.from_json(text).failure())


def test_a_plan_is_shown_with_what_is_created_and_how_much_moves() -> None:
    assert str(planned(facts_of())).splitlines() == [
        "copy experiment 7 from file:///mine to http://team:5000       online, 7 stages",
        "  1  create   experiment 'demo'  unless it is there",
        "  2  copy     2 runs  2 new  1 param, 2 metric points, 3 tags",
        "     create   run 'sweep'  1 param, 2 metric points, 2 tags",
        "     create   run 'trial'  1 tag",
        "  3  copy     2 files                              6 B   of 1 run",
        "     copy     log.txt                              3 B   new, run parent",
        "     copy     ranker/weights                       3 B   new, run parent",
        "  4  end      1 run  as their sources",
        "  5  create   model 'ranker'  unless it is there",
        "  6  describe model 'ranker'  'Ranks.'",
        "     register copy of 'ranker' version 4  from 'ranker' of the copy of run parent",
        "     alias    copy of 'ranker' version 4  as 'champion'",
        "  7  fetch    the copy  from the server, then kept in the cache",
        "  moves 6 B up · 6 B down · 13 requests · removes nothing",
    ]


def test_a_second_copy_shows_what_is_changed() -> None:
    grown = attrs.evolve(changed_file(PARENT, "log.txt", "other"), points=(*PARENT.points, sample(0.25, 2)))
    shown = str(planned(with_source(after(facts_of()), grown, CHILD)))

    assert "copy     1 run  1 with news  1 metric point" in shown
    assert "changed, run parent" in shown


def test_the_copies_that_are_bound_have_the_keys_of_their_kinds() -> None:
    assert copied_key(RunKey("a")) == "copy of run a"
    assert copied_key(VersionKey("m", "1")) == "copy of model version m/1"
    assert copied_key(ExperimentKey("7")) == "copy of experiment 7"


def test_a_run_that_lacks_nothing_is_not_in_the_step() -> None:
    other = HeldRun(record=attrs.evolve(PARENT.record, id="new", name="new"))
    again = planned(with_source(after(facts_of(versions=())), other))

    assert [run.source_id for run in step_of(again, CopyRuns).runs] == ["new"]
    assert isinstance(step_of(again, CopyRuns).runs[0], RunCopy)


def test_the_name_of_the_source_experiment_is_kept_unless_another_is_given() -> None:
    request = attrs.evolve(REQUEST, name="theirs")

    assert planned(facts_of(), request).steps[0].name == "theirs"  # type: ignore[union-attr]
    assert planned(facts_of()).steps[0].name == EXP.name  # type: ignore[union-attr]


def test_of_two_copies_that_one_operation_made_the_plan_deletes_one() -> None:
    done = after(facts_of(versions=()))
    copying = gathered(done.copying, "both")
    twin = HeldRun(record=attrs.evolve(copied_run(done, "child").record, id="z"))
    target = attrs.evolve(copying.target, runs=(twin, *copying.target.runs))
    facts = attrs.evolve(done, copying=attrs.evolve(copying, target=target))
    again = planned(facts)

    assert names(again) == ["DeleteEntity", "ReflectChange", "FetchEntity"]
    assert again.steps[0] == DeleteEntity(key=RunKey("z"))
    assert planned(simulate(facts, again)).is_empty


def test_a_copy_that_another_operation_made_is_left() -> None:
    done = after(facts_of(versions=()))
    copying = gathered(done.copying, "both")
    record = copied_run(done, "child").record
    theirs = HeldRun(record=attrs.evolve(record, id="z", tags=record.tags | {"mlopus.op": "theirs"}))
    target = attrs.evolve(copying.target, runs=(*copying.target.runs, theirs))

    assert planned(attrs.evolve(done, copying=attrs.evolve(copying, target=target))).is_empty
