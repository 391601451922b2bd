"""Every verb that writes succeeds offline with a journal, without a socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from mlopus import MetricPoint, MlflowApi, RunApi, or_raise
from mlopus.handles import ModelVersionApi
from tests.integration.main_job import write_model
from tests.integration.test_writing_offline import opened


@pytest.fixture
def api(tmp_path: Path) -> MlflowApi:
    return opened(tmp_path)


@pytest.fixture
def run(api: MlflowApi) -> RunApi:
    return or_raise(api.start_run(or_raise(api.get_or_create_exp("demo")), "r1", {"team": {"name": "x"}}))


@pytest.fixture
def version(api: MlflowApi, run: RunApi, tmp_path: Path) -> ModelVersionApi:
    or_raise(api.get_or_create_model("ranker"))
    return or_raise(run.log_model_version("ranker", write_model(tmp_path / "model"), tags={"stage": "new"}))


Verb: TypeAlias = Callable[[MlflowApi, RunApi, ModelVersionApi], Any]
WRITES: dict[str, Verb] = {
    "create_exp": lambda api, *_: api.create_exp("new", {"a": 1}),
    "create_model": lambda api, *_: api.create_model("new"),
    "create_run": lambda api, run, _: api.create_run(run.exp, "r2", parent=run),
    "delete_alias": lambda api, *_: api.delete_alias("ranker", "best"),
    "delete_exp": lambda api, run, _: api.delete_exp(run.exp),
    "delete_model": lambda api, *_: api.delete_model("ranker"),
    "delete_model_version": lambda api, _, version: api.delete_model_version(version),
    "delete_run": lambda api, run, _: api.delete_run(run),
    "delete_tags_on_exp": lambda api, run, _: api.delete_tags_on_exp(run.exp, ["mlopus"]),
    "delete_tags_on_model": lambda api, *_: api.delete_tags_on_model("ranker", ["mlopus"]),
    "delete_tags_on_model_version": lambda api, _, version: api.delete_tags_on_model_version(
        version, ["stage"]
    ),
    "delete_tags_on_run": lambda api, run, _: api.delete_tags_on_run(run, ["team"]),
    "drop": lambda api, *_: api.drop(or_raise(api.pending())[-1].id),
    "end_run": lambda api, run, _: api.end_run(run),
    "log_metric_points": lambda api, run, _: api.log_metric_points(run, {"loss": [MetricPoint(0.5)]}),
    "log_metrics": lambda api, run, _: api.log_metrics(run, {"loss": 1}),
    "log_model_version": lambda api, run, _: api.log_model_version("ranker", run, __file__, "other"),
    "log_params": lambda api, run, _: api.log_params(run, {"new": 1}),
    "log_run_artifact": lambda api, run, _: api.log_run_artifact(run, __file__),
    "metric_history": lambda api, run, _: api.metric_history(run, "loss"),
    "pending": lambda api, *_: api.pending(),
    "rename_exp": lambda api, run, _: api.rename_exp(run.exp, "n"),
    "rename_model": lambda api, *_: api.rename_model("ranker", "n"),
    "rename_run": lambda api, run, _: api.rename_run(run, "n"),
    "restore_exp": lambda api, run, _: api.restore_exp(run.exp),
    "restore_run": lambda api, run, _: api.restore_run(run),
    "resume_run": lambda api, run, _: api.resume_run(run),
    "set_alias": lambda api, _, version: api.set_alias("ranker", "best", version),
    "set_description_on_exp": lambda api, run, _: api.set_description_on_exp(run.exp, "x"),
    "set_description_on_model": lambda api, *_: api.set_description_on_model("ranker", "x"),
    "set_description_on_model_version": lambda api, _, version: api.set_description_on_model_version(
        version, "x"
    ),
    "set_description_on_run": lambda api, run, _: api.set_description_on_run(run, "x"),
    "set_tags_on_exp": lambda api, run, _: api.set_tags_on_exp(run.exp, {"new": 1}),
    "set_tags_on_model": lambda api, *_: api.set_tags_on_model("ranker", {"new": 1}),
    "set_tags_on_model_version": lambda api, _, version: api.set_tags_on_model_version(version, {"n": 1}),
    "set_tags_on_run": lambda api, run, _: api.set_tags_on_run(run, {"new": 1}),
    "start_run": lambda api, run, _: api.start_run(run.exp),
}


@pytest.mark.parametrize("verb", sorted(WRITES))
def test_every_write_succeeds_without_a_socket(
    api: MlflowApi, run: RunApi, version: ModelVersionApi, verb: str, socket_events: list[str]
) -> None:
    or_raise(WRITES[verb](api, run, version))

    assert socket_events == []
