"""Reading the two sides of a copy: what is to be copied, and what is there of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import attrs

from mlopus.api.every import every
from mlopus.concurrency.crews import for_each
from mlopus.domain.keys import EntityKey, RunKey
from mlopus.domain.manifest import RemoteTree
from mlopus.domain.records import (
    MetricSample,
    Record,
    RunRecord,
)
from mlopus.domain.status import EntityKind, View
from mlopus.errors import MlopusError
from mlopus.execution.repositories import Repositories
from mlopus.plans.search import SearchSpec
from mlopus.query import Sorting, parse
from mlopus.result import Failure, Result, Success, mapped

R = TypeVar("R", bound=Record)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When a point was logged whose store tells no time."""

_AT_ONCE: Final = 8


def spec_of(
    kind: EntityKind, query: dict[str, Any], view: View = "active", exp_ids: tuple[str, ...] = ()
) -> SearchSpec:
    """An unsorted search."""
    return SearchSpec(kind=kind, query=parse(query).unwrap(), sorting=Sorting(), view=view, exp_ids=exp_ids)


@attrs.frozen
class Side:
    """One of the two stores."""

    repositories: Repositories

    def get(self, key: EntityKey, kind: type[R]) -> Result[R, MlopusError]:
        """An entity as its store has it now."""
        found = self.repositories.tracking.get(key)
        if isinstance(found, Failure):
            return found
        record = found.unwrap()
        assert isinstance(record, kind)  # noqa: S101 (the port answers the kind that was asked)
        return Success(record)

    def every(self, spec: SearchSpec, kind: type[R]) -> Result[tuple[R, ...], MlopusError]:
        """Every row of a search."""
        return every(self.repositories.tracking, spec, kind)

    @property
    def workers(self) -> int:
        """How many questions at a time."""
        return _AT_ONCE if self.repositories.tracking.facts.requests_cost else 1

    def points_of(self, runs: Iterable[RunRecord]) -> Result[dict[str, list[MetricSample]], MlopusError]:
        """Every point of every metric of runs: a question for each metric of each run."""
        wanted = [(run.id, metric) for run in runs for metric in sorted(run.metrics)]

        def read(one: tuple[str, str]) -> Result[list[MetricSample], MlopusError]:
            run_id, metric = one
            history = self.repositories.tracking.metric_history(RunKey(run_id), metric)
            return mapped(
                history,
                lambda points: [
                    MetricSample(key=metric, value=p.value, step=p.step, timestamp=p.timestamp or _EPOCH)
                    for p in points
                ],
            )

        histories = for_each(read, wanted, min(self.workers, max(1, len(wanted))))
        if isinstance(histories, Failure):
            return histories
        found: dict[str, list[MetricSample]] = {}
        for (run_id, _), points in zip(wanted, histories.unwrap(), strict=True):
            found.setdefault(run_id, []).extend(points)
        return Success(found)

    def trees_of(self, urls: Iterable[str]) -> Result[dict[str, RemoteTree], MlopusError]:
        """What is listed at URLs."""
        wanted = tuple(dict.fromkeys(urls))
        listed = for_each(self.repositories.stores.list_tree, wanted, _AT_ONCE if len(wanted) > 1 else 1)
        return mapped(listed, lambda trees: dict(zip(wanted, trees, strict=True)))
