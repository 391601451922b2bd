"""What a tracking store must do with models, versions and aliases."""

from __future__ import annotations

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, VersionKey
from mlopus.domain.records import ModelRecord, VersionRecord
from mlopus.errors import AlreadyExists
from mlopus.plans.changes import CreateModel, EnsureModel, SetTags
from mlopus.result import Success
from mlopus.testing.contracts.tracking_case import AWKWARD_TEXTS, TrackingCase, fresh, registering


class TrackingRegistryContract:
    """Part of `TrackingContract`."""

    def test_a_created_model_is_there_by_name(self, case: TrackingCase) -> None:
        model = case.model(team="search")

        assert model.tags["team"] == "search"
        assert model.description is None
        assert not model.aliases
        assert case.tracking.get(ModelKey(model.name)) == Success(model)

    def test_a_model_is_created_once_and_its_name_taken_once(self, case: TrackingCase) -> None:
        ensure = EnsureModel(name=fresh("model"), tags=immutabledict(), operation_id=fresh())
        first = case.send(ensure)

        again = case.send(attrs.evolve(ensure, operation_id=fresh()))
        taken = case.tracking.send(CreateModel(name=ensure.name, tags=ensure.tags, operation_id=fresh()))
        ours = case.tracking.send(
            CreateModel(name=ensure.name, tags=ensure.tags, operation_id=ensure.operation_id)
        )

        assert first == again
        assert isinstance(taken.failure(), AlreadyExists)
        assert ours == Success(first)

    def test_versions_of_a_model_are_numbered_from_one(self, case: TrackingCase) -> None:
        model, run = case.model(), case.run()

        first = case.version(model, run, tags=immutabledict(stage="dev"))
        second = case.version(model)

        assert (first.version, second.version) == ("1", "2")
        assert (first.run_id, first.source, first.tags["stage"]) == (run.id, f"{run.repo}/model", "dev")
        assert (second.run_id, second.source) == (None, "s3://bucket/model")
        assert case.get(VersionRecord, first) == first

    def test_the_same_registration_sent_twice_makes_one_version(self, case: TrackingCase) -> None:
        change = registering(case.model())

        first, again = case.send(change), case.send(attrs.evolve(change, may_exist=True))

        assert first == again

    def test_tags_are_added_and_replaced(self, case: TrackingCase) -> None:
        exp, model = case.experiment(a="1"), case.model(a="1")
        version = case.version(model, tags=immutabledict(a="1"))
        wanted = AWKWARD_TEXTS | {"a": "2"}
        keys = (ExperimentKey(exp.id), ModelKey(model.name), VersionKey(version.name, version.version))

        for key in keys:
            case.send(SetTags(on=key, tags=immutabledict(wanted)))

        after = [case.tracking.get(key).unwrap().tags for key in keys]
        assert [wanted.items() <= tags.items() for tags in after] == [True] * 3

    def test_an_alias_names_a_version(self, case: TrackingCase) -> None:
        model = case.model()
        version = case.version(model)
        case.version(model)
        case.alias(model.name, "champion", version.version)

        aliased = case.tracking.get(AliasKey(model.name, "champion"))

        assert aliased == Success(attrs.evolve(version, aliases=("champion",)))
        assert case.get(ModelRecord, model).aliases == {"champion": version.version}

    def test_a_version_of_a_run_is_located_among_the_artifacts_of_the_run(self, case: TrackingCase) -> None:
        run = case.run()
        version = case.version(case.model(), run)

        location = case.tracking.locate(version, run).unwrap()

        assert (location.subject.kind, location.subject.key, location.path) == ("run", run.id, "model")
        assert location.root_url == run.repo

    def test_a_version_of_another_place_is_located_there(self, case: TrackingCase) -> None:
        location = case.tracking.locate(case.version(case.model()), None).unwrap()

        assert (location.subject.kind, location.root_url, location.path) == ("url", "s3://bucket/model", "")
