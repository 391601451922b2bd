"""The user's files in memory, for laws that try many states."""

from __future__ import annotations

import hashlib
import posixpath
import secrets

import attrs

from mlopus.domain.paths import join_path
from mlopus.errors import DigestMismatch, IllegalPath, MlopusError, StalePlan, StoreFailed
from mlopus.plans.facts import SourceFacts, TargetFacts, TargetFile
from mlopus.plans.keeping import Placement, PlacementState, TemporaryFolder
from mlopus.plans.links import LinkKind
from mlopus.plans.outcomes import Removed, Transferred
from mlopus.plans.pending import known
from mlopus.plans.steps import CachedTree, PlacedFile, PlaceTree, RemoveFiles, StoreTree, TargetAbsent
from mlopus.plans.tables import table_fault
from mlopus.ports.meter import Meter
from mlopus.ports.streams import TreeSource
from mlopus.repositories.disk.files import missing_source
from mlopus.repositories.memory.files import (
    CircularLinkError,
    MemoryFiles,
    MemorySource,
    Node,
    PlainFile,
    TextLink,
    TreeLink,
)
from mlopus.repositories.memory.walk import SourceWalk
from mlopus.repositories.target_digest import TargetRow, expectation_of
from mlopus.result import Failure, Result, Success

_HOME = "/home/user"
_TEMPORARY = "/tmp/mlopus"  # noqa: S108 (a path of a disk in memory)
_KINDS: tuple[LinkKind, ...] = ("symlink", "hardlink", "reflink", "copy")


@attrs.frozen
class MemoryWorkspace:
    """Paths of a disk in memory.

    Example:
        >>> workspace = MemoryWorkspace()
        >>> workspace.files.write("/data/model/x", b"1")
        >>> [file.path for file in workspace.source_facts("/data/model").unwrap().files]
        ['x']
    """

    files: MemoryFiles = attrs.field(factory=MemoryFiles, eq=False, repr=False)

    def resolve(self, path: str) -> str:
        """The absolute form of a path, links of its parents followed."""
        if path == "~" or path.startswith("~/"):
            path = _HOME + path[1:]
        parent, name = posixpath.split(posixpath.normpath(posixpath.join(_HOME, path)))
        try:
            return posixpath.join(self.files.follow(parent) or parent, name)
        except CircularLinkError:
            return posixpath.join(parent, name)

    def source_facts(self, path: str) -> Result[SourceFacts, MlopusError]:
        """What a file or folder holds, hashed."""
        root = self.resolve(path)
        with self.files.lock:
            if not self.files.exists(root):
                return Failure(missing_source(root))
            return SourceWalk(self.files, root).facts()

    def source(self, path: str) -> TreeSource:
        """The files of a source."""
        return MemorySource(self.files, self.resolve(path))

    def target_facts(self, path: str, tree_key: str | None) -> Result[TargetFacts, MlopusError]:
        """What a target holds."""
        root = self.resolve(path)
        nodes, folders = self.files.below(root)
        filled = {above for inner in (*nodes, *folders) for above in _above(inner)}
        return Success(
            TargetFacts(
                path=root,
                expectation=expectation_of(_rows(nodes, folders)),
                is_file="" in nodes,
                files=tuple(_target_file(inner, nodes[inner], tree_key) for inner in sorted(nodes)),
                empty_folders=tuple(sorted(folders - filled - {""})),
            )
        )

    def place(
        self, step: PlaceTree, target: str, source: TreeSource, meter: Meter
    ) -> Result[Transferred, MlopusError]:
        """Make a target hold a tree, at one moment."""
        fault = table_fault((file.path for file in step.files), step.empty_folders)
        if fault is not None:
            return Failure(fault)
        root = self.resolve(target)
        made: dict[str, tuple[LinkKind, Node]] = {}
        for file in step.files:
            content = _content(source, file, root)
            if isinstance(content, Failure):
                return content
            made[file.path] = self._node(step, file, content.unwrap())
        with self.files.lock:
            nodes, folders = self.files.below(root)
            found = expectation_of(_rows(nodes, folders))
            if found != step.expect:
                expected = "nothing there" if isinstance(step.expect, TargetAbsent) else "what was seen"
                return Failure(StalePlan(thing=root, expected=expected, found="something else"))
            self.files.remove(root)
            for path, (_, node) in made.items():
                self.files.put(join_path_at(root, path), node)
            for folder in [] if step.is_file else ["", *step.empty_folders]:
                self.files.make_folder(join_path_at(root, folder))
        for file in step.files:
            meter.finished(file.path)
        kinds = [kind for kind, _ in made.values()]
        links: tuple[tuple[LinkKind, int], ...] = tuple(
            (kind, kinds.count(kind)) for kind in _KINDS if kind in kinds
        )
        total_bytes = sum(file.size_bytes or 0 for file in step.files)
        return Success(Transferred(file_count=len(made), total_bytes=total_bytes, links=links))

    def remove(self, step: RemoveFiles, root: str) -> Result[Removed, MlopusError]:
        """Remove files and the folders that this empties; if one has changed, none is removed."""
        fault = table_fault((file.path for file in step.files), step.empty_folders)
        if fault is not None:
            return Failure(fault)
        top = self.resolve(root)
        with self.files.lock:
            there: list[str] = []
            for file in step.files:
                location = join_path_at(top, file.path)
                if not self.files.exists(location):
                    continue
                node = self.files.nodes.get(location)
                if not isinstance(node, PlainFile) or node.mtime_ns != file.mtime_ns:
                    expected, found = "the file that was hashed", "a file modified since"
                    return Failure(StalePlan(thing=location, expected=expected, found=found))
                there.append(location)
            for location in there:
                self.files.remove(location)
            if not step.is_file:
                paths = (*(file.path for file in step.files), *(f"{f}/" for f in step.empty_folders))
                folders = {above for path in paths for above in _above(path)}
                self.files.remove_emptied({join_path_at(top, folder) for folder in ("", *folders)})
        return Success(Removed(file_count=len(there)))

    def temporary_path(self) -> Result[str, MlopusError]:
        """A path that does not exist yet, in a new folder."""
        folder = posixpath.join(_TEMPORARY, secrets.token_hex(8))
        self.files.make_folder(folder)
        return Success(posixpath.join(folder, "artifact"))

    def discard_temporary(self, path: str) -> Result[None, MlopusError]:
        """Remove what is at a temporary path, with its folder."""
        folder, name = posixpath.split(self.resolve(path))
        if name != "artifact" or posixpath.dirname(folder) != _TEMPORARY:
            return Failure(IllegalPath(path=path, reason=f"is not a temporary path of {_TEMPORARY}"))
        self.files.remove(folder)
        return Success(None)

    def temporaries(self) -> Result[tuple[TemporaryFolder, ...], MlopusError]:
        """What callbacks wrote and is still there."""
        nodes, folders = self.files.below(_TEMPORARY)
        names = {path.partition("/")[0] for path in (*nodes, *folders)} - {""}
        found: list[TemporaryFolder] = []
        for name in sorted(names):
            inner = [node for path, node in nodes.items() if path.startswith(f"{name}/")]
            size_bytes = sum(len(node.content) for node in inner if not isinstance(node, TextLink))
            found.append(TemporaryFolder(name=name, file_count=len(inner), size_bytes=size_bytes))
        return Success(tuple(found))

    def remove_temporaries(self, names: tuple[str, ...]) -> Result[int, MlopusError]:
        """Remove temporary folders by name; answers how many files went."""
        count = 0
        for name in names:
            nodes, _ = self.files.below(posixpath.join(_TEMPORARY, name))
            count += len(nodes)
            self.files.remove(posixpath.join(_TEMPORARY, name))
        return Success(count)

    def seen(self, placement: Placement, tree: TreeSource | None) -> PlacementState:  # noqa: ARG002 (no hard links)
        """Whether a target still has links to what was placed there."""
        nodes, _ = self.files.below(placement.target)
        if any(isinstance(node, TreeLink) and node.tree_key == placement.tree_key for node in nodes.values()):
            return "linked"
        parent = posixpath.dirname(placement.target)
        return "gone" if self.files.exists(placement.target) or self.files.exists(parent) else "unseen"

    def _node(self, step: PlaceTree, file: PlacedFile, content: bytes) -> tuple[LinkKind, Node]:
        """How the first way of the ladder shows a file here: every way works, in memory."""
        kind: LinkKind = step.ladder[0] if content else "copy"
        tree = step.tree
        if kind == "symlink" and isinstance(tree, CachedTree):
            path = join_path(tree.path, file.path)
            return kind, TreeLink(known(tree.tree_key), path, content, self.files.tick())
        if kind == "symlink" and isinstance(tree, StoreTree):
            return kind, TreeLink(tree.store_url, file.path, content, self.files.tick())
        return kind, PlainFile(content, self.files.tick(), is_writable=False)


