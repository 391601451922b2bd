"""What finding a thousand runs costs beside the bare HTTP calls for the same pages: `… runs`.

The peer asks a real server for the same pages with httpx and reads them with `json.loads`. Both sides
are in one process and take turns; what a side's own threads spend counts as its CPU time.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import httpx

import mlopus
from tests.servers.mlflow_server import MlflowServer, running_server
from tests.servers.seeding import copy_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROUNDS: Final = 7
RUNS: Final = 1000
EXPS: Final = 3
PAGE_SIZE: Final = 1000
SEARCH: Final = "/api/2.0/mlflow/runs/search"
GET_EXP: Final = "/api/2.0/mlflow/experiments/get"

# The limit first; ratios are to it.
SIDES: Final = ("httpx and json.loads", "mlopus")
BAR_MS: Final = 0.5


@attrs.frozen
class Taken:
    """What one search took, in seconds: on the clock, of the processor, and of that in `json.loads`."""

    clock_s: float
    cpu_s: float
    parsing_s: float = 0.0


@attrs.frozen
class Row:
    """One line of the table: medians."""

    side: str
    clock_s: float
    cpu_s: float
    ratio: float


def main(*, runs: int = RUNS, rounds: int = ROUNDS) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder, "server")) as server:
        exp_ids = prepare(server, folder, runs)
        print(f"runs: finding {runs:,} of {EXPS} experiments, 50 values each; medians of {rounds} rounds")
        times = measure(server.uri, exp_ids, folder, rounds=rounds)
        for row in rows(times):
            cpu = f"{row.cpu_s * 1e3:6.0f} ms CPU"
            print(f"  {row.side:<22}{row.clock_s * 1e3:8.0f} ms {row.ratio:6.2f} x   {cpu}")
        beyond_ms = beyond_parsing_s(times) * 1e3 / runs
        print(f"  {'beyond json.loads':<22}{beyond_ms:8.3f} ms CPU a run, bar {BAR_MS:.1f}")


def prepare(server: MlflowServer, folder: str, runs: int) -> tuple[str, ...]:
    """Make experiments and their runs."""
    api = mlopus.connect(server.uri, cache_dir=Path(folder, "making")).raising
    exps = [api.create_exp(f"runs {number} {Path(folder).name}") for number in range(EXPS)]
    for number, exp in enumerate(exps):
        run = api.start_run(exp, "run", {f"tag{n}": f"value {n}" for n in range(8)})
        run.log_params({"opt": {f"p{n}": (n / 7, "adam", 10 * n, [1, n])[n % 4] for n in range(20)}})
        run.log_metrics({"val": {f"m{n}": n / 3 for n in range(20)}})
        copy_run(server, run.id, len(range(number, runs, EXPS)) - 1)
    return tuple(exp.id for exp in exps)


def measure(uri: str, exp_ids: Sequence[str], folder: str, *, rounds: int) -> dict[str, tuple[Taken, ...]]:
    """Time both sides in turns, on connections that are kept; a first round warms up and is dropped."""
    times: dict[str, list[Taken]] = {side: [] for side in SIDES}
    with httpx.Client(base_url=uri, timeout=60, trust_env=False) as client:
        for number in range(rounds + 1):
            api = mlopus.connect(uri, cache_dir=Path(folder, f"cache {number}"))
            acts = (partial(by_httpx, client, exp_ids), partial(by_mlopus, api, exp_ids))
            for side, act in zip(SIDES, acts, strict=True):
                times[side].append(_timed(act))
    return {side: tuple(taken[1:]) for side, taken in times.items()}


def by_httpx(client: httpx.Client, exp_ids: Sequence[str]) -> tuple[int, float]:
    """Find the runs and their experiments; how many runs there are, and the CPU seconds of parsing."""
    parsing_s = 0.0

    def read(reply: httpx.Response) -> dict[str, Any]:
        nonlocal parsing_s
        body = reply.raise_for_status().content
        started = time.thread_time()
        value: dict[str, Any] = json.loads(body)
        parsing_s += time.thread_time() - started
        return value

    count, asked = (
        0,
        {"experiment_ids": list(exp_ids), "max_results": PAGE_SIZE, "run_view_type": "ACTIVE_ONLY"},
    )
    while True:
        page = read(client.post(SEARCH, json=asked))
        count += len(page.get("runs", ()))
        if not page.get("next_page_token"):
            break
        asked |= {"page_token": page["next_page_token"]}
    for exp_id in exp_ids:
        read(client.get(GET_EXP, params={"experiment_id": exp_id}))
    return count, parsing_s


def by_mlopus(api: mlopus.MlflowApi, exp_ids: Sequence[str]) -> tuple[int, float]:
    """Find the same as entities; how many, and 0 for what is not known."""
    return len(api.find_runs({"exp.id": {"$in": list(exp_ids)}}).all().unwrap()), 0.0


def _timed(act: Callable[[], tuple[int, float]]) -> Taken:
    clock, cpu = time.perf_counter(), time.process_time()
    _, parsing_s = act()
    return Taken(time.perf_counter() - clock, time.process_time() - cpu, parsing_s)


def rows(times: Mapping[str, Sequence[Taken]]) -> tuple[Row, ...]:
    """Compare the sides' medians with the first one's."""
    clock = {side: statistics.median(taken.clock_s for taken in held) for side, held in times.items()}
    cpu = {side: statistics.median(taken.cpu_s for taken in held) for side, held in times.items()}
    return tuple(Row(side, clock[side], cpu[side], clock[side] / clock[SIDES[0]]) for side in times)


def beyond_parsing_s(times: Mapping[str, Sequence[Taken]]) -> float:
    """The processor time of our side, less what `json.loads` takes for the same."""
    peer, ours = (times[side] for side in SIDES)
    return statistics.median(t.cpu_s for t in ours) - statistics.median(t.parsing_s for t in peer)
