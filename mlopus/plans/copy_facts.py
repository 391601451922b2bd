"""What two stores hold of what is copied from one to the other."""

from __future__ import annotations

import attrs

from mlopus.domain.manifest import RemoteTree
from mlopus.domain.origin import Origin
from mlopus.domain.records import ExperimentRecord, MetricSample, ModelRecord, RunRecord, VersionRecord
from mlopus.plans.moving import InParts


@attrs.frozen(kw_only=True)
class HeldRun:
    """A run with every point of its metrics, and what its artifact root lists.

    A file that both stores list with the same size, or without one, has a sha256: told by its store,
    or found by reading it. `tree` is None where no artifacts of the run are to be copied.
    """

    record: RunRecord
    points: tuple[MetricSample, ...] = ()
    tree: RemoteTree | None = None


@attrs.frozen(kw_only=True)
class HeldVersion:
    """A version, and where its bytes are: at a path among its run's artifacts, or elsewhere.

    `tree` is what `url` lists, where that is elsewhere.
    """

    record: VersionRecord
    path_in_run: str | None
    url: str = ""
    tree: RemoteTree | None = None


@attrs.frozen(kw_only=True)
class Holdings:
    """What one of the two stores holds.

    Of the source: the experiment, runs and versions to copy, and their models. Of the target: the
    experiment that takes them, the copies that are there, the models of those names, and all of
    their versions.

    Attributes:
        origin: Which tracking store.
        files_cost: Whether its files cross a network.
        in_parts: How its large files are moved, where that is known; else a file is a request.
        keeps_folders: Whether its store keeps empty folders.
    """

    origin: Origin
    files_cost: bool = False
    in_parts: InParts | None = None
    keeps_folders: bool = False
    exp: ExperimentRecord | None = None
    runs: tuple[HeldRun, ...] = ()
    models: tuple[ModelRecord, ...] = ()
    versions: tuple[HeldVersion, ...] = ()


@attrs.frozen(kw_only=True)
class CopyFacts:
    """Both sides of a copy, as just seen."""

    source: Holdings
    target: Holdings
