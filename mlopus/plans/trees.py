"""Which tree answers an artifact request: a cached one, the store's own files, or one to be fetched."""

from __future__ import annotations

from typing import TypeAlias
from urllib.parse import urlsplit

import attrs

from mlopus.domain.keys import RunKey
from mlopus.domain.manifest import ArtifactLocation, Entry, Manifest, RemoteTree
from mlopus.domain.paths import base_name, join_url, path_below
from mlopus.errors import IllegalPath, NotCached, NotFound, OfflineMode, StoreFailed
from mlopus.plans.bindings import STAGED, TREE, validators_of
from mlopus.plans.envelope import gathered, read_only_cache
from mlopus.plans.facts import Facts, StoreFacts
from mlopus.plans.pending import Pending
from mlopus.plans.plan import Stage
from mlopus.plans.proofs import Proofs, covering, is_current, part_at
from mlopus.plans.requests import ArtifactOf
from mlopus.plans.steps import CachedTree, CommitTree, FetchFiles, PlacedFile, StoreTree
from mlopus.plans.tables import path_fault, table_fault
from mlopus.plans.verbs import artifact_key
from mlopus.result import Failure, Result, Success

TreeRefusal: TypeAlias = IllegalPath | NotFound | OfflineMode | StoreFailed

PROXY_SCHEME = "mlflow-artifacts"
"""Artifacts that come through the tracking server."""


@attrs.frozen(kw_only=True)
class Content:
    """What a tree will hold, as far as it is known before."""

    is_file: bool
    files: tuple[PlacedFile, ...]
    empty_folders: tuple[str, ...]


@attrs.frozen(kw_only=True)
class TreeChoice:
    """The tree that answers, the stages that make it so, and its content if that was looked at."""

    tree: CachedTree | StoreTree
    stages: tuple[Stage, ...] = ()
    content: Content | None = None


def may_ask_store(facts: Facts) -> bool:
    """Whether the artifact store may be asked: offline only where told so, and never through the server."""
    if facts.settings.mode != "offline":
        return True
    is_proxied = facts.store is not None and facts.store.scheme == PROXY_SCHEME
    return facts.settings.pull_offline and not is_proxied


def is_used_in_place(facts: Facts) -> bool:
    """Whether the files of a store on the local disk are used where they are."""
    is_local = facts.store is not None and facts.store.is_local
    return is_local and not facts.settings.cache_local_artifacts and may_ask_store(facts)


def hit(facts: Facts) -> Entry | None:
    """The entry that answers without asking anybody.

    An entry of the very path needs no look at its manifest, one above it does.
    """
    location = gathered(facts.location, "the location")
    entry = covering(facts.cache, location)
    if entry is None or entry.path == location.path:
        return entry
    return entry if part_at(facts.cache, entry, location.path) is not None else None


def must_revalidate(facts: Facts) -> bool:
    """Whether even a hit is compared with the store first."""
    return facts.settings.always_pull and may_ask_store(facts)


def tree_to_have(artifact: ArtifactOf, facts: Facts) -> Result[TreeChoice, TreeRefusal]:
    """The tree that `get`, `place` and `load` use: as cached, else fetched, else in place."""
    location = gathered(facts.location, "the location")
    fault = path_fault(location.path)
    if fault is not None:
        return Failure(fault)
    if is_used_in_place(facts):
        return _in_place(artifact, location, gathered(facts.store, "the store"))
    entry = hit(facts)
    if entry is not None and not must_revalidate(facts):
        return Success(_cached(entry, facts))
    if not may_ask_store(facts):
        return Failure(_miss(artifact, facts))
    return current_tree(artifact, facts)


def current_tree(artifact: ArtifactOf, facts: Facts) -> Result[TreeChoice, TreeRefusal]:
    """The tree that holds what the store lists: as cached if proven so, else fetched."""
    location = gathered(facts.location, "the location")
    store = gathered(facts.store, "the store")
    listing = gathered(store.listing, "the listing of the store")
    if not listing.exists:
        return Failure(_absent(artifact, location))
    fault = path_fault(location.path) or table_fault((f.path for f in listing.files), listing.empty_folders)
    if fault is not None:
        return Failure(fault)
    proofs = Proofs(location=location, cache=facts.cache)
    entry = covering(facts.cache, location)
    if entry is not None and is_current(listing, proofs, entry, exact_folders=knows_folders(store)):
        return Success(_cached(entry, facts))
    if facts.cache is None or not facts.cache.is_writable:
        return Failure(read_only_cache("caching an artifact"))
    return Success(_fetched(location, listing, proofs, entry))


