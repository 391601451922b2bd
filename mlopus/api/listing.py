"""Reading what is among artifacts, without bringing it here."""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO

import attrs

from mlopus.api.calls import Call
from mlopus.api.core import ApiCore
from mlopus.api.gathering import cached_facts, locate
from mlopus.domain.entities import ArtifactEntry
from mlopus.domain.manifest import ArtifactLocation, Entry, Manifest, ManifestFile, RemoteTree
from mlopus.domain.paths import base_name, join_path, join_url, path_below
from mlopus.errors import MlopusError, NotCached, NotFound, OfflineMode
from mlopus.plans.proofs import covering
from mlopus.plans.requests import ArtifactOf, GetArtifact
from mlopus.plans.tables import still_empty
from mlopus.plans.verbs import artifact_key
from mlopus.result import Failure, Result, Success, mapped


def list_artifact(
    api: ApiCore, artifact: Result[Call, MlopusError], *, recursive: bool
) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
    """The files and folders at a path; offline, of what is cached."""
    artifact = api.call_as_now(artifact)
    if isinstance(artifact, Failure):
        return artifact
    call, wanted = artifact.unwrap(), _wanted(artifact.unwrap())
    if not api.settings.offline_mode:
        return _listed_by_store(api, call, wanted, recursive=recursive)
    if api.settings.pull_artifacts_in_offline_mode:
        listed = _listed_by_store(api, call, wanted, recursive=recursive)
        if isinstance(listed, Success) or not isinstance(listed.failure(), OfflineMode | NotCached):
            return listed
    cached = _cached_manifest(api, call, wanted)
    return mapped(cached, lambda manifest: _of_manifest(manifest, wanted.path, recursive=recursive))


def _listed_by_store(
    api: ApiCore, call: Call, wanted: ArtifactOf, *, recursive: bool
) -> Result[tuple[ArtifactEntry, ...], MlopusError]:
    located = locate(call, wanted, api.repositories, api.settings, api.recent_parents)
    if isinstance(located, Failure):
        return located
    url = join_url(located.unwrap().root_url, located.unwrap().path)
    if not recursive:
        listed = api.repositories.stores.list_folder(url)
        return mapped(listed, lambda entries: tuple(_under(entry, wanted.path, url) for entry in entries))
    tree = api.repositories.stores.list_tree(url)
    if isinstance(tree, Failure):
        return tree
    if not tree.unwrap().exists:
        return Failure(NotFound(kind="artifact", key=wanted.path or url, place=url))
    return Success(_of_tree(tree.unwrap(), wanted.path, base_name(url)))


def open_file(api: ApiCore, artifact: Result[Call, MlopusError]) -> Result[BinaryIO, MlopusError]:
    """One file: from the newest entry that covers it, else, or where that lacks it, from its store."""
    artifact = api.call_as_now(artifact)
    if isinstance(artifact, Failure):
        return artifact
    call, wanted = artifact.unwrap(), _wanted(artifact.unwrap())
    facts = cached_facts(call, wanted, api.repositories, api.settings, api.recent_parents)
    if isinstance(facts, Failure):
        return facts
    location, cache = facts.unwrap()
    entry = covering(cache, location)
    if entry is not None:
        tree = api.repositories.artifacts.tree(entry.tree_key)
        below = path_below(location.path, entry.path) or ""
        opened = tree if isinstance(tree, Failure) else tree.unwrap().open(below)
        if isinstance(opened, Success) or not isinstance(opened.failure(), NotFound):
            return opened
    if api.settings.offline_mode and not api.settings.pull_artifacts_in_offline_mode:
        return Failure(_not_cached(api, wanted) if entry is None else _not_in_what_is_cached(wanted))
    located = locate(call, wanted, api.repositories, api.settings, api.recent_parents)
    if isinstance(located, Failure):
        return located
    url = join_url(located.unwrap().root_url, located.unwrap().path)
    return _naming(api.repositories.stores.open(url), wanted, url)


def _naming(
    opened: Result[BinaryIO, MlopusError], wanted: ArtifactOf, place: str
) -> Result[BinaryIO, MlopusError]:
    """The same, but what is not there is called as the caller called it."""
    if isinstance(opened, Success) or not isinstance(opened.failure(), NotFound):
        return opened
    hint = "list_run_artifacts tells what is there; a folder is had by get_run_artifact."
    return Failure(NotFound(kind="artifact", key=wanted.path, place=place, hint=hint))


