"""What getting an artifact of 2,000 files costs when it is cached: `python -m tests.benchmarks hits`.

The peer does what the disk must do at least: it reads one small file and looks at one folder.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

import mlopus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FILES: Final = 2000
ROUNDS: Final = 300
BAR_MS: Final = 1.0

# The limit first; ratios are to it.
SIDES: Final = ("one read and one stat", "mlopus")


@attrs.frozen
class Row:
    """One line of the table."""

    side: str
    median_s: float
    ratio: float


def main(*, files: int = FILES, rounds: int = ROUNDS) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        sides = prepare(Path(folder), files)
        print(f"hits: getting a cached artifact of {files:,} files, medians of {rounds} interleaved rounds")
        for row in rows(measure(sides, rounds=rounds)):
            print(f"  {row.side:<22}{row.median_s * 1e3:8.3f} ms {row.ratio:7.1f} x")
        print(f"  bar {BAR_MS:.1f} ms")


def prepare(folder: Path, files: int) -> dict[str, Callable[[], object]]:
    """Cache an artifact; what each side does to have it."""
    api = mlopus.connect(folder / "store", cache_dir=folder / "cache", cache_local_artifacts=True).raising
    run = api.start_run(api.get_or_create_exp("hits"), "run")

    def write(path: Path) -> None:
        path.mkdir()
        for number in range(files):
            (path / f"{number}.txt").write_text(str(number))

    api.log_run_artifact(run, write, "data")
    held = api.get_run_artifact(run, "data")
    small = folder / "small.json"
    small.write_text("{}" * 100)

    def look() -> object:
        return small.read_bytes(), os.stat(held)

    return dict(zip(SIDES, (look, lambda: api.get_run_artifact(run.id, "data")), strict=True))


def measure(sides: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, tuple[float, ...]]:
    """Time each side once a round; the first tenth warms up and is dropped."""
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds + rounds // 10):
        for side, act in sides.items():
            started = time.perf_counter()
            act()
            times[side].append(time.perf_counter() - started)
    return {side: tuple(taken[-rounds:]) for side, taken in times.items()}


def rows(times: Mapping[str, Sequence[float]]) -> tuple[Row, ...]:
    """Compare the sides' medians with the first one's."""
    medians = {side: statistics.median(taken) for side, taken in times.items()}
    return tuple(Row(side, median, median / medians[SIDES[0]]) for side, median in medians.items())
