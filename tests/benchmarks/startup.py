"""How long a program waits for mlopus before its first line of work, and what gets loaded meanwhile.

Each snippet runs in fresh interpreters. The rounds are interleaved, so that a busy machine slows all
snippets alike. What an empty interpreter took in the same round is taken off, and the medians of
that are compared.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUNDS = 15

# In every snippet `folder` is the path of one folder, empty before PREPARE ran in it.
PREPARE = """
import pathlib, mlopus
api = mlopus.connect(folder + "/tracking", cache_dir=folder + "/cache").raising
source = pathlib.Path(folder, "ranker")
source.mkdir()
(source / "weights.bin").write_bytes(bytes(1024))
run = api.start_run(api.get_or_create_exp("start-up"), "r1")
version = api.log_model_version(api.get_or_create_model("ranker"), run, source)
api.cache_model_version_meta(version)
api.cache_model_artifact(version)
"""
EMPTY = ""
YARDSTICK = "import attrs, returns.result"
IMPORT = "import mlopus"
CONNECT = "import mlopus; mlopus.connect(folder)"
OFFLINE_READ = """
import mlopus
api = mlopus.connect(folder + "/tracking", cache_dir=folder + "/cache", offline_mode=True).raising
api.get_model_artifact(api.get_model_version(("ranker", 1)))
"""

# What each may take, as a multiple of the yardstick.
BARS = {"connect": (CONNECT, 2.5), "offline read": (OFFLINE_READ, 5.0)}

# What neither importing nor connecting may load.
HEAVY = ("cattrs", "fsspec", "httpx", "mlflow", "pandas", "sqlite_utils", "tenacity", "tqdm")


class SnippetFailed(Exception):
    """A snippet ended with an error; the text is what it printed."""


@attrs.frozen
class Row:
    """One line of the table: the median over an empty interpreter."""

    name: str
    over_empty_s: float
    ratio: float
    bar: float


def main(*, rounds: int = ROUNDS) -> None:
    """Print a table of times, and which of the heavy modules each snippet loads."""
    codes = {name: code for name, (code, _) in BARS.items()}
    with tempfile.TemporaryDirectory() as folder:
        run(PREPARE, folder)
        times = measure({"empty": EMPTY, "yardstick": YARDSTICK, **codes}, folder, rounds=rounds)
        print(f"start-up: medians over an empty interpreter, {rounds} interleaved rounds")
        for row in rows(times):
            print(f"  {row.name:<13}{row.over_empty_s * 1e3:7.1f} ms {row.ratio:6.2f} x  bar {row.bar:.1f} x")
        for name, code in codes.items():
            print(f"  {name} loads of the heavy: {' '.join(loaded(code, folder, among=HEAVY)) or 'none'}")


def measure(snippets: Mapping[str, str], folder: str, *, rounds: int) -> dict[str, tuple[float, ...]]:
    """Time each snippet once a round, all snippets in each round; a first round warms up and is dropped."""
    times: dict[str, list[float]] = {name: [] for name in snippets}
    for _ in range(rounds + 1):
        for name, code in snippets.items():
            started = time.perf_counter()
            run(code, folder)
            times[name].append(time.perf_counter() - started)
    return {name: tuple(taken[1:]) for name, taken in times.items()}


def rows(times: Mapping[str, tuple[float, ...]]) -> tuple[Row, ...]:
    """Compare what each took with the yardstick, both over the empty interpreter of their round."""
    over_empty = {
        name: statistics.median(took - empty for took, empty in zip(taken, times["empty"], strict=True))
        for name, taken in times.items()
    }
    yardstick = over_empty["yardstick"]
    bars = {"yardstick": 1.0, **{name: bar for name, (_, bar) in BARS.items()}}
    return tuple(Row(name, over_empty[name], over_empty[name] / yardstick, bar) for name, bar in bars.items())


def loaded(code: str, folder: str, *, among: tuple[str, ...]) -> tuple[str, ...]:
    """Tell which of the modules are loaded once the snippet has run."""
    report = f"{code}\nimport sys\nprint(*(name for name in {among!r} if name in sys.modules))"
    return tuple(run(report, folder).split())


def run(code: str, folder: str) -> str:
    """Run a snippet in a fresh interpreter and give what it printed."""
    command = [sys.executable, "-I", "-c", f"folder = {folder!r}\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SnippetFailed(done.stderr)
    return done.stdout
