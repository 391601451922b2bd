"""The start-up benchmark counts what it says; how fast it all is, no test asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.startup import HEAVY, IMPORT, SnippetFailed, loaded, measure, rows

if TYPE_CHECKING:
    from pathlib import Path


def test_importing_mlopus_loads_nothing_heavy(tmp_path: Path) -> None:
    assert loaded(IMPORT, str(tmp_path), among=HEAVY) == ()


def test_a_module_that_a_snippet_loads_is_found(tmp_path: Path) -> None:
    assert loaded("import httpx", str(tmp_path), among=("tqdm", "httpx")) == ("httpx",)


def test_a_snippet_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(SnippetFailed, match="no such thing"):
        measure({"broken": "raise LookupError('no such thing')"}, str(tmp_path), rounds=1)


def test_the_warming_round_is_not_counted(tmp_path: Path) -> None:
    mark = "import pathlib; pathlib.Path(folder, 'ran').open('a').write('x')"

    times = measure({"mark": mark}, str(tmp_path), rounds=2)

    assert (len(times["mark"]), (tmp_path / "ran").read_text()) == (2, "xxx")


def test_ratios_are_between_what_comes_on_top_of_an_empty_interpreter() -> None:
    times = {
        "empty": (1.0, 2.0, 9.0),
        "yardstick": (1.5, 2.5, 9.5),
        "connect": (2.0, 3.0, 12.0),
        "offline read": (3.0, 4.0, 11.0),
    }

    assert [(row.name, row.ratio) for row in rows(times)] == [
        ("yardstick", 1.0),
        ("connect", 2.0),
        ("offline read", 4.0),
    ]
