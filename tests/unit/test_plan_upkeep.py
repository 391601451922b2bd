"""What renaming, describing, untagging, aliasing, deleting and restoring mean, and how their plans read."""

from __future__ import annotations

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, RunKey, VersionKey
from mlopus.domain.records import ExperimentRecord, ModelRecord, Record, RunRecord, VersionRecord
from mlopus.errors import NotFound, OfflineMode, ValueTooLong
from mlopus.plans.changes import (
    DeleteAlias,
    DeleteEntity,
    DeleteTags,
    LogBatch,
    RenameExperiment,
    RenameModel,
    RestoreEntity,
    SetAlias,
    SetTags,
    TrackingChange,
    UpdateDescription,
    UpdateRun,
)
from mlopus.plans.facts import Facts, SettingsFacts
from mlopus.plans.plan import NoAnswer, Plan
from mlopus.plans.planner import plan
from mlopus.plans.simulate import simulate
from mlopus.plans.steps import ReflectChange
from mlopus.plans.upkeep_requests import (
    AliasVersion,
    DeleteEntityTags,
    DeleteNamed,
    DescribeEntity,
    DropAlias,
    RenameEntity,
    RestoreNamed,
    UpkeepRequest,
)
from tests.unit.plan_facts import EXP, FACTS, MODEL, RUN, only

EXP_KEY, RUN_KEY, MODEL_KEY = ExperimentKey("1"), RunKey("3f2a"), ModelKey("ranker")
VERSION_KEY, CHAMPION = VersionKey("ranker", "3"), AliasKey("ranker", "champion")
VERSION = VersionRecord(name="ranker", version="3", source="s3://b/3", aliases=("champion",))
NOTE = immutabledict({"mlflow.note.content": "Some text."})
OFFLINE = attrs.evolve(FACTS, settings=SettingsFacts(mode="offline"))

CHANGES: list[tuple[UpkeepRequest, TrackingChange]] = [
    (RenameEntity(on=EXP_KEY, name="new"), RenameExperiment(exp_id="1", name="new")),
    (RenameEntity(on=RUN_KEY, name="new"), UpdateRun(run_id="3f2a", name="new")),
    (RenameEntity(on=MODEL_KEY, name="new"), RenameModel(name="ranker", new_name="new")),
    (DescribeEntity(on=EXP_KEY, description="Some text."), SetTags(on=EXP_KEY, tags=NOTE)),
    (DescribeEntity(on=RUN_KEY, description="Some text."), LogBatch(run_id="3f2a", tags=NOTE)),
    (DescribeEntity(on=MODEL_KEY, description="x"), UpdateDescription(on=MODEL_KEY, description="x")),
    (DescribeEntity(on=VERSION_KEY, description=""), UpdateDescription(on=VERSION_KEY, description="")),
    (DescribeEntity(on=CHAMPION, description="x"), UpdateDescription(on=VERSION_KEY, description="x")),
    (AliasVersion(alias="a", version=VERSION_KEY), SetAlias(model_name="ranker", alias="a", version="3")),
    (AliasVersion(alias="a", version=CHAMPION), SetAlias(model_name="ranker", alias="a", version="3")),
    (DropAlias(model=MODEL_KEY, alias="a"), DeleteAlias(model_name="ranker", alias="a")),
    (DeleteNamed(key=EXP_KEY), DeleteEntity(key=EXP_KEY)),
    (DeleteNamed(key=RUN_KEY), DeleteEntity(key=RUN_KEY)),
    (DeleteNamed(key=MODEL_KEY), DeleteEntity(key=MODEL_KEY)),
    (DeleteNamed(key=CHAMPION), DeleteEntity(key=VERSION_KEY)),
    (RestoreNamed(key=EXP_KEY), RestoreEntity(key=EXP_KEY)),
    (RestoreNamed(key=RUN_KEY), RestoreEntity(key=RUN_KEY)),
]


def with_records(*records: Record) -> Facts:
    return attrs.evolve(FACTS, records=records)


def planned(request: UpkeepRequest, facts: Facts = FACTS) -> Plan:
    return plan(request, facts).unwrap()


def tagged(*keys: str) -> Facts:
    """Facts of a run with these tags."""
    return with_records(attrs.evolve(RUN, tags=immutabledict.fromkeys(keys, "x")))


def untagged(*keys: str) -> DeleteEntityTags:
    return DeleteEntityTags(on=RUN_KEY, keys=keys)


@pytest.mark.parametrize(("request_", "change"), CHANGES, ids=lambda part: type(part).__name__)
def test_a_request_is_one_change_which_the_cache_follows(
    request_: UpkeepRequest, change: TrackingChange
) -> None:
    first, second = planned(request_, with_records(VERSION)).stages
    assert first == (change,)
    assert [step.change for step in second if isinstance(step, ReflectChange)] == [change]


@pytest.mark.parametrize(("request_", "change"), CHANGES, ids=lambda part: type(part).__name__)
def test_it_answers_nothing_and_is_one_request(request_: UpkeepRequest, change: TrackingChange) -> None:
    found = planned(request_, with_records(VERSION))
    looks_for_aliases = change == DeleteEntity(key=VERSION_KEY)
    assert (found.answer, found.totals.requests) == (NoAnswer(), 2 if looks_for_aliases else 1)


