"""A tracking store in memory."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import attrs
from immutabledict import immutabledict

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import (
    AliasKey,
    EntityKey,
    ExperimentKey,
    ExperimentName,
    ModelKey,
    OwnKey,
    RunKey,
    VersionKey,
    key_of,
    kind_of,
)
from mlopus.domain.locations import location_of_source
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.origin import Origin
from mlopus.domain.records import (
    ExperimentRecord,
    MetricSample,
    ModelRecord,
    Record,
    RunRecord,
    VersionRecord,
)
from mlopus.domain.text import TextCodec, codec_named
from mlopus.errors import AlreadyExists, InvalidRequest, MlopusError, NotFound
from mlopus.plans.changes import (
    PARAM_ALREADY_SET,
    PARAM_HINT,
    CreateExperiment,
    CreateModel,
    CreateRun,
    EnsureExperiment,
    EnsureModel,
    LogBatch,
    RegisterVersion,
    SetTags,
    TrackingChange,
    UpdateRun,
)
from mlopus.plans.effects import applied, concerns, created_record, latest_points, whole_ms
from mlopus.plans.facts import TrackingFacts
from mlopus.plans.pending import known
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.ports.meter import Meter
from mlopus.ports.tracking import ServerInfo
from mlopus.repositories.memory.rows import PREDICATE, page_of
from mlopus.result import Failure, Result, Success

PLACE = "memory"


@attrs.define(eq=False)
class _Tables:
    """Everything a store holds. A copy in another process is a store of its own with the same content."""

    name: str
    records: dict[OwnKey, Record] = attrs.field(factory=dict[OwnKey, Record])
    points: dict[tuple[str, str], dict[MetricSample, None]] = attrs.field(
        factory=dict[tuple[str, str], dict[MetricSample, None]]
    )
    operations: dict[str, OwnKey] = attrs.field(factory=dict[str, OwnKey])
    lock: threading.RLock = attrs.field(factory=threading.RLock, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        with self.lock:
            names = ("name", "records", "points", "operations")
            return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self.lock = threading.RLock()


@attrs.frozen
class MemoryTracking:
    """A tracking store that is gone with its object; artifacts go to a memory artifact store.

    Example:
        >>> store = MemoryTracking()
        >>> store.get(RunKey("3f2a")).failure().message
        "run '3f2a' was not found in memory"
    """

    text_codec: str = "plain"
    _tables: _Tables = attrs.field(
        factory=lambda: _Tables(uuid.uuid4().hex), repr=False, alias="tables", kw_only=True
    )

    @property
    def origin(self) -> Origin:
        """A name of its own for each store."""
        return Origin(uri=f"memory://{self._tables.name}")

    @property
    def facts(self) -> TrackingFacts:
        """A store that costs no request."""
        return TrackingFacts(origin=self.origin, requests_cost=False)

    @property
    def _codec(self) -> TextCodec:
        return codec_named(self.text_codec)

    def metered(self, meter: Meter) -> MemoryTracking:  # noqa: ARG002 (nothing crosses a network)
        """The same store."""
        return self

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        """The entity of that key, without parents."""
        with self._tables.lock:
            found = self._find(key)
        if found is None:
            hint = "Check the id or name; find_* lists what is there."
            return Failure(NotFound(kind=kind_of(key), key=str(key), place=PLACE, hint=hint))
        return Success(found)

    def _find(self, key: EntityKey) -> Record | None:
        records = self._tables.records
        match key:
            case ExperimentName():
                named = (
                    r for r in records.values() if isinstance(r, ExperimentRecord) and r.name == key.name
                )
                return next(named, None)
            case AliasKey():
                model = records.get(ModelKey(key.name))
                version = model.aliases.get(key.alias) if isinstance(model, ModelRecord) else None
                return None if version is None else records.get(VersionKey(key.name, version))
            case _:
                return records.get(key)

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make a change, whole or not at all."""
        with self._tables.lock:
            match change:
                case CreateExperiment() | EnsureExperiment() | CreateModel() | EnsureModel():
                    return self._create_named(change)
                case CreateRun() | RegisterVersion():
                    return self._create(change)
                case UpdateRun() | LogBatch() | SetTags():
                    return self._change(change)

    def _create_named(
        self, change: CreateExperiment | EnsureExperiment | CreateModel | EnsureModel
    ) -> Result[Record, MlopusError]:
        is_exp = isinstance(change, CreateExperiment | EnsureExperiment)
        taken = self._find(ExperimentName(change.name) if is_exp else ModelKey(change.name))
        if taken is None:
            return Success(self._add(change))
        is_ours = self._tables.operations.get(change.operation_id) == key_of(taken)
        ensures = isinstance(change, EnsureExperiment | EnsureModel)
        is_deleted = isinstance(taken, ExperimentRecord) and taken.lifecycle_stage == "deleted"
        if is_ours or (ensures and not is_deleted):
            return Success(taken)
        hint = (
            "It is deleted: call restore_exp, or take another name." if is_deleted else "Take another name."
        )
        kind = kind_of(key_of(taken))
        return Failure(AlreadyExists(kind=kind, key=change.name, place=PLACE, hint=hint))

    def _create(self, change: CreateRun | RegisterVersion) -> Result[Record, MlopusError]:
        done = self._tables.operations.get(change.operation_id)
        if done is not None:
            return Success(self._tables.records[done])
        above = (
            ExperimentKey(known(change.exp_id))
            if isinstance(change, CreateRun)
            else ModelKey(change.model_name)
        )
        parent = self.get(above)
        if isinstance(parent, Failure):
            return parent
        record = parent.unwrap()
        if isinstance(record, ExperimentRecord) and record.lifecycle_stage == "deleted":
            return Failure(_inactive("CreateRun", f"experiment {record.id}"))
        return Success(self._add(change))

    def _add(
        self,
        change: CreateExperiment | EnsureExperiment | CreateModel | EnsureModel | CreateRun | RegisterVersion,
    ) -> Record:
        tables, location, new_id = self._tables, f"memory:///{self._tables.name}", ""
        match change:
            case CreateExperiment() | EnsureExperiment():
                new_id = str(sum(isinstance(key, ExperimentKey) for key in tables.records))
                location = f"{location}/{new_id}"
            case CreateRun():
                new_id = uuid.uuid4().hex
                location = f"{location}/{known(change.exp_id)}/{new_id}"
            case RegisterVersion():
                keys = (key for key in tables.records if isinstance(key, VersionKey))
                new_id = str(
                    1 + max((int(k.version) for k in keys if k.name == change.model_name), default=0)
                )
            case CreateModel() | EnsureModel():
                new_id = change.name
        record = created_record(change, id=new_id, now=datetime.now(UTC), artifact_uri=location)
        tables.records[key_of(record)] = record
        tables.operations[change.operation_id] = key_of(record)
        return record

    def _change(self, change: UpdateRun | LogBatch | SetTags) -> Result[None, MlopusError]:
        key = concerns(change)
        assert key is not None  # noqa: S101 (these changes concern an entity)
        found = self.get(key)
        if isinstance(found, Failure):
            return found
        record = found.unwrap()
        if isinstance(record, RunRecord | ExperimentRecord) and record.lifecycle_stage == "deleted":
            return Failure(_inactive(type(change).__name__, f"{kind_of(key)} {key}"))
        if isinstance(change, LogBatch) and isinstance(record, RunRecord):
            fault = _params_fault(record, change)
            if fault is not None:
                return Failure(fault)
            self._tables.records[key] = self._logged(record, change)
        else:
            self._tables.records[key] = applied(record, change)
        return Success(None)

    def _logged(self, run: RunRecord, batch: LogBatch) -> RunRecord:
        """The run after a batch: of all points of a metric the greatest by step, time and value counts."""
        for sample in batch.metrics:
            kept = attrs.evolve(sample, timestamp=whole_ms(sample.timestamp))
            self._tables.points.setdefault((run.id, sample.key), {})[kept] = None
        touched = {sample.key for sample in batch.metrics}
        latest = {key: latest_points(self._tables.points[run.id, key])[key].value for key in touched}
        after = applied(run, attrs.evolve(batch, metrics=()))
        return attrs.evolve(after, metrics=immutabledict({**after.metrics, **latest}))

    def prepare(self, spec: SearchSpec) -> PushDown:  # noqa: ARG002 (every search is evaluated whole)
        """The whole query is evaluated, in memory."""
        return PREDICATE

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page of a search."""
        with self._tables.lock:
            records = tuple(self._tables.records.values())
            return Success(page_of(records, spec, token, self._codec, self._tables.records.get))

    def locate(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:
        """Where a version's source is."""
        location = location_of_source(version.source, version.run_id, None if run is None else run.repo)
        if location is None:
            return Failure(NotFound(kind="artifact at", key=version.source, place=PLACE))
        return Success(location)

    def metric_history(self, run: RunKey, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Every point of a metric, by step, then time."""
        found = self.get(run)
        if isinstance(found, Failure):
            return found
        with self._tables.lock:
            samples = tuple(self._tables.points.get((run.id, metric), ()))
        ordered = sorted(samples, key=lambda sample: (sample.step, sample.timestamp))
        return Success(tuple(MetricPoint(s.value, s.step, s.timestamp) for s in ordered))

    def url(self, key: OwnKey, exp_id: str | None = None) -> Result[str, MlopusError]:  # noqa: ARG002
        """Memory has no UI."""
        return Failure(NotFound(kind="page of", key=str(key), place=PLACE, hint="Only servers have a UI."))

    def ping(self) -> Result[ServerInfo, MlopusError]:
        """Always there."""
        return Success(ServerInfo(place=PLACE, version=None))


def _inactive(request: str, thing: str) -> InvalidRequest:
    hint = "Restore it first."
    return InvalidRequest(
        place=PLACE, request=request, code="deleted", reply=f"{thing} is deleted", hint=hint
    )


def _params_fault(run: RunRecord, batch: LogBatch) -> InvalidRequest | None:
    for key, text in batch.params.items():
        before = run.params.get(key)
        if before is not None and before != text:
            reply = f"param {key!r} of run {run.id} is {before!r} already, and cannot become {text!r}"
            return InvalidRequest(
                place=PLACE, request="LogBatch", code=PARAM_ALREADY_SET, reply=reply, hint=PARAM_HINT
            )
    return None
