"""What publishing a source changes in a store: file by file, by proof and not by size."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from mlopus.domain.manifest import LocalFile, RemoteFile, RemoteTree
from mlopus.domain.paths import path_below
from mlopus.domain.records import VersionRecord
from mlopus.plans.facts import SourceFacts
from mlopus.plans.proofs import Proofs
from mlopus.plans.steps import UploadFile
from mlopus.plans.tables import folders_of


@attrs.frozen(kw_only=True)
class Difference:
    """How a store differs from a source; all sorted by path.

    Attributes:
        uploads: Files to send, and why.
        kept: Files that are there already, proven.
        left: Files that are there and not in the source.
        in_the_way: Those of `left` that stand where the source has a folder, or below where it has
            a file.
        folders_in_the_way: Empty folders that stand where, or below where, the source has a file.
    """

    uploads: tuple[UploadFile, ...]
    kept: tuple[RemoteFile, ...]
    left: tuple[RemoteFile, ...]
    in_the_way: tuple[RemoteFile, ...]
    folders_in_the_way: tuple[str, ...]

    def as_sent(self, listing: RemoteTree) -> Difference:
        """The same where it is known that all files of the source have been sent."""
        left = frozenset(self.left)
        kept = (file for file in listing.files if file not in left)
        return attrs.evolve(self, uploads=(), kept=tuple(sorted(kept, key=lambda file: file.path)))


def difference(source: SourceFacts, listing: RemoteTree, proofs: Proofs) -> Difference:
    """Compare a source with what a store lists at the path it is published to."""
    listed = {file.path: file for file in listing.files}
    as_new = proofs.as_new_as(listing)
    uploads: list[UploadFile] = []
    kept: list[RemoteFile] = []
    for file in sorted(source.files, key=lambda file: file.path):
        there = listed.get(file.path)
        if there is None:
            uploads.append(UploadFile(file=file, reason="new"))
            continue
        proven = proofs.content_of(there, as_new)
        digest = there.sha256 or (proven.sha256 if proven is not None else None)
        if digest == file.sha256:
            kept.append(there)
        elif digest is None and not _differs_in_size(there, file):
            uploads.append(UploadFile(file=file, reason="unproven"))
        else:
            uploads.append(UploadFile(file=file, reason="changed"))
    own = {file.path for file in source.files}
    left = tuple(sorted((f for f in listing.files if f.path not in own), key=lambda file: file.path))
    files = frozenset(own)
    folders = folders_of(files, source.empty_folders)
    return Difference(
        uploads=tuple(uploads),
        kept=tuple(kept),
        left=left,
        in_the_way=tuple(f for f in left if f.path in folders or _is_below_a_file(f.path, files)),
        folders_in_the_way=tuple(
            sorted(f for f in listing.empty_folders if f in files or _is_below_a_file(f, files))
        ),
    )


def _is_below_a_file(path: str, files: frozenset[str]) -> bool:
    return not files.isdisjoint(folders_of((path,)))


def _differs_in_size(there: RemoteFile, file: LocalFile) -> bool:
    return there.size_bytes is not None and there.size_bytes != file.size_bytes


def version_in_use(
    changed: Iterable[str], versions: Iterable[tuple[VersionRecord, str]]
) -> VersionRecord | None:
    """The registered version that one of these paths in its run belongs to; the first by name and number."""
    paths = tuple(changed)
    used = (v for v, path in versions if any(path_below(one, path) is not None for one in paths))
    return min(used, key=lambda version: (version.name, version.version.zfill(20)), default=None)
