"""Offline no verb opens a socket: those that read are answered from the cache, those that write refuse."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from mlopus import MlflowApi, Success, or_raise
from mlopus.api.core import ApiCore
from mlopus.errors import OfflineMode
from mlopus.testing import in_memory
from tests.integration.main_job import Job

Verb: TypeAlias = Callable[[MlflowApi, Job, Path], Any]

ANSWERED: dict[str, Verb] = {
    "clean_cached_run_artifact": lambda api, job, _: api.clean_cached_run_artifact(job.run_id, "elsewhere"),
    "export_exp_meta": lambda api, job, target: api.export_exp_meta(job.written.exp, target),
    "export_model_artifact": lambda api, job, target: api.export_model_artifact((job.name, 1), target),
    "export_model_meta": lambda api, job, target: api.export_model_meta(job.name, target),
    "export_model_version_meta": lambda api, job, target: api.export_model_version_meta(
        (job.name, 1), target
    ),
    "export_run_artifact": lambda api, job, target: api.export_run_artifact(job.run_id, target, job.name),
    "export_run_meta": lambda api, job, target: api.export_run_meta(job.run_id, target),
    "find_child_runs": lambda api, job, _: api.find_child_runs(job.run_id).all(),
    "find_exps": lambda api, job, _: api.find_exps({"name": job.name}).all(),
    "find_model_versions": lambda api, job, _: api.find_model_versions({"run.id": job.run_id}).all(),
    "find_models": lambda api, job, _: api.find_models({"name": job.name}).all(),
    "find_runs": lambda api, job, _: api.find_runs({"exp.name": job.name}).all(),
    "get_exp": lambda api, job, _: api.get_exp(job.written.exp.id),
    "get_exp_by_name": lambda api, job, _: api.get_exp_by_name(job.name),
    "get_model": lambda api, job, _: api.get_model(job.name),
    "get_model_artifact": lambda api, job, _: api.get_model_artifact((job.name, 1)),
    "get_model_version": lambda api, job, _: api.get_model_version((job.name, 1)),
    "get_or_create_exp": lambda api, job, _: api.get_or_create_exp(job.name),
    "get_or_create_model": lambda api, job, _: api.get_or_create_model(job.name),
    "get_run": lambda api, job, _: api.get_run(job.run_id),
    "get_run_artifact": lambda api, job, _: api.get_run_artifact(job.run_id, job.name),
    "list_model_artifact": lambda api, job, _: api.list_model_artifact((job.name, 1), recursive=True),
    "list_run_artifacts": lambda api, job, _: api.list_run_artifacts(job.run_id, job.name),
    "load_model_artifact": lambda api, job, _: api.load_model_artifact((job.name, 1), list_folder),
    "load_run_artifact": lambda api, job, _: api.load_run_artifact(job.run_id, list_folder, job.name),
    "pending": lambda api, *_: api.pending(),
    "open_artifact": lambda api, job, _: read_file(api, job),
    "cache_report": lambda api, *_: api.cache_report(),
    "clean_temp_artifacts": lambda api, *_: api.clean_temp_artifacts(),
    "hold": lambda api, job, _: hold(api, job),
    "pin": lambda api, job, _: api.pin((job.name, 1)),
    "repair": lambda api, *_: api.repair(),
    "unpin": lambda api, job, _: api.unpin(job.run_id),
    "verify": lambda api, *_: api.verify(),
    "place_model_artifact": lambda api, job, target: api.place_model_artifact((job.name, 1), target),
    "place_run_artifact": lambda api, job, target: api.place_run_artifact(job.run_id, target, job.name),
}
REFUSED: dict[str, Verb] = {
    "cache_exp_meta": lambda api, job, _: api.cache_exp_meta(job.written.exp),
    "cache_model_artifact": lambda api, job, _: api.cache_model_artifact((job.name, 1)),
    "cache_model_meta": lambda api, job, _: api.cache_model_meta(job.name),
    "cache_model_version_meta": lambda api, job, _: api.cache_model_version_meta((job.name, 1)),
    "cache_run_artifact": lambda api, job, _: api.cache_run_artifact(job.run_id),
    "cache_run_meta": lambda api, job, _: api.cache_run_meta(job.run_id),
    "copy_exp": lambda api, job, _: api.copy_exp(job.written.exp, to=in_memory()),
    "copy_model_version": lambda api, job, _: api.copy_model_version((job.name, 1), to=in_memory()),
    "copy_run": lambda api, job, _: api.copy_run(job.run_id, to=in_memory()),
    "create_exp": lambda api, *_: api.create_exp("new"),
    "create_model": lambda api, *_: api.create_model("new"),
    "create_run": lambda api, job, _: api.create_run(job.written.exp),
    "delete_alias": lambda api, job, _: api.delete_alias(job.name, "best"),
    "delete_exp": lambda api, job, _: api.delete_exp(job.written.exp),
    "delete_model": lambda api, job, _: api.delete_model(job.name),
    "delete_model_version": lambda api, job, _: api.delete_model_version((job.name, 1)),
    "delete_run": lambda api, job, _: api.delete_run(job.run_id),
    "delete_tags_on_exp": lambda api, job, _: api.delete_tags_on_exp(job.written.exp, ["a"]),
    "delete_tags_on_model": lambda api, job, _: api.delete_tags_on_model(job.name, ["a"]),
    "delete_tags_on_model_version": lambda api, job, _: api.delete_tags_on_model_version(
        (job.name, 1), ["a"]
    ),
    "delete_tags_on_run": lambda api, job, _: api.delete_tags_on_run(job.run_id, ["mlflow"]),
    "end_run": lambda api, job, _: api.end_run(job.run_id),
    "flush": lambda api, *_: api.flush(),
    "get_exp_url": lambda api, job, _: api.get_exp_url(job.written.exp),
    "get_model_url": lambda api, job, _: api.get_model_url(job.name),
    "get_model_version_url": lambda api, job, _: api.get_model_version_url((job.name, 1)),
    "get_run_url": lambda api, job, _: api.get_run_url(job.written),
    "log_metric_points": lambda api, job, _: api.log_metric_points(job.run_id, {}),
    "log_metrics": lambda api, job, _: api.log_metrics(job.run_id, {"loss": 1}),
    "log_model_version": lambda api, job, _: api.log_model_version(job.name, job.run_id, job.source),
    "log_params": lambda api, job, _: api.log_params(job.run_id, {"new": 1}),
    "log_run_artifact": lambda api, job, _: api.log_run_artifact(job.run_id, job.source),
    "metric_history": lambda api, job, _: api.metric_history(job.run_id, "fit.loss"),
    "ping": lambda api, *_: api.ping(),
    "rename_exp": lambda api, job, _: api.rename_exp(job.written.exp, "n"),
    "rename_model": lambda api, job, _: api.rename_model(job.name, "n"),
    "rename_run": lambda api, job, _: api.rename_run(job.run_id, "n"),
    "restore_exp": lambda api, job, _: api.restore_exp(job.written.exp),
    "restore_run": lambda api, job, _: api.restore_run(job.run_id),
    "resume_run": lambda api, job, _: api.resume_run(job.run_id),
    "set_alias": lambda api, job, _: api.set_alias(job.name, "best", 1),
    "set_description_on_exp": lambda api, job, _: api.set_description_on_exp(job.written.exp, "x"),
    "set_description_on_model": lambda api, job, _: api.set_description_on_model(job.name, "x"),
    "set_description_on_model_version": lambda api, job, _: api.set_description_on_model_version(
        (job.name, 1), "x"
    ),
    "set_description_on_run": lambda api, job, _: api.set_description_on_run(job.run_id, "x"),
    "set_tags_on_exp": lambda api, job, _: api.set_tags_on_exp(job.written.exp, {"new": 1}),
    "set_tags_on_model": lambda api, job, _: api.set_tags_on_model(job.name, {"new": 1}),
    "set_tags_on_model_version": lambda api, job, _: api.set_tags_on_model_version((job.name, 1), {"n": 1}),
    "set_tags_on_run": lambda api, job, _: api.set_tags_on_run(job.run_id, {"new": 1}),
    "start_run": lambda api, job, _: api.start_run(job.written.exp),
}
APART = {"clean_cached_model_artifact", "clean_all_cache", "drop", "execute", "gc"}

on_a_server = pytest.mark.parametrize(
    "job", [pytest.param("server", marks=pytest.mark.server)], indirect=True
)


@on_a_server
@pytest.mark.parametrize("verb", sorted(ANSWERED))
def test_what_reads_is_answered_without_a_socket(
    job: Job, verb: str, tmp_path: Path, socket_events: list[str]
) -> None:
    or_raise(ANSWERED[verb](job.offline, job, tmp_path / "target"))

    assert socket_events == []


@on_a_server
@pytest.mark.parametrize("verb", sorted(REFUSED))
def test_what_asks_the_server_refuses_without_a_socket(
    job: Job, verb: str, tmp_path: Path, socket_events: list[str]
) -> None:
    failure = REFUSED[verb](job.offline, job, tmp_path).failure()

    assert isinstance(failure, OfflineMode)
    assert socket_events == []


@on_a_server
def test_what_is_cached_of_a_version_is_cleaned_without_a_socket(job: Job, socket_events: list[str]) -> None:
    or_raise(job.offline.clean_cached_model_artifact((job.name, 1)))

    opened = tuple(socket_events)
    or_raise(job.version.cache_artifact())  # as the other tests need it
    assert opened == ()


@on_a_server
def test_what_is_cached_is_evicted_and_cleaned_without_a_socket(job: Job, socket_events: list[str]) -> None:
    or_raise(job.offline.unpin(job.run_id))
    later = job.offline.evolve(grace_s=0)

    or_raise(later.plan.gc(max_bytes=0))
    plan = or_raise(job.offline.plan.clean_all_cache())

    assert not plan.is_empty
    assert socket_events == []


def test_no_verb_is_left_out() -> None:
    functions = inspect.getmembers(MlflowApi, inspect.isfunction)
    verbs = {name for name, _ in functions if not name.startswith("_") and not hasattr(ApiCore, name)}

    assert verbs == {*ANSWERED, *REFUSED, *APART}


def hold(api: MlflowApi, job: Job) -> Any:
    path = or_raise(api.get_run_artifact(job.run_id, job.name))
    with api.hold(path) as held:
        return Success(held)


def list_folder(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_file(api: MlflowApi, job: Job) -> Any:
    opened = api.open_artifact(job.run_id, f"{job.name}/weights.json")
    with or_raise(opened):
        return opened
