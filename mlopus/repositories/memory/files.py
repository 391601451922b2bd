"""A small disk in memory: files, folders and links by absolute path. Written to by tests, too."""

from __future__ import annotations

import io
import posixpath
import threading
from typing import Any, BinaryIO, TypeAlias

import attrs

from mlopus.domain.paths import relative_path
from mlopus.errors import MlopusError, NotFound
from mlopus.result import Failure, Result, Success

_TICK_NS = 1_000_000
_MOST_LINKS = 40


@attrs.frozen
class PlainFile:
    """A file, and a time that tells this writing of it from every other."""

    content: bytes
    mtime_ns: int
    is_writable: bool = True


@attrs.frozen
class TextLink:
    """A link to another path of this disk, which may not be there."""

    target: str
    mtime_ns: int


@attrs.frozen
class TreeLink:
    """A link to a file outside of this disk: one of a tree, by the tree's key and the path in it."""

    tree_key: str
    path: str
    content: bytes
    mtime_ns: int


Node: TypeAlias = PlainFile | TextLink | TreeLink


class CircularLinkError(Exception):
    """Links lead to each other."""


class MemoryFiles:
    """The disk. Folders come into being with what is put into them, and stay."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.folders: set[str] = {"/"}
        self.lock = threading.RLock()
        self._ticks = 1

    def tick(self) -> int:
        """A modification time that was not used before, in nanoseconds."""
        with self.lock:
            self._ticks += 1
            return self._ticks * _TICK_NS

    def write(self, path: str, content: bytes) -> None:
        """Put a file at an absolute path, in place of what was there."""
        self.put(path, PlainFile(content, self.tick()))

    def link(self, path: str, target: str) -> None:
        """Put a link at an absolute path."""
        self.put(path, TextLink(target, self.tick()))

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        with self.lock:
            while path not in self.folders:
                self.folders.add(path)
                path = posixpath.dirname(path)

    def put(self, path: str, node: Node) -> None:
        """Put anything but a folder at a path."""
        with self.lock:
            self.make_folder(posixpath.dirname(path))
            self.nodes[path] = node

    def read(self, path: str) -> bytes | None:
        """The content that a path leads to; None if it leads to no file."""
        try:
            found = self.follow(path)
        except CircularLinkError:
            return None
        node = self.nodes.get(found) if found is not None else None
        return node.content if isinstance(node, (PlainFile, TreeLink)) else None

    def exists(self, path: str) -> bool:
        """Whether anything is at a path, a link that leads nowhere too."""
        return path in self.nodes or path in self.folders

    def below(self, root: str) -> tuple[dict[str, Node], set[str]]:
        """What is at and below a path, by relative path: files and links, and folders."""
        with self.lock:
            nodes = {_rest(path, root): node for path, node in self.nodes.items() if _is_at(path, root)}
            folders = {_rest(path, root) for path in self.folders if _is_at(path, root)}
        return nodes, folders

    def names_in(self, folder: str) -> list[str]:
        """The names directly in a folder, sorted."""
        nodes, folders = self.below(folder)
        return sorted({path.partition("/")[0] for path in (*nodes, *folders) if path})

    def remove(self, root: str) -> None:
        """Remove what is at and below a path."""
        with self.lock:
            for path in [path for path in self.nodes if _is_at(path, root)]:
                del self.nodes[path]
            self.folders -= {path for path in self.folders if _is_at(path, root) and path != "/"}

    def remove_emptied(self, folders: set[str]) -> None:
        """Remove those of the folders that are empty."""
        with self.lock:
            for folder in sorted(folders, key=len, reverse=True):
                if folder in self.folders and not self.names_in(folder):
                    self.folders.discard(folder)

    def follow(self, path: str) -> str | None:
        """The path of the file or folder that a path leads to; None if it leads nowhere.

        Raises:
            CircularLinkError: Links lead to each other.
        """
        for _ in range(_MOST_LINKS):
            link, rest = self._first_link(path)
            if link is None:
                return path if self.exists(path) else None
            target = posixpath.join(posixpath.dirname(link[0]), link[1].target, rest)
            path = posixpath.normpath(target)
        raise CircularLinkError(path)

    def _first_link(self, path: str) -> tuple[tuple[str, TextLink] | None, str]:
        """The first component of a path that is a link, and what comes after it."""
        parts = path.strip("/").split("/")
        for count in range(1, len(parts) + 1):
            above = "/" + "/".join(parts[:count])
            node = self.nodes.get(above)
            if isinstance(node, TextLink):
                return (above, node), "/".join(parts[count:])
        return None, ""

    def __getstate__(self) -> dict[str, Any]:
        with self.lock:
            return {"nodes": dict(self.nodes), "folders": set(self.folders), "_ticks": self._ticks}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.nodes, self.folders, self._ticks = state["nodes"], state["folders"], state["_ticks"]
        self.lock = threading.RLock()


@attrs.frozen
class MemorySource:
    """A file or folder of the disk, to be read; files of it can also be taken away."""

    files: MemoryFiles
    root: str

    def open(self, path: str) -> Result[BinaryIO, MlopusError]:
        """A file."""
        checked = relative_path(path)
        if isinstance(checked, Failure):
            return checked
        content = self.files.read(self.location(path))
        if content is None:
            return Failure(NotFound(kind="file", key=path, place=self.root))
        return Success(io.BytesIO(content))

    def local_path(self, path: str) -> str | None:  # noqa: ARG002 (nothing here is on a real disk)
        """None: nothing here is on a real disk."""
        return None

    def location(self, path: str) -> str:
        """The absolute path of a relative one."""
        return f"{self.root}/{path}" if path else self.root

    def mtime_ns(self, path: str) -> int | None:
        """The modification time of the file that a path leads to."""
        found = self.files.follow(self.location(path))
        node = self.files.nodes.get(found) if found is not None else None
        return node.mtime_ns if isinstance(node, (PlainFile, TreeLink)) else None

    def take(self, path: str, leave: TreeLink | None) -> None:
        """Remove a file, and the folders of the source that this empties, or leave a link to its content."""
        location = self.location(path)
        if leave is not None:
            self.files.put(location, leave)
            return
        self.files.remove(location)
        folders: set[str] = set()
        while path:
            path = path.rpartition("/")[0]
            folders.add(self.location(path))
        self.files.remove_emptied(folders)
        nodes, _ = self.files.below(self.root)
        if folders and not nodes:
            self.files.remove(self.root)


def _is_at(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root.rstrip('/')}/")


def _rest(path: str, root: str) -> str:
    return path[len(root.rstrip("/")) + 1 :]
