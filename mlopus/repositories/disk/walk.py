"""Looking at the user's files: what a source holds, what stands at a target."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import attrs

from mlopus.domain.paths import indistinct, join_path, relative_path
from mlopus.errors import IllegalPath, MlopusError
from mlopus.repositories.disk.files import missing_source
from mlopus.result import Failure, Result, Success


@attrs.frozen(kw_only=True)
class SourceWalk:
    """What a source holds, before its files are hashed: paths, sorted, and the links among them."""

    is_file: bool
    files: tuple[str, ...]
    empty_folders: tuple[str, ...] = ()
    links_inside: tuple[str, ...] = ()
    links_leaving: tuple[str, ...] = ()


@attrs.frozen
class Seen:
    """One thing at a target: a file, a folder, a link (with what it says) or something else."""

    path: str
    kind: str
    size_bytes: int
    mtime_ns: int
    link: str | None = None


def walk_source(root: str) -> Result[SourceWalk, MlopusError]:
    """Every file at and below a path, links followed.

    Fails with:
        NotFound: Nothing is there.
        IllegalPath: A link that leads nowhere or into a circle, a name that is not plain, something
            that is neither file nor folder, two names that are one on some system.
    """
    try:
        mode = os.stat(root).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(root):
            return Failure(IllegalPath(path=root, reason="is a link that leads nowhere"))
        return Failure(missing_source(root))
    leaving = ("",) if os.path.islink(root) else ()
    if stat.S_ISREG(mode):
        return Success(SourceWalk(is_file=True, files=("",), links_leaving=leaving))
    if not stat.S_ISDIR(mode):
        return Failure(IllegalPath(path=root, reason="is neither a file nor a folder"))
    walk = _Walk(root)
    fault = walk.enter("", (os.path.realpath(root),))
    if fault is None:
        fault = walk.clash()
    if fault is not None:
        return Failure(fault)
    return Success(walk.found(leaving))


class _Walk:
    """A walk through one source folder."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._real_root = os.path.realpath(root)
        self._files: list[str] = []
        self._empty_folders: list[str] = []
        self._inside: list[str] = []
        self._leaving: list[str] = []

    def found(self, leaving: tuple[str, ...]) -> SourceWalk:
        """What was found."""
        return SourceWalk(
            is_file=False,
            files=tuple(sorted(self._files)),
            empty_folders=tuple(sorted(self._empty_folders)),
            links_inside=tuple(sorted(self._inside)),
            links_leaving=(*leaving, *sorted(self._leaving)),
        )

    def clash(self) -> IllegalPath | None:
        """Two files that another system would take for one."""
        pair = indistinct(self._files)
        if pair is None:
            return None
        reason = f"and {pair[1]!r} are the same name on some systems"
        return IllegalPath(path=pair[0], reason=reason, hint="Rename one of them.")

    def enter(self, path: str, entered: tuple[str, ...]) -> IllegalPath | None:
        """Note what is in a folder; `entered` are the real paths of the folders that lead to it."""
        with os.scandir(os.path.join(self._root, path)) as listing:
            inside = sorted(listing, key=lambda entry: entry.name)
        for entry in inside:
            fault = self._note(join_path(path, entry.name), entry, entered)
            if fault is not None:
                return fault
        if not inside and path:
            self._empty_folders.append(path)
        return None

    def _note(self, path: str, entry: os.DirEntry[str], entered: tuple[str, ...]) -> IllegalPath | None:
        checked = relative_path(path)
        if isinstance(checked, Failure):
            return checked.failure()
        real = entered[-1]
        if entry.is_symlink():
            try:
                real = os.path.realpath(entry.path, strict=True)
            except FileNotFoundError:
                return IllegalPath(path=entry.path, reason="is a link that leads nowhere")
            except OSError:
                return IllegalPath(path=entry.path, reason="is a link that leads into a circle")
            is_inside = real.startswith(f"{self._real_root}{os.sep}")
            (self._inside if is_inside else self._leaving).append(path)
        elif entry.is_dir():
            real = os.path.join(real, entry.name)
        if entry.is_dir():
            if real in entered:
                return IllegalPath(path=entry.path, reason="is a link that leads into a circle")
            return self.enter(path, (*entered, real))
        if not entry.is_file():
            return IllegalPath(path=entry.path, reason="is neither a file nor a folder")
        self._files.append(path)
        return None


def walk_target(root: str) -> tuple[Seen, ...]:
    """Everything at and below a path, sorted; links are not followed. Empty if nothing is there."""
    try:
        top = os.lstat(root)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    seen = [_seen("", root, top)]
    if stat.S_ISDIR(top.st_mode):
        seen.extend(_below(root, ""))
    return tuple(sorted(seen, key=lambda one: one.path))


def _below(root: str, path: str) -> Iterator[Seen]:
    with os.scandir(os.path.join(root, path)) as listing:
        for entry in listing:
            inner = join_path(path, entry.name)
            yield _seen(inner, entry.path, entry.stat(follow_symlinks=False))
            if entry.is_dir(follow_symlinks=False):
                yield from _below(root, inner)


def _seen(path: str, location: str, found: os.stat_result) -> Seen:
    if stat.S_ISDIR(found.st_mode):
        return Seen(path, "folder", 0, 0)
    if stat.S_ISLNK(found.st_mode):
        return Seen(path, "link", found.st_size, found.st_mtime_ns, os.readlink(location))
    kind = "file" if stat.S_ISREG(found.st_mode) else "other"
    return Seen(path, kind, found.st_size, found.st_mtime_ns)
