"""What a metadata cache must do with what waits on the journal, and with changes that reach many rows."""

from __future__ import annotations

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ModelKey, RunKey, VersionKey
from mlopus.domain.records import MetricSample
from mlopus.plans.changes import (
    DeleteAlias,
    DeleteEntity,
    LogBatch,
    RenameModel,
    RestoreEntity,
    SetAlias,
    TrackingChange,
)
from mlopus.plans.steps import ReflectChange
from mlopus.testing.contracts.metadata_cache_case import EARLY, EXP, LATE, MODEL, RUN, VERSION, CacheCase

TAGGED = LogBatch(run_id=RUN.id, tags=immutabledict(stage="queued"))
OTHER_VERSION = attrs.evolve(VERSION, version="3", aliases=())


def show(case: CacheCase, entry: str, change: TrackingChange = TAGGED) -> None:
    """Let the cache show an entry of the journal."""
    step = ReflectChange(change=change, add=False, created=None, taken_at=LATE, entry=entry)
    case.cache.reflect(step).unwrap()


class MetadataCacheShownContract:
    """Inherit from this, name the class `Test…`, and give a fixture `case`."""

    def test_an_entry_is_shown_from_then_on(self, case: CacheCase) -> None:
        case.put(RUN)
        before = case.cache.unshown(("t1", "t2")).unwrap()
        show(case, "t1")

        assert before == ("t1", "t2")
        assert case.cache.unshown(("t1", "t2")).unwrap() == ("t2",)

    def test_an_entry_that_concerns_nothing_cached_is_shown_too(self, case: CacheCase) -> None:
        show(case, "t1")

        assert case.held(RunKey(RUN.id)) is None
        assert case.cache.unshown(("t1",)).unwrap() == ()

    def test_what_replaces_a_row_shows_the_entries_no_more(self, case: CacheCase) -> None:
        case.put(RUN, EXP)
        show(case, "t1")
        case.put(EXP, taken_at=LATE)
        kept = case.cache.unshown(("t1",)).unwrap()
        case.put(RUN, taken_at=LATE)

        assert kept == ()
        assert case.cache.unshown(("t1",)).unwrap() == ("t1",)

    def test_an_entry_that_waits_no_more_is_not_remembered(self, case: CacheCase) -> None:
        case.put(RUN)
        show(case, "t1")
        case.cache.unshown(()).unwrap()

        assert case.cache.unshown(("t1",)).unwrap() == ("t1",)

    def test_a_cleared_cache_shows_no_entries(self, case: CacheCase) -> None:
        case.put(RUN)
        show(case, "t1")
        case.cache.clear().unwrap()

        assert case.cache.unshown(("t1",)).unwrap() == ("t1",)

    def test_another_process_knows_what_is_shown(self, case: CacheCase) -> None:
        case.put(RUN)
        show(case, "t1")
        again = case.cache if case.reopened is None else case.reopened()

        assert again.unshown(("t1",)).unwrap() == ()

    def test_rows_that_are_forgotten_are_gone_with_what_they_showed(self, case: CacheCase) -> None:
        case.put(EXP, RUN, VERSION)
        show(case, "t1")
        case.cache.forget((RunKey(RUN.id), RunKey("never cached"))).unwrap()

        assert case.held(RunKey(RUN.id)) is None
        assert case.held(ExperimentKey(EXP.id)) is not None
        assert case.held(VersionKey("ranker", "2")) is not None
        assert case.cache.unshown(("t1",)).unwrap() == ("t1",)

    def test_a_metric_of_which_a_later_point_waits_keeps_its_value(self, case: CacheCase) -> None:
        case.put(RUN)
        points = (
            MetricSample(key="acc", value=0.1, step=1, timestamp=EARLY),
            MetricSample(key="new", value=0.2, step=1, timestamp=EARLY),
        )
        change = LogBatch(run_id=RUN.id, metrics=points)
        step = ReflectChange(change=change, add=False, created=None, taken_at=LATE, outranked=("acc",))
        case.cache.reflect(step).unwrap()

        held = case.held(RunKey(RUN.id))
        assert held is not None
        assert held.record == attrs.evolve(RUN, metrics=RUN.metrics | {"new": 0.2})

    def test_an_alias_that_moves_is_told_by_the_model_and_by_both_versions(self, case: CacheCase) -> None:
        case.put(MODEL, VERSION, OTHER_VERSION)
        case.reflect(SetAlias(model_name="ranker", alias="champion", version="3"))

        keys = (AliasKey("ranker", "champion"), ModelKey("ranker"), VersionKey("ranker", "2"))
        assert [held.record for key in keys if (held := case.held(key)) is not None] == [
            attrs.evolve(OTHER_VERSION, aliases=("champion",)),
            attrs.evolve(MODEL, aliases=immutabledict(champion="3")),
            attrs.evolve(VERSION, aliases=()),
        ]

    def test_an_alias_that_is_deleted_names_nothing(self, case: CacheCase) -> None:
        case.put(MODEL, VERSION)
        case.reflect(DeleteAlias(model_name="ranker", alias="champion"))

        assert case.held(AliasKey("ranker", "champion")) is None

    def test_a_model_that_is_renamed_takes_its_versions_along(self, case: CacheCase) -> None:
        case.put(MODEL, VERSION)
        case.reflect(RenameModel(name="ranker", new_name="sorter"))

        assert case.held(ModelKey("ranker")) is None
        assert case.held(VersionKey("ranker", "2")) is None
        assert case.held(ModelKey("sorter")) is not None
        assert case.held(AliasKey("sorter", "champion")) is not None

    def test_a_model_that_is_deleted_is_gone_with_its_versions(self, case: CacheCase) -> None:
        case.put(MODEL, VERSION)
        case.reflect(DeleteEntity(key=ModelKey("ranker")))

        assert case.held(ModelKey("ranker")) is None
        assert case.held(VersionKey("ranker", "2")) is None

    def test_an_experiment_is_deleted_and_restored_with_its_runs(self, case: CacheCase) -> None:
        case.put(EXP, RUN)
        case.reflect(DeleteEntity(key=ExperimentKey(EXP.id)))
        deleted = case.held(RunKey(RUN.id))
        case.reflect(RestoreEntity(key=ExperimentKey(EXP.id)))
        restored = case.held(RunKey(RUN.id))

        assert deleted is not None
        assert deleted.record == attrs.evolve(RUN, lifecycle_stage="deleted")
        assert restored is not None
        assert restored.record == RUN
