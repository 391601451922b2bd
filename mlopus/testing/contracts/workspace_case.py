"""A workspace to be tested, and the ways around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from mlopus.plans.facts import TargetFacts
from mlopus.plans.links import LinkKind
from mlopus.plans.steps import CachedTree, PlacedFile, PlaceTree, StoreTree, TargetAbsent, TargetExpectation
from mlopus.ports.streams import TreeSource
from mlopus.ports.workspace import Workspace
from mlopus.repositories.memory.artifact_cache import MemoryArtifactCache
from mlopus.testing.contracts.trees import (
    commit_of,
    sha256,
)

KINDS: tuple[LinkKind, ...] = ("symlink", "hardlink", "copy")


ABSENT = TargetAbsent()


@attrs.frozen(kw_only=True)
class WorkspaceCase:
    """A workspace to be tested, and the ways around it; paths are absolute, below `root`.

    Attributes:
        workspace: The workspace.
        root: A folder that is there and empty.
        write: Puts a file at a path, with the folders above it.
        link: Puts a link at a path that says that text.
        make_folder: Makes a folder.
        read: The content that a path leads to; None if it leads to no file.
        names: The names in a folder, hidden ones too; none for what is no folder.
        is_writable: Whether the user may write to the file at a path.
    """

    workspace: Workspace
    root: str
    write: Callable[[str, bytes], None]
    link: Callable[[str, str], None]
    make_folder: Callable[[str], None]
    read: Callable[[str], bytes | None]
    names: Callable[[str], list[str]]
    is_writable: Callable[[str], bool]

    def path(self, path: str) -> str:
        """An absolute path."""
        return f"{self.root}/{path}"

    def fill(self, contents: Mapping[str, bytes], folder: str = "source") -> str:
        """Write files into a folder; answers its path."""
        for path, content in contents.items():
            self.write(self.path(f"{folder}/{path}" if path else folder), content)
        return self.path(folder)

    def facts(self, target: str, tree_key: str | None = None) -> TargetFacts:
        """What is at a target."""
        return self.workspace.target_facts(target, tree_key).unwrap()

    def contents(self, folder: str, paths: Mapping[str, bytes]) -> dict[str, bytes | None]:
        """What is at these paths of a folder."""
        return {path: self.read(f"{folder}/{path}" if path else folder) for path in paths}


@attrs.frozen
class Cached:
    """A tree of a cache, to be placed."""

    key: str
    source: TreeSource

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> Cached:
        """Commit files to a cache of their own."""
        cache = MemoryArtifactCache()
        staging = cache.stage().unwrap()
        for path, content in contents.items():
            with staging.create(path) as file:
                file.write(content).unwrap()
        committed = staging.commit(commit_of("some/model", contents=contents)).unwrap()
        return cls(committed.tree_key, cache.tree(committed.tree_key).unwrap())


def place_of(
    contents: Mapping[str, bytes],
    *,
    kinds: tuple[LinkKind, ...] = ("copy",),
    expect: TargetExpectation = ABSENT,
    empty_folders: tuple[str, ...] = (),
    tree: CachedTree | StoreTree | None = None,
) -> PlaceTree:
    """A step that places these files."""
    files = tuple(
        PlacedFile(path=path, size_bytes=len(content), sha256=sha256(content))
        for path, content in sorted(contents.items())
    )
    return PlaceTree(
        tree=tree or CachedTree(tree_key="0" * 64),
        is_file=list(contents) == [""],
        files=files,
        empty_folders=empty_folders,
        ladder=kinds,
        expect=expect,
    )
