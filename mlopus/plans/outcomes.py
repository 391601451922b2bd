"""What a step came to, as a value: the same in execution and in simulation."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import attrs

from mlopus.domain.manifest import Manifest, Validators
from mlopus.domain.records import Record
from mlopus.plans.copy_steps import CopiedRuns, CopiedVersion
from mlopus.plans.links import LinkKind


@attrs.frozen(kw_only=True)
class Recorded:
    """A tracking store made a change; `record` is the entity where the store answered with it."""

    record: Record | None = None


@attrs.frozen(kw_only=True)
class Fetched:
    """An entity and its parents, the entity first; `as_of` is when the cache took it, None from a server."""

    records: tuple[Record, ...]
    as_of: datetime | None = None


@attrs.frozen(kw_only=True)
class Cached:
    """The metadata cache holds what the step said."""


@attrs.frozen(kw_only=True)
class Transferred:
    """Files that moved, and those that need no moving; `linked` is how many by which kind."""

    file_count: int
    total_bytes: int
    skipped: int = 0
    links: tuple[tuple[LinkKind, int], ...] = ()
    validators: Validators = Validators()


@attrs.frozen(kw_only=True)
class Committed:
    """A tree of the cache, with its manifest."""

    tree_key: str
    manifest: Manifest


@attrs.frozen(kw_only=True)
class Withdrawn:
    """Paths whose entries were withdrawn."""

    paths: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Removed:
    """Files that were removed; those that were gone already are not counted."""

    file_count: int


@attrs.frozen(kw_only=True)
class Queued:
    """The journal holds what the step said; `entry_id` names what was queued."""

    entry_id: int | None = None


@attrs.frozen(kw_only=True)
class Evicted:
    """Trees that went, by their keys, and those that were used since the plan was made and so stayed."""

    tree_keys: tuple[str, ...]
    spared: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Kept:
    """What is to be kept was recorded, or forgotten."""


@attrs.frozen(kw_only=True)
class RunsCopied:
    """All copies of runs that there are now; `created` of them are new. `point_count` were logged."""

    runs: CopiedRuns
    created: int
    point_count: int


@attrs.frozen(kw_only=True)
class RunsEnded:
    """Copies of runs that have the status and end time of their sources now."""

    count: int


@attrs.frozen(kw_only=True)
class VersionsCopied:
    """All copies of versions that there are now; `registered` of them are new."""

    versions: tuple[CopiedVersion, ...]
    registered: int


Outcome: TypeAlias = (
    Recorded
    | Fetched
    | Cached
    | Transferred
    | Committed
    | Withdrawn
    | Removed
    | Queued
    | Evicted
    | Kept
    | RunsCopied
    | RunsEnded
    | VersionsCopied
)
