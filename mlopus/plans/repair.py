"""Planning a repair: what is damaged is fetched again from where it was taken."""

from __future__ import annotations

from collections.abc import Iterator

from mlopus.domain.manifest import RemoteFile, RemoteTree
from mlopus.errors import IllegalPath, NotFound, OfflineMode, StoreFailed
from mlopus.plans.bindings import validators_of
from mlopus.plans.envelope import gathered, make_plan, read_only_cache
from mlopus.plans.facts import Facts
from mlopus.plans.keeping import Damage
from mlopus.plans.keeping_requests import RepairCache
from mlopus.plans.plan import Plan, ReceiptAnswer
from mlopus.plans.proofs import state_of
from mlopus.plans.steps import CommitTree, FetchFiles, ReusedFile
from mlopus.plans.tables import table_fault
from mlopus.plans.trees import may_ask_store
from mlopus.plans.verbs import title_of
from mlopus.result import Failure, Result, Success


def plan_repair(
    request: RepairCache, facts: Facts
) -> Result[Plan, IllegalPath | NotFound | OfflineMode | StoreFailed]:
    """Work out what is fetched again: of each damaged tree the files that are not proven to be sound.

    Needs the damage, with what the stores list; offline, where a store may not be asked, only that there
    is some. What its store has no more is left as it is.

    Returns:
        A plan that is empty where nothing of this origin is damaged.

    Fails with:
        OfflineMode: Something is damaged, and its store may not be asked.
        NotFound: The stores have nothing of what is damaged any more.
        IllegalPath: A store lists a path that no folder can safely hold.
        StoreFailed: The cache cannot be written.
    """
    damage = gathered(facts.keeping, "what is damaged").damage
    if not damage:
        return Success(make_plan(request, facts, (), ReceiptAnswer()))
    if not may_ask_store(facts):
        return Failure(OfflineMode(action=title_of(request)))
    if facts.cache is None or not facts.cache.is_writable:
        return Failure(read_only_cache(title_of(request)))
    in_order = sorted(damage, key=_order)
    there = [found for found in in_order if _listed(found).exists]
    if not there:
        return Failure(_gone(in_order[0]))
    fetches: list[FetchFiles] = []
    commits: list[CommitTree] = []
    for number, found in enumerate(there, start=1):
        listing = _listed(found)
        fault = table_fault((file.path for file in listing.files), listing.empty_folders)
        if fault is not None:
            return Failure(fault)
        fetch = _fetch(found, f"repair {number}")
        fetches.append(fetch)
        commits.append(_commit(found, fetch, f"tree {number}"))
    return Success(make_plan(request, facts, (tuple(fetches), tuple(commits)), ReceiptAnswer()))


def _order(found: Damage) -> tuple[str, str, str]:
    return found.entry.subject.kind, found.entry.subject.key, found.entry.path


def _listed(found: Damage) -> RemoteTree:
    return gathered(found.listing, "the listing of the store")


def _gone(found: Damage) -> NotFound:
    key = f"{found.entry.path!r} of {found.entry.subject}"
    hint = "It cannot be fetched again. What is sound of it is still served, until it is cleaned."
    return NotFound(kind="artifact", key=key, place=found.entry.store_url, hint=hint)


def _fetch(found: Damage, staged: str) -> FetchFiles:
    files = tuple(sorted(_listed(found).files, key=lambda file: file.path))
    sound = {file.path: file for file in _sound(found, files)}
    return FetchFiles(
        staged=staged,
        store_url=found.entry.store_url,
        files=tuple(file for file in files if file.path not in sound),
        reused=tuple(sound.values()),
    )


def _sound(found: Damage, files: tuple[RemoteFile, ...]) -> Iterator[ReusedFile]:
    """Listed files that the damaged tree still holds, proven to be the same."""
    damaged = frozenset(found.paths)
    held = {} if found.manifest is None else {file.path: file for file in found.manifest.files}
    for listed in files:
        file = held.get(listed.path)
        if file is None or file.path in damaged:
            continue
        if state_of(listed, file, found.entry.validators.get(file.path)) == "same":
            yield ReusedFile(
                path=listed.path,
                tree_key=found.entry.tree_key,
                path_in_tree=file.path,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
            )


def _commit(found: Damage, fetch: FetchFiles, binds: str) -> CommitTree:
    listing, entry = _listed(found), found.entry
    return CommitTree(
        staged=fetch.staged,
        subject=entry.subject,
        path=entry.path,
        name=entry.name,
        is_file=listing.is_file,
        empty_folders=tuple(sorted(listing.empty_folders)),
        store_url=entry.store_url,
        validators=validators_of(tuple(listing.files)),
        taken_at=max(listing.listed_at, entry.taken_at),
        binds=binds,
    )
