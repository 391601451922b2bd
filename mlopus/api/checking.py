"""Looks at a whole cache that change nothing: is every byte what was committed, and what is held."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import attrs

from mlopus.api.calls import Call, known_records
from mlopus.api.core import ApiCore
from mlopus.api.gathering import locator_of
from mlopus.api.gathering_keeping import WholeCache
from mlopus.api.keeping_calls import OwnerRef, owner_key
from mlopus.domain.cache_report import CacheReport
from mlopus.domain.checks import CacheCheck, TreeCheck
from mlopus.domain.manifest import ArtifactSubject
from mlopus.domain.paths import overlaps
from mlopus.errors import MlopusError, NotCached
from mlopus.plans.keeping import EntryAt
from mlopus.plans.report import cache_report
from mlopus.plans.requests import ArtifactOf, GetArtifact
from mlopus.result import Failure, Result, Success, mapped


def checked(api: ApiCore, run: OwnerRef | None) -> Result[CacheCheck, MlopusError]:
    """`verify`."""
    served = _trees_of_all(api) if run is None else _trees_of(api, run)
    if isinstance(served, Failure):
        return served
    checks: list[TreeCheck] = []
    for tree_key, places in served.unwrap().items():
        check = api.repositories.artifacts.care.check(tree_key)
        if isinstance(check, Failure):
            return check
        as_what = tuple((place.subject, place.path) for place in places)
        checks.append(attrs.evolve(check.unwrap(), served_as=as_what))
    checks.sort(key=_order)
    return Success(CacheCheck(trees=tuple(checks)))


def _order(check: TreeCheck) -> tuple[list[tuple[str, str, str]], str]:
    return [(subject.kind, subject.key, path) for subject, path in check.served_as], check.tree_key


def _trees_of_all(api: ApiCore) -> Result[dict[str, list[EntryAt]], MlopusError]:
    """Every tree, and those that only entries of this origin still know of."""
    care = api.repositories.artifacts.care
    trees, entries = care.inventory(), care.entries()
    if isinstance(trees, Failure):
        return trees
    if isinstance(entries, Failure):
        return entries
    served = {tree.tree_key: list(tree.entries) for tree in trees.unwrap()}
    there = frozenset(served)
    for entry in entries.unwrap():
        if entry.tree_key not in there:
            at = EntryAt(origin_key=care.origin_key, subject=entry.subject, path=entry.path)
            served.setdefault(entry.tree_key, []).append(at)
    return Success(served)


def _trees_of(api: ApiCore, run: OwnerRef) -> Result[dict[str, list[EntryAt]], MlopusError]:
    """The trees of one run or version."""
    key = owner_key(run)
    if isinstance(key, Failure):
        return key
    wanted = ArtifactOf(owner=key.unwrap())
    call = Call(request=GetArtifact(artifact=wanted), known=known_records(api, run))
    _, locator = locator_of(call, api.repositories, api.settings, api.recent_parents)
    located, entries = locator.cached(wanted), api.repositories.artifacts.care.entries()
    if isinstance(located, Failure):
        return located
    if isinstance(entries, Failure):
        return entries
    place, _ = located.unwrap()
    served: dict[str, list[EntryAt]] = {}
    for entry in entries.unwrap():
        if entry.subject == place.subject and overlaps(entry.path, place.path):
            at = EntryAt(
                origin_key=api.repositories.artifacts.care.origin_key, subject=entry.subject, path=entry.path
            )
            served.setdefault(entry.tree_key, []).append(at)
    return Success(served) if served else Failure(_never_cached(api, place.subject))


def _never_cached(api: ApiCore, subject: ArtifactSubject) -> NotCached:
    place = f"the cache of {api.repositories.tracking.origin}"
    return NotCached(kind="artifact of", key=str(subject), place=place)


def report(api: ApiCore) -> Result[CacheReport, MlopusError]:
    """`cache_report`."""
    return mapped(WholeCache(api.repositories, api.settings.grace_s).facts(), cache_report)


class Hold:
    """A block in which a path of the cache stays: `with api.hold(path):`."""

    def __init__(self, api: ApiCore, path: str | os.PathLike[str]) -> None:
        self._api = api
        self._path = os.fspath(path)
        self._held = ExitStack()

    def __enter__(self) -> Path:
        care = self._api.repositories.artifacts.care
        tree_key = care.tree_at(self._path)
        if tree_key is None:
            place = "the trees of the cache"
            hint = "Give a path that get_run_artifact or another verb gave, or a link to one."
            raise NotCached(kind="path", key=self._path, place=place, hint=hint)
        self._held.enter_context(care.hold(tree_key))
        return Path(self._path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()
