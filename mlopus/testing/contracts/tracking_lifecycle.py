"""What a tracking store must do when entities are deleted and restored: as MLflow's servers do."""

from __future__ import annotations

from typing import Final

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, RunKey, VersionKey, key_of
from mlopus.domain.records import ExperimentRecord, ModelRecord, RunRecord
from mlopus.domain.status import View
from mlopus.errors import InvalidRequest, NotFound
from mlopus.plans.changes import (
    CreateModel,
    DeleteEntity,
    DeleteTags,
    RenameExperiment,
    RestoreEntity,
    SetTags,
    TrackingChange,
)
from mlopus.testing.contracts.tracking_case import (
    TrackingCase,
    creating_run,
    found_by,
    fresh,
    keys_of,
    registering,
    spec,
)

VIEWS: Final[tuple[View, ...]] = ("active", "deleted", "all")


class TrackingLifecycleContract:
    """Part of `TrackingContract`."""

    def test_a_run_is_deleted_and_restored_as_it_was(self, case: TrackingCase) -> None:
        run = case.log(case.run(), params={"lr": "0.1"}, tags={"a": "1"})

        case.send(DeleteEntity(key=RunKey(run.id)))
        deleted = case.get(RunRecord, run)
        case.send(RestoreEntity(key=RunKey(run.id)))

        assert deleted == attrs.evolve(run, lifecycle_stage="deleted")
        assert case.get(RunRecord, run) == run

    def test_an_experiment_is_deleted_and_restored_with_its_runs(self, case: TrackingCase) -> None:
        exp = case.experiment()
        runs = [case.run(exp) for _ in range(3)]
        other = case.run()

        case.send(DeleteEntity(key=ExperimentKey(exp.id)))
        deleted = [case.get(RunRecord, run).lifecycle_stage for run in (*runs, other)]
        case.send(RestoreEntity(key=ExperimentKey(exp.id)))

        assert deleted == ["deleted"] * 3 + ["active"]
        assert [case.get(RunRecord, run) for run in runs] == runs
        assert case.get(ExperimentRecord, exp).lifecycle_stage == "active"

    def test_restoring_an_experiment_restores_also_runs_that_were_deleted_before_it(
        self, case: TrackingCase
    ) -> None:
        exp = case.experiment()
        run = case.run(exp)
        case.delete(key_of(run))
        case.delete(key_of(exp))

        case.send(RestoreEntity(key=ExperimentKey(exp.id)))

        assert case.get(RunRecord, run).lifecycle_stage == "active"

    def test_a_run_of_a_deleted_experiment_can_be_restored_alone(self, case: TrackingCase) -> None:
        exp = case.experiment()
        run = case.run(exp)
        case.delete(key_of(exp))

        case.send(RestoreEntity(key=RunKey(run.id)))

        assert case.get(RunRecord, run).lifecycle_stage == "active"
        assert case.get(ExperimentRecord, exp).lifecycle_stage == "deleted"

    def test_a_deleted_experiment_that_is_deleted_again_leaves_a_restored_run_alone(
        self, case: TrackingCase
    ) -> None:
        exp = case.experiment()
        run = case.run(exp)
        case.delete(key_of(exp))
        case.send(RestoreEntity(key=RunKey(run.id)))

        case.delete(key_of(exp))

        assert case.get(RunRecord, run).lifecycle_stage == "active"

    @pytest.mark.parametrize("kind", ["experiment", "run"])
    def test_deleting_or_restoring_twice_is_no_fault(self, case: TrackingCase, kind: str) -> None:
        exp = case.experiment()
        run = case.run(exp)
        key: ExperimentKey | RunKey = ExperimentKey(exp.id) if kind == "experiment" else RunKey(run.id)
        delete, restore = DeleteEntity(key=key), RestoreEntity(key=key)
        changes: tuple[TrackingChange, ...] = (delete, delete, restore, restore)
        stages: list[str] = []

        for change in changes:
            case.send(change)
            stages.append(case.get(RunRecord, run).lifecycle_stage)

        assert stages == ["deleted", "deleted", "active", "active"]

    def test_deleted_experiments_are_found_where_the_view_has_them(self, case: TrackingCase) -> None:
        mark = fresh("mark")
        kept, deleted, restored = (case.experiment(mark=mark) for _ in range(3))
        for exp in (deleted, restored):
            case.delete(key_of(exp))
        case.send(RestoreEntity(key=ExperimentKey(restored.id)))

        found = {
            view: sorted(keys_of(found_by(case.tracking, spec("experiment", {"tags.mark": mark}, view=view))))
            for view in VIEWS
        }

        assert found == {
            "active": sorted([kept.id, restored.id]),
            "deleted": [deleted.id],
            "all": sorted([kept.id, deleted.id, restored.id]),
        }

    def test_runs_of_a_deleted_experiment_are_found_among_the_deleted(self, case: TrackingCase) -> None:
        exp = case.experiment()
        run = case.run(exp)
        case.delete(key_of(exp))

        active = found_by(case.tracking, spec("run", exps=(exp,)))
        deleted = found_by(case.tracking, spec("run", exps=(exp,), view="deleted"))

        assert active == []
        assert deleted == [attrs.evolve(run, lifecycle_stage="deleted")]

    def test_a_deleted_experiment_or_run_is_neither_renamed_nor_tagged(self, case: TrackingCase) -> None:
        exp = case.experiment(a="1")
        run = case.run(exp, tags=immutabledict(a="1"))
        case.delete(key_of(exp))
        changes = (
            RenameExperiment(exp_id=exp.id, name=fresh("exp")),
            SetTags(on=ExperimentKey(exp.id), tags=immutabledict(a="2")),
            DeleteTags(on=RunKey(run.id), keys=("a",)),
        )

        errors = [case.tracking.send(change).failure() for change in changes]

        assert [type(error) for error in errors] == [InvalidRequest] * 3
        assert case.get(ExperimentRecord, exp).name == exp.name
        assert [case.get(ExperimentRecord, exp).tags["a"], case.get(RunRecord, run).tags["a"]] == ["1", "1"]

    def test_nothing_is_created_in_a_deleted_experiment_before_it_is_restored(
        self, case: TrackingCase
    ) -> None:
        exp = case.experiment()
        case.delete(key_of(exp))
        refused = case.tracking.send(creating_run(exp)).failure()

        case.send(RestoreEntity(key=ExperimentKey(exp.id)))

        assert isinstance(refused, InvalidRequest)
        assert case.run(exp).exp_id == exp.id

    def test_a_deleted_version_is_gone_with_its_aliases(self, case: TrackingCase) -> None:
        model = case.model()
        kept, deleted = case.version(model), case.version(model)
        for alias, version in (("a", deleted), ("b", kept), ("c", deleted)):
            case.alias(model.name, alias, version.version)

        case.delete(key_of(deleted))

        assert isinstance(case.tracking.get(key_of(deleted)).failure(), NotFound)
        assert isinstance(case.tracking.get(AliasKey(model.name, "a")).failure(), NotFound)
        assert case.get(ModelRecord, model).aliases == {"b": kept.version}
        of_model = spec("model version", {"model.name": model.name})
        assert found_by(case.tracking, of_model) == [attrs.evolve(kept, aliases=("b",))]

    def test_the_number_of_a_deleted_version_is_not_given_again(self, case: TrackingCase) -> None:
        model = case.model()
        versions = [case.version(model) for _ in range(3)]
        case.delete(key_of(versions[-1]))

        again = case.version(model)
        case.delete(key_of(again))

        assert (again.version, case.version(model).version) == ("4", "5")

    def test_a_registration_whose_version_was_deleted_makes_another(self, case: TrackingCase) -> None:
        change = registering(case.model())
        first = case.send(change)
        assert first is not None
        case.delete(key_of(first))

        again = case.send(attrs.evolve(change, may_exist=True))

        assert again is not None
        assert key_of(again) == VersionKey(change.model_name, "2")

    def test_a_deleted_model_is_gone_with_its_versions(self, case: TrackingCase) -> None:
        model, other = case.model(), case.model()
        version, kept = case.version(model), case.version(other)
        case.alias(model.name, "champion", version.version)

        case.delete(key_of(model))

        keys = (ModelKey(model.name), key_of(version), AliasKey(model.name, "champion"))
        assert [type(case.tracking.get(key).failure()) for key in keys] == [NotFound] * 3
        assert found_by(case.tracking, spec("model", {"name": model.name})) == []
        assert found_by(case.tracking, spec("model version", {"model.name": model.name})) == []
        assert case.tracking.get(key_of(kept)).unwrap() == kept

    def test_a_model_that_is_made_again_begins_anew(self, case: TrackingCase) -> None:
        model = case.model(a="1")
        version = case.version(model)
        case.alias(model.name, "champion", version.version)
        case.delete(key_of(model))

        again = case.send(CreateModel(name=model.name, tags=immutabledict(), operation_id=fresh()))

        assert isinstance(again, ModelRecord)
        assert "a" not in again.tags
        assert not again.aliases
        assert case.version(again).version == "1"

    def test_what_is_not_there_is_neither_deleted_nor_restored(self, case: TrackingCase) -> None:
        model, none = case.model(), "9" * 18
        version = case.version(model)
        run = RunKey(fresh().replace("op-", ""))
        case.delete(key_of(version))
        changes: tuple[TrackingChange, ...] = (
            *(DeleteEntity(key=key) for key in (ExperimentKey(none), run, ModelKey(fresh("none")))),
            *(DeleteEntity(key=key) for key in (key_of(version), VersionKey(model.name, "77"))),
            *(RestoreEntity(key=key) for key in (ExperimentKey(none), run)),
        )

        errors = [case.tracking.send(change).failure() for change in changes]

        assert [type(error) for error in errors] == [NotFound] * len(changes)
