"""How fast a journal is flushed: points that wait, beside the same points logged online.

Each side starts a run in a known experiment and sends its points; the sides take turns. "one by one" was
journalled by a call a point, "at once" by a single call, as online.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

import mlopus
from mlopus import MetricPoint, MlflowApi, or_raise
from tests.integration.stores import new_name
from tests.servers.mlflow_server import running_server

POINTS = 10_000
ROUNDS = 3
SIDES = ("online", "journal, at once", "journal, one by one")


@attrs.frozen
class Row:
    """One line of the table: a side's median in seconds, its points a second, and its rate to online."""

    side: str
    median_s: float
    points_a_second: float
    ratio: float


def points(count: int) -> list[MetricPoint]:
    """A curve."""
    return [MetricPoint(1.0 / (step + 1), step) for step in range(count)]


def measure(uri: str, folder: Path, count: int, rounds: int) -> Mapping[str, tuple[float, ...]]:
    """Seconds of each side in each round."""
    api = mlopus.connect(uri, cache_dir=folder, progress="off")
    queued = api.evolve(offline_mode=True, journal=True)
    exp = or_raise(or_raise(api.create_exp(new_name())).cache_meta())
    curve = points(count)

    def online() -> None:
        or_raise(or_raise(api.start_run(exp)).log_metric_points({"loss": curve}))

    def at_once() -> None:
        or_raise(or_raise(queued.start_run(exp)).log_metric_points({"loss": curve}))

    def one_by_one() -> None:
        run = or_raise(queued.start_run(exp))
        for point in curve:
            or_raise(queued.log_metrics(run, {"loss": point.value}, point.step))

    queueing: dict[str, Callable[[], None]] = {SIDES[1]: at_once, SIDES[2]: one_by_one}
    taken: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        taken["online"].append(_seconds(online))
        for side, write in queueing.items():
            write()
            taken[side].append(_seconds(lambda: _flush(api)))
    return {side: tuple(times) for side, times in taken.items()}


def _flush(api: MlflowApi) -> None:
    assert or_raise(api.flush()).is_complete


def _seconds(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def rows(times: Mapping[str, tuple[float, ...]], count: int) -> tuple[Row, ...]:
    """The table."""
    online = statistics.median(times["online"])
    medians = {side: statistics.median(taken) for side, taken in times.items()}
    return tuple(Row(side, median, count / median, online / median) for side, median in medians.items())


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "server") as server:
        found = rows(measure(server.uri, Path(folder) / "cache", POINTS, ROUNDS), POINTS)
    print(f"{POINTS:,} metric points, {ROUNDS} rounds; the rate beside online is to be 0.8 or more")
    for row in found:
        print(
            f"  {row.side:<20} {row.median_s:7.2f} s {row.points_a_second:9,.0f} points/s   {row.ratio:5.2f}"
        )
