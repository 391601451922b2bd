"""What steps on bytes make of facts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import attrs
from immutabledict import immutabledict

from mlopus.domain.manifest import Entry, Manifest, ManifestFile, RemoteFile, RemoteTree
from mlopus.domain.paths import overlaps
from mlopus.plans.bindings import bindings_of
from mlopus.plans.envelope import gathered
from mlopus.plans.facts import CacheFacts, Facts, SourceFacts, TargetFacts, TargetFile
from mlopus.plans.outcomes import Committed, Transferred
from mlopus.plans.pending import known
from mlopus.plans.place import linked
from mlopus.plans.steps import (
    Bindings,
    ByteStep,
    CachedTree,
    CommitTree,
    FetchFiles,
    PlacedFile,
    PlaceTree,
    RemoveFiles,
    RemoveRemoteFiles,
    StageFiles,
    StoreTree,
    TargetPresent,
    UploadFiles,
    WithdrawEntries,
)
from mlopus.plans.symbols import Learned
from mlopus.plans.tables import still_empty


@attrs.frozen(kw_only=True)
class World:
    """Facts in the middle of a plan, and what is staged and not committed."""

    facts: Facts
    told: Learned
    staged: immutabledict[str, tuple[ManifestFile, ...]] = immutabledict()
    adopted: immutabledict[str, StageFiles] = immutabledict()

    def evolve(self, facts: Facts) -> World:
        """The same with other facts."""
        return attrs.evolve(self, facts=facts)

    @property
    def cache(self) -> CacheFacts:
        """What the cache holds."""
        return gathered(self.facts.cache, "the cache")

    def with_cache(self, cache: CacheFacts) -> World:
        """The same with another cache."""
        return self.evolve(attrs.evolve(self.facts, cache=cache))

    def with_staged(self, name: str, files: Iterable[ManifestFile]) -> World:
        """The same with more files staged."""
        held = {file.path: file for file in (*self.staged.get(name, ()), *files)}
        return attrs.evolve(self, staged=self.staged | {name: tuple(held.values())})


def simulate_bytes(world: World, step: ByteStep) -> tuple[World, Bindings]:
    """The world after a step, and what the step binds."""
    match step:
        case FetchFiles():
            fetched = [world.told.fetched(step.store_url, file) for file in step.files]
            reused = [
                ManifestFile(path=file.path, size_bytes=file.size_bytes, sha256=file.sha256)
                for file in step.reused
            ]
            return world.with_staged(step.staged, (*fetched, *reused)), immutabledict()
        case StageFiles():
            return _staged(world, step), immutabledict()
        case CommitTree():
            return _committed(world, step)
        case WithdrawEntries():
            kept = tuple(
                entry
                for entry in world.cache.entries
                if entry.subject != step.subject or not overlaps(entry.path, step.path)
            )
            return world.with_cache(attrs.evolve(world.cache, entries=kept)), immutabledict()
        case PlaceTree():
            return _placed(world, step), immutabledict()
        case UploadFiles():
            return _uploaded(world, step)
        case RemoveRemoteFiles():
            return _removed_remotely(world, step), immutabledict()
        case RemoveFiles():
            return _removed(world, step), immutabledict()
        case _:
            assert_never(step)


def _staged(world: World, step: StageFiles) -> World:
    files = (ManifestFile(path=f.path, size_bytes=f.size_bytes, sha256=f.sha256) for f in step.files)
    staged = world.with_staged(step.staged, files)
    return attrs.evolve(staged, adopted=staged.adopted | {step.staged: step})


def _source_after(world: World, step: CommitTree) -> World:
    """The source, once what was moved out of it is committed."""
    adopted = world.adopted.get(step.staged)
    source = world.facts.source
    if adopted is None or source is None:
        return world
    paths = {file.path for file in adopted.files}
    match adopted.ladder:
        case "move":
            source = _without(source, paths)
        case "move and link":
            linked_files = {file.path for file in adopted.files if file.size_bytes}
            links = tuple(sorted({*source.links_leaving, *linked_files}))
            source = attrs.evolve(source, links_leaving=links)
        case _:
            return world
    return world.evolve(attrs.evolve(world.facts, source=source))


def _committed(world: World, step: CommitTree) -> tuple[World, Bindings]:
    cache, manifest = committed_to(world.cache, step, world.staged.get(step.staged, ()))
    world = _mended(_source_after(world, step).with_cache(cache), step, manifest.key)
    return world, bindings_of(step, Committed(tree_key=manifest.key, manifest=manifest))


def committed_to(
    cache: CacheFacts, step: CommitTree, files: tuple[ManifestFile, ...]
) -> tuple[CacheFacts, Manifest]:
    """What a cache holds after these files are committed to it, and the manifest of the new tree."""
    manifest = Manifest.of(step.name, files, is_file=step.is_file, empty_folders=step.empty_folders)
    entry = Entry(
        subject=step.subject,
        path=step.path,
        tree_key=manifest.key,
        name=step.name,
        is_file=step.is_file,
        taken_at=step.taken_at,
        store_url=step.store_url,
        validators=known(step.validators),
    )
    others = tuple(
        other for other in cache.entries if (other.subject, other.path) != (step.subject, step.path)
    )
    manifests = cache.manifests | {manifest.key: manifest}
    return attrs.evolve(cache, entries=(entry, *others), manifests=manifests), manifest


def _mended(world: World, step: CommitTree, tree_key: str) -> World:
    """The world without the damage that a commit mends: that of its entry, and of its tree."""
    keeping = world.facts.keeping
    if keeping is None:
        return world
    at = step.subject, step.path
    left = tuple(
        found
        for found in keeping.damage
        if (found.entry.subject, found.entry.path) != at and found.entry.tree_key != tree_key
    )
    return world.evolve(attrs.evolve(world.facts, keeping=attrs.evolve(keeping, damage=left)))


def _placed(world: World, step: PlaceTree) -> World:
    target = gathered(world.facts.target, "the target")
    committed = files_of(world, step.tree)
    files = tuple(_target_file(file, step, committed) for file in step.files)
    there = TargetFacts(
        path=target.path,
        expectation=TargetPresent(digest="<as placed>", file_count=len(files)),
        is_file=step.is_file,
        files=files,
        empty_folders=step.empty_folders,
    )
    return world.evolve(attrs.evolve(world.facts, target=there))


def files_of(world: World, tree: CachedTree | StoreTree) -> dict[str, ManifestFile]:
    """What a tree holds: as committed, or as a store on this disk lists it."""
    if not isinstance(tree, CachedTree):
        listing = world.facts.store.listing if world.facts.store is not None else None
        files = listing.files if listing is not None else ()
        return {file.path: world.told.fetched(tree.store_url, file) for file in files}
    manifest = world.cache.manifests.get(known(tree.tree_key))
    part = manifest.subtree(tree.path) if manifest is not None else None
    return {} if part is None else {file.path: file for file in part.files}


def _target_file(file: PlacedFile, step: PlaceTree, committed: dict[str, ManifestFile]) -> TargetFile:
    held = committed.get(file.path)
    size = held.size_bytes if held is not None else file.size_bytes or 0
    if step.ladder[0] == "symlink" and file.size_bytes != 0:
        return TargetFile(path=file.path, size_bytes=size, links_to=linked(step.tree, file.path))
    digest = held.sha256 if held is not None else file.sha256
    return TargetFile(path=file.path, size_bytes=size, sha256=digest)


def _uploaded(world: World, step: UploadFiles) -> tuple[World, Bindings]:
    store = gathered(world.facts.store, "the store")
    before = store.listing or RemoteTree(listed_at=world.facts.now)
    sent: dict[str, RemoteFile] = {}
    validators: dict[str, str] = {}
    for upload in step.files:
        file = upload.file
        validator = world.told.validator(step.store_url, file.path, file.sha256)
        if "validator" in store.tells and validator is not None:
            validators[file.path] = validator
        sent[file.path] = RemoteFile(
            path=file.path,
            size_bytes=file.size_bytes if "size" in store.tells else None,
            validator=validators.get(file.path),
            sha256=file.sha256 if "sha256" in store.tells else None,
        )
    files = {file.path: file for file in before.files} | sent
    folders = (*before.empty_folders, *step.empty_folders) if store.is_local else ()
    listing = RemoteTree(
        listed_at=max(before.listed_at, world.facts.now),
        files=tuple(files[path] for path in sorted(files)),
        empty_folders=still_empty(folders, files),
        is_file=step.is_file,
    )
    done = Transferred(
        file_count=len(sent),
        total_bytes=sum(upload.file.size_bytes for upload in step.files),
        validators=immutabledict(validators),
    )
    after = attrs.evolve(world.facts, store=attrs.evolve(store, listing=listing))
    if step.move and after.source is not None:
        after = attrs.evolve(after, source=_without(after.source, set(sent)))
    return world.evolve(after), bindings_of(step, done)


def _removed_remotely(world: World, step: RemoveRemoteFiles) -> World:
    store = gathered(world.facts.store, "the store")
    listing = gathered(store.listing, "the listing of the store")
    gone = {file.path for file in step.files}
    kept = tuple(file for file in listing.files if file.path not in gone)
    listing = attrs.evolve(listing, files=kept, is_file=listing.is_file and bool(kept))
    return world.evolve(attrs.evolve(world.facts, store=attrs.evolve(store, listing=listing)))


def _removed(world: World, step: RemoveFiles) -> World:
    gone = {file.path for file in step.files}
    facts = world.facts
    match step.root:
        case "source":
            source = gathered(facts.source, "the source")
            return world.evolve(attrs.evolve(facts, source=_without(source, gone)))
        case "target":
            target = gathered(facts.target, "the target")
            kept = tuple(file for file in target.files if file.path not in gone)
            return world.evolve(attrs.evolve(facts, target=attrs.evolve(target, files=kept)))


def _without(source: SourceFacts, gone: set[str]) -> SourceFacts:
    files = tuple(file for file in source.files if file.path not in gone)
    return attrs.evolve(source, files=files, empty_folders=source.empty_folders if files else ())
