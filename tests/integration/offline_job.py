"""A small training job that runs online and offline alike, and what a server holds of it."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from mlopus import MetricPoint, MlflowApi, ModelVersion, Run, or_raise

MOMENT = datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
FILES = {"train/points.csv": "x,y\n0,1\n", "train/empty.txt": "", "vocab.txt": "größe\n"}

Content: TypeAlias = dict[str, Any]


def train(api: MlflowApi, name: str, folder: Path) -> str:
    """Log, publish, register; answers the id of the run."""
    exp = or_raise(or_raise(api.get_or_create_exp(name)).set_tags({"team": {"name": "search"}}))
    run = or_raise(exp.start_run("train", {"seed": 7}))
    or_raise(run.log_params({"opt": {"name": "sgd", "lr": 0.1}, "layers": [8, 4]}))
    for step in range(4):
        at = MOMENT + timedelta(seconds=step)
        or_raise(run.log_metrics({"loss": 1 / (step + 1), "acc": step / 4}, step=step, timestamp=at))
    child = or_raise(run.start_child("fold"))
    or_raise(child.log_metrics({"loss": 0.5}, step=1, timestamp=MOMENT))
    or_raise(child.end_run(succeeded=False))
    values = (math.nan, math.inf, -1.5)
    points = [MetricPoint(value, step, MOMENT) for step, value in enumerate(values)]
    or_raise(run.log_metric_points({"odd.curve": points}))
    or_raise(run.log_artifact(written(folder), "data"))
    or_raise(run.log_artifact(lambda path: path.write_text("notes"), "notes.txt"))
    model = or_raise(api.get_or_create_model(name))
    version = or_raise(
        run.log_model_version(model, lambda path: path.write_bytes(b"weights"), "model", tags={"n": 1})
    )
    or_raise(api.set_alias(name, "champion", version))
    or_raise(api.set_description_on_model(name, "A small model."))
    or_raise(run.end_run())
    return run.id


def written(folder: Path) -> Path:
    """A folder with files."""
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def content_of(api: MlflowApi, name: str) -> Content:
    """What a server holds of the job, without ids and without the times at which it ran."""
    exps = or_raise(api.find_exps({"name": name}).all())
    runs = or_raise(api.find_runs({"exp.name": name}).all())
    names = {run.id: run.name for run in runs}
    found = or_raise(api.find_model_versions({"model.name": name}).all())
    versions = [or_raise(api.get_model_version((name, one.version))) for one in found]
    return {
        "exps": [_without_operation(exp.tags) for exp in exps],
        "runs": sorted((_run(api, run, names) for run in runs), key=repr),
        "models": [
            (model.description, dict(model.aliases))
            for model in or_raise(api.find_models({"name": name}).all())
        ],
        "versions": sorted(map(_version, versions), key=repr),
    }


def times_of(api: MlflowApi, name: str) -> list[tuple[object, ...]]:
    """When each run started and ended."""
    runs = or_raise(api.find_runs({"exp.name": name}).all())
    return sorted((run.name, run.start_time, run.end_time) for run in runs)


def _run(api: MlflowApi, run: Run, names: dict[str, str | None]) -> Content:
    keys = ("loss", "acc", "odd.curve")
    parent = run.tags.get("mlflow", {}).get("parentRunId")  # type: ignore[union-attr]
    return {
        "name": run.name,
        "status": run.status,
        "parent": names.get(str(parent)),
        "params": repr(sorted(run.params.items())),
        "metrics": repr(sorted(run.metrics.items())),
        "tags": _without_operation(run.tags),
        "histories": {key: repr(sorted(or_raise(api.metric_history(run, key)), key=repr)) for key in keys},
        "files": _files(api, run),
    }


def _version(one: ModelVersion) -> tuple[object, ...]:
    run_name = None if one.run is None else one.run.name
    return one.version, one.aliases, one.path_in_run, run_name, _without_operation(one.tags)


def _files(api: MlflowApi, run: Run) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in or_raise(api.list_run_artifacts(run, recursive=True)) if _has_any(api, run) else ():
        if not entry.is_dir:
            with or_raise(api.open_artifact(run, entry.path)) as file:
                found[entry.path] = hashlib.sha256(file.read()).hexdigest()
    return found


def _has_any(api: MlflowApi, run: Run) -> bool:
    return bool(api.list_run_artifacts(run).value_or(()))


def _without_operation(tags: Any) -> str:
    return repr(sorted((key, value) for key, value in tags.items() if key not in {"mlopus", "mlflow"}))
