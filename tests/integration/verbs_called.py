"""Each verb in each case that the README's reference tells apart, ready to be called on a real server."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import attrs
from immutabledict import immutabledict

import mlopus
from mlopus import MetricPoint, MlflowApi, ModelVersionApi, RunApi, Success, or_raise
from mlopus.testing import in_memory
from tests.integration.reference_world import FILES, PATH, TAGS, World, write_files
from tests.integration.stores import new_name

Prepare: TypeAlias = Callable[[World, MlflowApi, Path], Any]
Call: TypeAlias = Callable[[World, MlflowApi, Any], Any]


@attrs.frozen
class Case:
    """A verb in one case.

    Attributes:
        call: Calls it, with what `prepare` gave.
        prepare: Makes what is changed, or caches what is read, without being counted.
        times: How many there are of each thing that the reference counts by.
    """

    call: Call
    prepare: Prepare
    times: Mapping[str, int]

    def ready(self, world: World, api: MlflowApi, folder: Path) -> Callable[[], Any]:
        """The call alone, all that it needs being there."""
        return partial(self.call, world, api, self.prepare(world, api, folder))


def _folder(_: World, __: MlflowApi, folder: Path) -> Path:
    return folder


def _made(make: Callable[[World], Any]) -> Prepare:
    return lambda world, _, __: make(world)


def _case(call: Call, prepare: Prepare = _folder, times: Mapping[str, int] = immutabledict()) -> Case:
    return Case(call, prepare, times)


def _queued(_: World, api: MlflowApi, __: Path) -> int:
    """The number of a write that waits on the journal."""
    or_raise(api.evolve(offline_mode=True, journal=True).create_model(new_name()))
    return or_raise(api.pending())[-1].id


def _queued_run(world: World, api: MlflowApi, folder: Path) -> Path:
    or_raise(api.cache_exp_meta(world.exp))
    offline = api.evolve(offline_mode=True, journal=True)
    or_raise(or_raise(offline.start_run(world.exp.id)).log_params(TAGS))
    return folder


def _cached(world: World, api: MlflowApi, folder: Path) -> Path:
    or_raise(api.cache_model_artifact(world.first))
    return folder


def _cached_first(world: World, api: MlflowApi, folder: Path) -> MlflowApi:
    _cached(world, api, folder)
    return api.evolve(max_age_s=3600)


def _cached_path(world: World, api: MlflowApi, folder: Path) -> Path:
    _cached(world, api, folder)
    return or_raise(api.get_run_artifact(world.run.id, PATH))


def _damaged(world: World, api: MlflowApi, folder: Path) -> None:
    """Let every file of what is cached be another."""
    cached = _cached_path(world, api, folder)
    for name in FILES:
        (cached / name).unlink()


def _held(api: MlflowApi, path: Path) -> Success[Path]:
    with api.hold(path) as held:
        return Success(held)


def _log_in_a_block(_: World, __: MlflowApi, run: RunApi) -> None:
    with run.batch(max_delay_s=math.inf) as log:
        for step in range(1500):
            or_raise(log.log_metrics({"loss": 0.5}, step))


def _closed(opened: Any) -> Any:
    with or_raise(opened):
        return opened


def _two(thing: str) -> Mapping[str, int]:
    return immutabledict({thing: 2})


def _mine(_: World, __: MlflowApi, folder: Path) -> ModelVersionApi:
    """A version whose run is ended, in a store of its own."""
    mine = mlopus.connect(folder / "mine", cache_dir=folder / "cache of mine")
    exp, model = or_raise(mine.create_exp(new_name())), or_raise(mine.create_model(new_name()))
    with or_raise(exp.start_run()) as run:
        or_raise(run.log_metrics({"loss": 0.5}))
        version = or_raise(model.log_version(run, write_files(folder / "source"), PATH))
    assert version.run is not None
    return version if version.run.end_time else or_raise(version.refresh())


def _logged(world: World, _: MlflowApi, folder: Path) -> RunApi:
    """The only run of an experiment on the server, with files."""
    run = or_raise(world.new_exp().start_run())
    or_raise(run.log_metrics({"loss": 0.5}))
    or_raise(run.log_artifact(write_files(folder / "source"), PATH))
    return run


_COPIED = immutabledict({"run": 1, "file": len(FILES)})
_FROM_A_SERVER = immutabledict({"metric": 1, "folder": 3, "file": len(FILES)})
_OF_A_VERSION = immutabledict({"metric": 1, "folder": 3, "file": len(FILES)})
_EXP, _RUN, _MODEL, _VERSION = map(_made, (World.new_exp, World.new_run, World.new_model, World.new_version))
_PAGE, _TAG = immutabledict({"page": 1}), _two("tag")
_LISTED, _FILES = _two("folder"), immutabledict({"folder": 2, "file": len(FILES)})
_POINTS = {f"m{number}": 0.5 for number in range(1500)}
_TEXTS = {f"t{number}": number for number in range(150)}
_HOUR_OLD = "cached and younger than `max_age_s`"
_OF_MANY = "by model, of more than 3 runs"

CASES: Mapping[tuple[str, str], Case] = {
    # one entity
    ("get_exp", ""): _case(lambda w, api, _: api.get_exp(w.exp.id)),
    ("export_exp_meta", ""): _case(lambda w, api, folder: api.export_exp_meta(w.exp.id, folder / "carried")),
    ("cache_exp_meta", ""): _case(lambda w, api, _: api.cache_exp_meta(w.exp.id)),
    ("get_exp_by_name", ""): _case(lambda w, api, _: api.get_exp_by_name(w.exp.name)),
    ("get_run", ""): _case(lambda w, api, _: api.get_run(w.run.id)),
    ("export_run_meta", ""): _case(lambda w, api, folder: api.export_run_meta(w.run.id, folder / "carried")),
    ("cache_run_meta", ""): _case(lambda w, api, _: api.cache_run_meta(w.run.id)),
    ("get_run", "its experiment seen within a minute"): _case(
        lambda w, api, _: api.get_run(w.run.id), lambda w, api, _: or_raise(api.get_exp(w.exp.id))
    ),
    ("get_model", ""): _case(lambda w, api, _: api.get_model(w.model)),
    ("export_model_meta", ""): _case(
        lambda w, api, folder: api.export_model_meta(w.model, folder / "carried")
    ),
    ("cache_model_meta", ""): _case(lambda w, api, _: api.cache_model_meta(w.model)),
    ("get_model_version", ""): _case(lambda w, api, _: api.get_model_version(w.first)),
    ("export_model_version_meta", ""): _case(
        lambda w, api, folder: api.export_model_version_meta(w.first, folder / "carried")
    ),
    ("cache_model_version_meta", ""): _case(lambda w, api, _: api.cache_model_version_meta(w.first)),
    ("get_model_version", "by alias"): _case(lambda w, api, _: api.get_model_version(w.champion)),
    ("get_exp", _HOUR_OLD): _case(lambda w, _, cached: cached.get_exp(w.exp.id), _cached_first),
    ("get_exp_by_name", _HOUR_OLD): _case(
        lambda w, _, cached: cached.get_exp_by_name(w.exp.name), _cached_first
    ),
    ("get_run", _HOUR_OLD): _case(lambda w, _, cached: cached.get_run(w.run.id), _cached_first),
    ("get_model", _HOUR_OLD): _case(lambda w, _, cached: cached.get_model(w.model), _cached_first),
    ("get_model_version", _HOUR_OLD): _case(
        lambda w, _, cached: cached.get_model_version(w.first), _cached_first
    ),
    ("metric_history", ""): _case(
        lambda w, api, _: api.metric_history(w.run.id, "loss"), times={"25,000 points": 1}
    ),
    ("metric_history", "of a metric never logged"): _case(
        lambda w, api, _: api.metric_history(w.run.id, "no")
    ),
    ("get_exp_url", ""): _case(lambda w, api, _: api.get_exp_url(w.exp.id)),
    ("get_run_url", ""): _case(lambda w, api, _: api.get_run_url(w.run.id)),
    ("get_model_url", ""): _case(lambda w, api, _: api.get_model_url(w.model)),
    ("get_model_version_url", ""): _case(lambda w, api, _: api.get_model_version_url(w.first)),
    ("ping", ""): _case(lambda _, api, __: api.ping()),
    # a search
    ("find_exps", ""): _case(lambda w, api, _: api.find_exps({"name": w.exp.name}).all(), times=_PAGE),
    ("find_runs", "of experiments by id"): _case(
        lambda w, api, _: api.find_runs({"exp.id": {"$in": w.pair}}).all(),
        times={"page": 2, "experiment found": 2},
    ),
    ("find_runs", ""): _case(lambda w, api, _: api.find_runs({"id": w.run.id}).all(), times=_PAGE),
    ("find_runs", "as `exp.find_runs`"): _case(
        lambda w, api, _: attrs.evolve(w.exp, api=api).find_runs({"id": w.run.id}).all(), times=_PAGE
    ),
    ("find_child_runs", ""): _case(lambda w, api, _: api.find_child_runs(w.run.id).all(), times=_PAGE),
    ("find_child_runs", "of an entity"): _case(
        lambda w, api, _: api.find_child_runs(w.run).all(), times=_PAGE
    ),
    ("find_models", "by name"): _case(
        lambda w, api, _: api.find_models({"name": w.model}).all(), times=_PAGE
    ),
    ("find_models", ""): _case(
        lambda _, api, __: api.find_models({"tags.nobody": "has it"}).all(),
        times={"page of models": 1, "page of prompts": 1},
    ),
    ("find_model_versions", "by model"): _case(
        lambda w, api, _: api.find_model_versions({"model.name": w.model}).all(),
        times={"page": 1, "model found": 1, "run found": 1, "experiment found": 1},
    ),
    ("find_model_versions", _OF_MANY): _case(
        lambda w, api, _: api.find_model_versions({"model.name": w.crowd.name}).all(),
        times={"page": 1, "model found": 1},
    ),
    # tracking
    ("create_exp", ""): _case(lambda _, api, __: api.create_exp(new_name())),
    ("get_or_create_exp", "that is there"): _case(lambda w, api, _: api.get_or_create_exp(w.exp.name)),
    ("get_or_create_exp", ""): _case(lambda _, api, __: api.get_or_create_exp(new_name())),
    ("start_run", "in an entity"): _case(lambda w, api, _: api.start_run(w.exp)),
    ("start_run", ""): _case(lambda w, api, _: api.start_run(w.exp.id)),
    ("create_run", "in an entity"): _case(lambda w, api, _: api.create_run(w.exp)),
    ("create_run", ""): _case(lambda w, api, _: api.create_run(w.exp.id)),
    ("resume_run", "an entity"): _case(lambda _, api, run: api.resume_run(run), _RUN),
    ("resume_run", ""): _case(lambda _, api, run: api.resume_run(run.id), _RUN),
    ("end_run", "an entity"): _case(lambda _, api, run: api.end_run(run), _RUN),
    ("end_run", ""): _case(lambda _, api, run: api.end_run(run.id), _RUN),
    ("log_params", ""): _case(lambda _, api, run: api.log_params(run.id, _TEXTS), _RUN, _two("100 params")),
    ("log_metrics", ""): _case(
        lambda _, api, run: api.log_metrics(run.id, _POINTS), _RUN, _two("1,000 points")
    ),
    ("log_metric_points", ""): _case(
        lambda _, api, run: api.log_metric_points(
            run.id, {"loss": [MetricPoint(0.5, n) for n in range(1500)]}
        ),
        _RUN,
        _two("1,000 points"),
    ),
    ("run.batch", "a block"): _case(
        _log_in_a_block, lambda w, api, _: or_raise(api.get_run(w.new_run().id)), _two("1,000 points")
    ),
    ("set_tags_on_run", ""): _case(
        lambda _, api, run: api.set_tags_on_run(run.id, _TEXTS), _RUN, _two("100 tags")
    ),
    ("set_tags_on_exp", ""): _case(lambda _, api, exp: api.set_tags_on_exp(exp.id, TAGS), _EXP, _TAG),
    ("delete_tags_on_run", ""): _case(lambda _, api, run: api.delete_tags_on_run(run.id, TAGS), _RUN, _TAG),
    ("delete_tags_on_exp", ""): _case(lambda _, api, exp: api.delete_tags_on_exp(exp.id, TAGS), _EXP, _TAG),
    ("set_description_on_run", ""): _case(lambda _, api, run: api.set_description_on_run(run.id, "x"), _RUN),
    ("set_description_on_exp", ""): _case(lambda _, api, exp: api.set_description_on_exp(exp.id, "x"), _EXP),
    ("rename_run", ""): _case(lambda _, api, run: api.rename_run(run.id, new_name()), _RUN),
    ("rename_exp", ""): _case(lambda _, api, exp: api.rename_exp(exp.id, new_name()), _EXP),
    ("delete_run", ""): _case(lambda _, api, run: api.delete_run(run.id), _RUN),
    ("delete_exp", ""): _case(lambda _, api, exp: api.delete_exp(exp.id), _EXP),
    ("restore_run", ""): _case(
        lambda _, api, run: api.restore_run(run.id), _made(lambda w: or_raise(w.new_run().delete()))
    ),
    ("restore_exp", ""): _case(
        lambda _, api, exp: api.restore_exp(exp.id), _made(lambda w: or_raise(w.new_exp().delete()))
    ),
    # the registry
    ("create_model", ""): _case(lambda _, api, __: api.create_model(new_name())),
    ("get_or_create_model", "that is there"): _case(lambda w, api, _: api.get_or_create_model(w.model)),
    ("get_or_create_model", ""): _case(lambda _, api, __: api.get_or_create_model(new_name())),
    ("set_tags_on_model", ""): _case(
        lambda _, api, model: api.set_tags_on_model(model.name, TAGS), _MODEL, _TAG
    ),
    ("set_tags_on_model_version", ""): _case(
        lambda _, api, version: api.set_tags_on_model_version(version, TAGS), _VERSION, _TAG
    ),
    ("set_tags_on_model_version", "by alias"): _case(
        lambda w, api, _: api.set_tags_on_model_version(w.champion, TAGS), times=_TAG
    ),
    ("delete_tags_on_model", ""): _case(
        lambda _, api, model: api.delete_tags_on_model(model.name, TAGS), _MODEL, _TAG
    ),
    ("delete_tags_on_model_version", ""): _case(
        lambda _, api, version: api.delete_tags_on_model_version(version, TAGS), _VERSION, _TAG
    ),
    ("set_description_on_model", ""): _case(
        lambda _, api, model: api.set_description_on_model(model.name, "x"), _MODEL
    ),
    ("set_description_on_model_version", ""): _case(
        lambda _, api, version: api.set_description_on_model_version(version, "x"), _VERSION
    ),
    ("rename_model", ""): _case(lambda _, api, model: api.rename_model(model.name, new_name()), _MODEL),
    ("set_alias", ""): _case(lambda _, api, version: api.set_alias(version[0], "best", version[1]), _VERSION),
    ("set_alias", "to what another names"): _case(
        lambda w, api, _: api.set_alias(w.model, "best", "@champion")
    ),
    ("delete_alias", ""): _case(lambda _, api, version: api.delete_alias(version[0], "best"), _VERSION),
    ("delete_model", ""): _case(lambda _, api, model: api.delete_model(model.name), _MODEL),
    ("delete_model_version", ""): _case(lambda _, api, version: api.delete_model_version(version), _VERSION),
    # artifacts
    ("list_run_artifacts", ""): _case(
        lambda w, api, _: api.list_run_artifacts(w.run.id, PATH, recursive=True), times=_LISTED
    ),
    ("list_model_artifact", ""): _case(
        lambda w, api, _: api.list_model_artifact(w.first, recursive=True), times=_LISTED
    ),
    ("get_run_artifact", ""): _case(lambda w, api, _: api.get_run_artifact(w.run.id, PATH), times=_FILES),
    ("cache_run_artifact", ""): _case(lambda w, api, _: api.cache_run_artifact(w.run.id, PATH), times=_FILES),
    ("load_run_artifact", ""): _case(
        lambda w, api, _: api.load_run_artifact(w.run.id, Path.iterdir, PATH), times=_FILES
    ),
    ("place_run_artifact", ""): _case(
        lambda w, api, folder: api.place_run_artifact(w.run.id, folder / "placed", PATH), times=_FILES
    ),
    ("cache_run_artifact", "of an entity"): _case(
        lambda w, api, _: api.cache_run_artifact(w.run, PATH), times=_FILES
    ),
    ("get_run_artifact", "cached"): _case(lambda w, api, _: api.get_run_artifact(w.run.id, PATH), _cached),
    ("load_run_artifact", "cached"): _case(
        lambda w, api, _: api.load_run_artifact(w.run.id, Path.iterdir, PATH), _cached
    ),
    ("place_run_artifact", "cached"): _case(
        lambda w, api, folder: api.place_run_artifact(w.run.id, folder / "placed", PATH), _cached
    ),
    ("get_model_artifact", ""): _case(lambda w, api, _: api.get_model_artifact(w.first), times=_FILES),
    ("cache_model_artifact", ""): _case(lambda w, api, _: api.cache_model_artifact(w.first), times=_FILES),
    ("load_model_artifact", ""): _case(
        lambda w, api, _: api.load_model_artifact(w.first, Path.iterdir), times=_FILES
    ),
    ("export_run_artifact", ""): _case(
        lambda w, api, folder: api.export_run_artifact(w.run.id, folder / "carried", PATH), times=_FILES
    ),
    ("export_run_artifact", "cached, its experiment seen within a minute"): _case(
        lambda w, api, folder: api.export_run_artifact(w.run.id, folder / "carried", PATH), _cached
    ),
    ("export_model_artifact", ""): _case(
        lambda w, api, folder: api.export_model_artifact(w.first, folder / "carried"), times=_FILES
    ),
    ("export_model_artifact", "cached, its experiment seen within a minute"): _case(
        lambda w, api, folder: api.export_model_artifact(w.first, folder / "carried"), _cached
    ),
    ("place_model_artifact", ""): _case(
        lambda w, api, folder: api.place_model_artifact(w.first, folder / "placed"), times=_FILES
    ),
    ("get_model_artifact", "cached"): _case(lambda w, api, _: api.get_model_artifact(w.first), _cached),
    ("load_model_artifact", "cached"): _case(
        lambda w, api, _: api.load_model_artifact(w.first, Path.iterdir), _cached
    ),
    ("place_model_artifact", "cached"): _case(
        lambda w, api, folder: api.place_model_artifact(w.first, folder / "placed"), _cached
    ),
    ("open_artifact", ""): _case(
        lambda w, api, _: _closed(api.open_artifact(w.run.id, f"{PATH}/weights.json"))
    ),
    ("log_run_artifact", "to an entity"): _case(
        lambda w, api, folder: api.log_run_artifact(w.new_run(), write_files(folder / "source"), PATH),
        times={"file": len(FILES)},
    ),
    ("log_model_version", "of entities"): _case(
        lambda w, api, folder: api.log_model_version(
            w.new_model(), w.new_run(), write_files(folder / "source")
        ),
        times={"file": len(FILES)},
    ),
    ("flush", "nothing waits"): _case(lambda _, api, __: api.flush()),
    ("flush", "of a new run and its params, the experiment being known"): _case(
        lambda _, api, __: api.flush(), _queued_run
    ),
    ("pending", ""): _case(lambda _, api, __: api.pending()),
    ("drop", ""): _case(lambda _, api, queued: api.drop(queued), _queued),
    ("clean_cached_run_artifact", ""): _case(
        lambda w, api, _: api.clean_cached_run_artifact(w.run.id, PATH), _cached
    ),
    ("clean_cached_model_artifact", "cached"): _case(
        lambda w, api, _: api.clean_cached_model_artifact(w.first), _cached
    ),
    ("pin", ""): _case(lambda w, api, _: api.pin(w.run.id, PATH), _cached),
    ("unpin", ""): _case(lambda w, api, _: api.unpin(w.run.id, PATH), _cached),
    ("hold", ""): _case(lambda _, api, path: _held(api, path), _cached_path),
    ("gc", ""): _case(lambda _, api, __: api.evolve(grace_s=0).gc(max_bytes=0), _cached),
    ("verify", ""): _case(lambda w, api, _: api.verify(w.run.id), _cached),
    ("cache_report", ""): _case(lambda _, api, __: api.cache_report(), _cached),
    ("clean_temp_artifacts", ""): _case(lambda _, api, __: api.clean_temp_artifacts(), _cached),
    ("clean_all_cache", ""): _case(lambda _, api, __: api.clean_all_cache(), _cached),
    ("repair", "of what is sound"): _case(lambda _, api, __: api.repair(), _cached),
    ("repair", ""): _case(lambda _, api, __: api.repair(), _damaged, _FILES),
    # copying
    ("copy_exp", "to a server, without versions"): _case(
        lambda _, api, mine: mine.api.copy_exp(mine.run.exp, to=api, with_versions=False),
        _mine,
        times=_COPIED,
    ),
    ("copy_run", "to a server, without versions"): _case(
        lambda _, api, mine: mine.api.copy_run(mine.run, to=api, with_versions=False), _mine, times=_COPIED
    ),
    ("copy_model_version", "to a server"): _case(
        lambda _, api, mine: mine.api.copy_model_version(mine, to=api), _mine, times=_COPIED
    ),
    ("copy_exp", "from a server"): _case(
        lambda _, api, run: api.copy_exp(run.exp.id, to=in_memory()), _logged, times=_FROM_A_SERVER
    ),
    ("copy_run", "from a server"): _case(
        lambda _, api, run: api.copy_run(run.id, to=in_memory()), _logged, times=_FROM_A_SERVER
    ),
    ("copy_model_version", "from a server"): _case(
        lambda w, api, _: api.copy_model_version(w.first, to=in_memory()), times=_OF_A_VERSION
    ),
}
"""By verb and case, in the reference's own words."""
