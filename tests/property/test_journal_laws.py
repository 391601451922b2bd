"""Laws of the journal: what is written offline and flushed is what would have been written online."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlopus import MetricPoint, MlflowApi, Settings, or_raise
from mlopus.repositories.disk.workspace import LocalWorkspace
from mlopus.repositories.memory.artifact_cache import MemoryArtifactCache
from mlopus.repositories.memory.artifact_store import MemoryArtifactStore
from mlopus.repositories.memory.clock import MemoryClock
from mlopus.repositories.memory.journal import MemoryJournal
from mlopus.repositories.memory.metadata_cache import MemoryMetadataCache
from mlopus.repositories.memory.tracking import MemoryTracking

AT = datetime(2026, 3, 1, tzinfo=UTC)
RUNS, PATHS, KEYS, STEPS = range(3), ("a", "a/b", "c.txt"), ("k", "l"), range(3)

Act: TypeAlias = tuple[Any, ...]


def acts() -> st.SearchStrategy[list[Act]]:
    """What a script may do, in any order; runs and versions are named by number."""
    run, key, step = st.sampled_from(RUNS), st.sampled_from(KEYS), st.sampled_from(STEPS)
    value = st.sampled_from((0.5, float("nan"), float("inf")))
    act = st.one_of(
        st.tuples(st.just("start"), run, st.sampled_from((None, *RUNS))),
        st.tuples(st.just("params"), run, key, st.sampled_from((1, 2))),
        st.tuples(st.just("metrics"), run, key, step, value),
        st.tuples(st.just("points"), run, key, st.lists(st.tuples(step, value), max_size=3)),
        st.tuples(st.just("tags"), run, key, st.sampled_from(("x", "y"))),
        st.tuples(st.just("untag"), run, key),
        st.tuples(st.just("end"), run, st.booleans()),
        st.tuples(st.just("artifact"), run, st.sampled_from(PATHS), st.sampled_from(("1", "2"))),
        st.tuples(st.just("version"), run),
        st.tuples(st.just("alias"), st.sampled_from((0, 1)), st.sampled_from(("best", "last"))),
        st.tuples(st.just("describe"), st.sampled_from(("good", "bad"))),
    )
    return st.lists(act, min_size=1, max_size=12)


class Cut(BaseException):
    """The process ends here."""


class CutTracking:
    """A store in memory whose user's process ends before, or just after, it makes a change."""

    def __init__(self, tracking: MemoryTracking, at: int, *, is_done: bool) -> None:
        self._tracking, self._left, self._is_done = tracking, at, is_done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracking, name)

    def metered(self, _: object) -> CutTracking:
        return self

    def send(self, change: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._is_done:
            raise Cut
        answer = self._tracking.send(change)
        if self._left == 0:
            raise Cut
        return answer


class Stage:
    """All that APIs of one store in memory share."""

    def __init__(self, folder: str) -> None:
        self.tracking = MemoryTracking()
        self._shared: dict[str, Any] = {
            "cache": MemoryMetadataCache(),
            "artifacts": MemoryArtifactCache(),
            "stores": MemoryArtifactStore(),
            "workspace": LocalWorkspace(folder),
            "journal": MemoryJournal(),
            "clock": MemoryClock(AT),
        }

    def api(self, tracking: Any = None, **chosen: Any) -> MlflowApi:
        return MlflowApi(
            tracking=tracking or self.tracking, settings=Settings(progress="off", **chosen), **self._shared
        )

    @property
    def offline(self) -> MlflowApi:
        return self.api(offline_mode=True, journal=True)


def perform(api: MlflowApi, script: list[Act]) -> None:
    """Do what a script says; what fails is left out, as a script that ignores failures would."""
    exp, runs, versions = or_raise(api.get_or_create_exp("demo")), {}, list[Any]()
    or_raise(api.get_or_create_model("m"))
    for kind, *rest in script:
        if kind == "start":
            number, parent = rest
            if number not in runs:
                above = runs.get(parent)
                runs[number] = or_raise(api.start_run(exp, f"r{number}", parent=above))
        elif kind == "alias":
            if rest[0] < len(versions):
                api.set_alias("m", rest[1], versions[rest[0]])
        elif kind == "describe":
            api.set_description_on_model("m", rest[0])
        elif rest[0] in runs:
            done = on_run(api, kind, runs[rest[0]], rest[1:])
            if kind == "version":
                versions.append(or_raise(done))


def on_run(api: MlflowApi, kind: str, run: Any, rest: list[Any]) -> Any:
    match kind, rest:
        case "params", [key, value]:
            return api.log_params(run, {key: value})
        case "metrics", [key, step, value]:
            return api.log_metrics(run, {key: value}, step, AT + timedelta(seconds=step))
        case "points", [key, points]:
            series = [MetricPoint(value, step, AT) for step, value in points]
            return api.log_metric_points(run, {key: series})
        case "tags", [key, value]:
            return api.set_tags_on_run(run, {key: value})
        case "untag", [key]:
            return api.delete_tags_on_run(run, [key])
        case "end", [succeeded]:
            return api.end_run(run, succeeded)
        case "artifact", [path, content]:
            return api.log_run_artifact(run, lambda target: target.write_text(content), path)
        case "version", []:
            return api.log_model_version("m", run, write_model, "m", overwrite=True)
    raise AssertionError(kind)


def write_model(folder: Path) -> None:
    folder.mkdir()
    (folder / "weights").write_text("w")


def content(api: MlflowApi) -> Any:
    """What a store holds, without ids."""
    runs = or_raise(api.find_runs({"exp.name": "demo"}).all())
    names = {run.id: run.name for run in runs}
    model = or_raise(api.get_model("m"))
    return (
        len(or_raise(api.find_exps().all())),
        sorted(repr(of_run(api, run, names)) for run in runs),
        (model.description, sorted(model.aliases.items())),
        sorted(
            (version.version, version.run and version.run.name, version.path_in_run, version.aliases)
            for version in or_raise(api.find_model_versions({"model.name": "m"}).all())
        ),
    )


def of_run(api: MlflowApi, run: Any, names: dict[str, str]) -> Any:
    tags = {key: value for key, value in run.tags.items() if key not in {"mlopus", "mlflow"}}
    listed = api.list_run_artifacts(run, recursive=True).value_or(())
    parent = run.tags.get("mlflow", {}).get("parentRunId")
    return (
        (run.name, run.status, names.get(parent), sorted(run.params.items()), sorted(tags.items())),
        [sorted(map(repr, or_raise(api.metric_history(run, key)))) for key in KEYS],
        sorted(run.metrics.items()),
        [(entry.path, entry.size_bytes) for entry in listed if not entry.is_dir],
    )


def online_content(script: list[Act]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder)
        perform(stage.api(), script)
        return content(stage.api())


def flushed_content(script: list[Act], flush: Callable[[Stage], None]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder)
        perform(stage.offline, script)
        flush(stage)
        return content(stage.api())


def flush_to_the_end(stage: Stage) -> None:
    or_raise(stage.api().flush())


@given(acts())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_flushed_journal_equals_the_same_written_online(script: list[Act]) -> None:
    assert flushed_content(script, flush_to_the_end) == online_content(script)


@given(acts(), st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_flush_that_is_cut_anywhere_and_repeated_equals_one_that_is_not(
    script: list[Act], cuts: list[tuple[int, bool]]
) -> None:
    def flush(stage: Stage) -> None:
        for at, is_done in cuts:
            api = stage.api(tracking=CutTracking(stage.tracking, at, is_done=is_done))
            try:
                api.flush()
            except Cut:
                continue
        flush_to_the_end(stage)

    assert flushed_content(script, flush) == online_content(script)


@given(acts())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_is_written_offline_is_read_back_as_it_will_be_online(script: list[Act]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder)
        perform(stage.offline, [act for act in script if act[0] not in {"params", "version", "alias"}])
        before = content(stage.offline)
        flush_to_the_end(stage)

        assert content(stage.api()) == before
