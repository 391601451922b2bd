"""What entries of the cache prove about files in a store.

A digest proves content; so does a validator equal to the one recorded with a committed file. Equal
size proves nothing. An entry at least as new as a listing is a picture of the same moment, or a
later one: where nothing tells them apart, it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Literal, TypeAlias

import attrs

from mlopus.domain.manifest import (
    ArtifactLocation,
    Entry,
    Manifest,
    ManifestFile,
    RemoteFile,
    RemoteTree,
)
from mlopus.domain.paths import join_path, join_url, path_below
from mlopus.plans.facts import CacheFacts
from mlopus.plans.steps import ReusedFile

State: TypeAlias = Literal["same", "unknown", "changed"]


def newest_first(cache: CacheFacts | None, location: ArtifactLocation) -> tuple[Entry, ...]:
    """The entries of a location's subject, newest first; of two equally new the longer path first."""
    if cache is None:
        return ()
    entries = (entry for entry in cache.entries if entry.subject == location.subject)
    return tuple(
        sorted(entries, key=lambda entry: (entry.taken_at, len(entry.path), entry.path), reverse=True)
    )


def covering(cache: CacheFacts | None, location: ArtifactLocation) -> Entry | None:
    """The entry that answers for a location: the newest at or above its path."""
    entries = newest_first(cache, location)
    return next((entry for entry in entries if path_below(location.path, entry.path) is not None), None)


def part_at(cache: CacheFacts | None, entry: Entry, path: str) -> Manifest | None:
    """What an entry's tree holds at a path of its subject; None if nothing, or if nobody looked."""
    manifest = cache.manifests.get(entry.tree_key) if cache is not None else None
    below = path_below(path, entry.path)
    return manifest.subtree(below) if manifest is not None and below is not None else None


def state_of(listed: RemoteFile, held: ManifestFile, validator: str | None) -> State:
    """Whether a listed file is what is held; `validator` was recorded when it was taken."""
    if listed.sha256 is not None:
        return "same" if listed.sha256 == held.sha256 else "changed"
    if listed.size_bytes is not None and listed.size_bytes != held.size_bytes:
        return "changed"
    if listed.validator is None or validator is None:
        return "unknown"
    return "same" if listed.validator == validator else "changed"


@attrs.frozen(kw_only=True)
class Held:
    """A file of a location as an entry holds it."""

    entry: Entry
    file: ManifestFile
    validator: str | None


@attrs.frozen(kw_only=True, slots=False)
class Proofs:
    """What the entries that overlap a location prove about the files listed there."""

    location: ArtifactLocation
    cache: CacheFacts | None

    def content_of(self, listed: RemoteFile, as_new: Entry | None = None) -> ReusedFile | None:
        """The committed file that a listed file is proven to be, under the path of the listed one.

        `as_new` is an entry known to be as new as the listing: what it holds is proven by that.
        """
        held = self.held.get(listed.path)
        if held is not None:
            state = state_of(listed, held.file, held.validator)
            if state == "same" or (state == "unknown" and held.entry == as_new):
                return _reused(listed.path, held)
        twin = self._by_digest.get(listed.sha256) if listed.sha256 is not None else None
        return None if twin is None else _reused(listed.path, twin)

    def as_new_as(self, listing: RemoteTree) -> Entry | None:
        """The entry that answers for the location, if it is not older than a listing of it."""
        entry = covering(self.cache, self.location)
        return entry if entry is not None and entry.taken_at >= listing.listed_at else None

    @cached_property
    def held(self) -> dict[str, Held]:
        """Each file of the location as the newest entry that has it holds it."""
        found: dict[str, Held] = {}
        for entry in newest_first(self.cache, self.location):
            said = _said_of(entry, self.location)
            for path, file in self._files_of(entry):
                if path not in found:
                    found[path] = Held(entry=entry, file=file, validator=said.get(file.path))
        return found

    @cached_property
    def _by_digest(self) -> dict[str, Held]:
        found: dict[str, Held] = {}
        for entry in newest_first(self.cache, self.location):
            manifest = self._manifest(entry)
            for file in manifest.files if manifest is not None else ():
                found.setdefault(file.sha256, Held(entry=entry, file=file, validator=None))
        return found

    def _manifest(self, entry: Entry) -> Manifest | None:
        return None if self.cache is None else self.cache.manifests.get(entry.tree_key)

    def _files_of(self, entry: Entry) -> Iterator[tuple[str, ManifestFile]]:
        """The files of an entry that are at or below the location, by their path in it."""
        manifest = self._manifest(entry)
        if manifest is None:
            return
        inside = path_below(self.location.path, entry.path)
        if inside is not None:
            for file in manifest.files:
                path = path_below(file.path, inside)
                if path is not None:
                    yield path, file
        prefix = path_below(entry.path, self.location.path)
        if prefix:
            for file in manifest.files:
                yield join_path(prefix, file.path), file


def is_current(listing: RemoteTree, proofs: Proofs, entry: Entry, *, exact_folders: bool) -> bool:
    """Whether an entry that covers the location holds what is listed there.

    `exact_folders`: whether the store knows empty folders, so that their absence means something.
    """
    if proofs.cache is None:
        return False
    part = part_at(proofs.cache, entry, proofs.location.path)
    if part is None:
        return False
    if entry.taken_at > listing.listed_at:
        return True
    state = _state_of_tree(listing, part, proofs, entry, exact_folders=exact_folders)
    return state == "same" or (state == "unknown" and entry.taken_at == listing.listed_at)


def _state_of_tree(
    listing: RemoteTree, part: Manifest, proofs: Proofs, entry: Entry, *, exact_folders: bool
) -> State:
    if listing.is_file != part.is_file or len(listing.files) != len(part.files):
        return "changed"
    if exact_folders and frozenset(listing.empty_folders) != frozenset(part.empty_folders):
        return "changed"
    held = {file.path: file for file in part.files}
    said, inside = _said_of(entry, proofs.location), path_below(proofs.location.path, entry.path) or ""
    state: State = "same"
    for listed in listing.files:
        file = held.get(listed.path)
        if file is None:
            return "changed"
        match state_of(listed, file, said.get(join_path(inside, listed.path))):
            case "changed":
                return "changed"
            case "unknown":
                state = "unknown"
            case "same":
                continue
    return state


def _said_of(entry: Entry, location: ArtifactLocation) -> dict[str, str]:
    """The validators of an entry, by path in its tree; those of another store say nothing here."""
    return dict(entry.validators) if entry.store_url == join_url(location.root_url, entry.path) else {}


def _reused(path: str, held: Held) -> ReusedFile:
    return ReusedFile(
        path=path,
        tree_key=held.entry.tree_key,
        path_in_tree=held.file.path,
        size_bytes=held.file.size_bytes,
        sha256=held.file.sha256,
    )
