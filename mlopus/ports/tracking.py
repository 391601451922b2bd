"""The tracking port: where experiments, runs and models are kept."""

from __future__ import annotations

from typing import Protocol

import attrs

from mlopus.domain.entities import MetricPoint
from mlopus.domain.keys import EntityKey, OwnKey, RunKey
from mlopus.domain.manifest import ArtifactLocation
from mlopus.domain.origin import Origin
from mlopus.domain.records import Record, RunRecord, VersionRecord
from mlopus.errors import MlopusError
from mlopus.plans.changes import TrackingChange
from mlopus.plans.facts import TrackingFacts
from mlopus.plans.search import Page, PageToken, PushDown, SearchSpec
from mlopus.ports.meter import Meter
from mlopus.result import Result


@attrs.frozen(kw_only=True)
class ServerInfo:
    """What a tracking store says of itself: its version (None if it tells none) and abilities."""

    place: str
    version: str | None
    abilities: frozenset[str] = frozenset()


class Tracking(Protocol):
    """A tracking store. Thread-safe; picklable; its connections belong to one process."""

    @property
    def origin(self) -> Origin:
        """Which store, for cache keys, plans and messages. No I/O."""
        ...

    @property
    def facts(self) -> TrackingFacts:
        """What the store is like: limits, and whether calls cross a network. No I/O."""
        ...

    def metered(self, meter: Meter) -> Tracking:
        """The same store, sharing its connections, that tells this meter of its requests."""
        ...

    def hurried(self, timeout_s: float) -> Tracking:
        """The same store, for reading: a request that is not answered within that time has failed.

        Nothing is tried again. A store that no network lies before may be as patient as it is.
        """
        ...

    def get(self, key: EntityKey) -> Result[Record, MlopusError]:
        """The entity of that key, without parents; deleted ones too. NotFound if there is none."""
        ...

    def send(self, change: TrackingChange) -> Result[Record | None, MlopusError]:
        """Make a change. Answers the whole entity for changes that create or ensure one, else None.

        The same creating change sent twice creates once: an experiment or model is recognised by
        its operation id when its name is taken; a run or version is looked for by its operation id
        if `may_exist` says so. A change to what is not there is NotFound. A param that has
        another value is InvalidRequest with code "param already set", and nothing of that change
        is stored.
        """
        ...

    def prepare(self, spec: SearchSpec) -> PushDown:
        """What this store would evaluate of a search, and what it would not. No I/O."""
        ...

    def find(self, spec: SearchSpec, token: PageToken = None) -> Result[Page, MlopusError]:
        """One page of a search, as `prepare` describes it; the next with the token of the last.

        A row that moves while pages are read may come twice; callers keep the first.
        """
        ...

    def locate(self, version: VersionRecord, run: RunRecord | None) -> Result[ArtifactLocation, MlopusError]:
        """Where the bytes of a version are. `run` is the version's run, if it has one."""
        ...

    def metric_history(self, run: RunKey, metric: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """Every point of a metric, ordered by step, then time. A metric never logged has none."""
        ...

    def url(self, key: OwnKey, exp_id: str | None = None) -> Result[str, MlopusError]:
        """The page of an entity in the store's UI; a run's needs its experiment. NotFound without a UI."""
        ...

    def ping(self) -> Result[ServerInfo, MlopusError]:
        """Ask the store who it is, with the credentials that will be used."""
        ...
