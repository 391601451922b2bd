"""The search benchmark finds what it says; how fast, no test asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.search import (
    SEARCHES,
    THREE,
    by_predicate,
    fill,
    grown,
    make_runs,
    predicate_alone,
    search,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_every_search_finds_as_many_as_there_are(tmp_path: Path) -> None:
    runs = [run for batch in make_runs(300) for run in batch]
    adam = {"1", "2"}

    fill(str(tmp_path), 300)
    counts = {found.name: found.count for found in search(str(tmp_path))[0]}

    assert counts == dict.fromkeys(SEARCHES, 100) | {
        "equality, 1 %": sum(run.tags["a.b"] == "x7" for run in runs),
        "equality, 10 %, by time": sum(run.params["lr"] == "0.1" for run in runs),
        "range, 1 %": sum(run.metrics["acc"] > 0.99 for run in runs),
        "three conditions, by time": sum(
            run.exp_id in adam and run.metrics["acc"] > 0.9 and run.params["opt.name"] == "adam"
            for run in runs
        ),
    }


def test_the_peer_reads_every_row(tmp_path: Path) -> None:
    fill(str(tmp_path), 50)

    assert by_predicate(str(tmp_path)) > 0


def test_the_predicate_alone_finds_what_the_search_finds(tmp_path: Path) -> None:
    fill(str(tmp_path), 300)
    counts = {found.name: found.count for found in search(str(tmp_path))[0]}

    assert predicate_alone(300)[0] == counts[THREE] > 0


def test_the_cache_of_the_curve_grows(tmp_path: Path) -> None:
    found = grown((20, 60), str(tmp_path))

    everything = "by time, newest first"
    assert {size: {row.name: row.count for row in rows}[everything] for size, rows in found.items()} == {
        20: 20,
        60: 60,
    }
