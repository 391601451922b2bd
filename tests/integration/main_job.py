"""The main job, on whatever an API works with: from an experiment to a cached model version."""

from __future__ import annotations

import csv
import json
import math
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from mlopus import MlflowApi, RunApi, or_raise
from mlopus.handles import ModelVersionApi

PARAMS: dict[str, Any] = {
    "data": {"rows": 1200, "path": "s3://bucket/points", "shuffled": True},
    "layers": (8, 4),
    "seed": None,
    "solver": "least squares",
    "version": "1.10",
}
METRICS: dict[str, Any] = {"epoch": 3.0, "fit": {"loss": 0.125, "worst": math.inf}}
TAGS: dict[str, Any] = {
    "reviewed": False,
    "team": {"name": "Größe", "since": datetime(2024, 4, 1, 9, tzinfo=UTC)},
}
PURPOSE = {"purpose": "the main job"}
RUN_NAME = "fit a line"
STAGE = {"stage": "tried"}


@attrs.frozen(kw_only=True)
class Job:
    """What the main job left: an API, one of the same store that is offline, and what was made.

    `name` is that of the experiment and of the model. `written` is the run's handle after the last
    write to it, which nobody asked the store for. `folder` holds the source, and what the store and
    the cache keep on this disk.
    """

    name: str
    api: MlflowApi
    offline: MlflowApi
    folder: Path
    written: RunApi
    version: ModelVersionApi
    source: Path

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.written.id


def do_main_job(api: MlflowApi, offline: MlflowApi, folder: Path) -> Job:
    """Log a run, publish a model from it, cache both."""
    name = f"main job {uuid.uuid4().hex[:8]}"
    source = write_model(folder / "model")
    exp = or_raise(api.get_or_create_exp(name))
    with or_raise(exp.start_run(RUN_NAME, tags=TAGS)) as run:
        written = or_raise(run.log_params(PARAMS))
        written = or_raise(written.log_metrics(METRICS, step=1))
        written = or_raise(written.set_tags(PURPOSE))
        or_raise(api.get_or_create_model(name))
        version = or_raise(run.log_model_version(name, source, tags=STAGE))
    or_raise(version.cache_meta())
    or_raise(version.cache_artifact())
    return Job(
        name=name, api=api, offline=offline, folder=folder, written=written, version=version, source=source
    )


def write_model(folder: Path, slope: float = 3.0) -> Path:
    """Write a small model: nested folders, an empty file, names beyond ASCII, bytes that are no text."""
    (folder / "data" / "Größe und Maß").mkdir(parents=True)
    (folder / "weights.json").write_text(json.dumps({"slope": slope, "intercept": 1.0}))
    (folder / "data" / "points.csv").write_text("x,y\n0,1\n1,4\n")
    (folder / "data" / "Größe und Maß" / "empty.txt").write_bytes(b"")
    (folder / "data" / "noise.bin").write_bytes(bytes(range(256)) * 1_200)
    return folder


def predictions(folder: Path) -> list[float]:
    """Load the model of a folder, and let it predict the points that it holds."""
    weights = json.loads((folder / "weights.json").read_text())
    with (folder / "data" / "points.csv").open() as points:
        return [weights["slope"] * float(row["x"]) + weights["intercept"] for row in csv.DictReader(points)]
