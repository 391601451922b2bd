"""Importing artifacts of mlOpus 1.x: which paths were whole artifacts, and the steps that adopt one.

That cache did not record what it had fetched: a part of a folder looks like the whole. So a folder is
taken to be an artifact only where something says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypeAlias, Union

import attrs
from immutabledict import immutabledict

from mlopus.domain.locations import run_subject
from mlopus.domain.manifest import ArtifactLocation, Manifest, ManifestFile
from mlopus.domain.paths import base_name, join_path, join_url, path_below
from mlopus.plans.bindings import STAGED, TREE
from mlopus.plans.facts import CacheFacts, SourceFacts
from mlopus.plans.proofs import covering, part_at
from mlopus.plans.steps import CommitTree, StageFiles

Folder: TypeAlias = Mapping[str, Union["Folder", None]]
"""Names in a folder: of files None, of folders what is in them."""
ImportStage: TypeAlias = tuple[StageFiles | CommitTree, ...]


@attrs.frozen(kw_only=True)
class OldArtifact:
    """A path of a run in a cache of mlOpus 1.x: its files, hashed, and when they came there.

    `repo` is the root of the run's artifacts, if its metadata is there.
    """

    run_id: str
    path: str
    repo: str
    source: SourceFacts
    taken_at: datetime


def whole_paths(
    run: Folder, versions: frozenset[str] = frozenset(), *, whole_run: bool = False
) -> tuple[str, ...]:
    """The paths of a run's folder that are taken to be artifacts of their own.

    A model version's path is one. Else it is what is at the top, and below a folder with nothing but
    one other folder in it, that one: it may be all that was asked for. The run's own folder is one
    only if told so.

    Args:
        run: What the run's folder holds.
        versions: Paths of model versions.
        whole_run: Take the whole folder.

    Example:
        >>> whole_paths({"model": {"a": None, "b": {}}, "data": {"more": {"x": None}}, "note": None})
        ('data/more', 'model', 'note')
    """
    return ("",) if whole_run and run else tuple(_found(run, "", versions))


def _found(folder: Folder, path: str, versions: frozenset[str]) -> Iterator[str]:
    for name in sorted(folder):
        inside, members = join_path(path, name), folder[name]
        if members is None or inside in versions or not _leads_on(members, inside, versions):
            yield inside
        else:
            yield from _found(members, inside, versions)


def _leads_on(folder: Folder, path: str, versions: frozenset[str]) -> bool:
    is_above_one = any(path_below(version, path) for version in versions)
    members = tuple(folder.values())
    return is_above_one or (len(members) == 1 and members[0] is not None)


def import_steps(artifact: OldArtifact, cache: CacheFacts) -> tuple[ImportStage, ...]:
    """What makes a cache hold an artifact; nothing where it holds it, or something of later, already."""
    location = ArtifactLocation(
        subject=run_subject(artifact.run_id), root_url=artifact.repo, path=artifact.path
    )
    source, there = artifact.source, covering(cache, location)
    name = base_name(artifact.path) or "artifacts"
    if there is not None:
        is_equal = part_at(cache, there, artifact.path) == _manifest(name, source)
        if is_equal or there.taken_at > artifact.taken_at:
            return ()
    stage = StageFiles(staged=STAGED, files=source.files, ladder=("reflink", "copy"))
    commit = CommitTree(
        staged=STAGED,
        subject=location.subject,
        path=artifact.path,
        name=name,
        is_file=source.is_file,
        empty_folders=source.empty_folders,
        store_url=join_url(artifact.repo, artifact.path),
        validators=immutabledict(),
        taken_at=artifact.taken_at,
        binds=TREE,
    )
    return (stage,), (commit,)


def _manifest(name: str, source: SourceFacts) -> Manifest:
    files = (ManifestFile(path=f.path, size_bytes=f.size_bytes, sha256=f.sha256) for f in source.files)
    return Manifest.of(name, tuple(files), is_file=source.is_file, empty_folders=source.empty_folders)
