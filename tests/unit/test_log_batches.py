"""What is logged together travels together, within what one request may carry."""

from __future__ import annotations

from immutabledict import immutabledict

from mlopus.domain.records import MetricSample, Texts
from mlopus.plans.batches import log_batches
from mlopus.plans.changes import LogBatch
from mlopus.plans.facts import BatchLimits
from tests.unit.plan_facts import NOW


def texts(count: int, size: int = 1) -> Texts:
    return immutabledict({f"key{n:04}": "x" * size for n in range(count)})


def points(count: int) -> tuple[MetricSample, ...]:
    return tuple(MetricSample(key="loss", value=float(n), step=n, timestamp=NOW) for n in range(count))


def batches(params: int = 0, metrics: int = 0, tags: int = 0) -> tuple[LogBatch, ...]:
    return log_batches("r", BatchLimits(), texts(params), points(metrics), texts(tags))


def sizes(found: tuple[LogBatch, ...]) -> list[tuple[int, int, int]]:
    return [(len(batch.params), len(batch.metrics), len(batch.tags)) for batch in found]


def test_nothing_needs_no_request() -> None:
    assert batches() == ()


def test_params_metrics_and_tags_share_a_request() -> None:
    assert sizes(batches(params=100, metrics=800, tags=100)) == [(100, 800, 100)]


def test_what_is_over_the_whole_limit_goes_into_the_next_request() -> None:
    assert sizes(batches(params=100, metrics=1000)) == [(100, 900, 0), (0, 100, 0)]


def test_many_params_leave_room_for_metrics_in_each_request() -> None:
    assert sizes(batches(params=150, metrics=1500)) == [(100, 900, 0), (50, 600, 0)]


def test_ten_thousand_points_are_ten_requests() -> None:
    assert sizes(batches(metrics=10_000)) == [(0, 1000, 0)] * 10


def test_points_stay_in_their_order() -> None:
    found = [sample for batch in batches(params=50, metrics=1500) for sample in batch.metrics]
    assert tuple(found) == points(1500)


def test_a_request_stays_below_its_limit_of_bytes() -> None:
    found = log_batches("r", BatchLimits(body_bytes=10_000), texts(5, 3_000), (), texts(2, 3_000))
    assert sizes(found) == [(2, 0, 0), (2, 0, 0), (1, 0, 1), (0, 0, 1)]


def test_a_value_too_heavy_for_any_request_goes_alone() -> None:
    found = log_batches("r", BatchLimits(body_bytes=2_000), texts(1, 5_000), points(1))
    assert sizes(found) == [(1, 0, 0), (0, 1, 0)]
