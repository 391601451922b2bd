"""Steps on bytes and on the cache: one class per act, values only, each acting on a whole tree.

A path in a step is relative: to the tree, to the store URL, or to a named root of the plan
(`source`, `target`). A table of files is sorted by path and was checked once, by the planner.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import attrs
from immutabledict import immutabledict

from mlopus.domain.keys import EntityKey
from mlopus.domain.manifest import ArtifactSubject, LocalFile, RemoteFile, Validators
from mlopus.domain.records import CachedRecord, Record
from mlopus.plans.changes import TrackingChange
from mlopus.plans.copy_steps import CopyStep
from mlopus.plans.journal_steps import JournalStep
from mlopus.plans.keeping_steps import KeepingStep
from mlopus.plans.links import LinkKind
from mlopus.plans.pending import Pending

Root: TypeAlias = Literal["source", "target"]
UploadReason: TypeAlias = Literal["new", "changed", "unproven"]


@attrs.frozen(kw_only=True)
class AskServer:
    """Ask the tracking store; where the cache can answer instead, wait no longer than `patience_s`."""

    patience_s: float | None = None


@attrs.frozen(kw_only=True)
class AskCache:
    """Ask the cache, and take what is not older than this; None takes any age."""

    max_age_s: float | None = None


Ask: TypeAlias = AskServer | AskCache


@attrs.frozen(kw_only=True)
class FetchEntity:
    """Get an entity with its parents from the first of `ask` that has it.

    A later one is asked when an earlier one lacks it or is unavailable. What the server gave goes
    into the cache if `keep`.
    """

    key: EntityKey | Pending
    ask: tuple[Ask, ...]
    keep: bool


@attrs.frozen(kw_only=True)
class CacheRows:
    """Write entities into the metadata cache, as taken at one time."""

    records: tuple[Record, ...]
    taken_at: datetime


@attrs.frozen(kw_only=True)
class ReflectChange:
    """Let the metadata cache follow a change that an earlier stage made on the server.

    What is cached changes as the server did. What the change created is added if `add`.
    `created` is the created entity, as the server answered it. `entry` is the mark of the journal's
    entry that this shows before the server has it; `outranked` are metrics of which a later point is
    known, so that their value stays.
    """

    change: TrackingChange
    add: bool
    created: Record | Pending | None
    taken_at: datetime
    entry: str | None = None
    outranked: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ReusedFile:
    """A file that a committed tree already holds, proven unchanged."""

    path: str
    tree_key: str
    path_in_tree: str
    size_bytes: int
    sha256: str


@attrs.frozen(kw_only=True)
class FetchFiles:
    """Bring files from a store into a staging area of the cache, hashing on the way.

    `reused` are taken from committed trees instead.
    """

    staged: str
    store_url: str
    files: tuple[RemoteFile, ...]
    reused: tuple[ReusedFile, ...] = ()


@attrs.frozen(kw_only=True)
class StageFiles:
    """Bring files of the root `source` into a staging area of the cache.

    `ladder` is tried in order. "move" takes the file from the source; "move and link" leaves a
    link to the committed file in its place. Both do so once the tree is committed, not before.
    """

    staged: str
    files: tuple[LocalFile, ...]
    ladder: tuple[LinkKind, ...] | Literal["move", "move and link"]


@attrs.frozen(kw_only=True)
class CommitTree:
    """Make a staged tree and its entry part of the cache. Binds the tree's key to `binds`."""

    staged: str
    subject: ArtifactSubject
    path: str
    name: str
    is_file: bool
    empty_folders: tuple[str, ...]
    store_url: str
    validators: Validators | Pending
    taken_at: datetime
    binds: str


@attrs.frozen(kw_only=True)
class WithdrawEntries:
    """Stop serving what is cached at, above and below a path; trees stay until they are collected."""

    subject: ArtifactSubject
    path: str


@attrs.frozen(kw_only=True)
class CachedTree:
    """A committed tree, or the part of it at a path."""

    tree_key: str | Pending
    path: str = ""


@attrs.frozen(kw_only=True)
class StoreTree:
    """Files in a store on the local disk, used in place."""

    store_url: str


@attrs.frozen(kw_only=True)
class PlacedFile:
    """A file to be placed; its size and digest where they are known before."""

    path: str
    size_bytes: int | None
    sha256: str | None


@attrs.frozen(kw_only=True)
class TargetAbsent:
    """Nothing is at the target."""


@attrs.frozen(kw_only=True)
class TargetPresent:
    """Something is at the target: `digest` is of paths, kinds, sizes and times as seen."""

    digest: str
    file_count: int


TargetExpectation: TypeAlias = TargetAbsent | TargetPresent


@attrs.frozen(kw_only=True)
class PlaceTree:
    """Make the root `target` hold a tree: staged beside it, then swapped in whole.

    `ladder` is tried in order for every file. What was there (`expect`) is replaced whole.
    """

    tree: CachedTree | StoreTree
    is_file: bool
    files: tuple[PlacedFile, ...]
    empty_folders: tuple[str, ...]
    ladder: tuple[LinkKind, ...]
    expect: TargetExpectation


@attrs.frozen(kw_only=True)
class UploadFile:
    """A file of the root `source` to be sent, and why."""

    file: LocalFile
    reason: UploadReason


@attrs.frozen(kw_only=True)
class UploadFiles:
    """Send files of the root `source` to a store. Binds what the store says of each to `binds`.

    `kept` are there already, proven; `left` are there and not in the source. A source file that
    is no longer what was hashed stops the step. `move` takes files from the source, on a store of
    the local disk. `through_links` are files of the source that are links out of it, sent as their
    content.
    """

    store_url: str
    files: tuple[UploadFile, ...]
    kept: tuple[RemoteFile, ...]
    left: tuple[RemoteFile, ...]
    empty_folders: tuple[str, ...]
    is_file: bool
    move: bool
    binds: str
    through_links: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class RemoveRemoteFiles:
    """Remove files from a store."""

    store_url: str
    files: tuple[RemoteFile, ...]


@attrs.frozen(kw_only=True)
class RemoveFiles:
    """Remove these files, and the folders that this empties, from a root of the plan."""

    root: Root
    files: tuple[LocalFile, ...]
    empty_folders: tuple[str, ...]
    is_file: bool


@attrs.frozen(kw_only=True)
class ExportTree:
    """Copy a tree into the cache folder `target`, and commit it there with its entry.

    Files are copied and hashed on the way, never linked. `into` is the id of the cache that the
    folder is; None if it was none yet, and is made one.
    """

    tree: CachedTree | StoreTree
    files: tuple[PlacedFile, ...]
    commit: CommitTree
    into: str | None


@attrs.frozen(kw_only=True)
class ExportRows:
    """Write entities into the metadata of the cache folder `target`, parents before what names them.

    What is there and was taken later stays. `into` as in `ExportTree`.
    """

    rows: tuple[CachedRecord, ...]
    into: str | None


ByteStep: TypeAlias = (
    FetchFiles
    | StageFiles
    | CommitTree
    | WithdrawEntries
    | PlaceTree
    | UploadFiles
    | RemoveRemoteFiles
    | RemoveFiles
)
CacheStep: TypeAlias = FetchEntity | CacheRows | ReflectChange
ExportStep: TypeAlias = ExportTree | ExportRows
Step: TypeAlias = TrackingChange | CacheStep | ByteStep | ExportStep | JournalStep | KeepingStep | CopyStep
Bindings: TypeAlias = immutabledict[str, object]
