"""What the contract suites of tracking stores and metadata caches share."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

import attrs
from immutabledict import immutabledict

from mlopus.domain.documents import Document, document_of, tie_of
from mlopus.domain.keys import OwnKey, RunKey, key_of
from mlopus.domain.records import (
    ExperimentRecord,
    MetricSample,
    ModelRecord,
    Record,
    RunRecord,
    VersionRecord,
)
from mlopus.domain.status import EntityKind, RunStatus, View
from mlopus.domain.text import codec_named
from mlopus.errors import MlopusError
from mlopus.plans.changes import (
    CreateExperiment,
    CreateModel,
    CreateRun,
    DeleteEntity,
    LogBatch,
    RegisterVersion,
    SetAlias,
    TrackingChange,
)
from mlopus.plans.search import Page, PageToken, SearchSpec
from mlopus.ports.tracking import Tracking
from mlopus.query import parse, parse_sorting
from mlopus.query.sorting import document_key
from mlopus.result import Result

R = TypeVar("R", ExperimentRecord, RunRecord, ModelRecord, VersionRecord)

NOON: Final = datetime(2024, 4, 1, 12, tzinfo=UTC)

AWKWARD_TEXTS: Final = {
    "quotes": "it's \"quoted\" and ''doubled''",
    "lines": "a\nb\tc\\d",
    "wild": "100%_`$x;--",
    "unicode/é ü": "日本 🦊 ́",
    "dotted.a.b": "0.10",
    "a:b-c_d 1": " blanks ",
    "long": "x" * 5000,
}


class Searched(Protocol):
    """What can be searched: a tracking store or a metadata cache."""

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page."""
        ...


@attrs.frozen(kw_only=True)
class TrackingCase:
    """A tracking store to be tested. It may hold other entities already.

    Attributes:
        tracking: The store.
        text_codec: How the store's searches read texts.
        untags_experiments: Whether it can delete tags of experiments, as servers before MLflow 3.2 cannot.
        takes_nan_again: Whether it takes a point that is NaN once more, as it does others; MLflow 2 refuses.
    """

    tracking: Tracking
    text_codec: str = "plain"
    untags_experiments: bool = True
    takes_nan_again: bool = True

    def send(self, change: TrackingChange) -> Record | None:
        """Make a change that must succeed."""
        return self.tracking.send(change).unwrap()

    def get(self, kind: type[R], record: R) -> R:
        """The entity as it is now."""
        return of_kind(kind, self.tracking.get(key_of(record)).unwrap())

    def experiment(self, **tags: str) -> ExperimentRecord:
        """A new experiment."""
        return of_kind(ExperimentRecord, self.send(creating_experiment(**tags)))

    def run(self, exp: ExperimentRecord | None = None, **fields: Any) -> RunRecord:
        """A new run, in a new experiment unless one is given."""
        return of_kind(RunRecord, self.send(creating_run(exp or self.experiment(), **fields)))

    def model(self, **tags: str) -> ModelRecord:
        """A new model."""
        change = CreateModel(name=fresh("model"), tags=immutabledict(tags), operation_id=fresh())
        return of_kind(ModelRecord, self.send(change))

    def version(self, model: ModelRecord, run: RunRecord | None = None, **fields: Any) -> VersionRecord:
        """A new version."""
        return of_kind(VersionRecord, self.send(registering(model, run, **fields)))

    def log(self, run: RunRecord, *points: MetricSample, **texts: Mapping[str, str]) -> RunRecord:
        """Log points, `params` and `tags` in one batch; answers the run as it is then."""
        self.send(batch(run, *points, **texts))
        return self.get(RunRecord, run)

    def delete(self, key: OwnKey) -> None:
        """Delete an entity."""
        self.send(DeleteEntity(key=key))

    def alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias of a model name a version."""
        self.send(SetAlias(model_name=name, alias=alias, version=version))

    def document(self, record: Record) -> Document:
        """The document of a record, parents included."""
        return self.documents()(record)

    def documents(self) -> Callable[[Record], Document]:
        """Gives documents, parents included; each parent is read once."""
        codec = codec_named(self.text_codec)

        @functools.cache
        def parent(key: OwnKey) -> Record | None:
            return self.tracking.get(key).value_or(None)

        return lambda record: document_of(record, codec, parent)


def fresh(what: str = "op") -> str:
    """A name that nothing has."""
    return f"{what}-{uuid.uuid4().hex}"


def of_kind(kind: type[R], record: Record | None) -> R:
    """The record, which must be of that kind."""
    assert isinstance(record, kind)
    return record


def creating_experiment(**tags: str) -> CreateExperiment:
    """A change that creates an experiment of a fresh name."""
    return CreateExperiment(name=fresh("exp"), tags=immutabledict(tags), operation_id=fresh())


def creating_run(exp: ExperimentRecord, **fields: Any) -> CreateRun:
    """A change that creates a run; `fields` are those of the change."""
    change = CreateRun(
        exp_id=exp.id,
        name="a run",
        tags=immutabledict(),
        status=RunStatus.RUNNING,
        start_time=NOON,
        operation_id=fresh(),
    )
    return attrs.evolve(change, **fields)


def registering(model: ModelRecord, run: RunRecord | None = None, **fields: Any) -> RegisterVersion:
    """A change that registers a version, of the run's artifacts if one is given."""
    change = RegisterVersion(
        model_name=model.name,
        source="s3://bucket/model" if run is None else f"{run.repo}/model",
        run_id=None if run is None else run.id,
        tags=immutabledict(),
        operation_id=fresh(),
    )
    return attrs.evolve(change, **fields)


