"""An experiment that is worth copying, and what a store holds of one, by value: without ids."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from mlopus import ExpApi, MetricPoint, MlflowApi, RunApi, or_raise
from mlopus.domain.keys import ExperimentKey, RunKey
from mlopus.domain.records import PARENT_TAG, RUN_NAME_TAG, RunRecord
from mlopus.plans.provenance import tags_to_copy

MORNING = datetime(2026, 3, 1, 9, tzinfo=UTC)


@attrs.frozen
class Size:
    """How much there is of an experiment; `points` in each of two metrics of each run."""

    runs: int
    points: int

    @property
    def all_points(self) -> int:
        return self.runs * (2 * self.points + 2)


SMALL = Size(runs=10, points=100)
REAL = Size(runs=50, points=100)


def make_experiment(api: MlflowApi, name: str, folder: Path, size: Size) -> ExpApi:
    """Runs in three generations, with histories, odd values, artifacts, and three versions with aliases."""
    tags = {"team": "Größe", "purpose": {"kind": "copying"}}
    exp = or_raise(api.create_exp(name, tags=tags))
    or_raise(api.set_description_on_exp(exp, "An experiment\nto be copied."))
    above: list[RunApi] = []
    for number in range(size.runs):
        parent = None if number % 5 == 0 else above[number - 1 if number % 5 == 2 else number - number % 5]
        above.append(make_run(exp, number, parent, folder / f"run-{number}", size))
    or_raise(api.create_model(name, tags={"of": "tests"}))
    or_raise(api.set_description_on_model(name, "Ranks."))
    for number in range(3):
        source = folder / f"model-{number}"
        write_files(source, {"weights.bin": bytes([number]) * 700, "conf/a.json": b'{"a": 1}'})
        version = or_raise(api.log_model_version(name, above[number], source, tags={"n": number}))
        or_raise(api.set_description_on_model_version(version, f"Version {number}."))
    or_raise(api.set_alias(name, "champion", 3))
    or_raise(api.set_alias(name, "first", 1))
    or_raise(api.set_alias(name, "oldest", 1))
    return exp


def make_run(exp: ExpApi, number: int, parent: RunApi | None, source: Path, size: Size) -> RunApi:
    tags = {"fold": number, "note": "a 'quoted' \"text\"\nof two lines", "long": "x" * 4000}
    run = or_raise(exp.start_run(f"run {number}", tags=tags, parent=parent))
    or_raise(run.log_params({"lr": 0.1 * number, "layers": (8, number), "path": "s3://b/ü", "none": None}))
    at = [MORNING + timedelta(seconds=number, milliseconds=step) for step in range(size.points)]
    points = {
        "val.loss": [MetricPoint(1 / (1 + step), step, when) for step, when in enumerate(at)],
        "acc/top 5": [MetricPoint(step * 0.125, -step, when) for step, when in enumerate(at)],
        "odd": [MetricPoint(math.nan, 1, MORNING), MetricPoint(math.inf, 0, MORNING)],
    }
    or_raise(run.log_metric_points(points))
    files = {
        "log.txt": f"run {number}\n".encode() * 40,
        "data/Größe und Maß/empty.txt": b"",
        "data/noise.bin": bytes(range(256)) * (number % 3),
    }
    write_files(source, files)
    or_raise(run.log_artifact(source, "files"))
    if number % 4 == 3:
        return run
    return or_raise(run.end_run(succeeded=number % 4 != 2))


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def values_of(exp: ExpApi) -> dict[str, Any]:
    """What an experiment holds, by the names of its runs, which differ, and its versions in order."""
    api = exp.api
    tracking = api.repositories.tracking
    found = or_raise(api.find_runs({"exp.id": exp.id}).all())
    records = [record_of(api, run.id) for run in found]
    names = {record.id: record.name for record in records}
    models = sorted({version.model.name for run in found for version in run.find_model_versions()})
    record = tracking.get(ExperimentKey(exp.id)).unwrap()
    return {
        "exp": (exp.name, dict(tags_to_copy(record.tags))),
        "runs": {record.name: values_of_run(api, record, names) for record in records},
        "models": {name: values_of_model(api, name) for name in models},
    }


def record_of(api: MlflowApi, run_id: str) -> RunRecord:
    record = api.repositories.tracking.get(RunKey(run_id)).unwrap()
    assert isinstance(record, RunRecord)
    return record


def values_of_run(api: MlflowApi, record: RunRecord, names: dict[str, str | None]) -> dict[str, Any]:
    histories = {key: or_raise(api.metric_history(record.id, key)) for key in record.metrics}
    parent = record.tags.get(PARENT_TAG)
    return {
        "status": record.status,
        "started": milliseconds(record.start_time),
        "ended": milliseconds(record.end_time),
        "parent": None if parent is None else names[parent],
        "params": dict(record.params),
        "tags": {key: text for key, text in tags_to_copy(record.tags).items() if key != RUN_NAME_TAG},
        "latest": {key: repr(value) for key, value in sorted(record.metrics.items())},
        "points": {
            key: sorted((p.step, milliseconds(p.timestamp), repr(p.value)) for p in points)
            for key, points in histories.items()
        },
        "files": files_at(api, record.repo),
    }


def values_of_model(api: MlflowApi, name: str) -> dict[str, Any]:
    model = or_raise(api.get_model(name))
    found = or_raise(api.find_model_versions({"model.name": name}).all())
    versions = sorted(found, key=lambda version: int(version.version))
    return {
        "description": model.description,
        "tags": {key: value for key, value in model.tags.items() if key != "mlopus"},
        "versions": [
            {
                "run": version.run and version.run.name,
                "tags": {key: value for key, value in version.tags.items() if key != "mlopus"},
                "description": version.description,
                "aliases": sorted(version.aliases),
                "files": files_in(or_raise(version.get_artifact())),
            }
            for version in versions
        ],
    }


def files_at(api: MlflowApi, url: str) -> dict[str, bytes]:
    stores = api.repositories.stores
    found: dict[str, bytes] = {}
    for file in stores.list_tree(url).unwrap().files:
        with stores.open(f"{url}/{file.path}").unwrap() as reader:
            found[file.path] = reader.read()
    return found


def files_in(folder: Path) -> dict[str, bytes]:
    if folder.is_file():
        return {"": folder.read_bytes()}
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000 + 0.5)
