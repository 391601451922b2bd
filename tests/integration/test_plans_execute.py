"""Plans: making one does nothing, executing one twice creates once, and its text is as good as itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import attrs
import pytest

import mlopus
from mlopus import Plan, Result, errors, or_raise
from mlopus.api.planning import PlanVerbs
from mlopus.errors import MlopusError
from tests.integration.main_job import Job, write_model
from tests.integration.snapshots import State, bytes_below, state_of
from tests.integration.stores import Store, new_name

Planned: TypeAlias = Callable[[PlanVerbs, Job, Path], Result[Plan, MlopusError]]

PLANS: dict[str, Planned] = {
    "cache_exp_meta": lambda plan, job, _: plan.cache_exp_meta(job.written.exp.id),
    "cache_model_artifact": lambda plan, job, _: plan.cache_model_artifact((job.name, 1)),
    "cache_model_meta": lambda plan, job, _: plan.cache_model_meta(job.name),
    "cache_model_version_meta": lambda plan, job, _: plan.cache_model_version_meta((job.name, 1)),
    "cache_run_artifact": lambda plan, job, _: plan.cache_run_artifact(job.run_id, job.name),
    "cache_run_meta": lambda plan, job, _: plan.cache_run_meta(job.run_id),
    "clean_cached_model_artifact": lambda plan, job, _: plan.clean_cached_model_artifact((job.name, 1)),
    "clean_cached_run_artifact": lambda plan, job, _: plan.clean_cached_run_artifact(job.run_id, job.name),
    "copy_exp": lambda plan, job, _: plan.copy_exp(job.written.exp.id, to=mlopus.testing.in_memory()),
    "copy_model_version": lambda plan, job, _: plan.copy_model_version(
        (job.name, 1), to=mlopus.testing.in_memory()
    ),
    "copy_run": lambda plan, job, _: plan.copy_run(job.run_id, to=mlopus.testing.in_memory()),
    "create_exp": lambda plan, *_: plan.create_exp(new_name(), {"a": 1}),
    "create_model": lambda plan, *_: plan.create_model(new_name(), {"a": 1}),
    "create_run": lambda plan, job, _: plan.create_run(job.written.exp, "planned"),
    "delete_alias": lambda plan, job, _: plan.delete_alias(job.name, "best"),
    "delete_exp": lambda plan, job, _: plan.delete_exp(job.written.exp),
    "delete_model": lambda plan, job, _: plan.delete_model(job.name),
    "delete_model_version": lambda plan, job, _: plan.delete_model_version((job.name, 1)),
    "delete_run": lambda plan, job, _: plan.delete_run(job.run_id),
    "clean_all_cache": lambda plan, *_: plan.clean_all_cache(),
    "clean_temp_artifacts": lambda plan, *_: plan.clean_temp_artifacts(),
    "gc": lambda plan, *_: plan.gc(max_bytes=0, unused_for_s=0),
    "pin": lambda plan, job, _: plan.pin(job.run_id, job.name),
    "repair": lambda plan, *_: plan.repair(),
    "unpin": lambda plan, job, _: plan.unpin((job.name, 1)),
    "export_exp_meta": lambda plan, job, target: plan.export_exp_meta(job.written.exp, target),
    "export_model_artifact": lambda plan, job, target: plan.export_model_artifact((job.name, 1), target),
    "export_model_meta": lambda plan, job, target: plan.export_model_meta(job.name, target),
    "export_model_version_meta": lambda plan, job, target: plan.export_model_version_meta(
        (job.name, 1), target
    ),
    "export_run_artifact": lambda plan, job, target: plan.export_run_artifact(job.run_id, target, job.name),
    "export_run_meta": lambda plan, job, target: plan.export_run_meta(job.run_id, target),
    "delete_tags_on_exp": lambda plan, job, _: plan.delete_tags_on_exp(job.written.exp, ["a"]),
    "delete_tags_on_model": lambda plan, job, _: plan.delete_tags_on_model(job.name, ["a"]),
    "delete_tags_on_model_version": lambda plan, job, _: plan.delete_tags_on_model_version(
        (job.name, 1), ["a"]
    ),
    "delete_tags_on_run": lambda plan, job, _: plan.delete_tags_on_run(job.run_id, ["mlflow"]),
    "end_run": lambda plan, job, _: plan.end_run(job.run_id),
    "get_exp": lambda plan, job, _: plan.get_exp(job.written.exp.id),
    "get_exp_by_name": lambda plan, job, _: plan.get_exp_by_name(job.name),
    "get_model": lambda plan, job, _: plan.get_model(job.name),
    "get_model_artifact": lambda plan, job, _: plan.get_model_artifact((job.name, 1)),
    "get_model_version": lambda plan, job, _: plan.get_model_version((job.name, 1)),
    "get_or_create_exp": lambda plan, *_: plan.get_or_create_exp(new_name()),
    "get_or_create_model": lambda plan, *_: plan.get_or_create_model(new_name()),
    "get_run": lambda plan, job, _: plan.get_run(job.run_id),
    "get_run_artifact": lambda plan, job, _: plan.get_run_artifact(job.run_id, f"{job.name}/data"),
    "load_model_artifact": lambda plan, job, _: plan.load_model_artifact((job.name, 1), Path.iterdir),
    "load_run_artifact": lambda plan, job, _: plan.load_run_artifact(job.run_id, Path.iterdir, job.name),
    "log_metric_points": lambda plan, job, _: plan.log_metric_points(job.run_id, {}),
    "log_metrics": lambda plan, job, _: plan.log_metrics(job.run_id, {"planned": 1}),
    "log_model_version": lambda plan, job, _: plan.log_model_version(
        job.name, job.run_id, job.source, "again", keep_the_source=False
    ),
    "log_params": lambda plan, job, _: plan.log_params(job.run_id, {"planned": 1}),
    "log_run_artifact": lambda plan, job, _: plan.log_run_artifact(
        job.run_id, job.source, "again", keep_the_source=False
    ),
    "place_model_artifact": lambda plan, job, target: plan.place_model_artifact((job.name, 1), target),
    "place_run_artifact": lambda plan, job, target: plan.place_run_artifact(job.run_id, target, job.name),
    "rename_exp": lambda plan, job, _: plan.rename_exp(job.written.exp, "n"),
    "rename_model": lambda plan, job, _: plan.rename_model(job.name, "n"),
    "rename_run": lambda plan, job, _: plan.rename_run(job.run_id, "n"),
    "restore_exp": lambda plan, job, _: plan.restore_exp(job.written.exp),
    "restore_run": lambda plan, job, _: plan.restore_run(job.run_id),
    "resume_run": lambda plan, job, _: plan.resume_run(job.run_id),
    "set_alias": lambda plan, job, _: plan.set_alias(job.name, "best", 1),
    "set_description_on_exp": lambda plan, job, _: plan.set_description_on_exp(job.written.exp, "x"),
    "set_description_on_model": lambda plan, job, _: plan.set_description_on_model(job.name, "x"),
    "set_description_on_model_version": lambda plan, job, _: plan.set_description_on_model_version(
        (job.name, 1), "x"
    ),
    "set_description_on_run": lambda plan, job, _: plan.set_description_on_run(job.run_id, "x"),
    "set_tags_on_exp": lambda plan, job, _: plan.set_tags_on_exp(job.written.exp, {"planned": 1}),
    "set_tags_on_model": lambda plan, job, _: plan.set_tags_on_model(job.name, {"planned": 1}),
    "set_tags_on_model_version": lambda plan, job, _: plan.set_tags_on_model_version(
        (job.name, 1), {"planned": 1}
    ),
    "set_tags_on_run": lambda plan, job, _: plan.set_tags_on_run(job.run_id, {"planned": 1}),
    "start_run": lambda plan, job, _: plan.start_run(job.written.exp, "planned"),
}

APART = {"drop"}
"""What takes something off a journal is planned where there is one, in `test_writing_offline.py`."""


@pytest.fixture(scope="module")
def before(job: Job) -> _Everything:
    """All that the job left, before anything is planned."""
    return _everything(job)


@pytest.mark.parametrize("verb", sorted(PLANS))
def test_making_a_plan_changes_neither_server_nor_cache_nor_source_nor_target(
    job: Job, before: _Everything, verb: str, tmp_path: Path
) -> None:
    or_raise(PLANS[verb](job.api.plan, job, tmp_path / "target"))

    assert _everything(job) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("before")  # a plan made here is not to be part of it
@pytest.mark.parametrize("verb", sorted(PLANS))
def test_a_plan_and_its_text_are_equal(job: Job, verb: str, tmp_path: Path) -> None:
    plan = or_raise(PLANS[verb](job.api.plan, job, tmp_path / "target"))

    assert or_raise(Plan.from_json(plan.to_json())) == plan


def test_no_verb_that_can_be_planned_is_left_out() -> None:
    functions = inspect.getmembers(PlanVerbs, inspect.isfunction)

    assert {name for name, _ in functions if not name.startswith("_")} == {*PLANS, *APART}


def test_executing_twice_creates_one_run(store: Store) -> None:
    exp = store.new_exp()
    plan = or_raise(store.api.plan.start_run(exp, "once"))

    first, second = (or_raise(store.api.execute(plan)).value for _ in range(2))

    assert first.id == second.id
    assert or_raise(exp.find_runs().count()) == 1


def test_executing_twice_creates_one_experiment(store: Store) -> None:
    name = new_name()
    plan = or_raise(store.api.plan.create_exp(name, {"a": 1}))

    first, second = (or_raise(store.api.execute(plan)).value for _ in range(2))

    assert first.id == second.id
    assert or_raise(store.api.find_exps({"name": name}).count()) == 1


def test_executing_twice_creates_one_model(store: Store) -> None:
    name = new_name()
    plan = or_raise(store.api.plan.create_model(name))

    first, second = (or_raise(store.api.execute(plan)).value for _ in range(2))

    assert first == second


def test_executing_twice_registers_one_version(store: Store) -> None:
    model, run = or_raise(store.api.create_model(new_name())), or_raise(store.new_exp().start_run())
    plan = or_raise(store.api.plan.log_model_version(model, run, write_model(store.folder / "model")))

    first, second = (or_raise(store.api.execute(plan)).value for _ in range(2))

    assert first.version == second.version == "1"
    assert or_raise(model.find_versions().count()) == 1


def test_executing_twice_logs_the_same_values_once(store: Store) -> None:
    run = or_raise(store.new_exp().start_run())
    plan = or_raise(store.api.plan.log_params(run, {"depth": 3}))

    for _ in range(2):
        or_raise(store.api.execute(plan))

    assert or_raise(run.refresh()).params == {"depth": 3}


def test_planning_again_what_was_placed_is_empty(store: Store) -> None:
    run = or_raise(store.new_exp().start_run())
    or_raise(run.log_artifact(write_model(store.folder / "model"), "model"))
    or_raise(run.cache_artifact("model"))
    or_raise(run.place_artifact(store.folder / "placed", "model"))

    again = or_raise(store.api.plan.place_run_artifact(run, store.folder / "placed", "model"))

    assert again.is_empty
    assert or_raise(store.api.execute(again)).value == store.folder / "placed"


def test_a_placement_from_text_goes_where_its_roots_say(store: Store) -> None:
    run = or_raise(store.new_exp().start_run())
    source = write_model(store.folder / "model")
    or_raise(run.log_artifact(source, "model"))
    planned = or_raise(store.api.plan.place_run_artifact(run, store.folder / "planned", "model"))
    plan = or_raise(Plan.from_json(planned.to_json()))

    receipt = or_raise(store.api.execute(plan, roots={"target": store.folder / "elsewhere"}))

    assert receipt.value == store.folder / "elsewhere"
    assert bytes_below(receipt.value) == bytes_below(source)
    assert not (store.folder / "planned").exists()


def test_a_publish_from_text_takes_what_its_roots_say(store: Store) -> None:
    run = or_raise(store.new_exp().start_run())
    source = write_model(store.folder / "model")
    planned = or_raise(store.api.plan.log_run_artifact(run, source, "model"))
    plan = or_raise(Plan.from_json(planned.to_json()))

    or_raise(store.api.execute(plan, roots={"source": source}))

    assert bytes_below(or_raise(run.get_artifact("model"))) == bytes_below(source)


def test_a_plan_from_text_without_its_roots_says_what_to_give(store: Store) -> None:
    run = or_raise(store.new_exp().start_run())
    source = write_model(store.folder / "model")
    planned = or_raise(store.api.plan.log_run_artifact(run, source, "model"))
    plan = or_raise(Plan.from_json(planned.to_json()))

    failure = store.api.execute(plan).failure()

    assert "roots={'source'" in (_cause(failure).hint or "")
    assert isinstance(run.get_artifact("model").failure(), errors.NotFound)


def test_a_source_that_changed_since_it_was_planned_stops_the_publish(store: Store) -> None:
    model, run = or_raise(store.api.create_model(new_name())), or_raise(store.new_exp().start_run())
    source = write_model(store.folder / "model")
    plan = or_raise(store.api.plan.log_model_version(model, run, source))
    (source / "weights.json").write_text("changed")

    failure = store.api.execute(plan).failure()

    assert isinstance(failure, errors.PublishFailed)
    assert "weights.json" in str(failure)
    assert failure.source == str(source)
    assert or_raise(model.find_versions().count()) == 0


def test_a_target_that_appeared_since_it_was_planned_is_kept(store: Store) -> None:
    run = or_raise(store.new_exp().start_run())
    or_raise(run.log_artifact(write_model(store.folder / "model"), "model"))
    plan = or_raise(store.api.plan.place_run_artifact(run, store.folder / "placed", "model"))
    (store.folder / "placed").write_text("mine")

    failure = store.api.execute(plan).failure()

    assert isinstance(_cause(failure), errors.StalePlan | errors.AlreadyExists)
    assert (store.folder / "placed").read_text() == "mine"


def test_an_execution_that_stops_tells_what_was_done_and_calling_again_goes_on(store: Store) -> None:
    run = or_raise(store.new_exp().start_run())
    source = write_model(store.folder / "model")
    or_raise(run.log_artifact(source, "model"))
    or_raise(run.clean_cached_artifact())
    api = store.api.evolve(cache_local_artifacts=True)
    plan = or_raise(api.plan.place_run_artifact(run.id, store.folder / "placed", "model"))
    (store.folder / "placed").write_text("in the way")

    failure = api.execute(plan).failure()
    (store.folder / "placed").unlink()

    assert isinstance(failure, errors.ExecutionStopped)
    assert 0 < len(failure.receipt.steps) < len(plan.steps)
    assert str(failure.cause) in str(failure)
    again = or_raise(api.plan.place_run_artifact(run.id, store.folder / "placed", "model"))
    assert (len(again.steps), again.total_bytes) == (2, 0)


def _cause(failure: MlopusError) -> MlopusError:
    return failure.cause if isinstance(failure, errors.ExecutionStopped) else failure


@attrs.frozen
class _Everything:
    """What the server, the folders and the metadata cache hold, and when each cached row was taken."""

    online: State
    cached: State
    taken_at: tuple[datetime | None, ...]


def _everything(job: Job) -> _Everything:
    cached = state_of(job.offline, job.name)
    taken_at = tuple(entity.as_of for entity in cached.entities)
    return _Everything(state_of(job.api, job.name, job.folder), cached, taken_at)
