"""Two small stores, as facts: what is copied, and nothing there yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import ExperimentKey, RunKey
from mlopus.domain.manifest import RemoteFile, RemoteTree
from mlopus.domain.origin import Origin
from mlopus.domain.records import (
    COPIED_FROM_TAG,
    ExperimentRecord,
    MetricSample,
    ModelRecord,
    RunRecord,
    VersionRecord,
)
from mlopus.domain.status import RunStatus
from mlopus.plans.copy_facts import CopyFacts, HeldRun, HeldVersion, Holdings
from mlopus.plans.copy_requests import CopyExpTo, CopyRunTo
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import CacheFacts, Facts, TrackingFacts
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan
from mlopus.plans.requests import Request
from mlopus.plans.simulate import simulate

S = TypeVar("S")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = Origin.of_folder("/mine")
TARGET = Origin.of("http://team:5000")
EXP = ExperimentRecord(id="7", name="demo", tags=immutabledict({"team": "blue", "mlopus.op": "o"}))
REQUEST = CopyExpTo(exp=ExperimentKey("7"), source=SOURCE, to=TARGET, name=None, with_versions=True)
RUN_REQUEST = CopyRunTo(run=RunKey("child"), source=SOURCE, to=TARGET, with_children=True, with_versions=True)
MODEL = ModelRecord(name="ranker", tags=immutabledict({"of": "team"}), description="Ranks.")
VERSION = VersionRecord(
    name="ranker", version="4", source="/mine/7/parent/ranker", run_id="parent", aliases=("champion",)
)


def sample(value: float = 0.5, step: int = 1, key: str = "loss") -> MetricSample:
    return MetricSample(key=key, value=value, step=step, timestamp=NOW - timedelta(hours=1))


def file(path: str, size_bytes: int | None = 3, sha256: str | None = None) -> RemoteFile:
    return RemoteFile(path=path, size_bytes=size_bytes, sha256=sha256)


def tree(*files: RemoteFile) -> RemoteTree:
    return RemoteTree(listed_at=NOW, files=files)


PARENT = HeldRun(
    record=RunRecord(
        id="parent",
        exp_id="7",
        name="sweep",
        status=RunStatus.FINISHED,
        start_time=NOW - timedelta(hours=2),
        end_time=NOW - timedelta(hours=1),
        artifact_uri="/mine/7/parent",
        params=immutabledict({"lr": "0.1"}),
        metrics=immutabledict({"loss": 0.5}),
        tags=immutabledict({"kind": "sweep", "mlopus.op": "p", "mlflow.runName": "sweep"}),
    ),
    points=(sample(0.7, 0), sample(0.5, 1)),
    tree=tree(file("log.txt"), file("ranker/weights")),
)
CHILD = HeldRun(
    record=RunRecord(
        id="child",
        exp_id="7",
        name="trial",
        status=RunStatus.RUNNING,
        start_time=NOW - timedelta(hours=2),
        artifact_uri="/mine/7/child",
        tags=immutabledict({"mlflow.parentRunId": "parent"}),
    ),
    tree=tree(),
)
HELD_VERSION = HeldVersion(record=VERSION, path_in_run="ranker")


def facts_of(
    runs: tuple[HeldRun, ...] = (PARENT, CHILD),
    versions: tuple[HeldVersion, ...] = (HELD_VERSION,),
    target: Holdings | None = None,
) -> Facts:
    """What is known before a first copy, or with another target."""
    models = (MODEL,) if versions else ()
    source = Holdings(origin=SOURCE, exp=EXP, runs=runs, models=models, versions=versions)
    return Facts(
        now=NOW,
        tracking=TrackingFacts(origin=TARGET, requests_cost=True),
        cache=CacheFacts(cache_id="c"),
        copying=CopyFacts(source=source, target=target or Holdings(origin=TARGET, files_cost=True)),
    )


def planned(facts: Facts, request: Request = REQUEST) -> Plan:
    return plan(request, facts).unwrap()


def step_of(plan: Plan, kind: type[S]) -> S:
    (found,) = (step for step in plan.steps if isinstance(step, kind))
    return found


def names(plan: Plan) -> list[str]:
    return [type(step).__name__ for step in plan.steps]


def after(facts: Facts, request: Request = REQUEST) -> Facts:
    """The facts once a copy was made."""
    return simulate(facts, planned(facts, request))


def with_source(facts: Facts, *runs: HeldRun) -> Facts:
    copying = gathered(facts.copying, "both")
    return attrs.evolve(facts, copying=attrs.evolve(copying, source=attrs.evolve(copying.source, runs=runs)))


def source_run(facts: Facts, run_id: str) -> HeldRun:
    """A run of the source, its files read as far as a copy was made."""
    runs = gathered(facts.copying, "both").source.runs
    return next(run for run in runs if run.record.id == run_id)


def copied_run(facts: Facts, source_id: str) -> HeldRun:
    """The simulated copy of a run."""
    runs = gathered(facts.copying, "both").target.runs
    return next(run for run in runs if run.record.tags[COPIED_FROM_TAG].endswith(f"#runs/{source_id}"))


def changed_file(run: HeldRun, path: str, sha256: str) -> HeldRun:
    listed = gathered(run.tree, "tree")
    files = tuple(attrs.evolve(f, sha256=sha256) if f.path == path else f for f in listed.files)
    return attrs.evolve(run, tree=attrs.evolve(listed, files=files))
