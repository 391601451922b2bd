"""What the README shows is what there is: its Python runs, and its picture is a plan as it prints."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from immutabledict import immutabledict

from mlopus import MlflowApi
from mlopus.api.core import ApiCore
from mlopus.domain.keys import ModelKey, RunKey
from mlopus.domain.manifest import (
    ArtifactLocation,
    ArtifactSubject,
    Entry,
    LocalFile,
    Manifest,
    ManifestFile,
    RemoteFile,
    RemoteTree,
)
from mlopus.domain.origin import Origin
from mlopus.domain.records import ExperimentRecord, ModelRecord, RunRecord
from mlopus.plans.facts import CacheFacts, Facts, SourceFacts, StoreFacts, TrackingFacts
from mlopus.plans.planner import plan
from mlopus.plans.requests import LogModelVersion, PublishOptions
from tests import reference
from tests.integration.verbs_called import CASES

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
RUN = RunRecord(id="3f2a9c", exp_id="1", artifact_uri="s3://models/1/3f2a9c")
VOCAB = ManifestFile(path="vocab.txt", size_bytes=90_112, sha256="b" * 64)
OLD_TOKENS = ManifestFile(path="conf/tokens.json", size_bytes=1_100, sha256="a" * 64)


def test_every_python_block_runs_in_order() -> None:
    namespace: dict[str, Any] = {}

    for block in re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        exec(compile(block, "README.md", "exec"), namespace)  # noqa: S102 (our own README)

    assert namespace["version"].version == "1"


def test_the_picture_is_what_a_plan_prints() -> None:
    picture = README.split("```")[1]

    assert picture.strip("\n") == str(plan(the_request(), the_facts()).unwrap())


def test_the_reference_has_a_row_for_each_verb_and_each_row_is_tried() -> None:
    functions = inspect.getmembers(MlflowApi, inspect.isfunction)
    verbs = {name for name, _ in functions if not name.startswith("_") and not hasattr(ApiCore, name)}
    told = {(verb, row.case) for row in reference.rows() for verb in row.verbs}

    assert {verb for verb, _ in told} == {*verbs, "run.batch"} - {"execute"}
    assert told == CASES.keys()


def the_request() -> LogModelVersion:
    return LogModelVersion(
        model=ModelKey("ranker"),
        run=RunKey(RUN.id),
        source="./model",
        path_in_run="ranker",
        from_callback=False,
        options=PublishOptions(),
        version=None,
        tags=immutabledict(),
        overwrite=False,
        operation_id="op",
    )


def the_facts() -> Facts:
    """A second publish: of three files one is new, one has changed, one is there as we sent it."""
    subject = ArtifactSubject(kind="run", key=RUN.id)
    before = Manifest.of("ranker", (OLD_TOKENS, VOCAB), is_file=False)
    entry = Entry(
        subject=subject,
        path="ranker",
        tree_key=before.key,
        name="ranker",
        is_file=False,
        taken_at=NOW,
        store_url=f"{RUN.artifact_uri}/ranker",
        validators=immutabledict({"conf/tokens.json": "e1", "vocab.txt": "e2"}),
    )
    listed = (
        RemoteFile(path="conf/tokens.json", size_bytes=OLD_TOKENS.size_bytes, validator="e1"),
        RemoteFile(path="vocab.txt", size_bytes=VOCAB.size_bytes, validator="e2"),
    )
    files = (
        LocalFile(path="conf/tokens.json", size_bytes=1_229, mtime_ns=1, sha256="d" * 64),
        LocalFile(path="model.bin", size_bytes=512 * 1024 * 1024, mtime_ns=1, sha256="c" * 64),
        LocalFile(path="vocab.txt", size_bytes=VOCAB.size_bytes, mtime_ns=1, sha256=VOCAB.sha256),
    )
    return Facts(
        now=NOW,
        tracking=TrackingFacts(origin=Origin.of("http://127.0.0.1:5000"), requests_cost=True),
        records=(ModelRecord(name="ranker"), RUN, ExperimentRecord(id="1", name="ranking")),
        location=ArtifactLocation(subject=subject, root_url=RUN.artifact_uri, path="ranker"),
        cache=CacheFacts(
            cache_id="c", entries=(entry,), manifests=immutabledict({before.key: before}), can_reflink=True
        ),
        store=StoreFacts(
            scheme="s3",
            is_local=False,
            requests_cost=True,
            listing=RemoteTree(listed_at=NOW, files=listed),
        ),
        source=SourceFacts(path="/home/me/model", is_file=False, files=files),
    )
