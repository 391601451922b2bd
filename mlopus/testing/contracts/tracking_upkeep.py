"""What a tracking store must do with names, descriptions, tags and aliases that change."""

from __future__ import annotations

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import (
    AliasKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    OwnKey,
    RunKey,
    VersionKey,
    key_of,
)
from mlopus.domain.records import RUN_NAME_TAG, ExperimentRecord, ModelRecord, Record, RunRecord
from mlopus.errors import AlreadyExists, InvalidRequest, InvalidValue, NotFound, Unsupported
from mlopus.plans.changes import (
    DeleteAlias,
    DeleteTags,
    RenameExperiment,
    RenameModel,
    SetAlias,
    TrackingChange,
    UpdateDescription,
    UpdateRun,
)
from mlopus.result import Success
from mlopus.testing.contracts.tracking_case import TrackingCase, batch, found_by, fresh, spec


class TrackingUpkeepContract:
    """Part of `TrackingContract`."""

    def test_a_renamed_experiment_is_there_by_its_new_name_only(self, case: TrackingCase) -> None:
        exp, name = case.experiment(a="1"), fresh("exp")
        run = case.run(exp)

        case.send(RenameExperiment(exp_id=exp.id, name=name))

        after = case.tracking.get(ExperimentName(name)).unwrap()
        assert _undated(after) == _undated(attrs.evolve(exp, name=name))
        assert isinstance(case.tracking.get(ExperimentName(exp.name)).failure(), NotFound)
        assert found_by(case.tracking, spec("run", {"exp.name": name}, exps=(exp,))) == [run]

    @pytest.mark.parametrize("is_deleted", [False, True])
    def test_an_experiment_is_not_given_a_name_that_is_taken(
        self, case: TrackingCase, *, is_deleted: bool
    ) -> None:
        exp, other = case.experiment(), case.experiment()
        if is_deleted:
            case.delete(key_of(other))

        error = case.tracking.send(RenameExperiment(exp_id=exp.id, name=other.name)).failure()

        assert isinstance(error, AlreadyExists)
        assert (error.kind, error.key) == ("experiment", other.name)
        assert ("restore_exp" in (error.hint or "")) is is_deleted
        assert case.get(ExperimentRecord, exp) == exp

    def test_the_old_name_of_an_experiment_is_free(self, case: TrackingCase) -> None:
        exp, other = case.experiment(), case.experiment()
        case.send(RenameExperiment(exp_id=exp.id, name=fresh("exp")))

        case.send(RenameExperiment(exp_id=other.id, name=exp.name))

        assert case.tracking.get(ExperimentName(exp.name)).unwrap() == case.get(ExperimentRecord, other)

    def test_the_name_of_a_run_and_its_tag_are_one(self, case: TrackingCase) -> None:
        run = case.run(name="first")

        case.send(UpdateRun(run_id=run.id, name="second"))
        updated = case.get(RunRecord, run)
        case.send(batch(run, tags={RUN_NAME_TAG: "third"}))
        tagged = case.get(RunRecord, run)

        assert (updated.name, updated.tags[RUN_NAME_TAG]) == ("second", "second")
        assert (tagged.name, tagged.tags[RUN_NAME_TAG]) == ("third", "third")

    def test_a_renamed_model_keeps_what_it_has(self, case: TrackingCase) -> None:
        model, name = case.model(a="1"), fresh("model")
        versions = [case.version(model, tags=immutabledict(n=str(number))) for number in range(2)]
        case.alias(model.name, "champion", "2")

        case.send(RenameModel(name=model.name, new_name=name))

        renamed = attrs.evolve(model, name=name, aliases=immutabledict(champion="2"))
        after = case.tracking.get(ModelKey(name)).unwrap()
        of_model = spec("model version", {"model.name": name}, [("version", 1)])
        wanted = [attrs.evolve(version, name=name) for version in versions]
        wanted[1] = attrs.evolve(wanted[1], aliases=("champion",))
        assert _undated(after) == _undated(renamed)
        assert [_undated(version) for version in found_by(case.tracking, of_model)] == [
            _undated(version) for version in wanted
        ]
        assert case.tracking.get(AliasKey(name, "champion")) == case.tracking.get(VersionKey(name, "2"))

    def test_the_old_name_of_a_model_names_nothing(self, case: TrackingCase) -> None:
        model = case.model()
        case.version(model)
        case.alias(model.name, "champion", "1")

        case.send(RenameModel(name=model.name, new_name=fresh("model")))

        keys = (ModelKey(model.name), VersionKey(model.name, "1"), AliasKey(model.name, "champion"))
        assert [type(case.tracking.get(key).failure()) for key in keys] == [NotFound] * 3
        assert found_by(case.tracking, spec("model version", {"model.name": model.name})) == []

    def test_versions_of_a_renamed_model_are_numbered_on(self, case: TrackingCase) -> None:
        model, name = case.model(), fresh("model")
        case.version(model)
        case.delete(key_of(case.version(model)))

        case.send(RenameModel(name=model.name, new_name=name))

        assert case.version(attrs.evolve(model, name=name)).version == "3"

    def test_a_model_is_not_given_a_name_that_is_taken(self, case: TrackingCase) -> None:
        model, other = case.model(a="1"), case.model(a="2")

        error = case.tracking.send(RenameModel(name=model.name, new_name=other.name)).failure()

        assert isinstance(error, AlreadyExists)
        assert (error.kind, error.key) == ("model", other.name)
        assert case.get(ModelRecord, model) == model
        assert case.get(ModelRecord, other) == other

    def test_a_rename_to_the_name_that_is_there_changes_nothing(self, case: TrackingCase) -> None:
        exp, model = case.experiment(), case.model()

        case.send(RenameExperiment(exp_id=exp.id, name=exp.name))
        case.send(RenameModel(name=model.name, new_name=model.name))

        assert _undated(case.get(ExperimentRecord, exp)) == _undated(exp)
        assert _undated(case.get(ModelRecord, model)) == _undated(model)

    def test_descriptions_are_set_replaced_and_cleared(self, case: TrackingCase) -> None:
        model = case.model()
        keys = (ModelKey(model.name), key_of(case.version(model)))
        seen: list[tuple[str | None, ...]] = []

        for text in ("first", "second\n🦊", "", ""):
            for key in keys:
                case.send(UpdateDescription(on=_describable(key), description=text))
            seen.append(tuple(_description(case.tracking.get(key).unwrap()) for key in keys))

        assert seen == [("first", "first"), ("second\n🦊", "second\n🦊"), (None, None), (None, None)]

    @pytest.mark.parametrize("kind", ["run", "model", "model version"])
    def test_tags_are_deleted_and_those_that_lack_are_no_fault(self, case: TrackingCase, kind: str) -> None:
        tags = immutabledict({"a": "1", "b": "2", "c.d": "3"})
        model = case.model(**tags)
        keys: dict[str, OwnKey] = {
            "run": RunKey(case.run(tags=tags).id),
            "model": ModelKey(model.name),
            "model version": key_of(case.version(model, tags=tags)),
        }
        before = case.tracking.get(keys[kind]).unwrap()

        for _ in range(2):
            case.send(DeleteTags(on=keys[kind], keys=("c.d", "never", "a")))

        after = case.tracking.get(keys[kind]).unwrap().tags
        assert after == {key: text for key, text in before.tags.items() if key not in ("a", "c.d")}

    def test_tags_of_an_experiment_are_deleted_where_the_store_can(self, case: TrackingCase) -> None:
        exp = case.experiment(a="1", b="2")
        change = DeleteTags(on=ExperimentKey(exp.id), keys=("never", "a"))

        answers = [case.tracking.send(change) for _ in range(2)]

        after = case.get(ExperimentRecord, exp).tags
        if case.untags_experiments:
            assert answers == [Success(None)] * 2
            assert after == {key: text for key, text in exp.tags.items() if key != "a"}
        else:
            assert [type(answer.failure()) for answer in answers] == [Unsupported] * 2
            assert "3.2" in (answers[0].failure().hint or "")
            assert after == exp.tags

    def test_deleting_the_tag_of_a_name_leaves_the_name(self, case: TrackingCase) -> None:
        run = case.run(name="first")

        case.send(DeleteTags(on=RunKey(run.id), keys=(RUN_NAME_TAG,)))

        after = case.get(RunRecord, run)
        assert (after.name, RUN_NAME_TAG in after.tags) == ("first", False)

    def test_an_alias_moves_from_one_version_to_another(self, case: TrackingCase) -> None:
        model = case.model()
        first, second = case.version(model), case.version(model)
        case.send(SetAlias(model_name=model.name, alias="champion", version="1"))
        case.send(SetAlias(model_name=model.name, alias="other", version="1"))

        for _ in range(2):
            case.send(SetAlias(model_name=model.name, alias="champion", version="2"))

        named = case.tracking.get(AliasKey(model.name, "champion"))
        assert named == Success(attrs.evolve(second, aliases=("champion",)))
        assert case.tracking.get(key_of(first)) == Success(attrs.evolve(first, aliases=("other",)))
        assert case.get(ModelRecord, model).aliases == {"champion": "2", "other": "1"}

    def test_a_deleted_alias_names_nothing(self, case: TrackingCase) -> None:
        model = case.model()
        version = case.version(model)
        for alias in ("champion", "other"):
            case.alias(model.name, alias, version.version)

        for _ in range(2):
            case.send(DeleteAlias(model_name=model.name, alias="champion"))

        assert isinstance(case.tracking.get(AliasKey(model.name, "champion")).failure(), NotFound)
        assert case.tracking.get(key_of(version)) == Success(attrs.evolve(version, aliases=("other",)))
        assert case.get(ModelRecord, model).aliases == {"other": version.version}

    def test_a_version_is_found_by_an_alias_that_it_has_and_not_by_one_that_it_had(
        self, case: TrackingCase
    ) -> None:
        model = case.model()
        for _ in range(2):
            case.version(model)
        case.alias(model.name, "champion", "1")
        case.alias(model.name, "champion", "2")

        search = spec("model version", {"model.name": model.name, "aliases": "champion"})

        found = [r for r in found_by(case.tracking, search) if search.query.matches(case.document(r))]
        assert [key_of(record) for record in found] == [VersionKey(model.name, "2")]

    def test_an_alias_may_look_like_a_number_or_be_of_any_letters(self, case: TrackingCase) -> None:
        model = case.model()
        first, _ = case.version(model), case.version(model)

        for alias in ("2", "é_-", "a" * 255):
            case.alias(model.name, alias, first.version)

        assert [
            key_of(case.tracking.get(AliasKey(model.name, alias)).unwrap())
            for alias in ("2", "é_-", "a" * 255)
        ] == [key_of(first)] * 3

    @pytest.mark.parametrize("alias", ["", "v3", "V3", "latest", "Latest", "a b", "a.b", "a/b", "a" * 256])
    def test_an_alias_that_servers_refuse_is_refused(self, case: TrackingCase, alias: str) -> None:
        model = case.model()
        version = case.version(model)

        answer = case.tracking.send(SetAlias(model_name=model.name, alias=alias, version=version.version))

        assert isinstance(answer.failure(), InvalidRequest | InvalidValue)
        assert not case.get(ModelRecord, model).aliases

    def test_what_is_not_there_is_not_kept_in_order(self, case: TrackingCase) -> None:
        model, none, run = case.model(), "9" * 18, RunKey(fresh().replace("op-", ""))
        nothing, version = ModelKey(fresh("none")), VersionKey(model.name, "77")
        changes: tuple[TrackingChange, ...] = (
            RenameExperiment(exp_id=none, name=fresh("exp")),
            RenameModel(name=nothing.name, new_name=fresh("model")),
            *(UpdateDescription(on=key, description="d") for key in (nothing, version)),
            *(DeleteTags(on=key, keys=("a",)) for key in (run, nothing, version)),
            *(SetAlias(model_name=name, alias="a", version="77") for name in (model.name, nothing.name)),
            DeleteAlias(model_name=nothing.name, alias="a"),
        )

        errors = [case.tracking.send(change).failure() for change in changes]

        assert [type(error) for error in errors] == [NotFound] * len(changes)


def _undated(record: Record) -> Record:
    """A record without the time of its last change, which is the store's own."""
    return record if isinstance(record, RunRecord) else attrs.evolve(record, updated_at=None)


def _describable(key: OwnKey) -> ModelKey | VersionKey:
    assert isinstance(key, ModelKey | VersionKey)
    return key


def _description(record: Record) -> str | None:
    assert not isinstance(record, RunRecord | ExperimentRecord)
    return record.description
