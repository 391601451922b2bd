"""`python -m mlopus verify`, `gc` and `report`: what people see, and the exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mlopus
from mlopus import RunApi, or_raise
from mlopus.__main__ import main

DAY_S = 24 * 3600


@pytest.fixture
def run(tmp_path: Path) -> RunApi:
    """A run whose artifact is in the cache, not used for ten days."""
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", cache_local_artifacts=True)
    made = or_raise(or_raise(api.get_or_create_exp("commands")).start_run())
    or_raise(made.log_artifact(lambda path: path.write_text("hello"), "notes.txt"))
    path = or_raise(made.cache_artifact("notes.txt"))
    used_s = path.stat().st_mtime - 10 * DAY_S
    os.utime(path.parent, (used_s, used_s))
    return made


def said(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> tuple[int, str]:
    code = main([*arguments, "--cache-dir", str(folder / "cache")])
    return code, capsys.readouterr().out


def test_a_sound_cache_is_well(run, capsys, tmp_path) -> None:
    assert said(capsys, tmp_path, "verify") == (0, "1 file sound, 0 damaged, 0 missing\n")
    assert said(capsys, tmp_path, "verify", run.id)[0] == 0


def test_what_is_not_sound_is_named_and_told_by_the_exit_code(run, capsys, tmp_path) -> None:
    path = or_raise(run.get_artifact("notes.txt"))
    path.chmod(0o644)
    path.write_text("hallo")

    code, text = said(capsys, tmp_path, "verify")

    assert code == 1
    assert text.splitlines() == [
        f"damaged  all  'notes.txt' of run {run.id}",
        "0 files sound, 1 damaged, 0 missing",
    ]


@pytest.mark.usefixtures("run")
def test_a_collection_is_shown_and_not_done(capsys, tmp_path) -> None:
    code, text = said(capsys, tmp_path, "gc", "--unused-for", "9d")

    assert code == 0
    assert "unused for 10 d" in text
    assert text.endswith("Nothing was done: --yes does it.\n")
    assert os.listdir(tmp_path / "cache" / "trees") != []


@pytest.mark.usefixtures("run")
def test_a_collection_is_done_when_it_is_confirmed(capsys, tmp_path) -> None:
    code, text = said(capsys, tmp_path, "gc", "--max-bytes", "1B", "--yes")

    assert code == 0
    assert "frees 5 B" in text
    assert os.listdir(tmp_path / "cache" / "trees") == []


@pytest.mark.usefixtures("run")
def test_nothing_to_collect_is_said(capsys, tmp_path) -> None:
    assert said(capsys, tmp_path, "gc", "--max-bytes", "1GiB")[1].endswith("nothing to do\n")


def test_a_report_shows_runs_and_what_sharing_saved(run, capsys, tmp_path) -> None:
    code, text = said(capsys, tmp_path, "report")

    assert code == 0
    assert f"5 B  run {run.id}  notes.txt" in text
    assert "0 B  saved by sharing equal files" in text


def test_what_cannot_be_told_is_an_error_of_its_own(capsys, tmp_path) -> None:
    code = main(["verify", "no-such-run", "--cache-dir", str(tmp_path)])

    assert code == 2
    assert "no-such-run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("gc", "--max-bytes", "lots"), ("gc", "--unused-for", "-3d"), ("nothing",)]
)
def test_nonsense_is_refused_with_the_usage(capsys, arguments) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "usage: python -m mlopus" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify", "gc", "report"])
def test_each_command_explains_itself(capsys, command) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert "--cache-dir" in capsys.readouterr().out


@pytest.fixture
def queued(tmp_path: Path) -> RunApi:
    """A run that waits on the journal of the cache, and its params."""
    api = mlopus.connect(tmp_path / "store", cache_dir=tmp_path / "cache", offline_mode=True, journal=True)
    made = or_raise(or_raise(api.get_or_create_exp("commands")).start_run("r1"))
    return or_raise(made.log_params({"lr": 0.1}))


def test_what_waits_is_listed(queued, capsys, tmp_path) -> None:
    store = str(tmp_path / "store")
    code, text = said(capsys, tmp_path, "pending", "--tracking-uri", store)

    assert code == 0
    assert text.splitlines() == [
        "1  get or create experiment 'commands'",
        f"2  start run 'r1' in experiment {queued.exp.id}",
        f"3  log params to run {queued.id}",
    ]
    assert "queued, 2 stages" in said(capsys, tmp_path, "pending", "--plans", "--tracking-uri", store)[1]


@pytest.mark.usefixtures("queued")
def test_what_waits_is_flushed(capsys, tmp_path) -> None:
    store = str(tmp_path / "store")
    code, text = said(capsys, tmp_path, "flush", "--tracking-uri", store)

    assert code == 0
    assert [line.split()[1] for line in text.splitlines()] == ["sent"] * 3
    assert said(capsys, tmp_path, "pending", "--tracking-uri", store) == (0, "nothing waits\n")


def test_what_is_refused_is_told_by_the_exit_code(queued, capsys, tmp_path) -> None:
    or_raise(queued.api.log_params(queued, {"lr": 0.2}))

    code, text = said(capsys, tmp_path, "flush", "--tracking-uri", str(tmp_path / "store"))

    assert code == 1
    assert "4  refused  log params to run" in text
