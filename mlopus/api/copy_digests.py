"""Telling whether two stores hold the same files: by their digests, which are read where no store tells them.

Only files of the same size on both sides need that: any others differ.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Mapping
from typing import Final

import attrs

from mlopus.concurrency.crews import for_each
from mlopus.domain.keys import RunKey
from mlopus.domain.manifest import RemoteFile, RemoteTree
from mlopus.domain.paths import join_path
from mlopus.domain.records import COPIED_FROM_TAG
from mlopus.errors import MlopusError
from mlopus.execution.hashing import HashingSink
from mlopus.plans.copy_facts import CopyFacts, HeldRun, HeldVersion
from mlopus.plans.copy_versions import places_of
from mlopus.plans.provenance import copied_from
from mlopus.ports.artifact_store import ArtifactStore
from mlopus.ports.streams import FileSink
from mlopus.result import Failure, Result, Success, mapped

_TREES_AT_ONCE: Final = 4


def with_digests(
    both: CopyFacts, source: ArtifactStore, target: ArtifactStore
) -> Result[CopyFacts, MlopusError]:
    """The facts with the digest of every file that both sides may hold the same."""
    copies: dict[str, list[HeldRun]] = {}
    for run in both.target.runs:
        copies.setdefault(run.record.tags.get(COPIED_FROM_TAG, ""), []).append(run)
    places = places_of(both.source.versions)
    reads: list[_Read] = []
    for run in both.source.runs:
        text = copied_from(both.source.origin, RunKey(run.record.id))
        trees = tuple(_trees_of(run, both.source.versions, places))
        for copy in copies.get(text, ()):
            for url, path, tree in trees:
                alike = _alike(tree, path, copy.tree)
                reads.append(_Read(source, url, tuple(one for one, _ in alike if one.sha256 is None)))
                others = tuple(other for _, other in alike if other.sha256 is None)
                reads.append(_Read(target, copy.record.repo, others))
    reads = [read for read in reads if read.files]
    digests = for_each(_Read.digests, reads, _TREES_AT_ONCE if len(reads) > 1 else 1)
    if isinstance(digests, Failure):
        return digests
    of_source: dict[tuple[str, str], str] = {}
    of_target: dict[tuple[str, str], str] = {}
    for read, found in zip(reads, digests.unwrap(), strict=True):
        named = {(read.url, path): digest for path, digest in found.items()}
        (of_source if read.store is source else of_target).update(named)
    return Success(
        CopyFacts(
            source=attrs.evolve(
                both.source,
                runs=tuple(_run_told(run, of_source) for run in both.source.runs),
                versions=tuple(_version_told(version, of_source) for version in both.source.versions),
            ),
            target=attrs.evolve(
                both.target, runs=tuple(_run_told(run, of_target) for run in both.target.runs)
            ),
        )
    )


def _trees_of(
    run: HeldRun, versions: Iterable[HeldVersion], places: Mapping[tuple[str, str], str]
) -> Iterable[tuple[str, str, RemoteTree]]:
    """The trees that a run's copy gets: where each is, at which path it goes, and what it holds."""
    if run.tree is not None:
        yield run.record.repo, "", run.tree
    for version in versions:
        if version.tree is not None and version.record.run_id == run.record.id:
            yield version.url, places[version.record.name, version.record.version], version.tree


def _alike(tree: RemoteTree, path: str, there: RemoteTree | None) -> list[tuple[RemoteFile, RemoteFile]]:
    """Files of a tree with those at the same place in another, where their sizes do not tell them apart."""
    held = {file.path: file for file in there.files} if there is not None else {}
    pairs = ((file, held.get(join_path(path, file.path))) for file in tree.files)
    return [(file, other) for file, other in pairs if other is not None and not _differ(file, other)]


def _differ(one: RemoteFile, other: RemoteFile) -> bool:
    sizes = {one.size_bytes, other.size_bytes}
    return None not in sizes and len(sizes) > 1


def _run_told(run: HeldRun, digests: Mapping[tuple[str, str], str]) -> HeldRun:
    return run if run.tree is None else attrs.evolve(run, tree=_told(run.tree, run.record.repo, digests))


def _version_told(version: HeldVersion, digests: Mapping[tuple[str, str], str]) -> HeldVersion:
    if version.tree is None:
        return version
    return attrs.evolve(version, tree=_told(version.tree, version.url, digests))


def _told(tree: RemoteTree, url: str, digests: Mapping[tuple[str, str], str]) -> RemoteTree:
    files = tuple(
        attrs.evolve(file, sha256=digests[url, file.path]) if (url, file.path) in digests else file
        for file in tree.files
    )
    return attrs.evolve(tree, files=files)


@attrs.frozen
class _Read:
    """Files of one store that have to be read."""

    store: ArtifactStore
    url: str
    files: tuple[RemoteFile, ...]

    def digests(self) -> Result[dict[str, str], MlopusError]:
        """Their digests, by path."""
        sink = _Hashing()
        return mapped(self.store.fetch(self.url, self.files, sink), lambda _: sink.digests)


class _Hashing:
    """A tree that is written nowhere."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}

    @contextlib.contextmanager
    def create(self, path: str) -> Generator[FileSink]:
        """A file, of which the digest is noted once it is complete."""
        one = HashingSink()
        yield one
        self.digests[path] = one.sha256