def join_path_at(root: str, path: str) -> str:
    """The absolute path of a relative one."""
    return posixpath.join(root, path) if path else root


def _target_file(path: str, node: Node, tree_key: str | None) -> TargetFile:
    if isinstance(node, TextLink):
        return TargetFile(path=path, size_bytes=len(node.target))
    size_bytes = len(node.content)
    if isinstance(node, TreeLink):
        is_known = tree_key is not None and node.tree_key == tree_key
        links_to = (node.tree_key, node.path) if is_known else None
        return TargetFile(path=path, size_bytes=size_bytes, links_to=links_to)
    sha256 = hashlib.sha256(node.content).hexdigest() if tree_key is not None else None
    return TargetFile(path=path, size_bytes=size_bytes, sha256=sha256)


def _rows(nodes: dict[str, Node], folders: set[str]) -> list[TargetRow]:
    rows: list[TargetRow] = [(folder, "folder", 0, 0, None) for folder in folders]
    for path, node in nodes.items():
        match node:
            case PlainFile():
                rows.append((path, "file", len(node.content), node.mtime_ns, None))
            case TextLink():
                rows.append((path, "link", len(node.target), node.mtime_ns, node.target))
            case TreeLink():
                rows.append((path, "link", 0, node.mtime_ns, f"{node.tree_key}/{node.path}"))
    return rows


def _above(path: str) -> list[str]:
    found: list[str] = []
    while path:
        path = path.rpartition("/")[0]
        if path:
            found.append(path)
    return found


def _content(source: TreeSource, file: PlacedFile, target: str) -> Result[bytes, MlopusError]:
    opened = source.open(file.path)
    if isinstance(opened, Failure):
        return opened
    try:
        with opened.unwrap() as reader:
            content = reader.read()
    except OSError as error:
        return Failure(StoreFailed(place=target, action=f"reading {file.path!r}", reason=str(error)))
    if file.size_bytes is not None and len(content) != file.size_bytes:
        expected, found = f"{file.size_bytes} bytes", f"{len(content)} bytes"
        return Failure(DigestMismatch(path=file.path, place=target, expected=expected, found=found))
    return Success(content)