def knows_folders(store: StoreFacts) -> bool:
    """Whether a listing without empty folders means that there are none."""
    return store.is_local or (store.listing is not None and bool(store.listing.empty_folders))


def tree_name(location: ArtifactLocation) -> str:
    """The name of a committed tree: the last component of its path, or of its URL."""
    name = base_name(location.path) or base_name(urlsplit(location.root_url).path.rstrip("/"))
    return name if name and path_fault(name) is None else "artifacts"


def _cached(entry: Entry, facts: Facts) -> TreeChoice:
    path = gathered(facts.location, "the location").path
    part = part_at(facts.cache, entry, path)
    return TreeChoice(
        tree=CachedTree(tree_key=entry.tree_key, path=path_below(path, entry.path) or ""),
        content=None if part is None else _content_of_manifest(part),
    )


def _in_place(
    artifact: ArtifactOf, location: ArtifactLocation, store: StoreFacts
) -> Result[TreeChoice, TreeRefusal]:
    listing = gathered(store.listing, "the listing of the store")
    if not listing.exists:
        return Failure(_absent(artifact, location))
    fault = table_fault((file.path for file in listing.files), listing.empty_folders)
    if fault is not None:
        return Failure(fault)
    tree = StoreTree(store_url=join_url(location.root_url, location.path))
    return Success(TreeChoice(tree=tree, content=_content_of_listing(listing, {})))


def _fetched(
    location: ArtifactLocation, listing: RemoteTree, proofs: Proofs, covering_entry: Entry | None
) -> TreeChoice:
    """Fetch what is not proven to be held already, then commit the whole."""
    files = tuple(sorted(listing.files, key=lambda file: file.path))
    proven = {file.path: held for file in files if (held := proofs.content_of(file)) is not None}
    store_url = join_url(location.root_url, location.path)
    fetch = FetchFiles(
        staged=STAGED,
        store_url=store_url,
        files=tuple(file for file in files if file.path not in proven),
        reused=tuple(proven.values()),
    )
    # An entry above that is as new and lacks this path must not answer for it again.
    at_least = listing.listed_at if covering_entry is None else covering_entry.taken_at
    commit = CommitTree(
        staged=STAGED,
        subject=location.subject,
        path=location.path,
        name=tree_name(location),
        is_file=listing.is_file,
        empty_folders=tuple(sorted(listing.empty_folders)),
        store_url=store_url,
        validators=validators_of(files),
        taken_at=max(listing.listed_at, at_least),
        binds=TREE,
    )
    digests = {path: held.sha256 for path, held in proven.items()}
    return TreeChoice(
        tree=CachedTree(tree_key=Pending(TREE)),
        stages=((fetch,), (commit,)),
        content=_content_of_listing(listing, digests),
    )


def _content_of_manifest(manifest: Manifest) -> Content:
    files = tuple(PlacedFile(path=f.path, size_bytes=f.size_bytes, sha256=f.sha256) for f in manifest.files)
    return Content(is_file=manifest.is_file, files=files, empty_folders=manifest.empty_folders)


def _content_of_listing(listing: RemoteTree, digests: dict[str, str]) -> Content:
    files = (
        PlacedFile(path=f.path, size_bytes=f.size_bytes, sha256=f.sha256 or digests.get(f.path))
        for f in listing.files
    )
    return Content(
        is_file=listing.is_file,
        files=tuple(sorted(files, key=lambda file: file.path)),
        empty_folders=tuple(sorted(listing.empty_folders)),
    )


def _absent(artifact: ArtifactOf, location: ArtifactLocation) -> NotFound:
    place = join_url(location.root_url, location.path)
    return NotFound(kind="artifact", key=artifact_key(artifact), place=place)


def _miss(artifact: ArtifactOf, facts: Facts) -> NotFound:
    """Offline, nothing answers: never cached, or cached and absent there."""
    key = artifact_key(artifact)
    entry = covering(facts.cache, gathered(facts.location, "the location"))
    if entry is not None:
        taken = entry.taken_at.isoformat(timespec="seconds")
        place = f"what was cached of {entry.path or 'its root'!r} at {taken}"
        return NotFound(
            kind="artifact", key=key, place=place, hint="It may have come since: ask while online."
        )
    verb = "cache_run_artifact" if isinstance(artifact.owner, RunKey) else "cache_model_artifact"
    place = f"the cache of {facts.tracking.origin}"
    hint = f"Call {verb} while online, then work offline."
    return NotCached(kind="artifact", key=key, place=place, hint=hint)
