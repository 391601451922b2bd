"""What is behind MLflow's artifact proxy: folder by folder, since that is how it lists."""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from mlopus.concurrency.crews import for_each
from mlopus.domain.manifest import RemoteFile
from mlopus.domain.paths import ancestors, join_path, relative_path
from mlopus.errors import IllegalPath, MlopusError
from mlopus.repositories.mlflow.transport import Transport
from mlopus.result import Failure, Result, Success
from mlopus.wire.mlflow.artifacts import ListedEntry, ProxyRoot, list_from_reply, list_request
from mlopus.wire.mlflow.http import HttpReply, HttpRequest

MAX_ENTRIES: Final = 1_000_000
"""Entries after which a listing is taken for one without an end."""

Placed: TypeAlias = tuple[str, ListedEntry]
"""An entry, and its path below what was asked for."""


def list_files(
    transport: Transport, root: ProxyRoot, workers: int
) -> Result[tuple[RemoteFile, ...], MlopusError]:
    """Every file at and below a root, level by level; nothing there is empty.

    Folders without files are left out: behind many servers there are none.

    Fails with:
        IllegalPath: A name that is no plain component, folders too deep, or entries without an end.
    """
    top = list_one(transport, root)
    if isinstance(top, Failure):
        return top
    level = top.unwrap() or ()
    files: list[RemoteFile] = []
    seen = 0
    while level:
        seen += len(level)
        if seen > MAX_ENTRIES:
            return Failure(IllegalPath(path=root.path, reason=f"lists more than {MAX_ENTRIES:,} entries"))
        files += [
            RemoteFile(path=path, size_bytes=entry.size_bytes) for path, entry in level if not entry.is_dir
        ]
        folders = tuple(path for path, entry in level if entry.is_dir)
        inside = for_each(lambda folder: _list(transport, root, folder), folders, min(workers, len(folders)))
        if isinstance(inside, Failure):
            return inside
        level = tuple(placed for entries in inside.unwrap() for placed in entries)
    return Success(tuple(files))


def list_one(transport: Transport, root: ProxyRoot) -> Result[tuple[Placed, ...] | None, MlopusError]:
    """What is directly in a folder; a file as itself, with path ""; None for nothing there.

    The proxy's answer is empty for a file, an empty folder and nothing alike, so the folder
    above tells them apart.
    """
    inside = _list(transport, root, "")
    if isinstance(inside, Failure) or inside.unwrap() or not root.path:
        return inside
    above, _, name = root.path.rpartition("/")
    beside = _list(transport, attrs.evolve(root, path=above), "")
    if isinstance(beside, Failure):
        return beside
    own = next((entry for path, entry in beside.unwrap() if path == name), None)
    if own is None:
        return Success(None)
    return Success(() if own.is_dir else (("", own),))


def file_above(transport: Transport, root: ProxyRoot, path: str) -> Result[str | None, MlopusError]:
    """A file that stands where a folder above a path has to be: each is looked for in the one above it."""
    for above in ancestors(path):
        beside = _list(transport, root, above.rpartition("/")[0])
        if isinstance(beside, Failure):
            return beside
        own = next((entry for placed, entry in beside.unwrap() if placed == above), None)
        if own is None or not own.is_dir:
            return Success(None if own is None else above)
    return Success(None)


def _list(transport: Transport, root: ProxyRoot, folder: str) -> Result[tuple[Placed, ...], MlopusError]:
    """The entries of a folder below a root, each with its whole path checked."""
    request = list_request(join_path(root.path, folder))
    listed = _entries(transport, request, root.host)
    if isinstance(listed, Failure):
        return listed
    placed: list[Placed] = []
    for entry in listed.unwrap():
        path = relative_path(join_path(folder, entry.name))
        if isinstance(path, Failure):
            return path
        placed.append((path.unwrap(), entry))
    return Success(tuple(placed))


def _entries(
    transport: Transport, request: HttpRequest, host: str | None
) -> Result[tuple[ListedEntry, ...], MlopusError]:
    replied = transport.ask(request, host=host)
    if isinstance(replied, Failure):
        return Failure(replied.failure().error)
    reply: HttpReply = replied.unwrap()
    return transport.read(request, reply, list_from_reply)
