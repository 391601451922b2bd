"""Execution on repositories in memory ends where simulation says, however little their store tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest

import mlopus
from mlopus import MlflowApi, RunApi, or_raise
from mlopus.api import artifact_calls, calls, export_calls
from mlopus.api.calls import Call
from mlopus.api.gathering import gather
from mlopus.domain.keys import RunKey, key_of
from mlopus.domain.locations import run_subject
from mlopus.domain.manifest import ArtifactLocation, Entry, Manifest, RemoteTree
from mlopus.domain.paths import join_url
from mlopus.domain.records import Record, RunRecord
from mlopus.errors import MlopusError
from mlopus.plans.facts import ExportFacts, Facts, TargetFacts
from mlopus.plans.planner import plan
from mlopus.plans.simulate import simulate
from mlopus.plans.symbols import learned
from mlopus.repositories.memory.artifact_store import MemoryArtifactStore, modes
from mlopus.result import Result
from tests.integration.main_job import write_model


@attrs.frozen(kw_only=True)
class World:
    """An API in memory, a run to which a model was published, and a folder to work in."""

    api: MlflowApi
    store: MemoryArtifactStore
    run: RunApi
    folder: Path

    @property
    def source(self) -> Path:
        """What was published."""
        return self.folder / "model"

    @property
    def target(self) -> Path:
        """Where nothing is yet."""
        return self.folder / "placed"

    def change_in_store(self) -> None:
        """Let somebody else change a published file, to one of the same size, and add another."""
        url = join_url(self.run.repo, "model")
        held = self.store.stored.read(join_url(url, "weights.json"))
        assert held is not None
        self.store.stored.write(join_url(url, "weights.json"), held.content.replace(b"3.0", b"4.0"))
        self.store.stored.write(join_url(url, "more/notes.txt"), b"more")

    def change_source(self) -> None:
        """Change a file of the source, add one and remove one."""
        (self.source / "weights.json").write_text('{"slope": 5.0, "intercept": 1.0}')
        (self.source / "new.txt").write_text("new")
        (self.source / "data" / "points.csv").unlink()


Scenario: TypeAlias = Callable[[World], Result[Call, MlopusError]]


def publish_elsewhere(world: World) -> Result[Call, MlopusError]:
    return artifact_calls.log_run_artifact(world.api, world.run, world.source, "other/place")


def publish_a_file(world: World) -> Result[Call, MlopusError]:
    return artifact_calls.log_run_artifact(world.api, world.run, world.source / "weights.json")


def publish_the_same(world: World) -> Result[Call, MlopusError]:
    return artifact_calls.log_run_artifact(world.api, world.run, world.source, "model")


def publish_a_change(world: World) -> Result[Call, MlopusError]:
    world.change_source()
    return artifact_calls.log_run_artifact(world.api, world.run, world.source, "model")


def mirror_a_change(world: World) -> Result[Call, MlopusError]:
    world.change_source()
    return artifact_calls.log_run_artifact(world.api, world.run, world.source, "model", mirror=True)


def publish_without_keeping(world: World) -> Result[Call, MlopusError]:
    return artifact_calls.log_run_artifact(world.api, world.run, world.source, "other", keep_the_source=False)


def publish_without_cache(world: World) -> Result[Call, MlopusError]:
    return artifact_calls.log_run_artifact(world.api, world.run, world.source, "other", use_cache=False)


def cache_what_is_cached(world: World) -> Result[Call, MlopusError]:
    return artifact_calls.cache_run_artifact(world.api, world.run, "model")


def cache_what_changed(world: World) -> Result[Call, MlopusError]:
    world.change_in_store()
    return artifact_calls.cache_run_artifact(world.api, world.run, "model")


def cache_all_of_the_run(world: World) -> Result[Call, MlopusError]:
    world.change_in_store()
    return artifact_calls.cache_run_artifact(world.api, world.run)


def get_a_part(world: World) -> Result[Call, MlopusError]:
    or_raise(world.run.clean_cached_artifact())
    return artifact_calls.get_run_artifact(world.api, world.run, "model/data")


def clean(world: World) -> Result[Call, MlopusError]:
    return artifact_calls.clean_cached_run_artifact(world.api, world.run, "model/data")


def place_by_link(world: World) -> Result[Call, MlopusError]:
    return artifact_calls.place_run_artifact(world.api, world.run, world.target, "model")


def place_a_copy_of_what_is_not_cached(world: World) -> Result[Call, MlopusError]:
    or_raise(world.run.clean_cached_artifact())
    return artifact_calls.place_run_artifact(world.api, world.run, world.target, "model", link="copy")


def place_over_something(world: World) -> Result[Call, MlopusError]:
    write_model(world.target, slope=7.0)
    return artifact_calls.place_run_artifact(world.api, world.run, world.target, "model", overwrite=True)


def export(world: World) -> Result[Call, MlopusError]:
    return export_calls.export_run_artifact(world.api, world.run, world.target, "model")


def export_what_changed_over_what_was_exported(world: World) -> Result[Call, MlopusError]:
    or_raise(world.run.export_artifact(world.target, "model"))
    world.change_in_store()
    or_raise(world.run.cache_artifact("model"))
    return export_calls.export_run_artifact(world.api, world.run, world.target, "model")


def export_a_part_of_what_is_not_cached(world: World) -> Result[Call, MlopusError]:
    or_raise(world.run.clean_cached_artifact())
    return export_calls.export_run_artifact(world.api, world.run, world.target, "model/data")


def log_params(world: World) -> Result[Call, MlopusError]:
    return calls.log_params(world.api, world.run, {"opt": {"lr": 0.1}})


def set_tags(world: World) -> Result[Call, MlopusError]:
    return calls.set_tags_on_run(world.api, world.run, {"team": {"name": "a"}, "mlflow.runName": "renamed"})


def end_run(world: World) -> Result[Call, MlopusError]:
    return calls.end_run(world.api, world.run)


SCENARIOS: tuple[Scenario, ...] = (
    publish_elsewhere,
    publish_a_file,
    publish_the_same,
    publish_a_change,
    mirror_a_change,
    publish_without_keeping,
    publish_without_cache,
    cache_what_is_cached,
    cache_what_changed,
    cache_all_of_the_run,
    get_a_part,
    clean,
    place_by_link,
    place_a_copy_of_what_is_not_cached,
    place_over_something,
    export,
    export_what_changed_over_what_was_exported,
    export_a_part_of_what_is_not_cached,
    log_params,
    set_tags,
    end_run,
)


def name_of(mode: dict[str, Any]) -> str:
    return " and ".join(key.removeprefix("gives_") for key, given in mode.items() if given) or "nothing"


@pytest.mark.parametrize("mode", tuple(modes()), ids=name_of)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_execution_ends_where_simulation_says(
    scenario: Scenario, mode: dict[str, Any], tmp_path: Path
) -> None:
    world = world_with(mode, tmp_path)
    call = or_raise(scenario(world))
    before = facts_of(world, call)
    made = attrs.evolve(or_raise(plan(call.request, before)), roots=call.roots)

    receipt = or_raise(world.api.execute(made))
    told = learned((done.step, done.outcome) for done in receipt.steps)
    expected = simulate(before, made, told)

    assert held_by(world, expected) == simulated(expected)


def world_with(mode: dict[str, Any], folder: Path) -> World:
    given = mlopus.testing.in_memory().repositories
    store = MemoryArtifactStore(**mode)
    api = MlflowApi(
        tracking=given.tracking,
        cache=given.cache,
        artifacts=given.artifacts,
        stores=store,
        workspace=given.workspace,
        clock=given.clock,
    )
    run = or_raise(or_raise(api.create_exp("e")).start_run("r"))
    or_raise(run.log_artifact(write_model(folder / "model"), "model"))
    return World(api=api, store=store, run=or_raise(run.cache_meta()), folder=folder)


def facts_of(world: World, call: Call) -> Facts:
    """What is gathered for a call, with all that is held of the run's metadata."""
    api = world.api
    facts = or_raise(gather(call, api.repositories, api.settings, api.recent_parents))
    others = tuple(record for record in facts.records if not isinstance(record, RunRecord))
    return attrs.evolve(facts, records=(run_of(world), *others), cached_records=(cached_run_of(world),))


