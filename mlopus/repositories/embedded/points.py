"""Metric points as rows: each kept once, times in whole milliseconds, NaN beside the numbers."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable

from mlopus.domain.entities import MetricPoint
from mlopus.domain.records import MetricSample
from mlopus.domain.scalars import epoch_ms
from mlopus.repositories.sqlite.attributes import stored_text
from mlopus.wire.rows import moment_from_us

_LATEST_FIRST = "ORDER BY step DESC, time DESC, value DESC, is_nan"
"""As `point_rank` says; a NaN is stored as 0 with a mark."""


def add_points(connection: sqlite3.Connection, rid: int, samples: Iterable[MetricSample]) -> None:
    """Add points to the metrics of a run; a point that is there already is not added again."""
    mids: dict[str, int] = {}
    for sample in samples:
        if sample.key not in mids:
            connection.execute("INSERT OR IGNORE INTO metric (key) VALUES (?)", (stored_text(sample.key),))
            mids[sample.key] = _metric_id(connection, sample.key) or 0
        is_nan = math.isnan(sample.value)
        connection.execute(
            "INSERT OR IGNORE INTO point (rid, mid, step, time, value, is_nan) VALUES (?, ?, ?, ?, ?, ?)",
            (
                rid,
                mids[sample.key],
                sample.step,
                epoch_ms(sample.timestamp),
                0.0 if is_nan else sample.value,
                is_nan,
            ),
        )


def latest_value(connection: sqlite3.Connection, rid: int, metric: str) -> float:
    """The value of the latest point of a metric that has one."""
    value, is_nan = connection.execute(
        f"SELECT value, is_nan FROM point WHERE rid = ? AND mid = ? {_LATEST_FIRST} LIMIT 1",  # noqa: S608 (own words)
        (rid, _metric_id(connection, metric)),
    ).fetchone()
    return math.nan if is_nan else float(value)


def history(connection: sqlite3.Connection, rid: int, metric: str) -> tuple[MetricPoint, ...]:
    """Every point of a metric, by step, then time."""
    mid = _metric_id(connection, metric)
    if mid is None:
        return ()
    rows = connection.execute(
        "SELECT step, time, value, is_nan FROM point WHERE rid = ? AND mid = ? ORDER BY step, time",
        (rid, mid),
    )
    return tuple(
        MetricPoint(math.nan if is_nan else value, step, moment_from_us(time * 1000))
        for step, time, value, is_nan in rows
    )


def _metric_id(connection: sqlite3.Connection, metric: str) -> int | None:
    found = connection.execute("SELECT mid FROM metric WHERE key = ?", (stored_text(metric),)).fetchone()
    return None if found is None else int(found[0])
