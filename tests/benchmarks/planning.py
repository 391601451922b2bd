"""How long plans take to make, simulate and keep as text: `python -m tests.benchmarks planning`.

Each is done at half the size and at the whole, in turns: twice the files should take twice as long.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs

from mlopus.domain.keys import ExperimentKey, RunKey
from mlopus.domain.locations import run_subject
from mlopus.domain.manifest import ArtifactLocation, LocalFile, RemoteFile, RemoteTree
from mlopus.domain.origin import Origin
from mlopus.domain.records import ExperimentRecord, MetricSample, RunRecord
from mlopus.plans.copy_facts import CopyFacts, HeldRun, Holdings
from mlopus.plans.copy_requests import CopyExpTo
from mlopus.plans.facts import CacheFacts, Facts, SourceFacts, StoreFacts, TrackingFacts
from mlopus.plans.plan import Plan
from mlopus.plans.planner import plan
from mlopus.plans.requests import LogRunArtifact, PublishOptions, Request
from mlopus.plans.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FILES: Final = 100_000
ROUNDS: Final = 3
FILES_A_RUN: Final = 100
BARS_S: Final = {"plan": 1.0, "simulate": 1.0, "JSON and back": 3.0}
NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINE: Final = Origin.of_folder("/mine")
TEAM: Final = Origin.of("http://team:5000")
EXP: Final = ExperimentRecord(id="1", name="demo")


@attrs.frozen
class Row:
    """One line of the table: what is done to which plan, how long that takes, and how it grows."""

    subject: str
    act: str
    seconds: float
    growth: float


def main(*, files: int = FILES, rounds: int = ROUNDS) -> None:
    """Print the table."""
    print(f"planning: {files:,} files, the least of {rounds} in CPU time; growth is against half of them")
    for row in rows(files=files, rounds=rounds):
        bar = f"bar {BARS_S[row.act]:.0f} s"
        print(f"  {row.subject:<9}{row.act:<15}{row.seconds:7.2f} s  {bar}  growth {row.growth:4.1f} x")


def rows(*, files: int, rounds: int) -> tuple[Row, ...]:
    """Measure each act on each plan at both sizes."""
    found: list[Row] = []
    for subject, make in SUBJECTS.items():
        half, whole = (measure(*make(size), rounds=rounds) for size in (files // 2, files))
        found += [Row(subject, act, whole[act], whole[act] / half[act]) for act in BARS_S]
    return tuple(found)


def measure(request: Request, facts: Facts, *, rounds: int) -> Mapping[str, float]:
    """The least CPU time of each act, in seconds."""
    made = plan(request, facts).unwrap()
    acts: Mapping[str, Callable[[], object]] = {
        "plan": lambda: plan(request, facts).unwrap(),
        "simulate": lambda: simulate(facts, made),
        "JSON and back": lambda: Plan.from_json(made.to_json()).unwrap(),
    }
    best = dict.fromkeys(acts, float("inf"))
    for _ in range(rounds):
        for act, do in acts.items():
            started = time.process_time()
            do()
            best[act] = min(best[act], time.process_time() - started)
    return best


def publish(files: int) -> tuple[Request, Facts]:
    """A folder to be published where nothing is."""
    run = RunRecord(id="r", exp_id=EXP.id, artifact_uri="s3://models/1/r")
    source = tuple(
        LocalFile(path=path, size_bytes=10, mtime_ns=1, sha256=hashlib.sha256(path.encode()).hexdigest())
        for path in (f"{number // 1000}/{number:06}.bin" for number in range(files))
    )
    facts = Facts(
        now=NOW,
        tracking=TrackingFacts(origin=TEAM, requests_cost=True),
        records=(run, EXP),
        location=ArtifactLocation(subject=run_subject(run.id), root_url=run.artifact_uri, path="data"),
        cache=CacheFacts(cache_id="c", can_reflink=True),
        store=StoreFacts(scheme="s3", is_local=False, requests_cost=True, listing=RemoteTree(listed_at=NOW)),
        source=SourceFacts(path="/source", is_file=False, files=source),
    )
    request = LogRunArtifact(
        run=RunKey(run.id),
        source="/source",
        path_in_run="data",
        from_callback=False,
        options=PublishOptions(),
        mirror=False,
        overwrite=False,
    )
    return request, facts


def copy(files: int) -> tuple[Request, Facts]:
    """An experiment to be copied, with as many metric points as files."""
    tree = RemoteTree(
        listed_at=NOW, files=tuple(RemoteFile(path=f"{n:03}.bin", size_bytes=10) for n in range(FILES_A_RUN))
    )
    points = tuple(
        MetricSample(key="loss", value=0.5, step=step, timestamp=NOW) for step in range(FILES_A_RUN)
    )
    runs = (
        RunRecord(id=f"r{number}", exp_id=EXP.id, name=f"run {number}", artifact_uri=f"/mine/1/r{number}")
        for number in range(files // FILES_A_RUN)
    )
    held = tuple(HeldRun(record=run, points=points, tree=tree) for run in runs)
    source = Holdings(origin=MINE, exp=EXP, runs=held)
    facts = Facts(
        now=NOW,
        tracking=TrackingFacts(origin=TEAM, requests_cost=True),
        cache=CacheFacts(cache_id="c"),
        copying=CopyFacts(source=source, target=Holdings(origin=TEAM, files_cost=True)),
    )
    return CopyExpTo(exp=ExperimentKey(EXP.id), source=MINE, to=TEAM, name=None, with_versions=True), facts


SUBJECTS: Final[Mapping[str, Callable[[int], tuple[Request, Facts]]]] = {"publish": publish, "copy": copy}