def run_of(world: World) -> Record:
    return or_raise(world.api.repositories.tracking.get(RunKey(world.run.id)))


def cached_run_of(world: World) -> Record:
    return or_raise(world.api.repositories.cache.get(RunKey(world.run.id))).record


@attrs.frozen(kw_only=True)
class Held:
    """What repositories hold, without what is only about the moment at which it was looked at."""

    entries: dict[str, Entry]
    manifests: dict[str, Manifest]
    remote: dict[str, tuple[int | None, str | None, str | None]]
    target: dict[str, tuple[int, tuple[str, str] | None]]
    source: frozenset[str]
    exported: tuple[frozenset[Entry], dict[str, Manifest], frozenset[Record]]
    run: tuple[Record, ...]
    cached_run: tuple[Record, ...]


def simulated(facts: Facts) -> Held:
    """What simulation says."""
    entries = () if facts.cache is None else facts.cache.entries
    manifests = {} if facts.cache is None else facts.cache.manifests
    listing = None if facts.store is None else facts.store.listing
    kept = {entry.tree_key for entry in entries}
    return Held(
        entries={entry.path: entry for entry in entries},
        manifests={key: manifest for key, manifest in manifests.items() if key in kept},
        remote=remote_files(listing),
        target=target_files(facts.target),
        source=frozenset(file.path for file in facts.source.files) if facts.source else frozenset(),
        exported=exported_facts(facts.export),
        run=tuple(record for record in facts.records if isinstance(record, RunRecord)),
        cached_run=tuple(record for record in facts.cached_records if isinstance(record, RunRecord)),
    )


