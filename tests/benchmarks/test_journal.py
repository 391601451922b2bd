"""The benchmark of the journal sends the same from all sides; how fast it is, no test asks."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.journal import SIDES, measure, rows
from tests.servers.mlflow_server import MlflowServer


def test_all_sides_send_their_points(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    times = measure(mlflow_server.uri, tmp_path, count=30, rounds=1)

    assert {side: len(taken) for side, taken in times.items()} == dict.fromkeys(SIDES, 1)


def test_ratios_are_rates_beside_online() -> None:
    times = {"online": (2.0, 4.0, 2.0), "journal, at once": (2.5,), "journal, one by one": (1.0,)}

    shown = [(row.side, row.points_a_second, row.ratio) for row in rows(times, 100)]

    assert shown == [
        ("online", 50.0, 1.0),
        ("journal, at once", 40.0, 0.8),
        ("journal, one by one", 100.0, 2.0),
    ]
