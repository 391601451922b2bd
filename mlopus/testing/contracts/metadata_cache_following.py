"""How a metadata cache follows what is renamed, aliased, deleted and restored on the server."""

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
from mlopus.domain.records import ModelRecord, Record, RunRecord, VersionRecord
from mlopus.plans.changes import (
    DeleteAlias,
    DeleteEntity,
    DeleteTags,
    RenameExperiment,
    RenameModel,
    RestoreEntity,
    SetAlias,
    TrackingChange,
    UpdateDescription,
)
from mlopus.ports.metadata_cache import CachedRecord
from mlopus.testing.contracts.metadata_cache_case import EARLY, EXP, LATE, MODEL, RUN, VERSION, CacheCase
from mlopus.testing.contracts.tracking_case import found_by, spec

FIRST = attrs.evolve(VERSION, version="1", aliases=())
OTHER_MODEL = attrs.evolve(MODEL, name="tagger")
OTHER_VERSION = attrs.evolve(VERSION, name="tagger")
OTHER_RUN = attrs.evolve(RUN, id="r2")
ELSEWHERE = attrs.evolve(RUN, id="r3", exp_id="8")


class MetadataCacheFollowingContract:
    """Part of `MetadataCacheContract`."""

    def test_an_alias_that_moves_moves_in_the_model_and_in_both_versions(self, case: CacheCase) -> None:
        case.put(MODEL, FIRST, VERSION, OTHER_MODEL, OTHER_VERSION)

        case.reflect(SetAlias(model_name="ranker", alias="champion", version="1"))

        assert _aliases(case, FIRST, VERSION, OTHER_VERSION) == [("champion",), (), ("champion",)]
        assert _model(case).aliases == {"champion": "1"}
        assert case.held(AliasKey("ranker", "champion")) == case.held(VersionKey("ranker", "1"))
        assert found_by(
            case.cache, spec("model version", {"model.name": "ranker", "aliases": "champion"})
        ) == [attrs.evolve(FIRST, aliases=("champion",))]

    def test_an_alias_of_a_version_never_cached_is_no_longer_that_of_another(self, case: CacheCase) -> None:
        case.put(MODEL, VERSION)

        case.reflect(SetAlias(model_name="ranker", alias="champion", version="3"))

        assert _model(case).aliases == {"champion": "3"}
        assert _aliases(case, VERSION) == [()]
        assert case.held(AliasKey("ranker", "champion")) is None

    def test_a_deleted_alias_names_nothing(self, case: CacheCase) -> None:
        case.put(MODEL, VERSION)

        case.reflect(DeleteAlias(model_name="ranker", alias="champion"))

        assert not _model(case).aliases
        assert _aliases(case, VERSION) == [()]
        assert case.held(AliasKey("ranker", "champion")) is None

    def test_a_deleted_alias_leaves_a_version_whose_model_was_never_cached(self, case: CacheCase) -> None:
        case.put(VERSION)

        case.reflect(DeleteAlias(model_name="ranker", alias="champion"))

        assert _aliases(case, VERSION) == [()]

    def test_a_renamed_model_takes_its_versions_along(self, case: CacheCase) -> None:
        case.put(MODEL, FIRST, VERSION, OTHER_MODEL, OTHER_VERSION)

        case.reflect(RenameModel(name="ranker", new_name="sorter"))

        renamed = attrs.evolve(VERSION, name="sorter")
        assert case.held(ModelKey("sorter")) == _taken(attrs.evolve(MODEL, name="sorter"))
        assert case.held(AliasKey("sorter", "champion")) == _taken(renamed)
        assert found_by(case.cache, spec("model version", {"model.name": "sorter"}, [("version", -1)])) == [
            renamed,
            attrs.evolve(FIRST, name="sorter"),
        ]
        assert _are_gone(case, key_of(MODEL), key_of(FIRST), key_of(VERSION))
        assert case.held(key_of(OTHER_VERSION)) == _taken(OTHER_VERSION)

    def test_a_name_that_a_model_is_given_is_no_longer_that_of_another(self, case: CacheCase) -> None:
        stale = attrs.evolve(OTHER_VERSION, version="9")
        case.put(MODEL, VERSION)
        case.put(OTHER_MODEL, OTHER_VERSION, stale, taken_at=LATE)

        case.reflect(RenameModel(name="ranker", new_name="tagger"))

        assert case.held(ModelKey("tagger")) == _taken(attrs.evolve(MODEL, name="tagger"))
        assert found_by(case.cache, spec("model version", {"model.name": "tagger"})) == [
            attrs.evolve(VERSION, name="tagger")
        ]

    def test_a_model_that_is_given_its_own_name_stays(self, case: CacheCase) -> None:
        case.put(MODEL, VERSION)

        case.reflect(RenameModel(name="ranker", new_name="ranker"))

        assert case.held(key_of(MODEL)) == _taken(MODEL)
        assert case.held(key_of(VERSION)) == _taken(VERSION)

    def test_a_renamed_experiment_is_there_by_its_new_name_only(self, case: CacheCase) -> None:
        case.put(EXP, RUN)

        case.reflect(RenameExperiment(exp_id="7", name="other"))

        assert case.held(ExperimentName("other")) == _taken(attrs.evolve(EXP, name="other"))
        assert case.held(ExperimentName(EXP.name)) is None
        assert found_by(case.cache, spec("run", {"exp.name": "other"}, exps=(EXP,))) == [RUN]

    def test_a_deleted_experiment_takes_its_runs_along_and_brings_them_back(self, case: CacheCase) -> None:
        other = attrs.evolve(EXP, id="8", name="other")
        case.put(EXP, RUN, OTHER_RUN, other, ELSEWHERE)

        case.reflect(DeleteEntity(key=ExperimentKey("7")))

        assert _stages(case, RUN, OTHER_RUN, ELSEWHERE) == ["deleted", "deleted", "active"]
        assert found_by(case.cache, spec("run", exps=(EXP,))) == []
        deleted = found_by(case.cache, spec("run", exps=(EXP,), view="deleted"))
        assert {run.id for run in deleted if isinstance(run, RunRecord)} == {"r1", "r2"}
        gone = attrs.evolve(EXP, lifecycle_stage="deleted")
        assert found_by(case.cache, spec("experiment", view="deleted")) == [gone]

        case.reflect(RestoreEntity(key=ExperimentKey("7")))

        assert [case.held(key_of(record)) for record in (EXP, RUN, OTHER_RUN)] == [
            _taken(record) for record in (EXP, RUN, OTHER_RUN)
        ]

    def test_runs_follow_an_experiment_that_was_never_cached(self, case: CacheCase) -> None:
        case.put(RUN)

        case.reflect(DeleteEntity(key=ExperimentKey("7")))

        assert _stages(case, RUN) == ["deleted"]

    def test_a_deleted_experiment_that_is_deleted_again_leaves_a_restored_run(self, case: CacheCase) -> None:
        case.put(EXP, RUN, OTHER_RUN)
        case.reflect(DeleteEntity(key=ExperimentKey("7")))
        case.reflect(RestoreEntity(key=RunKey("r1")))

        case.reflect(DeleteEntity(key=ExperimentKey("7")))

        assert _stages(case, RUN, OTHER_RUN) == ["active", "deleted"]

    def test_a_deleted_run_is_there_as_deleted(self, case: CacheCase) -> None:
        case.put(EXP, RUN, OTHER_RUN)

        case.reflect(DeleteEntity(key=RunKey("r1")))

        assert _stages(case, RUN, OTHER_RUN) == ["deleted", "active"]
        assert found_by(case.cache, spec("run", exps=(EXP,))) == [OTHER_RUN]

    @pytest.mark.parametrize("is_whole", [True, False])
    def test_a_deleted_model_is_gone_with_its_versions(self, case: CacheCase, *, is_whole: bool) -> None:
        case.put(FIRST, VERSION, OTHER_MODEL, OTHER_VERSION, *((MODEL,) if is_whole else ()))

        case.reflect(DeleteEntity(key=ModelKey("ranker")))

        assert _are_gone(case, key_of(MODEL), key_of(FIRST), key_of(VERSION), AliasKey("ranker", "champion"))
        assert found_by(case.cache, spec("model version")) == [OTHER_VERSION]
        assert found_by(case.cache, spec("model")) == [OTHER_MODEL]

    def test_a_deleted_version_is_gone_with_its_aliases(self, case: CacheCase) -> None:
        case.put(MODEL, FIRST, VERSION)

        case.reflect(DeleteEntity(key=key_of_version(VERSION)))

        assert _are_gone(case, key_of(VERSION), AliasKey("ranker", "champion"))
        assert not _model(case).aliases
        assert found_by(case.cache, spec("model version")) == [FIRST]

    def test_descriptions_and_deleted_tags_follow(self, case: CacheCase) -> None:
        case.put(MODEL, VERSION)

        for change in (
            UpdateDescription(on=ModelKey("ranker"), description="new"),
            UpdateDescription(on=key_of_version(VERSION), description="newer"),
            DeleteTags(on=ModelKey("ranker"), keys=("team",)),
        ):
            case.reflect(change)

        assert case.held(key_of(MODEL)) == _taken(
            attrs.evolve(MODEL, description="new", tags=immutabledict[str, str]())
        )
        assert case.held(key_of(VERSION)) == _taken(attrs.evolve(VERSION, description="newer"))
        assert found_by(case.cache, spec("model", {"tags.team": "x"})) == []

    @pytest.mark.parametrize(
        "change",
        [
            DeleteEntity(key=ModelKey("ranker")),
            DeleteEntity(key=VersionKey("ranker", "2")),
            RenameModel(name="ranker", new_name="sorter"),
            SetAlias(model_name="ranker", alias="best", version="2"),
        ],
        ids=lambda change: type(change).__name__,
    )
    def test_what_is_from_another_server_does_not_follow(
        self, case: CacheCase, change: TrackingChange
    ) -> None:
        case.other.put((MODEL, VERSION), EARLY).unwrap()

        case.reflect(change)

        assert [case.other.get(key_of(record)).unwrap() for record in (MODEL, VERSION)] == [
            _taken(MODEL),
            _taken(VERSION),
        ]


def key_of_version(version: VersionRecord) -> VersionKey:
    """The key of a version, typed as such."""
    return VersionKey(version.name, version.version)


def _taken(record: Record) -> CachedRecord:
    """As it was put: a change makes nothing younger."""
    return CachedRecord(record=record, as_of=EARLY)


def _model(case: CacheCase) -> ModelRecord:
    held = case.held(key_of(MODEL))
    assert held is not None
    assert isinstance(held.record, ModelRecord)
    return held.record


def _aliases(case: CacheCase, *versions: VersionRecord) -> list[tuple[str, ...]]:
    held = [case.held(key_of(version)) for version in versions]
    return [row.record.aliases for row in held if row is not None and isinstance(row.record, VersionRecord)]


def _stages(case: CacheCase, *runs: RunRecord) -> list[str]:
    held = [case.held(key_of(run)) for run in runs]
    return [
        row.record.lifecycle_stage for row in held if row is not None and isinstance(row.record, RunRecord)
    ]


def _are_gone(case: CacheCase, *keys: OwnKey | AliasKey) -> bool:
    return all(case.held(key) is None for key in keys)
