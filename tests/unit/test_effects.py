from __future__ import annotations

import math
from datetime import timedelta

import attrs
import pytest
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, ModelKey, RunKey
from mlopus.domain.records import OPERATION_TAG, RUN_NAME_TAG, ExperimentRecord, ModelRecord, RunRecord
from mlopus.domain.status import RunStatus
from mlopus.plans.changes import CreateExperiment, CreateRun, EnsureModel, LogBatch, SetTags, UpdateRun
from mlopus.plans.effects import applied, concerns, created_record, latest_points
from mlopus.testing.contracts.tracking_case import NOON, point

RUN = RunRecord(
    id="r", exp_id="0", name="first", status=RunStatus.RUNNING, start_time=NOON, tags=immutabledict(a="1")
)
RENAME = UpdateRun(run_id="r", name="second")
FINISH = UpdateRun(run_id="r", status=RunStatus.FINISHED, end_time=NOON.replace(microsecond=1999))


def test_a_change_concerns_the_entity_it_changes_and_a_creation_none() -> None:
    create = CreateExperiment(name="e", tags=immutabledict(), operation_id="o")

    assert [
        concerns(change) for change in (RENAME, SetTags(on=ModelKey("m"), tags=immutabledict()), create)
    ] == [
        RunKey("r"),
        ModelKey("m"),
        None,
    ]


@pytest.mark.parametrize("record", [attrs.evolve(RUN, id="other"), ExperimentRecord(id="r", name="e")])
def test_a_record_that_is_not_concerned_stays_as_it_is(record) -> None:
    assert applied(record, RENAME) is record


def test_the_name_of_a_run_and_its_tag_are_one() -> None:
    by_name = applied(RUN, RENAME)
    by_tag = applied(RUN, LogBatch(run_id="r", tags=immutabledict({RUN_NAME_TAG: "second"})))

    assert by_name == by_tag == attrs.evolve(RUN, name="second", tags=RUN.tags | {RUN_NAME_TAG: "second"})


def test_an_end_is_told_in_whole_milliseconds_and_what_is_not_told_stays() -> None:
    after = applied(RUN, FINISH)

    assert after == attrs.evolve(RUN, status=RunStatus.FINISHED, end_time=NOON.replace(microsecond=1000))


@pytest.mark.parametrize(
    ("first", "second", "latest"),
    [
        (point("m", 1.0, step=2), point("m", 9.0, step=1, seconds=9), 1.0),
        (point("m", 1.0, seconds=2), point("m", 9.0, seconds=1), 1.0),
        (point("m", 1.0), point("m", 2.0), 2.0),
        (point("m", -1.0), point("m", math.nan), math.nan),
        (point("m", 1.0), point("m", math.nan), 1.0),
        (point("m", 0.0, seconds=0.0004), point("m", -1.0, seconds=0.0006), 0.0),
    ],
)
def test_the_latest_point_is_the_greatest_by_step_time_and_value(first, second, latest) -> None:
    for points in ((first, second), (second, first)):
        assert latest_points(points)["m"].value == pytest.approx(latest, nan_ok=True)


def test_tags_are_added_to_what_they_are_set_on() -> None:
    exp = ExperimentRecord(id="0", name="e", tags=immutabledict(a="1", b="1"))

    after = applied(exp, SetTags(on=ExperimentKey("0"), tags=immutabledict(b="2", c="3")))

    assert after.tags == {"a": "1", "b": "2", "c": "3"}


def test_what_is_created_carries_its_operation() -> None:
    create = CreateRun(
        exp_id="0",
        name=None,
        tags=immutabledict({RUN_NAME_TAG: "by tag"}),
        status=RunStatus.SCHEDULED,
        start_time=None,
        operation_id="o",
    )

    run = created_record(create, id="r", now=NOON, artifact_uri="s3://a/b")
    model = created_record(
        EnsureModel(name="m", tags=immutabledict(), operation_id="o"),
        id="",
        now=NOON + timedelta(microseconds=1),
    )

    assert run == RunRecord(
        id="r",
        exp_id="0",
        name="by tag",
        status=RunStatus.SCHEDULED,
        artifact_uri="s3://a/b",
        tags=immutabledict({RUN_NAME_TAG: "by tag", OPERATION_TAG: "o"}),
    )
    assert model == ModelRecord(
        name="m", tags=immutabledict({OPERATION_TAG: "o"}), created_at=NOON, updated_at=NOON
    )
