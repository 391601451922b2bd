"""`python -m mlopus tour`, as a stranger runs it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.mlflow_server import MlflowServer

PLANS = (
    "get or create experiment 'mlopus-tour'",
    "start run 'fit-a-line' in experiment",
    "log params to run",
    "log metrics to run",
    "set tags on run",
    "get or create model 'mlopus-tour-line'",
    "publish model 'mlopus-tour-line' from",
    "end run",
    "cache metadata of model version mlopus-tour-line/",
    "cache the artifacts of model version mlopus-tour-line/",
    "place the artifacts of model version mlopus-tour-line/",
)
LIMIT_S = 120


def tour(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tour where nothing else is, with a home folder of its own."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MLFLOW_", "MLOPUS_"))}
    return subprocess.run(
        [sys.executable, "-m", "mlopus", "tour", "--folder", str(folder / "tour"), *arguments],
        cwd=folder,
        env={**kept, "HOME": str(folder), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module", params=["a folder", pytest.param("a server", marks=pytest.mark.server)])
def done(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("tour")
    if request.param == "a folder":
        return tour(folder=folder)
    server: MlflowServer = request.getfixturevalue("mlflow_server")
    return tour("--tracking-uri", server.uri, folder=folder)


def test_the_tour_succeeds(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stderr) == (0, "")


def test_the_tour_prints_each_plan(done: subprocess.CompletedProcess[str]) -> None:
    lines = done.stdout.splitlines()

    assert [plan for plan in PLANS if not any(line.startswith(plan) for line in lines)] == []


def test_the_tour_shows_that_the_placed_bytes_are_those_published(
    done: subprocess.CompletedProcess[str],
) -> None:
    assert "the placed files are the same as published" in done.stdout


def test_the_tour_leaves_the_placed_model_where_it_says(tmp_path: Path) -> None:
    done = tour(folder=tmp_path)

    assert f"published: {tmp_path}/tour/placed" in done.stdout
    assert (tmp_path / "tour" / "placed" / "weights.json").is_symlink()


def test_the_tour_can_be_taken_again_in_the_same_folder(tmp_path: Path) -> None:
    tour(folder=tmp_path)

    again = tour(folder=tmp_path)

    assert (again.returncode, again.stderr) == (0, "")


def test_the_tour_writes_nothing_outside_its_folder(tmp_path: Path) -> None:
    tour(folder=tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["tour"]


def test_a_tour_without_a_server_says_what_failed_and_what_to_do(tmp_path: Path) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{probe.getsockname()[1]}"

    done = tour("--tracking-uri", uri, folder=tmp_path)

    assert done.returncode == 1
    assert f"the tour stopped: {uri} could not be reached" in done.stderr
    assert "what to do: Check the address" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_tour_to_an_address_without_a_scheme_says_what_was_meant(tmp_path: Path) -> None:
    done = tour("--tracking-uri", "localhost:5000", folder=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "did you mean 'http://localhost:5000'?" in done.stderr


def test_a_tour_into_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "tour").write_text("a file")

    done = tour(folder=tmp_path)

    assert done.returncode == 1
    assert str(tmp_path / "tour") in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
