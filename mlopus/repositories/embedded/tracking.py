"""The tracking port on a SQLite database in a folder, with the artifacts beside it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeVar

import attrs

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import EntityKey, OwnKey, RunKey, key_of
from mlopus.domain.locations import location_of_source, version_named_by
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.domain.text import codec_named
from mlopus.errors import MlopusError, NotFound, Unsupported
from mlopus.plans.changes import RegisterVersion, TrackingChange
from mlopus.plans.facts import TrackingFacts
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.ports.meter import Meter
from mlopus.ports.tracking import ServerInfo
from mlopus.repositories.embedded.changing import Changing
from mlopus.repositories.embedded.foreign import DATABASE_NAME, is_mlruns
from mlopus.repositories.embedded.places import to_inside, to_outside
from mlopus.repositories.embedded.points import history
from mlopus.repositories.refusals import Refusals
from mlopus.repositories.sqlite.database import Database
from mlopus.repositories.sqlite.describe import describe
from mlopus.repositories.sqlite.find import find_page
from mlopus.repositories.sqlite.rows import Rows
from mlopus.repositories.sqlite.schema import TRACKING_SCHEMA
from mlopus.result import Failure, Result, Success, mapped

T = TypeVar("T")

ORIGIN: Final = "embedded"


def _database(store: EmbeddedTracking) -> Database:
    return Database(
        path=Path(store.folder) / DATABASE_NAME,
        schema=TRACKING_SCHEMA,
        is_durable=True,
        remedy="Restore it from a backup, or start a new store in another folder.",
    )


def _absolute(folder: str) -> str:
    return os.path.abspath(folder)


@attrs.frozen
class EmbeddedTracking:
    """Experiments, runs and models in a folder of this machine.

    Made on the first write; reading makes nothing. Any number of threads and processes may use it
    at once. The folder can be moved as a whole while nobody uses it.

    Example:
        >>> store = EmbeddedTracking("/nowhere/yet")
        >>> store.get(RunKey("3f2a")).failure().message
        "run '3f2a' was not found in /nowhere/yet"
    """

    folder: str = attrs.field(converter=_absolute)
    text_codec: Literal["plain", "mlopus-1"] = "plain"
    _store: Database = attrs.field(
        init=False, eq=False, repr=False, default=attrs.Factory(_database, takes_self=True)
    )

    @property
    def origin(self) -> Origin:
        """The folder."""
        return Origin.of_folder(self.folder)

    @property
    def facts(self) -> TrackingFacts:
        """A store that costs no request."""
        return TrackingFacts(origin=self.origin, requests_cost=False)

    def metered(self, meter: Meter) -> EmbeddedTracking:  # noqa: ARG002 (nothing crosses a network)
        """The same store."""
        return self

    def hurried(self, timeout_s: float) -> EmbeddedTracking:  # noqa: ARG002 (nothing crosses a network)
        """The same store."""
        return self

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        """The entity of that key, without parents."""

        def read(rows: Rows) -> Result[Record, MlopusError]:
            stored = rows.get(key)
            return self._lacks(key) if stored is None else Success(stored.record)

        return self._read(read, lambda: self._lacks(key))

    def _lacks(self, key: EntityKey) -> Failure[MlopusError]:
        return Failure(Refusals(self.folder).not_found(key))

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make a change in one transaction."""
        foreign = self._foreign()
        if foreign is not None:
            return Failure(foreign)
        if isinstance(change, RegisterVersion):
            change = attrs.evolve(change, source=to_inside(change.source, self.folder))

        def make(connection: sqlite3.Connection) -> Result[Record | None, MlopusError]:
            rows = Rows(connection, ORIGIN, self.text_codec)
            return Changing(rows, self.folder).make(change)

        made = self._store.write(make)
        return mapped(made, lambda record: None if record is None else to_outside(record, self.folder))

    def prepare(self, spec: SearchSpec) -> PushDown:
        """Everything is evaluated here: by SQLite as far as its tables go, the rest on its rows."""
        return describe(spec)

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page of a search."""
        codec = codec_named(self.text_codec)

        def read(rows: Rows) -> Result[Page, MlopusError]:
            return Success(find_page(rows, spec, codec, token))

        return self._read(read, lambda: Success(Page(records=())))

    def locate(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:
        """Where the bytes of a version are."""
        location = location_of_source(version.source, version.run_id, None if run is None else run.repo)
        if location is not None:
            return Success(location)
        other = version_named_by(version.source)
        if other is None or other == key_of(version):
            return Failure(NotFound(kind="artifact at", key=version.source, place=self.folder))
        found = self.get(other)
        if isinstance(found, Failure):
            return found
        named = found.unwrap()
        assert isinstance(named, VersionRecord)  # noqa: S101 (the kind of its key)
        return self._locate_named(named)

    def _locate_named(self, version: VersionRecord) -> Result[ArtifactLocation, MlopusError]:
        if version.run_id is None:
            return self.locate(version, None)
        run = self.get(RunKey(version.run_id))
        if isinstance(run, Failure):
            return run
        record = run.unwrap()
        return self.locate(version, record if isinstance(record, RunRecord) else None)

    def metric_history(self, run: RunKey, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Every point of a metric, by step, then time."""

        def read(rows: Rows) -> Result[tuple[MetricPoint, ...], MlopusError]:
            stored = rows.get(run)
            return (
                self._lacks(run) if stored is None else Success(history(rows.connection, stored.rid, metric))
            )

        return self._read(read, lambda: self._lacks(run))

    def url(self, key: OwnKey, exp_id: str | None = None) -> Result[str, MlopusError]:  # noqa: ARG002
        """A folder has no UI."""
        hint = "Only servers have a UI."
        return Failure(NotFound(kind="page of", key=str(key), place=self.folder, hint=hint))

    def ping(self) -> Result[ServerInfo, MlopusError]:
        """Whether the store can be read."""
        info = ServerInfo(place=self.folder, version=None)
        return self._read(lambda _: Success(info), lambda: Success(info))

    def close(self) -> None:
        """Close the connections of this process; the next use opens them anew."""
        self._store.close()

    def _read(
        self, use: Callable[[Rows], Result[T, MlopusError]], absent: Callable[[], Result[T, MlopusError]]
    ) -> Result[T, MlopusError]:
        foreign = self._foreign()
        if foreign is not None:
            return Failure(foreign)

        def shown(record: Record) -> Record:
            return to_outside(record, self.folder)

        def look(connection: sqlite3.Connection) -> Result[T, MlopusError]:
            return use(Rows(connection, ORIGIN, self.text_codec, shown))

        return self._store.read(look, absent)

    def _foreign(self) -> Unsupported | None:
        """Why the folder is not ours to use: MLflow's own file store looks like a folder too."""
        if not is_mlruns(self.folder):
            return None
        hint = (
            "Install mlopus with its extra `mlflow` (pip install 'mlopus[mlflow]') and connect again, or run "
            f"`mlflow server --backend-store-uri {self.folder}` and connect to its http:// address."
        )
        return Unsupported(action="a folder of MLflow's file store (mlruns)", place=self.folder, hint=hint)
