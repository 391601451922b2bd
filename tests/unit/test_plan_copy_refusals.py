"""What a copy refuses before anything is sent."""

from __future__ import annotations

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.records import ExperimentRecord
from mlopus.errors import (
    AlreadyExists,
    ConflictingOptions,
    IllegalPath,
    InvalidRequest,
    InvalidValue,
    OfflineMode,
    ValueTooLong,
)
from mlopus.plans.copy_facts import CopyFacts, HeldRun, HeldVersion, Holdings
from mlopus.plans.copy_steps import CopyRuns
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import SettingsFacts
from mlopus.plans.planner import plan
from tests.unit.copy_facts import (
    CHILD,
    PARENT,
    REQUEST,
    SOURCE,
    TARGET,
    VERSION,
    after,
    copied_run,
    facts_of,
    file,
    names,
    planned,
    sample,
    step_of,
    tree,
    with_source,
)


def test_a_param_with_another_value_is_a_conflict_that_names_it() -> None:
    record = attrs.evolve(PARENT.record, params=immutabledict({"lr": "0.2"}))
    failure = plan(REQUEST, with_source(after(facts_of()), attrs.evolve(PARENT, record=record))).failure()

    assert isinstance(failure, InvalidRequest)
    assert "param 'lr'" in str(failure)
    assert "'0.1'" in str(failure)


def test_a_file_where_the_copy_has_a_folder_is_a_conflict() -> None:
    mixed = attrs.evolve(PARENT, tree=tree(file("ranker")))
    failure = plan(REQUEST, with_source(after(facts_of()), mixed, CHILD)).failure()

    assert isinstance(failure, AlreadyExists)
    assert failure.key == "ranker"


def test_a_file_above_the_place_of_a_version_is_a_conflict() -> None:
    elsewhere = HeldVersion(record=VERSION, path_in_run=None, url="s3://other/m", tree=tree(file("weights")))
    facts = after(facts_of(versions=(elsewhere,)))
    copying = gathered(facts.copying, "both")
    runs = tuple(attrs.evolve(run, tree=tree(file("models"))) for run in copying.target.runs)
    blocked = attrs.evolve(copying, target=attrs.evolve(copying.target, runs=runs))

    failure = plan(REQUEST, attrs.evolve(facts, copying=blocked)).failure()

    assert isinstance(failure, AlreadyExists)
    assert failure.key == "models"


def test_a_foreign_experiment_of_that_name_keeps_its_tags() -> None:
    theirs = ExperimentRecord(id="1", name="demo", tags=immutabledict(team="red"))
    made = planned(facts_of(target=Holdings(origin=TARGET, exp=theirs)))

    assert names(made)[0] == "CopyRuns"
    assert step_of(made, CopyRuns).exp_id == "1"


def test_a_deleted_experiment_of_that_name_is_a_conflict() -> None:
    deleted = ExperimentRecord(id="1", name="demo", lifecycle_stage="deleted")
    failure = plan(REQUEST, facts_of(target=Holdings(origin=TARGET, exp=deleted))).failure()

    assert isinstance(failure, AlreadyExists)
    assert "restore_exp('1')" in (failure.hint or "")


def test_a_deleted_copy_of_a_run_is_a_conflict() -> None:
    done = after(facts_of())
    copying = gathered(done.copying, "both")
    gone = attrs.evolve(copied_run(done, "child").record, lifecycle_stage="deleted")
    runs = (copied_run(done, "parent"), HeldRun(record=gone))
    target = attrs.evolve(copying.target, runs=runs)
    both = CopyFacts(source=copying.source, target=target)
    failure = plan(REQUEST, attrs.evolve(done, copying=both)).failure()

    assert isinstance(failure, AlreadyExists)
    assert (failure.kind, failure.key) == ("copy of run", "child")


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"params": immutabledict({"a@b": "1"})}, InvalidValue),
        ({"params": immutabledict({"p": "x" * 6001})}, ValueTooLong),
        ({"tags": immutabledict({"t": "x" * 8001})}, ValueTooLong),
        ({"tags": immutabledict({"a//b": "x"})}, InvalidValue),
    ],
)
def test_what_the_target_does_not_take_is_named_before(changed: dict[str, object], kind: type) -> None:
    run = attrs.evolve(PARENT, record=attrs.evolve(PARENT.record, **changed))

    assert isinstance(plan(REQUEST, facts_of(runs=(run,), versions=())).failure(), kind)


def test_a_metric_that_the_target_does_not_take_is_named_before() -> None:
    run = attrs.evolve(PARENT, points=(sample(key="a%b"),))

    assert isinstance(plan(REQUEST, facts_of(runs=(run,), versions=())).failure(), InvalidValue)


def test_a_hostile_name_in_a_listing_is_refused() -> None:
    run = attrs.evolve(PARENT, tree=tree(file("../secrets")))

    assert isinstance(plan(REQUEST, facts_of(runs=(run,), versions=())).failure(), IllegalPath)


def test_a_store_is_not_copied_onto_itself() -> None:
    request = attrs.evolve(REQUEST, to=SOURCE)

    assert isinstance(plan(request, facts_of()).failure(), ConflictingOptions)


def test_offline_nothing_is_copied() -> None:
    offline = attrs.evolve(facts_of(), settings=SettingsFacts(mode="offline"))

    assert isinstance(plan(REQUEST, offline).failure(), OfflineMode)