def batch(run: RunRecord | RunKey, *points: MetricSample, **texts: Mapping[str, str]) -> LogBatch:
    """A change that logs points, `params` and `tags`."""
    return LogBatch(
        run_id=run.id,
        metrics=points,
        params=immutabledict(texts.get("params", {})),
        tags=immutabledict(texts.get("tags", {})),
    )


def point(key: str, value: float, step: int = 0, seconds: float = 0) -> MetricSample:
    """A point at a step, some seconds after noon."""
    return MetricSample(key=key, value=value, step=step, timestamp=NOON + timedelta(seconds=seconds))


def spec(
    kind: EntityKind,
    query: Mapping[str, Any] | None = None,
    sorting: Sequence[tuple[str, int]] = (),
    exps: Iterable[ExperimentRecord] = (),
    *,
    view: View = "active",
    page_size: int = 100,
) -> SearchSpec:
    """A search."""
    return SearchSpec(
        kind=kind,
        query=parse(query).unwrap(),
        sorting=parse_sorting(list(sorting)).unwrap(),
        view=view,
        exp_ids=tuple(exp.id for exp in exps),
        page_size=page_size,
    )


def pages_of(searched: Searched, search: SearchSpec) -> list[Page]:
    """All pages of a search."""
    pages = [searched.find(search).unwrap()]
    while pages[-1].next_token is not None:
        pages.append(searched.find(search, pages[-1].next_token).unwrap())
    return pages


def found_by(searched: Searched, search: SearchSpec) -> list[Record]:
    """All rows of a search, in the order in which they came; of those that came again the first."""
    found: dict[OwnKey, Record] = {}
    for page in pages_of(searched, search):
        for record in page.records:
            found.setdefault(key_of(record), record)
    return list(found.values())


def keys_of(records: Iterable[Record]) -> list[str]:
    """The keys of records as text: records with NaN among their metrics do not equal their copies."""
    return [str(key_of(record)) for record in records]


def in_order(
    records: Iterable[Record], search: SearchSpec, document: Callable[[Record], Document]
) -> list[Record]:
    """Records as the search asks to order them, ties by id."""
    key = document_key(search.sorting)
    return sorted(records, key=lambda record: (*key(document(record)), tie_of(record)))
