"""Reading what there is already of what is to be copied."""

from __future__ import annotations

from typing import Final

import attrs

from mlopus.api.copy_sides import Side, spec_of
from mlopus.domain.keys import ExperimentKey, ExperimentName, ModelKey, RunKey
from mlopus.domain.paths import scheme_of
from mlopus.domain.records import (
    COPIED_FROM_TAG,
    PARENT_TAG,
    ExperimentRecord,
    ModelRecord,
    RunRecord,
    VersionRecord,
)
from mlopus.errors import IllegalPath, MlopusError, NotFound
from mlopus.plans.copy_facts import HeldRun, HeldVersion, Holdings
from mlopus.plans.copy_requests import CopyExpTo, CopyRequest, CopyVersionTo
from mlopus.plans.provenance import copied_from, is_copy_of
from mlopus.plans.trees import PROXY_SCHEME
from mlopus.result import Failure, Result, Success, mapped
from mlopus.wire.mlflow.artifacts import uploadable

_FIRST_EXPERIMENT: Final = ExperimentKey("0")
"""What MLflow's servers begin with."""
_FEW: Final = 8
"""Up to so many copies are looked for one by one; for more, all runs of the experiment are read."""


@attrs.frozen
class TargetSide(Side):
    """The store that is copied to."""

    request: CopyRequest

    def holdings(self, source: Holdings) -> Result[Holdings, MlopusError]:
        """What there is already of what the source holds."""
        found = self._experiment(source)
        if isinstance(found, Failure):
            return found
        exp = found.unwrap()
        copies = self._copies(source, exp)
        if isinstance(copies, Failure):
            return copies
        runs = self._held(source, copies.unwrap())
        if isinstance(runs, Failure):
            return runs
        registered = self._registered(source)
        if isinstance(registered, Failure):
            return registered
        models, versions = registered.unwrap()
        held = Holdings(
            origin=self.repositories.tracking.origin,
            exp=exp,
            runs=runs.unwrap(),
            models=models,
            versions=versions,
        )
        return self._with_store(held, source)

    def _experiment(self, source: Holdings) -> Result[ExperimentRecord | None, MlopusError]:
        """The copy of the experiment, whatever its name is now; else the one of that name."""
        named = self.request.name if isinstance(self.request, CopyExpTo) else None
        original = source.exp
        assert original is not None  # noqa: S101 (the source holds what is copied)
        if named is None:
            key = ExperimentKey(original.id)
            query = {f"tags.{COPIED_FROM_TAG}": copied_from(source.origin, key)}
            copies = self.every(spec_of("experiment", query, "all"), ExperimentRecord)
            if isinstance(copies, Failure):
                return copies
            ours = [exp for exp in copies.unwrap() if is_copy_of(exp, source.origin, key)]
            if ours:
                return Success(min(ours, key=lambda exp: (exp.lifecycle_stage == "deleted", exp.id)))
        found = self.get(ExperimentName(named or original.name), ExperimentRecord)
        if isinstance(found, Failure):
            return Success(None) if isinstance(found.failure(), NotFound) else found
        return found

    def _copies(
        self, source: Holdings, exp: ExperimentRecord | None
    ) -> Result[tuple[RunRecord, ...], MlopusError]:
        """The copies of runs, and of those that they are nested in, that are in the experiment."""
        if exp is None or exp.lifecycle_stage == "deleted":
            return Success(())
        ids = {run.record.id for run in source.runs}
        ids |= {run.record.tags[PARENT_TAG] for run in source.runs if PARENT_TAG in run.record.tags}
        texts = {copied_from(source.origin, RunKey(run_id)) for run_id in ids}
        query = {f"tags.{COPIED_FROM_TAG}": {"$in": sorted(texts)}} if len(texts) <= _FEW else {}
        found = self.every(spec_of("run", query, "all", (exp.id,)), RunRecord)
        return mapped(
            found,
            lambda runs: tuple(run for run in runs if run.tags.get(COPIED_FROM_TAG) in texts),
        )

    def _held(
        self, source: Holdings, copies: tuple[RunRecord, ...]
    ) -> Result[tuple[HeldRun, ...], MlopusError]:
        """Copies with their points and files, as far as their sources have any."""
        wanted = {copied_from(source.origin, RunKey(run.record.id)) for run in source.runs}
        active = [
            run for run in copies if run.lifecycle_stage == "active" and run.tags[COPIED_FROM_TAG] in wanted
        ]
        points = self.points_of(active)
        if isinstance(points, Failure):
            return points
        trees = self.trees_of(run.repo for run in active)
        if isinstance(trees, Failure):
            return trees
        return Success(
            tuple(
                HeldRun(
                    record=run,
                    points=tuple(points.unwrap().get(run.id, ())),
                    tree=trees.unwrap().get(run.repo),
                )
                for run in copies
            )
        )

    def _registered(
        self, source: Holdings
    ) -> Result[tuple[tuple[ModelRecord, ...], tuple[HeldVersion, ...]], MlopusError]:
        """The models that take versions, and all of their versions."""
        named = self.request.name if isinstance(self.request, CopyVersionTo) else None
        models: list[ModelRecord] = []
        versions: list[HeldVersion] = []
        for name in sorted({named or version.record.name for version in source.versions}):
            model = self.get(ModelKey(name), ModelRecord)
            if isinstance(model, Failure):
                if isinstance(model.failure(), NotFound):
                    continue
                return model
            models.append(model.unwrap())
            found = self.every(spec_of("model version", {"model.name": name}), VersionRecord)
            if isinstance(found, Failure):
                return found
            versions += [HeldVersion(record=v, path_in_run=None) for v in found.unwrap() if v.name == name]
        return Success((tuple(models), tuple(versions)))

    def _root_of(self, exp: ExperimentRecord | None) -> str | None:
        """Where runs of an experiment keep their artifacts; of a new one, where those of the first do."""
        if exp is None:
            exp = self.get(_FIRST_EXPERIMENT, ExperimentRecord).value_or(None)
        return None if exp is None else exp.artifact_location

    def _with_store(self, held: Holdings, source: Holdings) -> Result[Holdings, MlopusError]:
        """The holdings with what their store is like; of one that is not known yet, what is usual."""
        url = next((run.record.repo for run in held.runs), None) or self._root_of(held.exp)
        if not url:
            is_remote = self.repositories.tracking.facts.requests_cost
            return Success(attrs.evolve(held, files_cost=is_remote, keeps_folders=not is_remote))
        fault = _name_fault(url, source)
        if fault is not None:
            return Failure(fault)
        store = self.repositories.stores.facts(url)
        return mapped(
            store,
            lambda facts: attrs.evolve(
                held,
                files_cost=facts.requests_cost,
                in_parts=facts.in_parts,
                keeps_folders=facts.is_local,
            ),
        )


def _name_fault(url: str, source: Holdings) -> IllegalPath | None:
    """Why the server's proxy does not take a file under its name; None if it takes all, or is not asked."""
    if scheme_of(url) != PROXY_SCHEME:
        return None
    trees = [*(run.tree for run in source.runs), *(version.tree for version in source.versions)]
    names = (uploadable("", file.path) for tree in trees if tree is not None for file in tree.files)
    return next((name.failure() for name in names if isinstance(name, Failure)), None)