def _wanted(call: Call) -> ArtifactOf:
    assert isinstance(call.request, GetArtifact)  # noqa: S101 (both verbs ask for an artifact)
    return call.request.artifact


def _not_cached(api: ApiCore, wanted: ArtifactOf) -> NotCached:
    place = f"the cache of {api.repositories.tracking.origin}"
    return NotCached(kind="artifact", key=artifact_key(wanted), place=place)


def _not_in_what_is_cached(wanted: ArtifactOf) -> NotFound:
    return NotFound(kind="artifact", key=artifact_key(wanted), place="what is cached of it")


def _cached_manifest(api: ApiCore, call: Call, wanted: ArtifactOf) -> Result[Manifest, MlopusError]:
    facts = cached_facts(call, wanted, api.repositories, api.settings, api.recent_parents)
    if isinstance(facts, Failure):
        return facts
    location, cache = facts.unwrap()
    entry = covering(cache, location)
    if entry is None:
        return _cached_parts(api, location, cache.entries, _not_cached(api, wanted))
    manifest = api.repositories.artifacts.manifest(entry.tree_key)
    if isinstance(manifest, Failure):
        return manifest
    part = manifest.unwrap().subtree(path_below(location.path, entry.path) or "")
    if part is None:
        return Failure(_not_in_what_is_cached(wanted))
    return Success(part)


def _cached_parts(
    api: ApiCore, location: ArtifactLocation, entries: tuple[Entry, ...], nothing: NotCached
) -> Result[Manifest, MlopusError]:
    """What is cached below a path that is not cached as a whole, newest first, as one manifest."""
    files: dict[str, ManifestFile] = {}
    folders: set[str] = set()
    for entry in entries:
        manifest = api.repositories.artifacts.manifest(entry.tree_key)
        if isinstance(manifest, Failure):
            return manifest
        below = path_below(entry.path, location.path)
        if below is None:
            continue
        for file in manifest.unwrap().files:
            path = join_path(below, file.path)
            files.setdefault(path, attrs.evolve(file, path=path))
        folders.update(join_path(below, folder) for folder in manifest.unwrap().empty_folders)
        folders.update(() if manifest.unwrap().is_file else (below,))
    if not files and not folders:
        return Failure(nothing)
    parts = Manifest.of(base_name(location.path), tuple(files.values()), is_file=False)
    return Success(attrs.evolve(parts, empty_folders=still_empty(folders, files)))


def _under(entry: ArtifactEntry, prefix: str, url: str) -> ArtifactEntry:
    path = join_path(prefix, entry.path)
    return attrs.evolve(entry, path=path, name=base_name(path) or base_name(url))


def _folders_of(paths: tuple[str, ...]) -> set[str]:
    folders: set[str] = set()
    for path in paths:
        while "/" in path:
            path = path.rpartition("/")[0]  # noqa: PLW2901 (walks up)
            folders.add(path)
    return folders


def _entries(
    files: dict[str, tuple[int | None, datetime | None]],
    empty_folders: tuple[str, ...],
    prefix: str,
    root_name: str,
) -> tuple[ArtifactEntry, ...]:
    folders = _folders_of((*files, *empty_folders)) | set(empty_folders)
    found: list[tuple[str, bool, int | None, datetime | None]]
    found = [(path, True, None, None) for path in folders]
    found += [(path, False, *told) for path, told in files.items()]
    entries = [
        ArtifactEntry(
            path=join_path(prefix, path),
            name=base_name(join_path(prefix, path)) or root_name,
            is_dir=is_dir,
            size_bytes=size,
            modified_time=modified_time,
        )
        for path, is_dir, size, modified_time in found
    ]
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _of_tree(tree: RemoteTree, prefix: str, root_name: str) -> tuple[ArtifactEntry, ...]:
    files = {file.path: (file.size_bytes, file.modified_time) for file in tree.files}
    return _entries(files, tree.empty_folders, prefix, root_name)


def _of_manifest(manifest: Manifest, prefix: str, *, recursive: bool) -> tuple[ArtifactEntry, ...]:
    files: dict[str, tuple[int | None, datetime | None]] = {
        file.path: (file.size_bytes, None) for file in manifest.files
    }
    entries = _entries(files, manifest.empty_folders, prefix, manifest.name)
    if recursive:
        return entries
    return tuple(entry for entry in entries if "/" not in (path_below(entry.path, prefix) or ""))
