"""The tour: the main job once, from an experiment to a model that is loaded offline.

It is what `python -m mlopus tour` runs: every plan is printed before it is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from mlopus.api.connect import connect
from mlopus.domain.frozen import thaw
from mlopus.errors import ExecutionStopped, MlopusError
from mlopus.result import Failure, Result

if TYPE_CHECKING:
    from mlopus.api.client import MlflowApi
    from mlopus.plans.plan import Plan

EXPERIMENT = "mlopus-tour"
MODEL = "mlopus-tour-line"
_POINTS = tuple((x / 10, 3 * x / 10 + 1) for x in range(20))


class _Stopped(Exception):
    def __init__(self, error: MlopusError) -> None:
        super().__init__(str(error))
        self.error = error


def run_tour(tracking_uri: str | None, folder: str | None, out: TextIO, err: TextIO) -> int:
    """Run the tour and answer the exit code: 0, or 1 after saying on `err` what failed and what to do.

    Args:
        tracking_uri: A server or folder; None is an embedded store inside `folder`.
        folder: Where the cache, the model and the placed files go; None is a new temporary folder.
        out: Where plans and findings are printed.
        err: Where a failure is printed.
    """
    place = Path(folder).absolute() if folder else Path(tempfile.mkdtemp(prefix="mlopus-tour-"))
    try:
        api = connect(tracking_uri or place / "store", cache_dir=place / "cache", progress="off")
        _Tour(api, place, out).walk()
    except _Stopped as stopped:
        _say_failure(stopped.error, err)
        return 1
    except ValueError as exc:
        print(f"the tour cannot start: {exc}", file=err)
        return 1
    except BrokenPipeError:
        raise
    except OSError as exc:
        print(f"the tour cannot use {place}: {exc}", file=err)
        return 1
    return 0


def _say_failure(error: MlopusError, err: TextIO) -> None:
    print(f"the tour stopped: {error}", file=err)
    cause = error.cause if isinstance(error, ExecutionStopped) else error
    hint = cause.hint or error.hint
    if hint:
        print(f"what to do: {hint}", file=err)


class _Tour:
    def __init__(self, api: MlflowApi, folder: Path, out: TextIO) -> None:
        self._api = api
        self._folder = folder
        self._out = out

    def walk(self) -> None:
        """All stations."""
        api = self._api
        self._say(f"Everything of this tour is in {self._folder}")
        self._heading("An experiment and a run, with nested params, metrics and tags")
        exp = self._do(api.plan.get_or_create_exp(EXPERIMENT))
        run = self._do(api.plan.start_run(exp, "fit-a-line", tags={"team": {"name": "tour"}}))
        slope, intercept, error = fit_line()
        self._do(api.plan.log_params(run, {"data": {"points": len(_POINTS)}, "solver": "least squares"}))
        self._do(api.plan.log_metrics(run, {"fit": {"max_error": error}}))
        self._do(api.plan.set_tags_on_run(run, {"purpose": "show the main job"}))

        self._heading("A model, published and registered")
        source = self._folder / "line-model"
        write_model(source, slope, intercept)
        model = self._do(api.plan.get_or_create_model(MODEL))
        version = self._do(api.plan.log_model_version(model, run, source, tags={"stage": "tour"}))
        self._do(api.plan.end_run(run))

        self._heading("Metadata and artifact into the cache")
        self._do(api.plan.cache_model_version_meta(version))
        self._do(api.plan.cache_model_artifact(version))

        self._heading("Offline: found by a query, placed by link, loaded")
        offline = api.in_offline_mode
        found = self._value(
            offline.find_runs(
                {"exp.name": EXPERIMENT, "metrics.fit.max_error": {"$lt": 0.1}, "id": run.id}
            ).all()
        )
        self._say(
            f"found    {len(found)} run by its metric: {found[0].name!r}, params {thaw(found[0].params)}"
        )
        query = {"model.name": MODEL, "tags.stage": "tour", "version": int(version.version)}
        versions = self._value(offline.find_model_versions(query).all())
        self._say(f"found    version {versions[0].version} of {versions[0].model.name!r} by its tag")
        target = self._folder / "placed"
        self._do(offline.plan.place_model_artifact(versions[0], target, overwrite=True), api=offline)
        loaded = self._value(offline.load_model_artifact(versions[0], load_model))
        same = digests(target) == digests(source)
        self._say(f"loaded   the line predicts {loaded['slope'] * 2 + loaded['intercept']:.3f} at x = 2")
        self._say(
            f"bytes    the placed files are {'the same as' if same else 'NOT those'} published: {target}"
        )
        if not same:
            raise OSError(f"the files in {target} differ from those in {source}")

    def _heading(self, text: str) -> None:
        self._say(f"\n== {text}")

    def _say(self, text: str) -> None:
        print(text, file=self._out)

    def _do(self, planned: Result[Plan, MlopusError], api: MlflowApi | None = None) -> Any:
        """Print a plan, execute it, and give what its verb returns."""
        plan = self._value(planned)
        self._say(f"\n{plan}")
        return self._value((api or self._api).execute(plan)).value

    def _value(self, result: Result[Any, MlopusError]) -> Any:
        return _stop(result.failure()) if isinstance(result, Failure) else result.unwrap()


def _stop(error: MlopusError) -> NoReturn:
    raise _Stopped(error)


def fit_line() -> tuple[float, float, float]:
    """Slope, intercept and largest error of the least-squares line through the tour's points."""
    count = len(_POINTS)
    mean_x = sum(x for x, _ in _POINTS) / count
    mean_y = sum(y for _, y in _POINTS) / count
    slope = sum((x - mean_x) * (y - mean_y) for x, y in _POINTS) / sum((x - mean_x) ** 2 for x, _ in _POINTS)
    intercept = mean_y - slope * mean_x
    return slope, intercept, max(abs(slope * x + intercept - y) for x, y in _POINTS)


def write_model(folder: Path, slope: float, intercept: float) -> None:
    """Write the model as a small folder: its weights, the points it was fitted to, and a note."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "weights.json").write_text(json.dumps({"slope": slope, "intercept": intercept}))
    (folder / "data" / "points.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in _POINTS))
    (folder / "README.md").write_text("A line fitted by least squares: y = slope * x + intercept.\n")


def load_model(folder: Path) -> dict[str, float]:
    """The weights of a model folder."""
    weights: dict[str, float] = json.loads((folder / "weights.json").read_text())
    return weights


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of each file below a folder, by relative path; links count as what they show."""
    found: dict[str, str] = {}
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            path = Path(parent) / name
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
