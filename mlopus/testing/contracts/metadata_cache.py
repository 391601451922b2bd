"""What a metadata cache must do. Searches, and changes of more than one entity, are in files of their own."""

from __future__ import annotations

import pickle
import threading

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import (
    AliasKey,
    ExperimentKey,
    ExperimentName,
    RunKey,
    VersionKey,
    key_of,
)
from mlopus.domain.records import (
    RunRecord,
)
from mlopus.domain.status import RunStatus
from mlopus.errors import NotCached
from mlopus.plans.changes import UpdateRun
from mlopus.ports.metadata_cache import CachedRecord
from mlopus.result import Failure, Success
from mlopus.testing.contracts.metadata_cache_case import (
    EARLY,
    EXP,
    LATE,
    MODEL,
    RECORDS,
    RUN,
    VERSION,
    CacheCase,
)
from mlopus.testing.contracts.metadata_cache_following import MetadataCacheFollowingContract
from mlopus.testing.contracts.metadata_cache_search import MetadataCacheSearchContract
from mlopus.testing.contracts.tracking_case import (
    batch,
    creating_run,
    found_by,
    point,
    spec,
)


class MetadataCacheContract(MetadataCacheSearchContract, MetadataCacheFollowingContract):
    """Inherit from this, name the class `Test…`, and give a fixture `case`: a `CacheCase`."""

    def test_an_empty_cache_was_never_given_anything(self, case: CacheCase) -> None:
        keys = (*map(key_of, RECORDS), ExperimentName(EXP.name), AliasKey("ranker", "champion"))

        errors = [case.cache.get(key).failure() for key in keys]

        assert [type(error) for error in errors] == [NotCached] * len(keys)
        assert found_by(case.cache, spec("model")) == []
        assert case.cache.oldest(spec("model")) == Success(None)

    def test_what_was_put_comes_back_as_it_was(self, case: CacheCase) -> None:
        case.put(*RECORDS)

        held = [case.held(key_of(record)) for record in RECORDS]

        assert held == [CachedRecord(record=record, as_of=EARLY) for record in RECORDS]

    def test_an_experiment_is_there_by_name_and_a_version_by_alias(self, case: CacheCase) -> None:
        case.put(*RECORDS)

        by_name, by_alias = case.held(ExperimentName(EXP.name)), case.held(AliasKey("ranker", "champion"))

        assert by_name == case.held(ExperimentKey("7"))
        assert by_alias == case.held(VersionKey("ranker", "2"))
        assert case.held(AliasKey("ranker", "nobody")) is None

    def test_a_version_is_there_by_alias_also_without_its_model(self, case: CacheCase) -> None:
        case.put(VERSION, attrs.evolve(VERSION, version="3", aliases=()))

        assert case.held(AliasKey("ranker", "champion")) == case.held(VersionKey("ranker", "2"))

    def test_a_later_answer_replaces_the_whole_entity(self, case: CacheCase) -> None:
        case.put(RUN)
        bare = RunRecord(id="r1", exp_id="7", params=immutabledict(lr="1"))

        case.put(bare, taken_at=LATE)

        assert case.held(RunKey("r1")) == CachedRecord(record=bare, as_of=LATE)
        case.put(EXP)
        assert found_by(case.cache, spec("run", {"metrics.acc": 0.5}, exps=(EXP,))) == []

    def test_an_earlier_answer_does_not_replace_a_later_one(self, case: CacheCase) -> None:
        case.put(RUN, taken_at=LATE)

        case.put(attrs.evolve(RUN, name="older"), EXP, taken_at=EARLY)

        assert case.held(RunKey("r1")) == CachedRecord(record=RUN, as_of=LATE)
        assert case.held(ExperimentKey("7")) == CachedRecord(record=EXP, as_of=EARLY)

    def test_a_change_shows_in_what_is_cached(self, case: CacheCase) -> None:
        case.put(RUN)

        case.reflect(batch(RUN, point("acc", 0.75, step=9), params={"new": "1"}, tags={"wild": "2"}))
        case.reflect(UpdateRun(run_id="r1", status=RunStatus.FINISHED, end_time=LATE))

        held = case.held(RunKey("r1"))
        assert held is not None
        assert isinstance(held.record, RunRecord)
        assert (held.record.params["new"], held.record.tags["wild"]) == ("1", "2")
        assert (held.record.metrics["acc"], held.record.metrics["a.b"]) == (0.75, -1e-300)
        assert held.record.status is RunStatus.FINISHED
        assert held.as_of == EARLY

    def test_a_change_is_found_by_its_new_values_only(self, case: CacheCase) -> None:
        case.put(RUN, EXP)

        case.reflect(batch(RUN, point("acc", 0.75), tags={"wild": "2"}))

        assert len(found_by(case.cache, spec("run", {"metrics.acc": 0.75, "tags.wild": 2}, exps=(EXP,)))) == 1
        assert found_by(case.cache, spec("run", {"metrics.acc": 0.5}, exps=(EXP,))) == []

    def test_a_change_of_what_is_not_cached_caches_nothing(self, case: CacheCase) -> None:
        case.reflect(batch(RUN, tags={"a": "1"}))

        assert case.held(RunKey("r1")) is None

    def test_what_a_change_created_is_cached_if_asked(self, case: CacheCase) -> None:
        case.reflect(creating_run(EXP), RUN)
        assert case.held(RunKey("r1")) is None

        case.reflect(creating_run(EXP), RUN, add=True)

        assert case.held(RunKey("r1")) == CachedRecord(record=RUN, as_of=LATE)

    def test_runs_of_an_experiment_never_cached_are_not_an_empty_answer(self, case: CacheCase) -> None:
        case.put(EXP, RUN)
        unknown = attrs.evolve(EXP, id="8")

        answer = case.cache.find(spec("run", exps=(EXP, unknown)))

        assert isinstance(answer.failure(), NotCached)
        assert found_by(case.cache, spec("run")) == []

    def test_the_oldest_row_of_a_search_is_told(self, case: CacheCase) -> None:
        other = attrs.evolve(EXP, id="8", name="other")
        case.put(RUN, MODEL, taken_at=LATE)
        case.put(EXP, other, attrs.evolve(RUN, id="r2", exp_id="8"), taken_at=EARLY)

        assert case.cache.oldest(spec("run", exps=(EXP,))) == Success(LATE)
        assert case.cache.oldest(spec("run", exps=(EXP, other))) == Success(EARLY)
        assert case.cache.oldest(spec("model")) == Success(LATE)
        assert case.cache.oldest(spec("model version")) == Success(None)

    def test_origins_do_not_mix(self, case: CacheCase) -> None:
        case.put(EXP, RUN)

        case.other.put((attrs.evolve(EXP, name="other"),), EARLY).unwrap()

        assert case.held(ExperimentKey("7")) == CachedRecord(record=EXP, as_of=EARLY)
        assert isinstance(case.other.get(RunKey("r1")), Failure)
        assert found_by(case.other, spec("run", exps=(EXP,))) == []
        case.other.clear().unwrap()
        assert case.held(RunKey("r1")) is not None

    def test_a_cleared_cache_has_forgotten_everything(self, case: CacheCase) -> None:
        case.put(*RECORDS)

        case.cache.clear().unwrap()

        assert [case.held(key_of(record)) for record in RECORDS] == [None] * 4
        assert found_by(case.cache, spec("model version", {"aliases": "champion"})) == []
        case.put(*RECORDS)
        assert found_by(case.cache, spec("model version", {"aliases": "champion"})) == [VERSION]

    def test_a_row_without_its_parents_is_a_row(self, case: CacheCase) -> None:
        before = case.cache.has_rows().unwrap()

        case.put(RUN)

        assert (before, case.cache.has_rows().unwrap()) == (False, True)
        case.cache.clear().unwrap()
        assert not case.cache.has_rows().unwrap()

    def test_a_pickled_cache_answers_the_same(self, case: CacheCase) -> None:
        case.put(*RECORDS)

        copy = pickle.loads(pickle.dumps(case.cache))  # noqa: S301 (its own bytes)

        assert [copy.get(key_of(record)) for record in RECORDS] == [
            case.cache.get(key_of(record)) for record in RECORDS
        ]

    def test_another_process_finds_what_was_put(self, case: CacheCase) -> None:
        case.put(*RECORDS)
        again = case.cache if case.reopened is None else case.reopened()

        assert again.get(RunKey("r1")) == Success(CachedRecord(record=RUN, as_of=EARLY))
        assert found_by(again, spec("run", {"metrics.acc": 0.5}, exps=(EXP,))) == [RUN]

    def test_threads_may_put_and_search_at_once(self, case: CacheCase) -> None:
        case.put(EXP)
        seen: list[int] = []

        def put(name: str) -> None:
            for number in range(20):
                case.put(attrs.evolve(RUN, id=f"{name}{number}"))
                seen.append(len(found_by(case.cache, spec("run", {"metrics.acc": 0.5}, exps=(EXP,)))))

        threads = [threading.Thread(target=put, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(seen) == 40
        assert max(seen) == 40
