"""Small facts to plan from, and the few lines that every test of a planner needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import RunKey
from mlopus.domain.locations import run_subject
from mlopus.domain.manifest import (
    ArtifactLocation,
    Entry,
    LocalFile,
    Manifest,
    ManifestFile,
    RemoteFile,
    RemoteTree,
)
from mlopus.domain.origin import Origin
from mlopus.domain.paths import join_path, join_url
from mlopus.domain.records import ExperimentRecord, ModelRecord, RunRecord
from mlopus.plans.facts import CacheFacts, Facts, SourceFacts, StoreFacts, TrackingFacts
from mlopus.plans.plan import Plan
from mlopus.plans.requests import ArtifactOf
from mlopus.plans.steps import Step

S = TypeVar("S", bound=Step)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
EXP = ExperimentRecord(id="1", name="demo")
RUN = RunRecord(id="3f2a", exp_id="1", artifact_uri="s3://bucket/1/3f2a/artifacts")
MODEL = ModelRecord(name="ranker")
ARTIFACT = ArtifactOf(owner=RunKey("3f2a"), path="ranker")
S3 = StoreFacts(scheme="s3", is_local=False, requests_cost=True)
DISK = StoreFacts(scheme="file", is_local=True, requests_cost=False)
FACTS = Facts(now=NOW, tracking=TrackingFacts(origin=Origin.of("http://server:5000"), requests_cost=True))


def sha(content: str) -> str:
    """A digest that shows what it is of."""
    return f"sha-of-{content}"


def listed(*files: RemoteFile, is_file: bool = False) -> RemoteTree:
    return RemoteTree(listed_at=NOW, files=files, is_file=is_file)


def cached(
    contents: dict[str, str],
    *,
    path: str = "ranker",
    taken_at: datetime = BEFORE,
    validators: dict[str, str] | None = None,
) -> tuple[Entry, Manifest]:
    """An entry of the run, and its manifest."""
    files = tuple(ManifestFile(path=p, size_bytes=len(c), sha256=sha(c)) for p, c in contents.items())
    manifest = Manifest.of(path.rpartition("/")[2] or "artifacts", files, is_file="" in contents)
    entry = Entry(
        subject=run_subject(RUN.id),
        path=path,
        tree_key=manifest.key,
        name=manifest.name,
        is_file=manifest.is_file,
        taken_at=taken_at,
        store_url=join_url(RUN.repo, path),
        validators=immutabledict(validators or {}),
    )
    return entry, manifest


def of_artifact(
    *held: tuple[Entry, Manifest],
    listing: RemoteTree | None = None,
    store: StoreFacts = S3,
    path: str = "ranker",
) -> Facts:
    """Facts of a path of the run: what the cache holds, and what the store lists."""
    cache = CacheFacts(
        cache_id="cache",
        entries=tuple(entry for entry, _ in held),
        manifests=immutabledict({entry.tree_key: manifest for entry, manifest in held}),
        can_reflink=True,
    )
    location = ArtifactLocation(subject=run_subject(RUN.id), root_url=RUN.repo, path=path)
    return attrs.evolve(FACTS, location=location, cache=cache, store=attrs.evolve(store, listing=listing))


def source(contents: dict[str, str], **more: tuple[str, ...]) -> SourceFacts:
    files = tuple(
        LocalFile(path=path, size_bytes=len(content), mtime_ns=1, sha256=sha(content))
        for path, content in contents.items()
    )
    return SourceFacts(path="/home/user/model", is_file="" in contents, files=files, **more)


def steps_of(plan: Plan, kind: type[S]) -> list[S]:
    return [step for step in plan.steps if isinstance(step, kind)]


def only(plan: Plan, kind: type[S]) -> S:
    (step,) = steps_of(plan, kind)
    return step


def under(folder: str, *paths: str) -> list[str]:
    return [join_path(folder, path) for path in paths]