@pytest.mark.parametrize("request_", [request_ for request_, _ in CHANGES], ids=lambda r: type(r).__name__)
def test_offline_it_needs_the_server(request_: UpkeepRequest) -> None:
    assert isinstance(plan(request_, OFFLINE).failure(), OfflineMode)


def test_a_deleted_tag_is_named_and_so_are_those_nested_below_it() -> None:
    found = planned(untagged("a", "b.c"), tagged("a", "a.x", "a.x.y", "ab", "b", "b.c", "b.cd"))
    assert only(found, DeleteTags).keys == ("a", "a.x", "a.x.y", "b.c")


def test_each_deleted_tag_is_a_request() -> None:
    totals = planned(untagged("a"), tagged("a.x", "a.y", "b")).totals
    assert (totals.requests, totals.removed_tags) == (2, 2)


def test_deleting_tags_that_are_not_there_changes_nothing() -> None:
    assert planned(untagged("a"), tagged("b")).is_empty


def test_tags_of_what_is_not_there_are_not_found() -> None:
    assert isinstance(plan(untagged("a"), FACTS).failure(), NotFound)


def test_tags_of_an_alias_are_those_of_the_version_it_names() -> None:
    facts = with_records(attrs.evolve(VERSION, tags=immutabledict(a="x")))
    found = planned(DeleteEntityTags(on=CHAMPION, keys=("a",)), facts)
    assert only(found, DeleteTags) == DeleteTags(on=VERSION_KEY, keys=("a",))


def test_an_alias_that_names_nothing_is_not_found() -> None:
    assert isinstance(plan(DeleteNamed(key=CHAMPION), FACTS).failure(), NotFound)


def test_a_description_longer_than_a_tag_is_refused_where_it_is_one() -> None:
    assert isinstance(plan(DescribeEntity(on=RUN_KEY, description="x" * 8001), FACTS).failure(), ValueTooLong)


def test_a_model_that_is_deleted_takes_its_versions_with_it() -> None:
    facts = attrs.evolve(with_records(MODEL, VERSION, RUN), cached_records=(MODEL, VERSION, RUN))
    after = simulate(facts, planned(DeleteNamed(key=MODEL_KEY), facts))
    assert (after.records, after.cached_records) == ((RUN,), (RUN,))


def test_a_renamed_model_renames_its_versions() -> None:
    facts = with_records(MODEL, VERSION)
    model, version = simulate(facts, planned(RenameEntity(on=MODEL_KEY, name="new"), facts)).records
    assert (model, version) == (ModelRecord(name="new"), attrs.evolve(VERSION, name="new"))


def test_an_experiment_is_deleted_and_restored_with_its_runs() -> None:
    facts = with_records(EXP, RUN)
    deleted = simulate(facts, planned(DeleteNamed(key=EXP_KEY), facts))
    restored = simulate(deleted, planned(RestoreNamed(key=EXP_KEY), deleted))
    stages = [r.lifecycle_stage for r in deleted.records if isinstance(r, ExperimentRecord | RunRecord)]
    assert (stages, restored.records) == (["deleted", "deleted"], (EXP, RUN))


READ = {
    RenameEntity(on=MODEL_KEY, name="new"): """\
rename model 'ranker' to 'new'                                online, 2 stages
  1  rename   model 'ranker'  to 'new', with its versions
  2  cache    the change of model 'ranker'
  moves 0 B up · 0 B down · 1 request · removes nothing""",
    DeleteNamed(key=EXP_KEY): """\
delete experiment 1                                           online, 2 stages
  1  delete   experiment 1  with its runs; can be restored
  2  cache    that experiment 1 is deleted
  moves 0 B up · 0 B down · 1 request · removes 1 entity""",
    DeleteNamed(key=CHAMPION): """\
delete model version ranker@champion                          online, 2 stages
  1  delete   model version ranker/3  for good
  2  cache    that model version ranker/3 is deleted
  moves 0 B up · 0 B down · 2 requests · removes 1 entity""",
    DropAlias(model=MODEL_KEY, alias="champion"): """\
delete alias 'champion' of model 'ranker'                     online, 2 stages
  1  unalias  model 'ranker'  'champion' names nothing
  2  cache    the change of model 'ranker'
  moves 0 B up · 0 B down · 1 request · removes 1 alias""",
    AliasVersion(alias="best", version=CHAMPION): """\
let alias 'best' name model version ranker@champion           online, 2 stages
  1  alias    model version ranker/3  as 'best'
  2  cache    the change of model version ranker/3
  moves 0 B up · 0 B down · 1 request · removes nothing""",
    DescribeEntity(on=MODEL_KEY, description="Orders what was found."): """\
describe model 'ranker'                                       online, 2 stages
  1  describe model 'ranker'  'Orders what was found.'
  2  cache    the change of model 'ranker'
  moves 0 B up · 0 B down · 1 request · removes nothing""",
    untagged("data", "stage"): """\
delete tags data, stage of run 3f2a                           online, 2 stages
  1  untag    run 3f2a  3 tags: data.folds, data.source, stage
  2  cache    the change of run 3f2a
  moves 0 B up · 0 B down · 3 requests · removes 3 tags""",
}


@pytest.mark.parametrize(("request_", "text"), READ.items(), ids=lambda part: type(part).__name__)
def test_a_plan_reads_so(request_: UpkeepRequest, text: str) -> None:
    (run,) = tagged("data.folds", "data.source", "stage").records
    assert str(planned(request_, with_records(VERSION, run))) == text
