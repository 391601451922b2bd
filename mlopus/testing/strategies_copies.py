"""Hypothesis strategies for copies: a source that holds an experiment, and a target without it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
from hypothesis import strategies as st
from immutabledict import immutabledict

from mlopus.domain.keys import AliasKey, ExperimentKey, RunKey, VersionKey
from mlopus.domain.manifest import RemoteFile, RemoteTree
from mlopus.domain.origin import Origin
from mlopus.domain.records import (
    ExperimentRecord,
    MetricSample,
    ModelRecord,
    RunRecord,
    VersionRecord,
)
from mlopus.domain.status import RunStatus
from mlopus.plans.copy_facts import CopyFacts, HeldRun, HeldVersion, Holdings
from mlopus.plans.copy_requests import CopyExpTo, CopyRequest, CopyRunTo, CopyVersionTo
from mlopus.plans.facts import BatchLimits, CacheFacts, Facts, TrackingFacts
from mlopus.plans.tables import still_empty, table_fault

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = Origin.of_folder("/mine")
TARGET = Origin.of("http://team:5000")
_LIMITS = BatchLimits(params=2, metrics=3, tags=2, total=4)
_IDS = ("a", "b", "c", "d")
_NAMES = ("a", "b.txt", "d/a", "d/e/f", "ü/x", "models/ranker/2/w")
_WORDS = st.sampled_from(("", "x", "two words", "é")).map(str)  # no literals for the checkers
_BOOLEANS = st.booleans()
_KEYS = st.sampled_from(("k", "a.b", "mlflow.user", "mlopus.op", "mlflow.parentRunId2")).map(str)
_TEXTS = st.dictionaries(_KEYS, _WORDS, max_size=3).map(immutabledict)
_MOMENTS = st.integers(0, 3).map(lambda number: NOW - timedelta(milliseconds=1500 * number))
_VALUES = st.sampled_from((0.0, -0.0, 0.5, float("nan"), float("inf"), 1.7976931348623157e308))
_POINTS = st.builds(
    MetricSample,
    key=st.sampled_from(("loss", "acc")),
    value=_VALUES,
    step=st.integers(-1, 2),
    timestamp=_MOMENTS,
)
_FILES = st.builds(
    RemoteFile,
    path=st.sampled_from(_NAMES),
    size_bytes=st.sampled_from((None, 0, 3)),
    sha256=st.sampled_from((None, "one", "two")),
)

_FEW_FILES = st.lists(_FILES, max_size=3)
_FEW_POINTS = st.lists(_POINTS, max_size=6).map(tuple)
_MORE_POINTS = st.lists(_POINTS, max_size=3).map(tuple)
_FOLDERS = st.lists(st.sampled_from(("e", "d/g")), max_size=1)
_PARENTS = st.sampled_from((None, *_IDS))
_RUN_NAMES = st.sampled_from((None, "r", "s"))
_STATES = st.sampled_from((None, *RunStatus))
_PERHAPS_MOMENTS = st.one_of(st.none(), _MOMENTS)
_DESCRIPTIONS = st.sampled_from((None, "text"))
_NUMBER = st.sampled_from(("1", "2", "10"))
_NUMBERS = st.lists(_NUMBER, max_size=3, unique=True)
_RUN_IDS = st.lists(st.sampled_from(_IDS), min_size=1, max_size=4, unique=True)
_INDEX = st.integers(0, 3)


@st.composite
def _trees(draw: st.DrawFn) -> RemoteTree:
    files = {file.path: file for file in draw(_FEW_FILES)}
    folders = still_empty(draw(_FOLDERS), files)
    is_possible = table_fault(files, folders) is None
    kept = tuple(files[path] for path in sorted(files)) if is_possible else ()
    return RemoteTree(listed_at=NOW, files=kept, empty_folders=folders if is_possible else ())


_TREES = _trees()


@st.composite
def _runs(draw: st.DrawFn, run_id: str) -> HeldRun:
    points = draw(_FEW_POINTS)
    tags = draw(_TEXTS)
    parent = draw(_PARENTS)
    if parent is not None:
        tags = tags | {"mlflow.parentRunId": parent}
    record = RunRecord(
        id=run_id,
        exp_id="7",
        name=draw(_RUN_NAMES),
        status=draw(_STATES),
        start_time=draw(_PERHAPS_MOMENTS),
        end_time=draw(_PERHAPS_MOMENTS),
        artifact_uri=f"/mine/{run_id}",
        params=draw(_TEXTS),
        tags=tags,
        metrics=immutabledict({point.key: point.value for point in points}),
    )
    return HeldRun(record=record, points=points, tree=draw(_TREES) if draw(_BOOLEANS) else None)


@st.composite
def _versions(draw: st.DrawFn, runs: tuple[HeldRun, ...]) -> tuple[HeldVersion, ...]:
    found: list[HeldVersion] = []
    aliases = {"first": draw(_NUMBER), "last": "10"}
    for number in draw(_NUMBERS):
        run = runs[draw(_INDEX) % len(runs)]
        named = tuple(sorted(alias for alias, version in aliases.items() if version == number))
        record = VersionRecord(
            name="ranker",
            version=number,
            source=f"models:/m-{number}",
            run_id=run.record.id,
            tags=draw(_TEXTS),
            description=draw(_DESCRIPTIONS),
            aliases=named,
        )
        elsewhere = draw(_BOOLEANS)
        found.append(
            HeldVersion(
                record=record,
                path_in_run=None if elsewhere else "d",
                url=f"s3://models/{number}" if elsewhere else "",
                tree=draw(_TREES) if elsewhere else None,
            )
        )
    return tuple(found)


@st.composite
def copies(draw: st.DrawFn) -> tuple[CopyRequest, Facts]:
    """A request to copy an experiment, and facts in which the target holds nothing of it yet."""
    ids = draw(_RUN_IDS)
    runs = tuple(draw(_runs(run_id)) for run_id in ids)
    versions = draw(_versions(runs))
    model = ModelRecord(name="ranker", tags=draw(_TEXTS), description=draw(_DESCRIPTIONS))
    exp = ExperimentRecord(id="7", name="demo", tags=draw(_TEXTS))
    models = (model,) if versions else ()
    source = Holdings(origin=SOURCE, exp=exp, runs=runs, models=models, versions=versions)
    theirs = ExperimentRecord(id="1", name="demo", tags=immutabledict(theirs="yes"))
    target = Holdings(
        origin=TARGET,
        keeps_folders=draw(_BOOLEANS),
        files_cost=draw(_BOOLEANS),
        exp=theirs if draw(_BOOLEANS) else None,
    )
    facts = Facts(
        now=NOW,
        tracking=TrackingFacts(origin=TARGET, requests_cost=True, limits=_LIMITS),
        cache=CacheFacts(cache_id="c"),
        copying=CopyFacts(source=source, target=target),
    )
    request = CopyExpTo(exp=ExperimentKey("7"), source=SOURCE, to=TARGET, name=None, with_versions=True)
    return request, facts


def grown(facts: Facts) -> st.SearchStrategy[Facts]:
    """The facts once their source has more points, tags and files; what it had stays."""
    return st.builds(_with_more, st.just(facts), _MORE_POINTS, _TEXTS, _FILES)


def _with_more(
    facts: Facts, points: tuple[MetricSample, ...], tags: immutabledict[str, str], file: RemoteFile
) -> Facts:
    copying = facts.copying
    assert copying is not None
    first, *others = copying.source.runs
    record = attrs.evolve(first.record, tags=first.record.tags | tags)
    tree = first.tree or RemoteTree(listed_at=NOW)
    files = {held.path: held for held in tree.files} | {file.path: file}
    if table_fault(files, tree.empty_folders) is None:
        tree = attrs.evolve(tree, files=tuple(files[path] for path in sorted(files)))
    more = attrs.evolve(first, record=record, points=(*first.points, *points), tree=tree)
    source = attrs.evolve(copying.source, runs=(more, *others))
    return attrs.evolve(facts, copying=attrs.evolve(copying, source=source))


def copy_requests() -> st.SearchStrategy[CopyRequest]:
    """Requests to copy, of every kind."""
    words = st.sampled_from(("a", "my model", "é"))
    return st.one_of(
        st.builds(
            CopyExpTo,
            exp=st.builds(ExperimentKey, words),
            source=st.just(SOURCE),
            to=st.just(TARGET),
            name=st.one_of(st.none(), words),
            with_versions=_BOOLEANS,
        ),
        st.builds(
            CopyRunTo,
            run=st.builds(RunKey, words),
            source=st.just(SOURCE),
            to=st.just(TARGET),
            with_children=_BOOLEANS,
            with_versions=_BOOLEANS,
        ),
        st.builds(
            CopyVersionTo,
            version=st.one_of(st.builds(VersionKey, words, st.just("3")), st.builds(AliasKey, words, words)),
            source=st.just(SOURCE),
            to=st.just(TARGET),
            name=st.one_of(st.none(), words),
        ),
    )
