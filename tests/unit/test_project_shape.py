"""What the linters do not hold: sizes, what lies at the top, and what the core must not reach for."""

from __future__ import annotations

import ast
import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 400
TOP_LEVEL = {"LICENSE", "README.md", "adr", "justfile", "mlopus", "pyproject.toml", "tests"}
CORE = ("errors.py", "result.py", "domain", "query", "plans", "wire", "ports")

PYTHON_FILES = sorted((*ROOT.glob("mlopus/**/*.py"), *ROOT.glob("tests/**/*.py")))
CORE_FILES = [file for part in CORE for file in PYTHON_FILES if file.is_relative_to(ROOT / "mlopus" / part)]
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", PYTHON_FILES, ids=name_of)
def test_a_file_is_short_enough_to_be_read_at_once(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= LONGEST


def test_the_top_level_holds_what_a_newcomer_looks_for_and_no_more() -> None:
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    found = {
        entry.name
        for entry in ROOT.iterdir()
        if not entry.name.startswith(".") and not any(fnmatch.fnmatch(entry.name, line) for line in ignored)
    }

    assert found - TOP_LEVEL == set()


def test_every_package_of_the_library_says_what_it_is_for() -> None:
    packages = {file.parent for file in ROOT.glob("mlopus/**/*.py")}
    silent = [
        name_of(p) for p in packages if not ast.get_docstring(ast.parse((p / "__init__.py").read_text()))
    ]

    assert silent == []


@pytest.mark.parametrize("file", CORE_FILES, ids=name_of)
def test_the_core_takes_paths_as_text_and_the_time_as_an_argument(file: Path) -> None:
    tree = ast.parse(file.read_text())

    assert [*concrete_paths(tree), *readings_of_the_clock(tree)] == []


def test_a_file_of_the_core_that_opened_a_path_or_read_the_clock_would_be_found() -> None:
    tree = ast.parse("from pathlib import Path, PurePath\nimport pathlib\nat = datetime.now(UTC)\nfacts.now")

    assert [*concrete_paths(tree), *readings_of_the_clock(tree)] == ["Path", "pathlib", "datetime.now"]


def concrete_paths(tree: ast.Module) -> list[str]:
    nodes = list(ast.walk(tree))
    taken = [node.names for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "pathlib"]
    whole = [node.names for node in nodes if isinstance(node, ast.Import)]
    named = [alias.name for aliases in taken for alias in aliases if not alias.name.startswith("Pure")]
    return named + [alias.name for aliases in whole for alias in aliases if alias.name == "pathlib"]


def readings_of_the_clock(tree: ast.Module) -> list[str]:
    used = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return [name for name in used if name in CLOCKS or name.partition(".")[2] in CLOCKS]
