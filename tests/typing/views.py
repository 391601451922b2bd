"""Checked by mypy and pyright, run by nobody: what the views of an API give."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from mlopus import ExpApi, Experiment, MlflowApi, Plan, Receipt, Result, RunApi, Search
from mlopus.api.raising import RaisingApi
from mlopus.api.raising.search import RaisingSearch
from mlopus.domain.cache_report import CacheReport
from mlopus.domain.checks import CacheCheck
from mlopus.errors import MlopusError
from mlopus.handles.raising import RaisingExp, RaisingModel, RaisingModelVersion, RaisingRun


def verbs_return_results(api: MlflowApi, exp: Experiment) -> None:
    assert_type(api.start_run(exp), Result[RunApi, MlopusError])
    assert_type(api.find_runs(), Search[RunApi])
    assert_type(api.find_runs().first(), Result[RunApi | None, MlopusError])
    assert_type(api.load_run_artifact("3f2a", Path.read_text), Result[str, MlopusError])
    assert_type(api.export_run_meta("3f2a", "carried"), Result[RunApi, MlopusError])
    assert_type(api.export_run_artifact("3f2a", Path("carried"), "model"), Result[Path, MlopusError])


def plans_are_results(api: MlflowApi, run: RunApi) -> None:
    assert_type(api.plan.log_params(run, {"lr": 0.1}), Result[Plan, MlopusError])
    assert_type(api.plan.export_run_artifact(run, "carried"), Result[Plan, MlopusError])
    assert_type(api.plan.load_run_artifact(run, Path.read_text), Result[Plan, MlopusError])
    assert_type(api.execute(api.plan.get_run(run).unwrap()), Result[Receipt, MlopusError])


def copies_are_of_the_other_api(api: MlflowApi, other: MlflowApi, run: RunApi) -> None:
    assert_type(api.copy_run(run, to=other), Result[RunApi, MlopusError])
    assert_type(api.copy_exp(run.exp, to=other), Result[ExpApi, MlopusError])
    assert_type(api.plan.copy_exp(run.exp, to=other), Result[Plan, MlopusError])
    assert_type(
        api.execute(api.plan.copy_run(run, to=other).unwrap(), to=other), Result[Receipt, MlopusError]
    )
    assert_type(api.raising.copy_model_version(("m", 1), to=other), RaisingModelVersion)


def raising_verbs_give_values(api: MlflowApi, exp: Experiment) -> None:
    assert_type(api.raising.start_run(exp).log_params({}), RaisingRun)
    assert_type(api.raising.set_tags_on_exp(exp, {}), None)
    assert_type(api.raising.load_run_artifact("3f2a", Path.read_text), str)
    assert_type(api.raising.find_runs(), RaisingSearch[RaisingRun])
    assert_type(api.raising.find_runs().first(), RaisingRun | None)
    assert_type(api.raising.results, MlflowApi)
    assert_type(api.raising.in_offline_mode, RaisingApi)


def raising_handles_stay_raising(version: RaisingModelVersion) -> None:
    assert_type(version.model, RaisingModel)
    assert_type(version.export("carried"), Path)
    assert_type(version.export_meta("carried"), RaisingModelVersion)
    assert_type(version.run, RaisingRun | None)
    assert_type(version.model.find_versions().all(), tuple[RaisingModelVersion, ...])
    if version.run is not None:
        assert_type(version.run.exp, RaisingExp)
        assert_type(version.run.exp.results, ExpApi)


def a_raising_run_is_a_context_manager(api: MlflowApi, exp: RaisingExp) -> None:
    with exp.start_run("r1") as run:
        assert_type(run, RaisingRun)
    assert_type(api.get_run(run), Result[RunApi, MlopusError])  # either API takes either handle
    assert_type(run.results.raising, RaisingRun)


def verbs_that_keep_a_cache_in_order(api: MlflowApi, run: RunApi) -> None:
    assert_type(api.gc(max_bytes=0), Result[Receipt, MlopusError])
    assert_type(api.plan.gc(unused_for_s=60), Result[Plan, MlopusError])
    assert_type(api.verify(run), Result[CacheCheck, MlopusError])
    assert_type(api.raising.cache_report(), CacheReport)
    assert_type(api.raising.pin(("ranker", 1), "data"), Receipt)
    with api.hold("path") as held, api.raising.hold(held) as again:
        assert_type(again, Path)
