"""The names of `mlopus`: each is there, is listed, and costs nothing before it is used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_origin

import pytest

import mlopus

CONTRACT = [
    *(
        "connect",
        "import_cache",
        "MlflowApi",
        "Settings",
        "Search",
        "Plan",
        "Receipt",
        "query",
        "errors",
        "testing",
    ),
    *("or_raise", "Result", "Success", "Failure", "ExpApi", "RunApi", "ModelApi", "ModelVersionApi"),
    *("Experiment", "Run", "Model", "ModelVersion", "RunStatus", "ArtifactEntry", "MetricPoint"),
]
NAMED_BY_THEMSELVES = [name for name in CONTRACT if name != "Result"]  # which is a union
HEAVY = {"httpx", "fsspec", "sqlite_utils", "cattrs", "tenacity", "tqdm", "pandas", "sqlite3"}


def loaded_after(program: str) -> set[str]:
    """Names of the modules that a new interpreter has loaded when a program ends."""
    told = f"{program}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_public_names_are_those_of_the_contract() -> None:
    assert sorted(mlopus.__all__) == sorted(CONTRACT)


@pytest.mark.parametrize("name", NAMED_BY_THEMSELVES)
def test_a_public_name_resolves_to_what_is_called_so(name: str) -> None:
    assert getattr(mlopus, name).__name__.rpartition(".")[2] == name


def test_a_result_is_a_success_or_a_failure() -> None:
    assert {get_origin(part) for part in get_args(mlopus.Result)} == {mlopus.Success, mlopus.Failure}


def test_dir_lists_the_public_names_and_no_others() -> None:
    assert dir(mlopus) == sorted(CONTRACT)


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}

    exec("from mlopus import *", names)  # noqa: S102 (the statement is what is tested)

    assert set(CONTRACT) <= names.keys()


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mlopus.nothing  # noqa: B018 (reading it is what is tested)


def test_connecting_loads_nothing_heavy(tmp_path: Path) -> None:
    folder = str(tmp_path / "tracking")

    assert HEAVY & loaded_after(f"import mlopus\nmlopus.connect({folder!r})") == set()


def test_connecting_to_a_server_loads_nothing_heavy() -> None:
    assert HEAVY & loaded_after("import mlopus\nmlopus.connect('http://127.0.0.1:5000')") == set()


def test_connecting_makes_no_folder(tmp_path: Path) -> None:
    mlopus.connect(tmp_path / "tracking", cache_dir=tmp_path / "cache")

    assert list(tmp_path.iterdir()) == []


def test_what_is_loaded_is_seen() -> None:
    assert HEAVY & loaded_after("import mlopus, sqlite3") == {"sqlite3"}
