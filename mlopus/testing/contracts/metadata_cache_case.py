"""What the contract suite of metadata caches works with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import attrs
from immutabledict import immutabledict

from mlopus.domain.documents import Document, document_of
from mlopus.domain.keys import (
    EntityKey,
    OwnKey,
)
from mlopus.domain.records import (
    ExperimentRecord,
    ModelRecord,
    Record,
    RunRecord,
    VersionRecord,
)
from mlopus.domain.status import RunStatus
from mlopus.domain.text import codec_named
from mlopus.errors import NotCached
from mlopus.plans.changes import TrackingChange
from mlopus.plans.search import SearchSpec
from mlopus.plans.steps import ReflectChange
from mlopus.ports.metadata_cache import CachedRecord, MetadataCache
from mlopus.result import Failure
from mlopus.testing.contracts.tracking_case import (
    AWKWARD_TEXTS,
    found_by,
    in_order,
    keys_of,
)

EARLY = datetime(2024, 5, 1, 8, 0, 0, 123456, tzinfo=UTC)
LATE = EARLY + timedelta(days=1)

EXP = ExperimentRecord(
    id="7",
    name="exp é",
    tags=immutabledict(AWKWARD_TEXTS),
    artifact_location="s3://bucket/7",
    created_at=EARLY,
    updated_at=LATE,
)
RUN = RunRecord(
    id="r1",
    exp_id="7",
    name="first",
    status=RunStatus.RUNNING,
    start_time=EARLY,
    artifact_uri="s3://bucket/7/r1",
    params=immutabledict(AWKWARD_TEXTS),
    metrics=immutabledict({"acc": 0.5, "a.b": -1e-300, "inf": math.inf}),
    tags=immutabledict(AWKWARD_TEXTS),
    logged_model_ids=("m-1", "m-2"),
)
MODEL = ModelRecord(
    name="ranker", tags=immutabledict(team="x"), description="d", aliases=immutabledict(champion="2")
)
VERSION = VersionRecord(
    name="ranker", version="2", source="s3://bucket/7/r1/model", run_id="r1", aliases=("champion",)
)
RECORDS: tuple[Record, ...] = (EXP, RUN, MODEL, VERSION)

M = TypeVar("M", bound=MetadataCache)


@attrs.frozen(kw_only=True)
class CacheCase:
    """A cache to be tested, empty at first.

    Attributes:
        cache: The cache.
        other: A cache of another origin, in the same place if places are shared.
        reopened: The same cache, as another process would open it; None where it is gone with its object.
        text_codec: How its searches read texts.
    """

    cache: MetadataCache
    other: MetadataCache
    reopened: Callable[[], MetadataCache] | None = None
    text_codec: str = "plain"

    def put(self, *records: Record, taken_at: datetime = EARLY) -> None:
        """Keep records."""
        self.cache.put(records, taken_at).unwrap()

    def held(self, key: EntityKey) -> CachedRecord | None:
        """What is cached under a key."""
        found = self.cache.get(key)
        if isinstance(found, Failure):
            assert isinstance(found.failure(), NotCached)
            return None
        return found.unwrap()

    def document(self, record: Record) -> Document:
        """The document of a record, with the parents that are cached."""

        def parent(key: OwnKey) -> Record | None:
            held = self.held(key)
            return None if held is None else held.record

        return document_of(record, codec_named(self.text_codec), parent)

    def reflect(self, change: TrackingChange, created: Record | None = None, *, add: bool = False) -> None:
        """Let the cache follow a change."""
        self.cache.reflect(ReflectChange(change=change, add=add, created=created, taken_at=LATE)).unwrap()


def some_runs() -> tuple[RunRecord, ...]:
    """Runs that differ, in the experiment."""
    values: tuple[tuple[Mapping[str, float], Mapping[str, str]], ...] = (
        ({"acc": 0.9, "loss": math.nan}, {"lr": "0.1"}),
        ({"acc": 0.5}, {"lr": "0.1", "opt.name": "adam"}),
        ({"acc": -1.0, "loss": math.inf}, {"lr": "0.10", "layers": "[1, 2]"}),
        ({"loss": 1.0}, {"lr": "null", "layers": "[3]"}),
        ({}, {"lr": "true", "opt": "{}"}),
    )
    return tuple(
        attrs.evolve(
            RUN,
            id=f"run{number}",
            name=f"name {number % 2}",
            metrics=immutabledict(metrics),
            params=immutabledict(params),
            start_time=EARLY + timedelta(hours=number % 3),
            lifecycle_stage="deleted" if number == 4 else "active",
        )
        for number, (metrics, params) in enumerate(values)
    )


def check_search(case: CacheCase, search: SearchSpec, among: tuple[Record, ...]) -> None:
    """Compare a search with the query's own predicate, and keep it to its promises."""
    promised = case.cache.prepare(search)
    found = found_by(case.cache, search)
    wanted = [record for record in among if search.query.matches(case.document(record))]
    matching = [record for record in found if search.query.matches(case.document(record))]

    assert sorted(keys_of(matching)) == sorted(keys_of(wanted))
    if promised.is_exact:
        assert len(matching) == len(found)
    if promised.is_sorted and search.sorting.keys:
        assert keys_of(matching) == keys_of(in_order(wanted, search, case.document))
