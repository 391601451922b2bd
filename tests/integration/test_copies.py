"""Copying between stores of one machine: equal by value, repeatable, and only what is new or changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from immutabledict import immutabledict

import mlopus
from mlopus import ExpApi, MetricPoint, MlflowApi, Plan, RunStatus, or_raise
from mlopus.domain.keys import ExperimentKey
from mlopus.domain.records import COPIED_FROM_TAG
from mlopus.errors import (
    AlreadyExists,
    ConflictingOptions,
    InvalidRequest,
    InvalidValue,
    NotFound,
    OfflineMode,
    StalePlan,
    Unsupported,
)
from mlopus.plans.changes import RegisterVersion
from mlopus.plans.copy_steps import CopyFiles, CopyRuns
from tests.integration.copied import Size, make_experiment, values_of

TINY = Size(runs=6, points=5)


def embedded(folder: Path, name: str) -> MlflowApi:
    return mlopus.connect(str(folder / name), cache_dir=folder / f"{name}-cache", progress="off")


@pytest.fixture
def mine(tmp_path: Path) -> MlflowApi:
    return embedded(tmp_path, "mine")


@pytest.fixture(params=["embedded", "memory"])
def team(request: pytest.FixtureRequest, tmp_path: Path) -> MlflowApi:
    return embedded(tmp_path, "team") if request.param == "embedded" else mlopus.testing.in_memory()


@pytest.fixture
def exp(mine: MlflowApi, tmp_path: Path) -> ExpApi:
    return make_experiment(mine, "demo", tmp_path / "made", TINY)


def copied_paths(plan: Plan) -> list[str]:
    steps = [step for step in plan.steps if isinstance(step, CopyFiles)]
    return [file.file.path for step in steps for tree in step.trees for file in tree.files]


def test_a_copy_holds_by_value_what_its_source_holds(mine: MlflowApi, team: MlflowApi, exp: ExpApi) -> None:
    copy = or_raise(mine.copy_exp(exp, to=team))

    assert copy.api is team
    assert values_of(copy) == values_of(exp)


def test_a_second_copy_is_an_empty_plan_that_moves_nothing(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi
) -> None:
    copy = or_raise(mine.copy_exp(exp, to=team))
    plan = or_raise(mine.plan.copy_exp(exp, to=team))
    receipt = or_raise(mine.execute(plan, to=team))

    assert plan.is_empty
    assert (receipt.up_bytes, receipt.down_bytes, receipt.value) == (0, 0, copy)


def test_what_is_read_of_a_copy_says_where_it_is_from(mine: MlflowApi, team: MlflowApi, exp: ExpApi) -> None:
    run = or_raise(exp.find_runs({"name": "run 1"}).first())
    assert run is not None
    copy = or_raise(mine.copy_run(run, to=team))

    assert copy.tags["mlopus"]["copied_from"].endswith(f"/mine#runs/{run.id}")
    assert copy.exp.tags["mlopus"]["copied_from"].endswith(f"/mine#experiments/{exp.id}")


def test_of_one_file_of_equal_size_exactly_that_file_is_copied(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi
) -> None:
    or_raise(mine.copy_exp(exp, to=team))
    run = or_raise(exp.find_runs({"name": "run 1"}).first())
    assert run is not None
    changed = Path(run.repo) / "files/data/noise.bin"
    changed.write_bytes(bytes(reversed(changed.read_bytes())))

    plan = or_raise(mine.plan.copy_exp(exp, to=team))
    receipt = or_raise(mine.execute(plan, to=team))

    assert copied_paths(plan) == ["files/data/noise.bin"]
    assert (receipt.up_bytes, receipt.down_bytes) == (256, 256)
    assert values_of(receipt.value) == values_of(exp)


def test_what_is_new_at_the_source_is_all_that_a_second_copy_brings(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi
) -> None:
    or_raise(mine.copy_exp(exp, to=team))
    run = or_raise(exp.find_runs({"name": "run 3"}).first())
    assert run is not None
    or_raise(run.log_metric_points({"val.loss": [MetricPoint(0.25, 99, datetime(2026, 3, 2, tzinfo=UTC))]}))
    or_raise(run.set_tags({"fold": 33}))
    or_raise(run.log_params({"new": 1}))
    or_raise(run.end_run())

    plan = or_raise(mine.plan.copy_exp(exp, to=team))
    (step,) = (step for step in plan.steps if isinstance(step, CopyRuns))

    assert [(dict(r.tags), dict(r.params), len(r.points)) for r in step.runs] == [
        ({"fold": "33"}, {"new": "1"}, 1)
    ]
    assert values_of(or_raise(mine.execute(plan, to=team)).value) == values_of(exp)


def test_a_new_version_is_registered_and_the_alias_moves(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi, tmp_path: Path
) -> None:
    or_raise(mine.copy_exp(exp, to=team))
    run = or_raise(exp.find_runs({"name": "run 4"}).first())
    assert run is not None
    or_raise(run.log_model_version("demo", tmp_path / "made/model-0", path_in_run="again"))
    or_raise(mine.set_alias("demo", "champion", 4))

    copy = or_raise(mine.copy_exp(exp, to=team))

    assert values_of(copy) == values_of(exp)
    assert or_raise(team.get_model_version(("demo", "@champion"))).version == "4"


def test_numbers_differ_where_the_target_has_versions_already(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi
) -> None:
    assert len(values_of(exp)["models"]["demo"]["versions"]) == 3
    theirs = or_raise(team.start_run(or_raise(team.create_exp("theirs"))))
    or_raise(team.create_model("demo", tags={"theirs": True}))
    or_raise(team.log_model_version("demo", theirs, lambda path: path.write_text("theirs")))

    copy = or_raise(mine.copy_model_version(("demo", "@champion"), to=team))

    assert copy.version == "2"
    assert copy.aliases == ("champion",)
    assert copy.tags["mlopus"]["copied_from"].endswith("/mine#models/demo/3")
    assert copy.model.tags == {"theirs": True} | {"mlopus": copy.model.tags["mlopus"]}
    assert or_raise(mine.plan.copy_model_version(("demo", 3), to=team)).is_empty


def test_a_version_comes_with_its_run_and_of_its_artifacts_its_own_bytes(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi
) -> None:
    copy = or_raise(mine.copy_model_version(("demo", 2), to=team, name="ours"))
    assert copy.run is not None

    files = or_raise(copy.run.list_artifacts(recursive=True))
    assert (copy.model.name, copy.run.name, copy.path_in_run) == ("ours", "run 1", "demo")
    assert [entry.path for entry in files if not entry.is_dir] == ["demo/conf/a.json", "demo/weights.bin"]
    assert or_raise(copy.get_artifact()).joinpath("weights.bin").read_bytes() == bytes([1]) * 700
    assert exp.name == copy.run.exp.name


def test_a_run_comes_with_the_runs_nested_in_it_unless_told_not_to(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi
) -> None:
    run = or_raise(exp.find_runs({"name": "run 0"}).first())
    assert run is not None
    alone = or_raise(mine.copy_run(run, to=team, with_children=False))
    assert or_raise(team.find_runs({"exp.id": alone.exp.id}).count()) == 1

    again = or_raise(mine.copy_run(run, to=team))

    assert again.id == alone.id
    names = {one.name: one for one in or_raise(team.find_runs({"exp.id": again.exp.id}).all())}
    assert sorted(names) == [f"run {n}" for n in range(5)]
    nested = names["run 2"].tags["mlflow"]["parentRunId"]
    assert nested == names["run 1"].id


def test_a_run_copied_before_its_parent_is_nested_once_that_comes(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi
) -> None:
    child = or_raise(exp.find_runs({"name": "run 2"}).first())
    assert child is not None
    first = or_raise(mine.copy_run(child, to=team))
    assert "parentRunId" not in first.tags["mlflow"]

    or_raise(mine.copy_exp(exp, to=team))

    above = or_raise(team.find_runs({"name": "run 1"}).first())
    assert above is not None
    assert or_raise(first.refresh()).tags["mlflow"]["parentRunId"] == above.id


def test_deleted_runs_stay_behind(mine: MlflowApi, team: MlflowApi, exp: ExpApi) -> None:
    run = or_raise(exp.find_runs({"name": "run 5"}).first())
    assert run is not None
    or_raise(mine.delete_run(run))

    copy = or_raise(mine.copy_exp(exp, to=team))

    assert "run 5" not in [one.name for one in or_raise(copy.find_runs().all())]


def test_copies_of_a_chain_name_the_store_before(mine: MlflowApi, exp: ExpApi, tmp_path: Path) -> None:
    second, third = embedded(tmp_path, "second"), mlopus.testing.in_memory()
    copy = or_raise(mine.copy_exp(exp, to=second))

    last = or_raise(second.copy_exp(copy, to=third))

    assert last.tags["mlopus"]["copied_from"].endswith(f"/second#experiments/{copy.id}")
    assert values_of(last) == values_of(exp)


def test_an_experiment_gets_another_name_and_is_found_by_where_it_is_from(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi
) -> None:
    first = or_raise(mine.copy_exp(exp, to=team, name="ours"))
    or_raise(team.rename_exp(first, "renamed"))

    again = or_raise(mine.copy_exp(exp, to=team))

    assert (first.name, again.id, again.name) == ("ours", first.id, "renamed")
    assert or_raise(team.find_exps().count()) == 1


def test_a_plan_is_executed_as_it_was_read_and_creates_nothing_twice(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi
) -> None:
    plan = Plan.from_json(or_raise(mine.plan.copy_exp(exp, to=team)).to_json()).unwrap()
    assert or_raise(team.find_exps().count()) == 0

    first = or_raise(mine.execute(plan, to=team))
    again = or_raise(mine.execute(plan, to=team))

    assert first.value == again.value
    assert (first.up_bytes, first.down_bytes) == (plan.totals.up_bytes, plan.totals.down_bytes)
    assert values_of(again.value) == values_of(exp)


def test_a_plan_is_refused_by_any_other_pair_of_stores(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi, tmp_path: Path
) -> None:
    other = embedded(tmp_path, "other")
    plan = or_raise(mine.plan.copy_exp(exp, to=team))

    assert isinstance(mine.execute(plan, to=other).failure(), StalePlan)
    assert isinstance(other.execute(plan, to=team).failure(), StalePlan)
    assert isinstance(mine.execute(plan).failure(), ConflictingOptions)
    plain = or_raise(team.plan.create_exp("x"))
    assert isinstance(team.execute(plain, to=mine).failure(), ConflictingOptions)
    assert or_raise(team.find_exps().count()) == 0


def test_what_is_cached_of_a_copy_follows_it(mine: MlflowApi, team: MlflowApi, exp: ExpApi) -> None:
    run = or_raise(exp.find_runs({"name": "run 0"}).first())
    assert run is not None
    copy = or_raise(mine.copy_run(run, to=team, with_children=False))
    or_raise(copy.cache_meta())
    or_raise(copy.cache_artifact("files"))
    or_raise(run.set_tags({"fold": "other"}))
    (Path(run.repo) / "files/log.txt").write_bytes(b"RUN 0\n" * 40)

    or_raise(mine.copy_run(run, to=team, with_children=False))

    assert or_raise(team.in_offline_mode.get_run(copy.id)).tags["fold"] == "other"
    assert or_raise(copy.get_artifact("files/log.txt")).read_bytes() == b"RUN 0\n" * 40


def test_nothing_is_left_in_the_temporary_folder(
    mine: MlflowApi, team: MlflowApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = tmp_path / "passing"
    passing.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(passing))
    run = or_raise(mine.start_run(or_raise(mine.create_exp("large"))))
    or_raise(run.log_artifact(lambda path: path.write_bytes(os.urandom(3_000_000)), "large.bin"))

    copy = or_raise(mine.copy_run(run, to=team))

    assert list(passing.iterdir()) == []
    assert or_raise(copy.get_artifact("large.bin")).stat().st_size == 3_000_000


def test_empty_folders_come_along(mine: MlflowApi, team: MlflowApi, tmp_path: Path) -> None:
    run = or_raise(mine.start_run(or_raise(mine.create_exp("folders"))))
    (tmp_path / "source/empty").mkdir(parents=True)
    (tmp_path / "source/file").write_text("x")
    or_raise(run.log_artifact(tmp_path / "source", "out"))

    copy = or_raise(mine.copy_run(run, to=team))

    assert or_raise(mine.plan.copy_run(run, to=team)).is_empty
    kept = [entry.path for entry in or_raise(copy.list_artifacts("out", recursive=True))]
    assert kept == ["out/empty", "out/file"]


REFUSED: dict[str, tuple[Callable[[MlflowApi, MlflowApi, ExpApi], Any], type[Exception]]] = {
    "no such experiment": (lambda mine, team, _: mine.copy_exp("99", to=team), NotFound),
    "no such run": (lambda mine, team, _: mine.copy_run("nothing", to=team), NotFound),
    "no such version": (lambda mine, team, _: mine.copy_model_version(("demo", 9), to=team), NotFound),
    "no such alias": (lambda mine, team, _: mine.copy_model_version(("demo", "@x"), to=team), NotFound),
    "an empty id": (lambda mine, team, _: mine.copy_exp(" ", to=team), InvalidValue),
    "an empty name": (lambda mine, team, exp: mine.copy_exp(exp, to=team, name=" "), InvalidValue),
    "a model name with a slash": (
        lambda mine, team, _: mine.copy_model_version(("demo", 1), to=team, name="a/b"),
        InvalidValue,
    ),
    "onto itself": (lambda mine, _, exp: mine.copy_exp(exp, to=mine), ConflictingOptions),
    "a run onto itself": (
        lambda mine, _, exp: mine.copy_run(exp.find_runs().first().unwrap(), to=mine),
        ConflictingOptions,
    ),
    "offline": (lambda mine, team, exp: mine.in_offline_mode.copy_exp(exp, to=team), OfflineMode),
    "to one that is offline": (
        lambda mine, team, exp: mine.copy_exp(exp, to=team.in_offline_mode),
        OfflineMode,
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_cannot_be_copied_is_refused_and_nothing_is_done(
    mine: MlflowApi, team: MlflowApi, exp: ExpApi, case: str
) -> None:
    call, kind = REFUSED[case]

    assert isinstance(call(mine, team, exp).failure(), kind)
    assert or_raise(team.find_exps().count()) == 0


@pytest.mark.parametrize("nonsense", ["http://team:5000", None, 3])
def test_what_is_no_api_is_a_type_error(mine: MlflowApi, exp: ExpApi, nonsense: Any) -> None:
    with pytest.raises(TypeError, match="is an MlflowApi"):
        mine.copy_exp(exp, to=nonsense)


def test_a_version_without_a_run_is_unsupported(mine: MlflowApi, team: MlflowApi) -> None:
    or_raise(mine.create_model("loose"))
    change = RegisterVersion(
        model_name="loose", source="s3://bucket/m", run_id=None, tags=immutabledict(), operation_id="o"
    )
    or_raise(mine.repositories.tracking.send(change))

    assert isinstance(mine.copy_model_version(("loose", 1), to=team).failure(), Unsupported)


def test_a_param_that_the_copy_has_otherwise_is_named(mine: MlflowApi, team: MlflowApi) -> None:
    run = or_raise(mine.start_run(or_raise(mine.create_exp("demo")), "r"))
    copy = or_raise(mine.copy_run(run, to=team))
    or_raise(team.log_params(copy, {"lr": 1}))
    or_raise(run.log_params({"lr": 2}))

    failure = mine.copy_run(run, to=team).failure()

    assert isinstance(failure, InvalidRequest)
    assert "param 'lr'" in str(failure)


def test_a_deleted_copy_is_named_and_copying_goes_on_once_it_is_restored(
    mine: MlflowApi, team: MlflowApi
) -> None:
    run = or_raise(mine.start_run(or_raise(mine.create_exp("demo")), "r"))
    copy = or_raise(mine.copy_run(run, to=team))
    or_raise(team.delete_run(copy))

    assert isinstance(mine.copy_run(run, to=team).failure(), AlreadyExists)
    or_raise(team.restore_run(copy))
    assert or_raise(mine.copy_run(run, to=team)).id == copy.id


def test_a_deleted_source_is_refused(mine: MlflowApi, team: MlflowApi, exp: ExpApi) -> None:
    or_raise(mine.delete_exp(exp))

    assert isinstance(mine.copy_exp(exp, to=team).failure(), InvalidRequest)


def test_raising_copies_raise_and_stay_raising(mine: MlflowApi, team: MlflowApi, exp: ExpApi) -> None:
    copy = mine.raising.copy_exp(exp, to=team)

    assert copy.start_run("another").status is RunStatus.RUNNING
    with pytest.raises(NotFound):
        mine.raising.copy_run("nothing", to=team)


def test_the_tag_that_names_the_source_is_no_tag_of_the_source(mine: MlflowApi, exp: ExpApi) -> None:
    record = mine.repositories.tracking.get(ExperimentKey(exp.id)).unwrap()

    assert COPIED_FROM_TAG not in record.tags
