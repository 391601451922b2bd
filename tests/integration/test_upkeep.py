"""Renaming, describing, untagging, aliasing, deleting and restoring, on every kind of store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from mlopus import MlflowApi, ModelApi, ModelVersionApi, RunApi, errors, or_raise
from tests.integration.main_job import write_model
from tests.integration.snapshots import bytes_below
from tests.integration.stores import Store, new_name


@attrs.frozen(kw_only=True)
class World:
    """A model with two versions of a run, whose metadata is cached. `champion` names the first."""

    store: Store
    run: RunApi
    model: ModelApi
    source: Path

    @property
    def api(self) -> MlflowApi:
        """The API of the store."""
        return self.store.api

    @property
    def champion(self) -> tuple[str, str]:
        """The reference by alias."""
        return self.model.name, "@champion"

    def version(self, number: int) -> ModelVersionApi:
        """A version, as the store has it."""
        return or_raise(self.model.get_version(number))


@pytest.fixture
def world(store: Store) -> World:
    run = or_raise(store.new_exp().start_run("r1", {"data": {"folds": 5, "source": "web"}, "stage": "trial"}))
    model = or_raise(store.api.create_model(new_name(), {"owner": "ana", "stage": "trial"}))
    source = write_model(store.folder / "model")
    for path in ("first", "second"):
        version = or_raise(model.log_version(run, source, path, tags={"checked": True}))
        or_raise(version.cache_meta())
    return World(store=store, run=run, model=or_raise(model.set_alias("champion", 1)), source=source)


TAKES_A_VERSION: dict[str, Callable[[World], Any]] = {
    "cache_model_artifact": lambda w: w.api.cache_model_artifact(w.champion),
    "cache_model_version_meta": lambda w: w.api.cache_model_version_meta(w.champion),
    "clean_cached_model_artifact": lambda w: w.api.clean_cached_model_artifact(w.champion),
    "delete_model_version": lambda w: w.api.delete_model_version(w.champion),
    "delete_tags_on_model_version": lambda w: w.api.delete_tags_on_model_version(w.champion, ["checked"]),
    "get_model_artifact": lambda w: w.api.get_model_artifact(w.champion),
    "get_model_version": lambda w: w.api.get_model_version(f"models:/{w.model.name}@champion"),
    "list_model_artifact": lambda w: w.api.list_model_artifact(w.champion),
    "load_model_artifact": lambda w: w.api.load_model_artifact(w.champion, Path.iterdir),
    "place_model_artifact": lambda w: w.api.place_model_artifact(w.champion, w.store.folder / "placed"),
    "set_alias": lambda w: w.api.set_alias(w.model, "best", "@champion"),
    "set_description_on_model_version": lambda w: w.api.set_description_on_model_version(w.champion, "x"),
    "set_tags_on_model_version": lambda w: w.api.set_tags_on_model_version(w.champion, {"a": 1}),
}


@pytest.mark.parametrize("verb", sorted(TAKES_A_VERSION))
def test_an_alias_names_a_version_in_every_verb(world: World, verb: str) -> None:
    or_raise(TAKES_A_VERSION[verb](world))


def test_an_alias_names_one_version_at_a_time(world: World) -> None:
    model = or_raise(world.model.set_alias("champion", world.version(2)))

    assert model.aliases == or_raise(model.refresh()).aliases == {"champion": "2"}
    assert (world.version(1).aliases, world.version(2).aliases) == ((), ("champion",))


def test_an_alias_that_moved_moves_in_the_cache_too(world: World) -> None:
    or_raise(world.api.set_alias(world.model, "champion", 2))

    assert or_raise(world.store.offline.get_model_version(world.champion)).version == "2"


def test_an_alias_of_a_version_that_is_not_there_is_not_found(world: World) -> None:
    assert isinstance(world.api.set_alias(world.model, "best", 7).failure(), errors.NotFound)


def test_an_alias_is_deleted_once_and_again(world: World) -> None:
    model = or_raise(world.model.delete_alias("champion"))

    or_raise(world.api.delete_alias(model, "champion"))
    assert model.aliases == or_raise(model.refresh()).aliases == {}
    assert isinstance(world.api.get_model_version(world.champion).failure(), errors.NotFound)


def test_an_experiment_is_renamed_for_itself_its_runs_and_the_cache(world: World) -> None:
    name = new_name()

    exp = or_raise(world.run.exp.rename(name))

    assert exp.name == name
    assert or_raise(world.run.refresh()).exp.name == name
    assert or_raise(world.store.offline.get_exp_by_name(name)).id == exp.id


def test_a_name_that_is_taken_is_a_conflict(world: World) -> None:
    assert isinstance(world.run.exp.rename(world.store.new_exp().name).failure(), errors.AlreadyExists)


def test_a_run_is_renamed(world: World) -> None:
    run = or_raise(world.run.rename("baseline"))

    assert (run.name, or_raise(run.refresh()).name) == ("baseline", "baseline")
    assert or_raise(world.store.offline.get_run(run.id)).name == "baseline"


def test_a_model_is_renamed_with_its_versions_and_aliases(world: World) -> None:
    old, name = world.model.name, new_name()

    model = or_raise(world.model.rename(name))

    assert or_raise(model.get_version("@champion")).version == "1"
    cached = or_raise(world.store.offline.get_model_version((name, 2))).model
    assert (cached.name, cached.tags, cached.aliases) == (name, model.tags, {"champion": "1"})
    assert isinstance(world.api.get_model(old).failure(), errors.NotFound)
    assert isinstance(world.store.offline.get_model(old).failure(), errors.NotCached)


def test_every_entity_is_described(world: World) -> None:
    exp = or_raise(world.run.exp.set_description("An experiment."))
    run = or_raise(world.run.set_description("A run."))
    model = or_raise(world.model.set_description("A model."))
    version = or_raise(world.version(1).set_description("A version."))

    assert [exp.tags["mlflow"]["note"]["content"], run.tags["mlflow"]["note"]["content"]] == [
        "An experiment.",
        "A run.",
    ]
    assert [model.description, version.description] == ["A model.", "A version."]
    handles = (exp, run, model, version)
    assert [or_raise(handle.refresh()).tags for handle in handles] == [handle.tags for handle in handles]
    assert (or_raise(model.refresh()).description, world.version(1).description) == ("A model.", "A version.")


def test_a_description_is_taken_away(world: World) -> None:
    described = or_raise(world.model.set_description("A model."))

    assert or_raise(described.set_description("")).description is None
    assert or_raise(described.refresh()).description is None


def test_tags_are_deleted_from_every_entity(world: World) -> None:
    exp = or_raise(or_raise(world.run.exp.set_tags({"a": 1, "b": 2})).delete_tags(["a"]))
    run = or_raise(world.run.delete_tags(["stage"]))
    model = or_raise(world.model.delete_tags(["stage"]))
    version = or_raise(world.version(1).delete_tags(["checked"]))

    assert ["a" in exp.tags, "b" in exp.tags, "stage" in run.tags] == [False, True, False]
    assert ["stage" in model.tags, "owner" in model.tags, "checked" in version.tags] == [False, True, False]
    for handle in (exp, run, model, version):
        assert or_raise(handle.refresh()).tags == handle.tags


def test_a_key_deletes_all_tags_nested_below_it(world: World) -> None:
    run = or_raise(world.run.delete_tags(["data"]))

    assert "data" not in run.tags
    assert "data" not in or_raise(run.refresh()).tags
    assert run.tags["stage"] == "trial"


def test_tags_that_are_not_there_are_no_fault(world: World) -> None:
    assert or_raise(world.run.delete_tags(["nothing", "data.nothing"])).tags == world.run.tags


def test_a_run_is_deleted_and_restored(world: World) -> None:
    exp, run = world.run.exp, or_raise(world.run.delete())

    assert (run.lifecycle_stage, or_raise(run.refresh()).lifecycle_stage) == ("deleted", "deleted")
    assert [found.id for found in exp.find_runs(view="deleted")] == [run.id]
    assert or_raise(exp.find_runs().count()) == 0
    or_raise(world.api.restore_run(run.id))
    assert [found.id for found in exp.find_runs()] == [run.id]


def test_nothing_is_logged_to_a_deleted_run(world: World) -> None:
    run = or_raise(world.run.delete())

    assert isinstance(run.log_params({"a": 1}).failure(), errors.InvalidRequest)
    assert or_raise(or_raise(run.restore()).log_params({"a": 1})).params == {"a": 1}


def test_an_experiment_is_deleted_and_restored_with_its_runs(world: World) -> None:
    exp = or_raise(world.run.exp.delete())

    assert exp.lifecycle_stage == "deleted"
    assert or_raise(world.api.find_exps({"name": exp.name}).count()) == 0
    assert [found.id for found in world.api.find_exps({"name": exp.name}, view="deleted")] == [exp.id]
    assert isinstance(world.api.create_exp(exp.name).failure(), errors.AlreadyExists)
    or_raise(world.api.restore_exp(exp.id))
    assert or_raise(world.api.get_run(world.run.id)).lifecycle_stage == "active"


def test_the_cache_follows_what_is_deleted(world: World) -> None:
    or_raise(world.run.exp.delete())

    exp = or_raise(world.store.offline.get_exp(world.run.exp.id))
    assert (exp.lifecycle_stage, or_raise(exp.find_runs(view="all").first()).lifecycle_stage) == (  # type: ignore[union-attr]
        "deleted",
        "deleted",
    )


def test_a_deleted_model_is_gone_online_and_offline_with_its_versions(world: World) -> None:
    assert or_raise(world.model.delete()) is None

    assert isinstance(world.api.get_model(world.model.name).failure(), errors.NotFound)
    assert isinstance(world.store.offline.get_model(world.model.name).failure(), errors.NotCached)
    assert isinstance(world.store.offline.get_model_version(world.champion).failure(), errors.NotCached)
    assert or_raise(world.store.offline.find_model_versions({"model.name": world.model.name}).count()) == 0


def test_a_deleted_version_takes_its_aliases_along(world: World) -> None:
    assert or_raise(world.version(1).delete()) is None

    assert [found.version for found in world.model.find_versions()] == ["2"]
    assert or_raise(world.model.refresh()).aliases == {}
    assert or_raise(world.store.offline.get_model(world.model.name)).aliases == {}


def test_the_number_of_a_deleted_version_is_not_used_again(world: World) -> None:
    or_raise(world.version(2).delete())

    assert or_raise(world.model.log_version(world.run, world.source, "third")).version == "3"


def test_cached_bytes_stay_when_their_version_is_deleted(world: World) -> None:
    folder = or_raise(world.version(1).cache_artifact())

    or_raise(world.model.delete())

    assert bytes_below(folder) == bytes_below(world.source)


def test_a_cached_version_is_there_offline_with_its_bytes(world: World) -> None:
    version = or_raise(world.version(1).cache())

    offline = or_raise(world.store.offline.get_model_version((version.model.name, 1)))
    assert offline == version
    assert bytes_below(or_raise(offline.get_artifact())) == bytes_below(world.source)


def test_what_is_not_there_is_not_found(world: World) -> None:
    api, missing = world.api, new_name()
    calls = (
        api.rename_run("0" * 32, "new"),
        api.rename_model(missing, new_name()),
        api.delete_run("0" * 32),
        api.restore_run("0" * 32),
        api.delete_model(missing),
        api.delete_alias(missing, "best"),
        api.set_description_on_model(missing, "x"),
        api.delete_tags_on_model(missing, ["a"]),
        api.delete_model_version((world.model.name, 9)),
    )

    assert {type(call.failure()) for call in calls} == {errors.NotFound}
