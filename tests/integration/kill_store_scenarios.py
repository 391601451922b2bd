"""Changes of an embedded store that may be killed: each of many rows, and whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, RunKey
from mlopus.domain.records import ExperimentRecord, ModelRecord, RunRecord, VersionRecord
from mlopus.plans.changes import (
    DeleteEntity,
    EnsureExperiment,
    EnsureModel,
    LogBatch,
    RenameModel,
    SetAlias,
    TrackingChange,
)
from mlopus.repositories.embedded import EmbeddedTracking
from mlopus.testing.contracts.tracking_case import creating_run, found_by, fresh, point, registering, spec

RUNS, VERSIONS, POINTS = 4, 3, 6


class StoreChange:
    """What all of them share: an experiment with runs, a model with versions, and a look at the database."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def prepare(self) -> None:
        store = EmbeddedTracking(self._folder)
        exp = self._exp(store)
        runs = [store.send(creating_run(exp, name=f"r{number}")).unwrap() for number in range(RUNS)]
        model = store.send(EnsureModel(name="old", tags=immutabledict(), operation_id=fresh())).unwrap()
        for _ in range(VERSIONS):
            store.send(registering(model, runs[0])).unwrap()
        store.send(SetAlias(model_name="old", alias="best", version="2")).unwrap()
        store.close()

    def act(self) -> None:
        store = EmbeddedTracking(self._folder)
        store.send(self.change(store)).unwrap()

    def recover(self) -> None:
        if self.check() == "old":
            self.act()

    def check(self) -> str:
        with closing(sqlite3.connect(Path(self._folder) / "tracking.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        store = EmbeddedTracking(self._folder)
        state = self.state(store)
        store.close()
        return state

    def change(self, store: EmbeddedTracking) -> TrackingChange:
        """What is killed."""
        raise NotImplementedError

    def state(self, store: EmbeddedTracking) -> str:
        """Whether all of it is there, or nothing."""
        raise NotImplementedError

    def _exp(self, store: EmbeddedTracking) -> ExperimentRecord:
        ensure = EnsureExperiment(name="shared", tags=immutabledict(), operation_id=fresh())
        exp = store.send(ensure).unwrap()
        assert isinstance(exp, ExperimentRecord)
        return exp

    def _runs(self, store: EmbeddedTracking) -> list[RunRecord]:
        exp = store.get(ExperimentKey("0")).unwrap()
        assert isinstance(exp, ExperimentRecord)
        found = found_by(store, spec("run", exps=(exp,), sorting=[("name", 1)], view="all"))
        return [run for run in found if isinstance(run, RunRecord)]


class DeleteExperiment(StoreChange):
    """An experiment is deleted with its runs."""

    def change(self, store: EmbeddedTracking) -> TrackingChange:
        return DeleteEntity(key=ExperimentKey(self._exp(store).id))

    def state(self, store: EmbeddedTracking) -> str:
        exp = store.get(ExperimentKey("0")).unwrap()
        assert isinstance(exp, ExperimentRecord)
        stages = [exp.lifecycle_stage, *(run.lifecycle_stage for run in self._runs(store))]
        assert stages in (["active"] * (1 + RUNS), ["deleted"] * (1 + RUNS)), stages
        return "old" if exp.lifecycle_stage == "active" else "new"


class RenameAModel(StoreChange):
    """A model is renamed with its versions and their alias."""

    def change(self, _: EmbeddedTracking) -> TrackingChange:
        return RenameModel(name="old", new_name="new")

    def state(self, store: EmbeddedTracking) -> str:
        models = [record.name for record in found_by(store, spec("model")) if isinstance(record, ModelRecord)]
        (name,) = models
        versions = found_by(store, spec("model version", sorting=[("version", 1)]))
        named = [(v.name, v.version, v.aliases) for v in versions if isinstance(v, VersionRecord)]
        wanted = [(name, str(n), ("best",) if n == 2 else ()) for n in range(1, VERSIONS + 1)]
        assert named == wanted, named
        assert store.get(AliasKey(name, "best")).unwrap() == versions[1]
        assert isinstance(store.get(ModelKey(name)).unwrap(), ModelRecord)
        return name


class LogMuch(StoreChange):
    """A batch of params, tags and points is logged to a run."""

    texts: ClassVar[immutabledict[str, str]] = immutabledict({f"k{n}": str(n) for n in range(POINTS)})

    def change(self, store: EmbeddedTracking) -> TrackingChange:
        points = tuple(point(f"m{n % 3}", n, step=n) for n in range(POINTS))
        return LogBatch(run_id=self._runs(store)[0].id, params=self.texts, tags=self.texts, metrics=points)

    def state(self, store: EmbeddedTracking) -> str:
        run = self._runs(store)[0]
        history = store.metric_history(RunKey(run.id), "m0").unwrap()
        of_tags = [key for key in run.tags if key in self.texts]
        counted = (len(run.params), len(of_tags), len(run.metrics), len(history))
        assert counted in ((0, 0, 0, 0), (POINTS, POINTS, 3, POINTS // 3)), counted
        return "new" if run.params else "old"


STORE_SCENARIOS = {
    "delete an experiment": DeleteExperiment,
    "rename a model": RenameAModel,
    "log a batch": LogMuch,
}
