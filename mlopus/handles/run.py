"""The handle of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar

import attrs

from mlopus.domain.entities import ArtifactEntry, MetricPoint, Run
from mlopus.errors import MlopusError
from mlopus.result import Failure, Result, or_raise

if TYPE_CHECKING:
    from mlopus.api.artifact_calls import PathLike, Source
    from mlopus.api.client import MlflowApi
    from mlopus.api.references import ModelRef
    from mlopus.api.search import Search
    from mlopus.execution.receipts import Receipt
    from mlopus.handles.batch import RunBatch
    from mlopus.handles.exp import ExpApi
    from mlopus.handles.raising import RaisingRun
    from mlopus.handles.version import ModelVersionApi
    from mlopus.plans.requests import LinkChoice

T = TypeVar("T")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RunApi(Run):
    """A run with an API. Its verbs are those of `MlflowApi`, on this run.

    Writes give the run as it is after them, without another request, so they chain. As a context
    manager it ends the run: FINISHED, or FAILED if the block raised, whose exception passes through.
    """

    exp: ExpApi
    api: MlflowApi = attrs.field(repr=False)

    @property
    def raising(self) -> RaisingRun:
        """The same run, whose verbs give values and raise; see `MlflowApi.raising`."""
        from mlopus.handles.raised import raised_run

        return raised_run(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = self.end_run(succeeded=error is None)
        if isinstance(ended, Failure):
            if error is None:
                or_raise(ended)
            raise ended.failure() from error

    def log_params(self, params: Mapping[str, object]) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.log_params`; gives the run with its new params."""
        from mlopus.api import calls
        from mlopus.handles.following import followed

        return followed(self, self.api, calls.log_params(self.api, self, params))

    def log_metrics(
        self, metrics: Mapping[str, object], step: int = 0, timestamp: datetime | None = None
    ) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.log_metrics`; gives the run with its new metrics."""
        from mlopus.api import calls
        from mlopus.handles.following import followed

        return followed(self, self.api, calls.log_metrics(self.api, self, metrics, step, timestamp))

    def log_metric_points(self, points: Mapping[str, Iterable[MetricPoint]]) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.log_metric_points`; gives the run with its new metrics."""
        from mlopus.api import calls
        from mlopus.handles.following import followed

        return followed(self, self.api, calls.log_metric_points(self.api, self, points))

    def set_tags(self, tags: Mapping[str, object]) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.set_tags_on_run`; gives the run with its new tags."""
        from mlopus.api import calls
        from mlopus.handles.following import followed

        return followed(self, self.api, calls.set_tags_on_run(self.api, self, tags))

    def batch(self, max_items: int = 1000, max_delay_s: float = 5.0) -> RunBatch:
        """Collect what is logged inside a `with` block, and send it in few requests.

        A request carries params, metrics and tags together. It is sent by the call that makes
        `max_items` of them, or by a thread `max_delay_s` after the first of them, and all is sent when
        the block is left, also by an exception, which passes through. So a process that is killed
        loses at most what was collected in the last `max_delay_s`.

        The methods of the batch, `log_params`, `log_metrics`, `log_metric_points` and `set_tags`,
        take what those of the run take, check it, and answer None at once. A request that fails is
        told by the next of them, which then takes nothing. What the server did not answer is sent
        again later; what it refused is lost. Leaving the block raises the error if anything is lost,
        chained to the exception of the block, if there is one.

        Args:
            max_items: How many params, metric points and tags are collected at most, at least 1. A
                request carries no more of them, and at most 100 params, 100 tags and 1000 in all.
            max_delay_s: How long a value waits at most, above 0; `math.inf` sends only by count and
                at the end.

        Returns:
            The batch, to be entered once.

        Raises:
            ValueError: An argument is out of its range.

        Example:
            >>> import mlopus
            >>> api = mlopus.testing.in_memory()
            >>> run = api.start_run(api.get_or_create_exp("demo").unwrap()).unwrap()
            >>> with run.batch() as log:
            ...     logged = log.log_params({"opt": {"lr": 0.1}})
            ...     for step in range(1000):
            ...         logged = log.log_metrics({"loss": 1 / (step + 1)}, step)
            >>> len(api.metric_history(run, "loss").unwrap()), run.refresh().unwrap().params["opt"]["lr"]
            (1000, 0.1)
        """
        from mlopus.handles.batch import RunBatch

        return RunBatch(self, max_items, max_delay_s)

    def metric_history(self, key: str) -> Result[tuple[MetricPoint, ...], MlopusError]:
        """See `MlflowApi.metric_history`."""
        return self.api.metric_history(self, key)

    def resume(self) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.resume_run`."""
        return self.api.resume_run(self)

    def end_run(self, succeeded: bool = True) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.end_run`."""
        return self.api.end_run(self, succeeded)

    def create_child(
        self,
        name: str | None = None,
        tags: Mapping[str, object] | None = None,
        repo: str | os.PathLike[str] | None = None,
    ) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.create_run`; the new run is nested in this one."""
        return self.api.create_run(self.exp, name, tags, repo, self)

    def start_child(
        self,
        name: str | None = None,
        tags: Mapping[str, object] | None = None,
        repo: str | os.PathLike[str] | None = None,
    ) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.start_run`; the new run is nested in this one."""
        return self.api.start_run(self.exp, name, tags, repo, self)

    def children(self) -> Search[RunApi]:
        """See `MlflowApi.find_child_runs`."""
        return self.api.find_child_runs(self)

    def find_model_versions(
        self,
        query: Mapping[str, Any] | None = None,
        sorting: Sequence[tuple[str, int]] | None = None,
    ) -> Search[ModelVersionApi]:
        """See `MlflowApi.find_model_versions`; versions that came from this run are searched."""
        return self.api.find_model_versions({"$and": [{"run.id": self.id}, query or {}]}, sorting)

    def list_artifacts(
        self, path_in_run: str = "", recursive: bool = False
    ) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
        """See `MlflowApi.list_run_artifacts`."""
        return self.api.list_run_artifacts(self, path_in_run, recursive)

    def get_artifact(self, path_in_run: str = "") -> Result[Path, MlopusError]:
        """See `MlflowApi.get_run_artifact`."""
        return self.api.get_run_artifact(self, path_in_run)

    def cache_artifact(self, path_in_run: str = "") -> Result[Path, MlopusError]:
        """See `MlflowApi.cache_run_artifact`."""
        return self.api.cache_run_artifact(self, path_in_run)

    def open_artifact(self, path_in_run: str) -> Result[BinaryIO, MlopusError]:
        """See `MlflowApi.open_artifact`."""
        return self.api.open_artifact(self, path_in_run)

    def load_artifact(self, loader: Callable[[Path], T], path_in_run: str = "") -> Result[T, MlopusError]:
        """See `MlflowApi.load_run_artifact`."""
        return self.api.load_run_artifact(self, loader, path_in_run)

    def place_artifact(
        self, target: PathLike, path_in_run: str = "", overwrite: bool = False, link: LinkChoice = True
    ) -> Result[Path, MlopusError]:
        """See `MlflowApi.place_run_artifact`."""
        return self.api.place_run_artifact(self, target, path_in_run, overwrite, link)

    def clean_cached_artifact(self, path_in_run: str = "") -> Result[Receipt, MlopusError]:
        """See `MlflowApi.clean_cached_run_artifact`."""
        return self.api.clean_cached_run_artifact(self, path_in_run)

    def log_artifact(
        self,
        source: Source,
        path_in_run: str | None = None,
        keep_the_source: bool | None = None,
        allow_duplication: bool | None = None,
        use_cache: bool | None = None,
        mirror: bool = False,
        overwrite: bool = False,
    ) -> Result[Receipt, MlopusError]:
        """See `MlflowApi.log_run_artifact`."""
        return self.api.log_run_artifact(
            self, source, path_in_run, keep_the_source, allow_duplication, use_cache, mirror, overwrite
        )

    def log_model_version(
        self,
        model: ModelRef,
        source: Source,
        path_in_run: str | None = None,
        keep_the_source: bool | None = None,
        allow_duplication: bool | None = None,
        use_cache: bool | None = None,
        version: str | int | None = None,
        tags: Mapping[str, object] | None = None,
        overwrite: bool = False,
    ) -> Result[ModelVersionApi, MlopusError]:
        """See `MlflowApi.log_model_version`."""
        return self.api.log_model_version(
            model,
            self,
            source,
            path_in_run,
            keep_the_source,
            allow_duplication,
            use_cache,
            version,
            tags,
            overwrite,
        )

    def rename(self, name: str) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.rename_run`; gives the run with its new name."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.rename_run(self.api, self, name))

    def set_description(self, description: str) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.set_description_on_run`; gives the run with it."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.set_description_on_run(self.api, self, description))

    def delete_tags(self, keys: Iterable[str]) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.delete_tags_on_run`; gives the run without them."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.delete_tags_on_run(self.api, self, keys))

    def delete(self) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.delete_run`; gives the run marked as deleted."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.delete_run(self.api, self))

    def restore(self) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.restore_run`; gives the run active."""
        from mlopus.api import upkeep_calls
        from mlopus.handles.following import followed

        return followed(self, self.api, upkeep_calls.restore_run(self.api, self))

    def export_artifact(self, target: PathLike, path_in_run: str = "") -> Result[Path, MlopusError]:
        """See `MlflowApi.export_run_artifact`."""
        return self.api.export_run_artifact(self, target, path_in_run)

    def cache_meta(self) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.cache_run_meta`."""
        return self.api.cache_run_meta(self)

    def export_meta(self, target: PathLike) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.export_run_meta`."""
        return self.api.export_run_meta(self, target)

    def refresh(self) -> Result[RunApi, MlopusError]:
        """See `MlflowApi.get_run`, with `refresh=True`."""
        return self.api.get_run(self, refresh=True)

    def url(self) -> Result[str, MlopusError]:
        """See `MlflowApi.get_run_url`."""
        return self.api.get_run_url(self, self.exp)
