"""Two thousand small files through a real MLflow server's artifact proxy: mlopus beside MLflow's own client.

Both bring the same files from the same server into new folders. MLflow's client runs in its own process,
and measures itself there, so that neither start-up nor imports count on either side. Folders stay until
the end: ext4 makes new files slowly for minutes after many were removed, whoever makes them. On this machine
alone the server's own work for each file is what both wait for; at a distance it is the way.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import attrs

import mlopus
from tests.servers.distance import at_distance
from tests.servers.mlflow_server import MlflowServer, running_workers_server

FILES = 2000
FOLDERS = 20
FILE_BYTES = 4096
ROUNDS = 3
ROUND_TRIP_S = 0.05
BAR = 2.0

_MLFLOW = """
import os, sys, time
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
import mlflow
uri, run, folder = sys.argv[1:]
mlflow.set_tracking_uri(uri)
os.makedirs(folder)
began = time.perf_counter()
mlflow.artifacts.download_artifacts(run_id=run, artifact_path="model", dst_path=folder)
print(time.perf_counter() - began)
"""


@attrs.frozen
class Compared:
    """Seconds of both, medians, and what mlopus asked."""

    mlflow_s: float
    mlopus_s: float
    requests: int

    @property
    def ratio(self) -> float:
        """How many times as long MLflow's client takes."""
        return self.mlflow_s / self.mlopus_s


def published(server: MlflowServer, folder: Path, files: int) -> str:
    """A run that has that many small files under `model`."""
    for number in range(files):
        path = folder / "model" / f"part-{number % FOLDERS:03}" / f"file-{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(number.to_bytes(8, "big") * (FILE_BYTES // 8))
    api = mlopus.connect(server.uri, cache_dir=folder / "of-writer", progress="off").raising
    run = api.create_run(api.get_or_create_exp("benchmark"))
    run.log_artifact(folder / "model", "model", use_cache=False)
    return run.id


def by_mlflow(python: Path, uri: str, run_id: str, folder: Path) -> float:
    """How long MLflow's client takes, into a new folder."""
    command = [str(python), "-c", _MLFLOW, uri, run_id, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def by_mlopus(uri: str, run_id: str, cache: Path) -> tuple[float, int]:
    """How long mlopus takes to have the files in a new cache, hashed and committed; and its requests."""
    api = mlopus.connect(uri, cache_dir=cache, progress="off")
    began = time.perf_counter()
    receipt = api.execute(api.plan.cache_run_artifact(run_id, "model").unwrap()).unwrap()
    return time.perf_counter() - began, receipt.requests


def measure(python: Path, uri: str, run_id: str, folder: Path, rounds: int) -> Compared:
    """Both, by turns."""
    mlflow_s: list[float] = []
    mlopus_s: list[float] = []
    requests = 0
    by_mlopus(uri, run_id, folder / "warming")  # warms the server
    for number in range(rounds):
        mlflow_s.append(by_mlflow(python, uri, run_id, folder / f"by-mlflow-{number}"))
        taken, requests = by_mlopus(uri, run_id, folder / f"by-mlopus-{number}")
        mlopus_s.append(taken)
    return Compared(statistics.median(mlflow_s), statistics.median(mlopus_s), requests)


def main() -> None:
    """Print the comparison, beside a server of four processes (as `mlflow server` has) and at a distance."""
    print(f"{FILES:,} files of {FILE_BYTES:,} bytes through the proxy, medians of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as name, running_workers_server(Path(name) / "server") as server:
        folder = Path(name)
        run_id = published(server, folder, FILES)
        row = measure(server.python, server.uri, run_id, folder / "near", ROUNDS)
        print(f"  on this machine   {_told(row)}")
        with at_distance(server.uri, ROUND_TRIP_S) as uri:
            row = measure(server.python, uri, run_id, folder / "far", ROUNDS)
        verdict = "within" if row.ratio >= BAR else "UNDER"
        print(f"  {ROUND_TRIP_S * 1000:.0f} ms away        {_told(row)}   {verdict} the bar of {BAR} x")


def _told(row: Compared) -> str:
    both = f"download_artifacts {row.mlflow_s:6.2f} s   mlopus {row.mlopus_s:6.2f} s"
    return f"{both}   {row.ratio:5.2f} x   {row.requests} requests"
