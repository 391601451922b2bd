"""What of a cache of mlOpus 1.x is an artifact, what a file of it says, and what is taken over."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from immutabledict import immutabledict

from mlopus.domain.manifest import LocalFile
from mlopus.domain.records import ExperimentRecord, ModelRecord, RunRecord, VersionRecord
from mlopus.domain.status import RunStatus
from mlopus.plans.facts import CacheFacts, SourceFacts
from mlopus.plans.importing import Folder, OldArtifact, import_steps, whole_paths
from mlopus.plans.steps import CommitTree, StageFiles
from mlopus.wire.mlopus1 import NoDocument, OldKind, records_of_old
from tests.unit.plan_facts import BEFORE, LATER, NOW, cached, sha

FILES: Folder = {"a": None, "b": None}
EXP: dict[str, Any] = {"id": "1", "name": "demo", "tags": {"team": {"size": 5}}}
RUN: dict[str, Any] = {
    "id": "r1",
    "name": "first",
    "exp": EXP,
    "repo": "s3://bucket/1/r1/artifacts",
    "status": "FINISHED",
    "start_time": "2024-04-01T11:00:00.000000+02:00",
    "end_time": None,
    "params": {"text": "adam", "when": "2024-04-01T09:00:00.000000+00:00", "n": 5},
    "metrics": {"loss": 0.5, "worst": 1.7976931348623157e308},
    "tags": {"mlflow": {"runName": "first"}},
}
VERSION: dict[str, Any] = {
    "version": "1",
    "model": {"name": "m", "tags": {}},
    "run": RUN,
    "path_in_run": "m",
    "tags": {},
}


@pytest.mark.parametrize(
    ("run", "versions", "paths"),
    [
        ({"model": FILES, "note": None}, (), ("model", "note")),
        ({"data": {"more": FILES}}, (), ("data/more",)),
        ({"data": {"x": {"y": {"z": None}}}}, (), ("data/x/y",)),
        ({"data": {"one": FILES, "two": FILES}}, (), ("data",)),
        ({"models": {"one": FILES, "two": FILES}}, ("models/one",), ("models/one", "models/two")),
        ({"model": {"only": {"deep": None}}}, ("model",), ("model",)),
        ({"empty": {}}, (), ("empty",)),
        ({}, (), ()),
    ],
)
def test_an_artifact_is_what_something_says_is_one(
    run: Folder, versions: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    assert whole_paths(run, frozenset(versions)) == paths


def test_a_whole_run_is_one_artifact_if_told_so() -> None:
    assert whole_paths({"a": None, "b": {}}, whole_run=True) == ("",)
    assert whole_paths({}, whole_run=True) == ()


def test_a_version_is_read_with_its_parents_before_it() -> None:
    records = records_of_old("mv", ("m", "1"), json.dumps(VERSION)).unwrap()

    assert records == (
        ModelRecord(name="m"),
        ExperimentRecord(id="1", name="demo", tags=immutabledict({"team.size": "5"})),
        RunRecord(
            id="r1",
            exp_id="1",
            name="first",
            status=RunStatus.FINISHED,
            start_time=datetime(2024, 4, 1, 9, tzinfo=UTC),
            artifact_uri="s3://bucket/1/r1/artifacts",
            params=immutabledict(text='"adam"', when='"2024-04-01T09:00:00.000000+00:00"', n="5"),
            metrics=immutabledict(loss=0.5, worst=math.inf),
            tags=immutabledict({"mlflow.runName": "first"}),
        ),
        VersionRecord(name="m", version="1", source="s3://bucket/1/r1/artifacts/m", run_id="r1"),
    )


@pytest.mark.parametrize(
    ("kind", "name", "text", "reason"),
    [
        ("exp", "1", "{", "no JSON"),
        ("exp", "1", "[]", "no JSON object"),
        ("exp", "1", "[" * 100_000, "no JSON"),
        ("exp", "1", '{"id": "1"}', "'name' is missing"),
        ("exp", "1", '{"id": 1, "name": "x"}', "'id' is 1"),
        ("exp", "2", json.dumps(EXP), "of '1'"),
        ("exp", "1", json.dumps(EXP | {"tags": 5}), "'tags' is no JSON object"),
        ("exp", "1", json.dumps(EXP | {"tags": {"a\nb": 1}}), "tag"),
        ("run", "r1", json.dumps(RUN | {"exp": None}), "'exp' is missing"),
        ("run", "r1", json.dumps(RUN | {"start_time": "noon"}), "no time"),
        ("run", "r1", json.dumps(RUN | {"metrics": {"a": "x"}}), "metric"),
    ],
)
def test_what_is_no_document_says_why(kind: OldKind, name: str, text: str, reason: str) -> None:
    failure = records_of_old(kind, (name,), text).failure()

    assert isinstance(failure, NoDocument)
    assert reason in failure.reason


def old_artifact(content: str = "one", taken_at: datetime = NOW) -> OldArtifact:
    file = LocalFile(path="a", size_bytes=len(content), mtime_ns=1, sha256=sha(content))
    source = SourceFacts(path="/old/ranker", is_file=False, files=(file,))
    return OldArtifact(run_id="3f2a", path="ranker", repo="s3://b", source=source, taken_at=taken_at)


def held(contents: dict[str, str], taken_at: datetime = BEFORE) -> CacheFacts:
    entry, manifest = cached(contents, taken_at=taken_at)
    return CacheFacts(cache_id="new", entries=(entry,), manifests=immutabledict({entry.tree_key: manifest}))


def test_an_artifact_is_copied_and_committed_as_of_then() -> None:
    (stage,), (commit,) = import_steps(old_artifact(), CacheFacts(cache_id="new"))

    assert isinstance(stage, StageFiles)
    assert stage.ladder == ("reflink", "copy")
    assert isinstance(commit, CommitTree)
    assert (commit.path, commit.taken_at, commit.store_url) == ("ranker", NOW, "s3://b/ranker")


def test_an_artifact_that_is_there_already_or_in_a_later_state_is_left() -> None:
    assert import_steps(old_artifact(), held({"a": "one"})) == ()
    assert import_steps(old_artifact(), held({"a": "two"}, LATER)) == ()


def test_an_older_state_of_an_artifact_is_replaced() -> None:
    assert import_steps(old_artifact(), held({"a": "two"})) != ()
