"""Steps of copying: each acts on a table of runs, trees or versions, and holds only what the copy lacks.

An entity is named by its id in the source. What that is in the target is known before (`there`), or
bound by the step that creates it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import RemoteFile
from mlopus.domain.records import MetricSample, Texts
from mlopus.domain.status import RunStatus
from mlopus.plans.pending import Pending

CopyReason: TypeAlias = Literal["new", "changed"]


@attrs.frozen(kw_only=True)
class CopiedRun:
    """Which run of the target is the copy of which, and where it keeps its artifacts."""

    source_id: str
    run_id: str
    repo: str


@attrs.frozen(kw_only=True)
class CopiedRuns:
    """The copies that there are, by the ids of their sources."""

    runs: tuple[CopiedRun, ...]

    def by_source(self) -> dict[str, CopiedRun]:
        """The copies, for looking up."""
        return {copied.source_id: copied for copied in self.runs}


@attrs.frozen(kw_only=True)
class RunCopy:
    """What the copy of a run lacks; `run_id` is None where there is none yet.

    `name` is to be given. `parent` is the source of the run that the copy is to be nested in.
    """

    source_id: str
    run_id: str | None
    operation_id: str
    name: str | None = None
    start_time: datetime | None = None
    parent: str | None = None
    params: Texts = immutabledict()
    tags: Texts = immutabledict()
    points: tuple[MetricSample, ...] = ()


@attrs.frozen(kw_only=True)
class CopyRuns:
    """Create copies of runs and log to them, those that others are nested in first.

    A new one stays RUNNING until `EndRuns`. Binds all copies, those that are `there` too, to "runs".
    `may_exist`: what is created may have been created before by this very plan, so it is looked for.
    """

    exp_id: str | Pending
    runs: tuple[RunCopy, ...]
    there: tuple[CopiedRun, ...]
    may_exist: bool = False


@attrs.frozen(kw_only=True)
class CopiedFile:
    """A file of the source's store, and why it is copied."""

    file: RemoteFile
    reason: CopyReason


@attrs.frozen(kw_only=True)
class TreeCopy:
    """Files from a URL of the source's store to a path among the artifacts of a run's copy."""

    source_id: str
    source_url: str
    path: str
    files: tuple[CopiedFile, ...]
    kept: int
    empty_folders: tuple[str, ...] = ()
    is_file: bool = False


@attrs.frozen(kw_only=True)
class CopyFiles:
    """Bring files from store to store, hashed on the way."""

    runs: CopiedRuns | Pending
    trees: tuple[TreeCopy, ...]


@attrs.frozen(kw_only=True)
class RunEnd:
    """The status and end time that the copy of a run is to have; None leaves each as it is."""

    source_id: str
    status: RunStatus | None
    end_time: datetime | None


@attrs.frozen(kw_only=True)
class EndRuns:
    """Give copies the status and end time of their sources, once all else is there."""

    runs: CopiedRuns | Pending
    ends: tuple[RunEnd, ...]


@attrs.frozen(kw_only=True)
class CopiedVersion:
    """Which version of the target's model is the copy of which."""

    source_version: str
    version: str


@attrs.frozen(kw_only=True)
class VersionCopy:
    """What the copy of a version lacks; `version` is None where there is none yet.

    `path` is where its bytes are among the artifacts of its run's copy.
    """

    source_version: str
    version: str | None
    source_run: str
    path: str
    operation_id: str
    tags: Texts = immutabledict()
    description: str | None = None


@attrs.frozen(kw_only=True)
class CopyVersions:
    """Register copies of versions of one model, in the order of their numbers; then let aliases name them.

    `aliases` maps each alias to the version of the source that it names there.
    """

    model_name: str
    source_model: str
    runs: CopiedRuns | Pending
    versions: tuple[VersionCopy, ...]
    there: tuple[CopiedVersion, ...]
    aliases: Texts = immutabledict()
    may_exist: bool = False


CopyStep: TypeAlias = CopyRuns | CopyFiles | EndRuns | CopyVersions
