"""What a tracking store must do. Each part of it has a file of its own."""

from __future__ import annotations

import math
import pickle
import threading
from datetime import timedelta

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, ExperimentName, ModelKey, RunKey, VersionKey, key_of
from mlopus.domain.records import (
    OPERATION_TAG,
    RUN_NAME_TAG,
    ExperimentRecord,
    RunRecord,
)
from mlopus.domain.status import RunStatus
from mlopus.errors import AlreadyExists, InvalidRequest, NotFound
from mlopus.plans.changes import EnsureExperiment, SetTags, UpdateRun
from mlopus.ports.meter import NoMeter
from mlopus.result import Failure, Success
from mlopus.testing.contracts.tracking_case import (
    AWKWARD_TEXTS,
    NOON,
    TrackingCase,
    batch,
    creating_experiment,
    creating_run,
    fresh,
    of_kind,
    point,
    registering,
)
from mlopus.testing.contracts.tracking_lifecycle import TrackingLifecycleContract
from mlopus.testing.contracts.tracking_registry import TrackingRegistryContract
from mlopus.testing.contracts.tracking_search import TrackingSearchContract
from mlopus.testing.contracts.tracking_upkeep import TrackingUpkeepContract


class TrackingContract(
    TrackingRegistryContract, TrackingUpkeepContract, TrackingLifecycleContract, TrackingSearchContract
):
    """Inherit from this, name the class `Test…`, and give a fixture `case`: a `TrackingCase`."""

    def test_a_created_experiment_is_there_by_id_and_by_name(self, case: TrackingCase) -> None:
        change = creating_experiment(team="search")

        exp = of_kind(ExperimentRecord, case.send(change))

        assert (exp.name, exp.lifecycle_stage) == (change.name, "active")
        assert exp.tags == {"team": "search", OPERATION_TAG: change.operation_id}
        assert case.tracking.get(ExperimentKey(exp.id)) == Success(exp)
        assert case.tracking.get(ExperimentName(exp.name)) == Success(exp)

    def test_the_same_creation_of_an_experiment_sent_twice_creates_one(self, case: TrackingCase) -> None:
        change = creating_experiment()

        assert case.send(change) == case.send(change)

    def test_a_name_of_an_experiment_is_taken_once(self, case: TrackingCase) -> None:
        exp = case.experiment()

        answer = case.tracking.send(attrs.evolve(creating_experiment(), name=exp.name))

        assert isinstance(answer, Failure)
        assert isinstance(answer.failure(), AlreadyExists)

    def test_ensuring_an_experiment_gives_the_one_that_is_there(self, case: TrackingCase) -> None:
        ensure = EnsureExperiment(name=fresh("exp"), tags=immutabledict(first="1"), operation_id=fresh())

        first = case.send(ensure)
        again = case.send(attrs.evolve(ensure, tags=immutabledict(second="2"), operation_id=fresh()))

        assert first == again

    def test_a_deleted_experiment_is_still_read_and_keeps_its_name(self, case: TrackingCase) -> None:
        exp = case.experiment()
        case.delete(key_of(exp))

        ensured = case.tracking.send(
            EnsureExperiment(name=exp.name, tags=immutabledict(), operation_id=fresh())
        )

        assert case.get(ExperimentRecord, exp).lifecycle_stage == "deleted"
        assert isinstance(ensured.failure(), AlreadyExists)
        assert "restore_exp" in (ensured.failure().hint or "")

    def test_nothing_is_written_to_what_is_deleted(self, case: TrackingCase) -> None:
        exp = case.experiment()
        run = case.run(exp)
        case.delete(key_of(run))
        logged, updated = case.tracking.send(batch(run, tags={"a": "1"})), UpdateRun(run_id=run.id, name="b")
        ended = case.tracking.send(updated)
        case.delete(key_of(exp))
        created = case.tracking.send(creating_run(exp))

        assert case.get(RunRecord, run).lifecycle_stage == "deleted"
        assert "a" not in case.get(RunRecord, run).tags
        assert [type(answer.failure()) for answer in (logged, ended, created)] == [InvalidRequest] * 3

    def test_what_is_not_there_is_not_found_by_any_key(self, case: TrackingCase) -> None:
        name, none = fresh("none"), "9" * 18
        model = case.model()
        keys = (
            ExperimentKey(none),
            ExperimentName(name),
            RunKey(fresh().replace("op-", "")),
            ModelKey(name),
            VersionKey(model.name, "77"),
            AliasKey(model.name, "nobody"),
        )

        errors = [case.tracking.get(key).failure() for key in keys]

        assert all(isinstance(error, NotFound) for error in errors)
        assert [error.key for error in errors if isinstance(error, NotFound)] == [str(key) for key in keys]

    def test_a_change_of_what_is_not_there_is_not_found(self, case: TrackingCase) -> None:
        run, model = RunKey(fresh().replace("op-", "")), case.model()
        exp = ExperimentRecord(id="9" * 18, name="none")
        tags = immutabledict(a="1")
        changes = (
            batch(run, tags={"a": "1"}),
            UpdateRun(run_id=run.id, status=RunStatus.FINISHED),
            creating_run(exp),
            SetTags(on=ExperimentKey(exp.id), tags=tags),
            SetTags(on=ModelKey(fresh("none")), tags=tags),
            SetTags(on=VersionKey(model.name, "77"), tags=tags),
            registering(attrs.evolve(model, name=fresh("none"))),
        )

        errors = [case.tracking.send(change).failure() for change in changes]

        assert [type(error) for error in errors] == [NotFound] * len(changes)

    def test_a_created_run_has_what_it_was_given(self, case: TrackingCase) -> None:
        exp = case.experiment()
        change = creating_run(
            exp,
            name="first",
            status=RunStatus.SCHEDULED,
            tags=immutabledict({"a.b": "x", "mlflow.user": "me"}),
        )

        run = of_kind(RunRecord, case.send(change))

        assert (run.exp_id, run.name, run.status, run.end_time) == (
            exp.id,
            "first",
            RunStatus.SCHEDULED,
            None,
        )
        assert run.start_time == NOON
        assert not run.params
        assert not run.metrics
        assert run.tags == {
            "a.b": "x",
            "mlflow.user": "me",
            RUN_NAME_TAG: "first",
            OPERATION_TAG: change.operation_id,
        }
        assert run.artifact_uri
        assert case.get(RunRecord, run) == run

    def test_two_runs_have_places_of_their_own(self, case: TrackingCase) -> None:
        exp = case.experiment()

        assert case.run(exp).artifact_uri != case.run(exp).artifact_uri

    def test_the_same_creation_of_a_run_sent_twice_creates_one(self, case: TrackingCase) -> None:
        change = creating_run(case.experiment())

        first, again = case.send(change), case.send(attrs.evolve(change, may_exist=True))

        assert first == again

    def test_a_run_is_updated_where_the_change_says_so(self, case: TrackingCase) -> None:
        run = case.run()
        end = NOON + timedelta(hours=1)

        case.send(UpdateRun(run_id=run.id, status=RunStatus.FINISHED, end_time=end))
        case.send(UpdateRun(run_id=run.id, name="renamed"))

        after = case.get(RunRecord, run)
        assert (after.status, after.end_time, after.name) == (RunStatus.FINISHED, end, "renamed")
        assert after.tags[RUN_NAME_TAG] == "renamed"

    def test_a_run_that_is_resumed_keeps_its_times(self, case: TrackingCase) -> None:
        run = case.run()
        end = NOON + timedelta(hours=1)
        case.send(UpdateRun(run_id=run.id, status=RunStatus.FAILED, end_time=end))

        case.send(UpdateRun(run_id=run.id, status=RunStatus.RUNNING))

        after = case.get(RunRecord, run)
        assert (after.status, after.start_time, after.end_time) == (RunStatus.RUNNING, NOON, end)

    def test_a_batch_adds_to_a_run(self, case: TrackingCase) -> None:
        run = case.run(tags=immutabledict(a="1", b="1"))
        case.log(run, point("loss", 1.5), params={"lr": "0.1"}, tags={"b": "2"})

        after = case.log(run, point("acc", 0.5), params={"depth": "3"}, tags={"c": "3"})

        assert after.params == {"lr": "0.1", "depth": "3"}
        assert after.metrics == {"loss": 1.5, "acc": 0.5}
        assert {key: after.tags[key] for key in "abc"} == {"a": "1", "b": "2", "c": "3"}

    def test_texts_and_keys_of_any_kind_come_back_as_they_were(self, case: TrackingCase) -> None:
        run = case.run()
        keys = tuple(AWKWARD_TEXTS)

        after = case.log(run, *(point(key, 1.0) for key in keys), params=AWKWARD_TEXTS, tags=AWKWARD_TEXTS)

        assert after.params == AWKWARD_TEXTS
        assert AWKWARD_TEXTS.items() <= after.tags.items()
        assert after.metrics == dict.fromkeys(keys, 1.0)

    def test_a_param_may_be_set_again_to_the_same(self, case: TrackingCase) -> None:
        run = case.run()
        case.log(run, params={"lr": "0.1"})

        assert case.log(run, params={"lr": "0.1"}).params == {"lr": "0.1"}

    def test_a_param_with_another_value_is_refused_and_nothing_of_its_batch_stored(
        self, case: TrackingCase
    ) -> None:
        run = case.run()
        before = case.log(run, params={"lr": "0.1"})

        change = batch(run, point("loss", 1.0), params={"new": "1", "lr": "0.2"}, tags={"new": "1"})
        answer = case.tracking.send(change).failure()

        assert isinstance(answer, InvalidRequest)
        assert answer.code == "param already set"
        assert case.get(RunRecord, run) == before
        assert case.tracking.metric_history(RunKey(run.id), "loss") == Success(())

    def test_the_latest_point_of_a_metric_is_its_value(self, case: TrackingCase) -> None:
        run = case.run()
        case.log(run, point("step", 5.0, step=5), point("time", 5.0, seconds=5), point("value", 5.0))

        after = case.log(
            run,
            *(point("step", 3.0, step=3, seconds=9), point("step", 4.0, step=4)),
            *(point("time", 3.0, seconds=3), point("value", 3.0), point("batch", 2.0, step=2)),
            point("batch", 1.0, step=1),
        )

        assert after.metrics == {"step": 5.0, "time": 5.0, "value": 5.0, "batch": 2.0}

    def test_the_history_of_a_metric_is_ordered_by_step_then_time(self, case: TrackingCase) -> None:
        run = case.run()
        case.log(run, point("loss", 3.0, step=2), point("loss", 1.0, step=1, seconds=2))
        case.log(run, point("loss", 2.0, step=1, seconds=1), point("loss", 4.0, step=-1))

        history = case.tracking.metric_history(RunKey(run.id), "loss").unwrap()

        assert [(at.value, at.step) for at in history] == [(4.0, -1), (2.0, 1), (1.0, 1), (3.0, 2)]
        assert history[1].timestamp == NOON + timedelta(seconds=1)

    def test_a_point_logged_twice_is_in_the_history_once(self, case: TrackingCase) -> None:
        run = case.run()
        case.log(run, point("loss", 1.0))

        case.log(run, point("loss", 1.0), point("loss", 2.0, step=1))

        history = case.tracking.metric_history(RunKey(run.id), "loss").unwrap()
        assert [at.value for at in history] == [1.0, 2.0]

    def test_a_point_without_a_number_that_is_logged_twice_is_kept_once(self, case: TrackingCase) -> None:
        run = case.run()
        case.log(run, point("loss", float("nan")))

        again = case.tracking.send(batch(run, point("loss", float("nan"))))

        assert isinstance(again, Success) == case.takes_nan_again
        assert len(case.tracking.metric_history(RunKey(run.id), "loss").unwrap()) == 1

    def test_metrics_that_are_not_finite_survive(self, case: TrackingCase) -> None:
        run = case.run()

        after = case.log(
            run, point("nan", math.nan), point("inf", math.inf), point("-inf", -math.inf), point("big", 1e308)
        )

        assert math.isnan(after.metrics["nan"])
        assert [after.metrics[key] for key in ("inf", "-inf", "big")] == [math.inf, -math.inf, 1e308]
        (kept,) = case.tracking.metric_history(RunKey(run.id), "nan").unwrap()
        assert math.isnan(kept.value)

    def test_a_metric_never_logged_has_no_history_and_a_run_that_is_not_there_none_at_all(
        self, case: TrackingCase
    ) -> None:
        run = case.run()

        assert case.tracking.metric_history(RunKey(run.id), "loss") == Success(())
        unknown = case.tracking.metric_history(RunKey(fresh().replace("op-", "")), "loss")
        assert isinstance(unknown.failure(), NotFound)

    def test_a_store_says_who_it_is(self, case: TrackingCase) -> None:
        tracking = case.tracking

        assert tracking.facts.origin == tracking.origin
        assert tracking.ping().unwrap().place

    def test_a_page_in_the_ui_is_a_link_or_not_there(self, case: TrackingCase) -> None:
        run = case.run()

        answer = case.tracking.url(RunKey(run.id), run.exp_id)

        if isinstance(answer, Failure):
            assert isinstance(answer.failure(), NotFound)
        else:
            assert run.id in answer.unwrap()

    def test_a_metered_hurried_or_pickled_store_answers_the_same(self, case: TrackingCase) -> None:
        run = case.run()
        copy = pickle.loads(pickle.dumps(case.tracking))  # noqa: S301 (its own bytes)

        assert case.tracking.metered(NoMeter()).get(RunKey(run.id)) == Success(run)
        assert case.tracking.hurried(60).get(RunKey(run.id)) == Success(run)
        assert copy.get(RunKey(run.id)) == Success(run)

    def test_threads_that_write_at_once_lose_nothing(self, case: TrackingCase) -> None:
        run = case.run()

        def write(name: str) -> None:
            for number in range(3):
                case.send(batch(run, point(name, number, step=number), tags={f"{name}{number}": "x"}))

        threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        after = case.get(RunRecord, run)
        assert {f"{name}{number}" for name in "ab" for number in range(3)} <= after.tags.keys()
        assert after.metrics == {"a": 2.0, "b": 2.0}
