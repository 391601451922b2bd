"""The growth benchmark does what it says at every size; how fast, no test asks."""

from __future__ import annotations

from tests.benchmarks.growth import ACTS, measure


def test_every_act_is_measured_at_every_size() -> None:
    rows = measure((5, 20))

    assert [row.act for row in rows] == [name for name, _ in ACTS]
    assert all(len(row.by_size) == 2 and min(row.by_size) > 0 for row in rows)
