"""Reading what is to be copied."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from mlopus.api.copy_sides import Side, spec_of
from mlopus.concurrency.crews import for_each
from mlopus.domain.keys import ExperimentKey, ModelKey, RunKey
from mlopus.domain.locations import run_subject
from mlopus.domain.manifest import RemoteTree
from mlopus.domain.paths import join_url, path_below
from mlopus.domain.records import (
    PARENT_TAG,
    ExperimentRecord,
    ModelRecord,
    RunRecord,
    VersionRecord,
)
from mlopus.errors import MlopusError
from mlopus.plans.copy_facts import HeldRun, HeldVersion, Holdings
from mlopus.plans.facts import StoreFacts
from mlopus.result import Failure, Result, Success, collect, mapped

_IDS_AT_ONCE: Final = 100


class SourceSide(Side):
    """The store that is copied from."""

    def runs_of(self, exp: ExperimentKey) -> Result[tuple[RunRecord, ...], MlopusError]:
        """The active runs of an experiment."""
        return self.every(spec_of("run", {}, exp_ids=(exp.id,)), RunRecord)

    def run_and_below(
        self, key: RunKey, *, with_children: bool
    ) -> Result[tuple[RunRecord, ...], MlopusError]:
        """A run, first, and the active runs of its experiment that are nested in it, however deep."""
        run = self.get(key, RunRecord)
        if isinstance(run, Failure):
            return run
        found = {run.unwrap().id: run.unwrap()}
        above = [run.unwrap().id] if with_children else []
        while above:
            nested: list[RunRecord] = []
            for run_id in above:
                spec = spec_of("run", {f"tags.{PARENT_TAG}": run_id}, exp_ids=(run.unwrap().exp_id,))
                children = self.every(spec, RunRecord)
                if isinstance(children, Failure):
                    return children
                nested += [one for one in children.unwrap() if one.tags.get(PARENT_TAG) == run_id]
            above = [one.id for one in nested if one.id not in found]
            found.update((one.id, one) for one in nested if one.id not in found)
        return Success(tuple(found.values()))

    def versions_of(self, runs: tuple[RunRecord, ...]) -> Result[tuple[VersionRecord, ...], MlopusError]:
        """The registered versions of runs."""
        ids = [run.id for run in runs]
        found: list[VersionRecord] = []
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            versions = self.every(spec_of("model version", {"run.id": {"$in": some}}), VersionRecord)
            if isinstance(versions, Failure):
                return versions
            found += [version for version in versions.unwrap() if version.run_id in some]
        return Success(tuple(found))

    def holdings(
        self,
        exp: ExperimentRecord,
        runs: tuple[RunRecord, ...],
        versions: tuple[VersionRecord, ...],
        *,
        only: bool,
    ) -> Result[Holdings, MlopusError]:
        """All that is to be copied of runs and versions; `only`: no artifacts but those of the versions."""
        located = self._located(runs, versions)
        models = self._models(versions)
        points = self.points_of(runs)
        if isinstance(located, Failure):
            return located
        if isinstance(models, Failure):
            return models
        if isinstance(points, Failure):
            return points
        paths = [held.path_in_run for held in located.unwrap() if held.path_in_run is not None]
        elsewhere = [held.url for held in located.unwrap() if held.path_in_run is None]
        trees = self.trees_of([*([] if only and not paths else [run.repo for run in runs]), *elsewhere])
        if isinstance(trees, Failure):
            return trees
        listed = trees.unwrap()
        held_runs = tuple(
            HeldRun(
                record=run,
                points=tuple(points.unwrap().get(run.id, ())),
                tree=_at_paths(listed[run.repo], paths) if only and paths else listed.get(run.repo),
            )
            for run in runs
        )
        held_versions = tuple(attrs.evolve(held, tree=listed.get(held.url)) for held in located.unwrap())
        return mapped(
            self._remote(run.repo for run in runs),
            lambda store: Holdings(
                origin=self.repositories.tracking.origin,
                files_cost=store is not None,
                in_parts=None if store is None else store.in_parts,
                exp=exp,
                runs=held_runs,
                models=models.unwrap(),
                versions=held_versions,
            ),
        )

    def _located(
        self, runs: tuple[RunRecord, ...], versions: tuple[VersionRecord, ...]
    ) -> Result[tuple[HeldVersion, ...], MlopusError]:
        by_id = {run.id: run for run in runs}

        def locate(version: VersionRecord) -> Result[HeldVersion, MlopusError]:
            run = by_id[version.run_id or ""]
            located = self.repositories.tracking.locate(version, run)
            if isinstance(located, Failure):
                return located
            at = located.unwrap()
            if at.subject == run_subject(run.id) and at.root_url in (run.repo, ""):
                return Success(HeldVersion(record=version, path_in_run=at.path))
            return Success(HeldVersion(record=version, path_in_run=None, url=join_url(at.root_url, at.path)))

        return for_each(locate, versions, min(self.workers, max(1, len(versions))))

    def _models(self, versions: tuple[VersionRecord, ...]) -> Result[tuple[ModelRecord, ...], MlopusError]:
        names = sorted({version.name for version in versions})
        return collect(self.get(ModelKey(name), ModelRecord) for name in names)

    def _remote(self, urls: Iterable[str]) -> Result[StoreFacts | None, MlopusError]:
        """The first store of these that is across a network."""
        for url in urls:
            store = self.repositories.stores.facts(url)
            if isinstance(store, Failure) or store.unwrap().requests_cost:
                return store
        return Success(None)


def _at_paths(tree: RemoteTree, paths: list[str]) -> RemoteTree:
    """The part of a tree that is at some paths, under its own names."""

    def is_wanted(path: str) -> bool:
        return any(path_below(path, wanted) is not None for wanted in paths)

    return attrs.evolve(
        tree,
        files=tuple(file for file in tree.files if is_wanted(file.path)),
        empty_folders=tuple(folder for folder in tree.empty_folders if is_wanted(folder)),
    )
