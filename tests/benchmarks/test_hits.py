"""The benchmark of hits gets what is cached; how fast it is, no test asks."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.hits import SIDES, measure, prepare, rows


def test_our_side_gets_the_cached_folder(tmp_path: Path) -> None:
    sides = prepare(tmp_path, 3)

    got = sides["mlopus"]()

    assert isinstance(got, Path)
    assert (tmp_path / "cache" in got.parents, len(list(got.iterdir()))) == (True, 3)


def test_warming_rounds_are_not_counted() -> None:
    done: list[str] = []

    times = measure({side: lambda: done.append("x") for side in SIDES}, rounds=10)

    assert ([len(taken) for taken in times.values()], len(done)) == ([10, 10], 22)


def test_ratios_are_to_one_read_and_one_stat() -> None:
    times: dict[str, tuple[float, ...]] = {SIDES[0]: (1.0, 2.0, 9.0), SIDES[1]: (3.0, 4.0, 5.0)}

    assert [(row.side, row.ratio) for row in rows(times)] == [(SIDES[0], 1.0), (SIDES[1], 2.0)]