def held_by(world: World, facts: Facts) -> Held:
    """What the repositories hold, of all that these simulated facts speak of."""
    given = world.api.repositories
    place = facts.location or ArtifactLocation(subject=run_subject(world.run.id), root_url=world.run.repo)
    entries: tuple[Entry, ...] = ()
    manifests: dict[str, Manifest] = {}
    listing = target = None
    if facts.cache is not None:
        entries = or_raise(given.artifacts.overlapping(place.subject, place.path))
        keys = {entry.tree_key for entry in entries} & set(facts.cache.manifests)
        manifests = {key: or_raise(given.artifacts.manifest(key)) for key in keys}
    if facts.store is not None and facts.store.listing is not None:
        listing = or_raise(given.stores.list_tree(join_url(place.root_url, place.path)))
    if facts.target is not None:
        target = or_raise(given.workspace.target_facts(facts.target.path, entries[0].tree_key))
    return Held(
        entries={entry.path: entry for entry in entries},
        manifests=manifests,
        remote=remote_files(listing),
        target=target_files(target),
        source=frozenset(paths_below(Path(facts.source.path))) if facts.source else frozenset(),
        exported=exported_by(world, facts.export, place),
        run=(run_of(world),),
        cached_run=(cached_run_of(world),),
    )


def exported_facts(
    export: ExportFacts | None,
) -> tuple[frozenset[Entry], dict[str, Manifest], frozenset[Record]]:
    if export is None or export.cache is None:
        return frozenset(), {}, frozenset()
    kept = {entry.tree_key for entry in export.cache.entries}
    manifests = {key: manifest for key, manifest in export.cache.manifests.items() if key in kept}
    return frozenset(export.cache.entries), manifests, frozenset(row.record for row in export.held)


def exported_by(
    world: World, export: ExportFacts | None, place: ArtifactLocation
) -> tuple[frozenset[Entry], dict[str, Manifest], frozenset[Record]]:
    if export is None or export.cache is None:
        return frozenset(), {}, frozenset()
    folders, folder = world.api.repositories.cache_folders, export.folder.path
    cache, rows = folders.artifacts(folder), folders.metadata(folder)
    entries = or_raise(cache.overlapping(place.subject, place.path))
    manifests = {entry.tree_key: or_raise(cache.manifest(entry.tree_key)) for entry in entries}
    held = frozenset(or_raise(rows.get(key_of(row.record))).record for row in export.held)
    return frozenset(entries), manifests, held


def remote_files(listing: RemoteTree | None) -> dict[str, tuple[int | None, str | None, str | None]]:
    files = () if listing is None else listing.files
    return {file.path: (file.size_bytes, file.validator, file.sha256) for file in files}


def target_files(target: TargetFacts | None) -> dict[str, tuple[int, tuple[str, str] | None]]:
    files = () if target is None else target.files
    return {file.path: (file.size_bytes, file.links_to) for file in files}


def paths_below(source: Path) -> list[str]:
    if source.is_file():
        return [""]
    return [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
