"""Looking at a source in memory: its files, and the links among them."""

from __future__ import annotations

import hashlib
import posixpath

from mlopus.domain.manifest import LocalFile
from mlopus.domain.paths import indistinct, join_path, relative_path
from mlopus.errors import IllegalPath, MlopusError
from mlopus.plans.facts import SourceFacts
from mlopus.repositories.memory.files import CircularLinkError, MemoryFiles, PlainFile, TextLink, TreeLink
from mlopus.result import Failure, Result, Success


class SourceWalk:
    """A walk through one source."""

    def __init__(self, files: MemoryFiles, root: str) -> None:
        self._disk = files
        self._root = root
        self._found: dict[str, PlainFile | TreeLink] = {}
        self._empty: list[str] = []
        self._inside: list[str] = []
        self._leaving: list[str] = []

    def _note(self, path: str, location: str, entered: tuple[str, ...]) -> IllegalPath | None:
        """Note what a path leads to; `entered` are the real folders that lead to it."""
        checked = relative_path(path)
        if isinstance(checked, Failure):
            return checked.failure()
        node = self._disk.nodes.get(location)
        real = location
        if isinstance(node, (TextLink, TreeLink)):
            try:
                followed = self._disk.follow(location)
            except CircularLinkError:
                return IllegalPath(path=location, reason="is a link that leads into a circle")
            if followed is None:
                return IllegalPath(path=location, reason="is a link that leads nowhere")
            real = followed
            is_inside = path != "" and real.startswith(f"{self._root}/") and isinstance(node, TextLink)
            (self._inside if is_inside else self._leaving).append(path)
        shown = self._disk.nodes.get(real)
        if isinstance(shown, (PlainFile, TreeLink)):
            self._found[path] = shown
            return None
        if path and real in entered:
            return IllegalPath(path=location, reason="is a link that leads into a circle")
        return self._enter(path, real, (*entered, real))

    def _enter(self, path: str, folder: str, entered: tuple[str, ...]) -> IllegalPath | None:
        names = self._disk.names_in(folder)
        if not names and path:
            self._empty.append(path)
        for name in names:
            fault = self._note(join_path(path, name), posixpath.join(folder, name), entered)
            if fault is not None:
                return fault
        return None

    def facts(self) -> Result[SourceFacts, MlopusError]:
        """What is there, links followed."""
        fault = self._note("", self._root, (self._root,))
        if fault is not None:
            return Failure(fault)
        pair = indistinct(sorted(self._found))
        if pair is not None:
            reason = f"and {pair[1]!r} are the same name on some systems"
            return Failure(IllegalPath(path=pair[0], reason=reason))
        return Success(
            SourceFacts(
                path=self._root,
                is_file="" in self._found,
                files=tuple(_local_file(path, self._found[path]) for path in sorted(self._found)),
                empty_folders=tuple(sorted(self._empty)),
                links_inside=tuple(sorted(self._inside)),
                links_leaving=tuple(sorted(self._leaving)),
            )
        )


def _local_file(path: str, node: PlainFile | TreeLink) -> LocalFile:
    sha256 = hashlib.sha256(node.content).hexdigest()
    return LocalFile(path=path, size_bytes=len(node.content), mtime_ns=node.mtime_ns, sha256=sha256)
